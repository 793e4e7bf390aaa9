"""Open a store by its address, and check that it can be relied upon."""

import os

from flow_sdk.errors import ObjectExists, ObjectMissing, StoreError, StoreUnavailable
from flow_sdk.store.address import StoreAddress
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.probe import check_create_only
from flow_sdk.store.records.layout import STORE_MARKER

__all__ = ["FORMAT", "initialise_store", "open_store"]

FORMAT = 1
"""Version of the layout and the object formats that this release writes."""

_PROBE = "store.probe"
_HASH = "blake3"


def open_store(url: str | os.PathLike[str], *, create: bool = True) -> ObjectStore:
    """Open a store.

    Parameters
    ----------
    url : str or path
        A folder, ``file:///folder``, ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``az://container/prefix``,
        ``memory://name``, or of a kind that an installed package registers.
    create : bool
        Whether to make a store where there is none yet (the folder, not the bucket).

    Returns
    -------
    ObjectStore
        The store. This release reads its format, and it honours create-only puts.

    Raises
    ------
    ConfigError
        If the URL's kind isn't known.
    StoreUnavailable
        If the store can't be reached, or isn't there and ``create`` is false.
    StoreError
        If the store is of a newer format or ignores create-only puts.
    """
    address = StoreAddress.parse(url)
    if address.is_local:
        _find_folder(address.path, create)
    store = address.open_backend()
    initialise_store(store, create=create)
    return store


def _find_folder(path: str, create: bool) -> None:
    """Make the folder of a local store, where there is none and ``create`` is true."""
    if os.path.isdir(path):
        return
    if not create:
        raise StoreUnavailable("There is no store.", where=path, help="Check the path given with --datastore-root.")
    from flow_sdk.store.backends.durable_files import make_folders

    try:
        make_folders(path)
    except OSError as error:
        raise StoreUnavailable(
            "The store's folder can't be made.",
            seen=f"{error.strerror} (errno {error.errno})",
            where=path,
            help="Choose a folder that can be written with --datastore-root.",
        ) from error


def initialise_store(store: ObjectStore, *, create: bool = True) -> None:
    """Check the marker of a store, or make it.

    Parameters
    ----------
    store : ObjectStore
        The store.
    create : bool
        Whether to make a store where there is none.

    Raises
    ------
    StoreUnavailable
        If there is none and ``create`` is false.
    StoreError
        If the store is of a newer format or ignores create-only puts.
    """
    try:
        marker = store.get(STORE_MARKER)
    except ObjectMissing:
        if not create:
            raise StoreUnavailable(
                "There is no Flow SDK store.", where=store.url, help="Check the address given with --datastore-root."
            ) from None
        # The object stays, so that racing openers can share it.
        check_create_only(store, _PROBE, os.urandom(16))
        marker = b'{"format":%d,"hash":"%s"}\n' % (FORMAT, _HASH.encode())
        try:
            store.put_if_absent(STORE_MARKER, marker)
        except ObjectExists:
            marker = store.get(STORE_MARKER)
    _check_marker(marker, store.url)


def _check_marker(marker: bytes, url: str) -> None:
    from flow_sdk.strict_json import parse_json

    try:
        found = parse_json(marker)
        version, algorithm = int(found["format"]), str(found["hash"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            "The store's marker can't be read.",
            seen=repr(marker[:60]),
            where=f"{url}/{STORE_MARKER}",
            help="The object is damaged, or the folder belongs to another program. Choose another one.",
        ) from error
    if version > FORMAT or algorithm != _HASH:
        raise StoreError(
            "The store was made by a newer release of Flow SDK.",
            seen=f"format {version}, hash {algorithm}",
            wanted=f"format {FORMAT} or older, hash {_HASH}",
            where=url,
            help="pip install -U flow-sdk",
        )
