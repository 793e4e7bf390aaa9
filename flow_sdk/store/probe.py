"""Check whether a store can be written and read, and never overwrites an object on a create-only put."""

import os

from flow_sdk.errors import ObjectExists, StoreError, StoreUnavailable
from flow_sdk.store.address import StoreAddress
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.layout import STORE_MARKER

__all__ = ["check_create_only", "probe_store", "try_store"]


def probe_store(url: str) -> str:
    """Check a store without making one.

    Parameters
    ----------
    url : str
        As :meth:`StoreAddress.parse` takes it.

    Returns
    -------
    str
        The result, for people.

    Raises
    ------
    ConfigError
        If the address can't be used.
    StoreError
        If the store can't be reached, read or written, or takes a second create-only put.
    """
    address = StoreAddress.parse(url)
    if address.is_local and not os.path.isdir(address.path):
        above = _nearest_existing(address.path)
        if not os.path.isdir(above) or not os.access(above, os.W_OK | os.X_OK):
            what = "can't be written" if os.path.isdir(above) else "is no folder"
            raise StoreUnavailable("The store's folder can't be made.", seen=f"{above} {what}", where=address.path)
        return "not made yet; the first run makes it"
    store = address.open_backend()
    try_store(store)
    if store.head(STORE_MARKER) is not None:
        return "reached, written and read"
    return "reached and written; the first run makes it a store"


def check_create_only(store: ObjectStore, key: str, content: bytes) -> None:
    """Check that a second create-only put of a key is refused. The object stays.

    Raises
    ------
    StoreError
        If the store takes it.
    """
    for data in (content, content[::-1]):
        try:
            store.put_if_absent(key, data, durable=False)
        except ObjectExists:
            return
    raise StoreError(
        "This store ignores create-only puts, so concurrent tasks could overwrite each other's results.",
        seen="a second create-only put of one key succeeded",
        wanted="a store that honours create-only puts, as S3 does If-None-Match: * on PUT",
        where=store.url,
        help="Use a newer release of the storage server, or another bucket.",
    )


def try_store(store: ObjectStore) -> None:
    """Write an object, check that a second create-only put of it is refused, read it, and delete it.

    Raises
    ------
    StoreError
        If any of that doesn't work.
    """
    key, content = f"store.probe.{os.urandom(8).hex()}", os.urandom(16)
    try:
        check_create_only(store, key, content)
        if store.get(key) != content:
            raise StoreError("The store doesn't give back what was written.", where=store.url)
    finally:
        store.delete([key])


def _nearest_existing(path: str) -> str:
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return path
