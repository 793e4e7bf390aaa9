"""Whether a store can be worked with: written, read, and relied upon not to overwrite what is there."""

import os

from flow_sdk.errors import ConfigError, ObjectExists, StoreError, StoreUnavailable
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.layout import STORE_MARKER

__all__ = ["probe_store", "try_store"]


def probe_store(url: str) -> str:
    """Try a store without making one.

    Parameters
    ----------
    url : str
        A folder's absolute path, or ``s3://bucket/prefix``.

    Returns
    -------
    str
        What was found, for people.

    Raises
    ------
    ConfigError
        If the address can't be used.
    StoreError
        If the store can't be reached, read or written, or takes a second create-only put.
    """
    from flow_sdk.store.backends.local import LocalStore
    from flow_sdk.store.backends.object_storage import S3Store

    if url.startswith("s3://"):
        store: ObjectStore = S3Store.from_url(url)
    elif "://" in url:
        raise ConfigError("That isn't the address of a store.", seen=url, wanted="a folder or s3://bucket/prefix")
    elif not os.path.isdir(url):
        above = _nearest(url)
        if not os.path.isdir(above) or not os.access(above, os.W_OK | os.X_OK):
            what = "can't be written" if os.path.isdir(above) else "is no folder"
            raise StoreUnavailable("The store's folder can't be made.", seen=f"{above} {what}", where=url)
        return "not made yet; the first run makes it"
    else:
        store = LocalStore(url)
    try_store(store)
    return "reached, written and read" if _exists(store) else "reached and written; the first run makes it a store"


def try_store(store: ObjectStore) -> None:
    """Write an object, see a second create-only put of it refused, read it, delete it.

    Raises
    ------
    StoreError
        If any of that doesn't work.
    """
    key, content = f"store.probe.{os.urandom(8).hex()}", os.urandom(16)
    store.put_if_absent(key, content, durable=False)
    try:
        try:
            store.put_if_absent(key, content[::-1], durable=False)
        except ObjectExists:
            pass
        else:
            raise StoreError(
                "This store ignores create-only puts, so concurrent tasks could overwrite each other's results.",
                wanted="a store that honours If-None-Match: * on PUT",
                where=store.url,
                help="Use a newer release of the storage server, or another bucket.",
            )
        if store.get(key) != content:
            raise StoreError("The store doesn't give back what was written.", where=store.url)
    finally:
        store.delete([key])


def _exists(store: ObjectStore) -> bool:
    return store.head(STORE_MARKER) is not None


def _nearest(path: str) -> str:
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return path
