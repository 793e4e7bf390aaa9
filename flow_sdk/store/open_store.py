"""From a URL to a store that can be relied upon."""

import os
from typing import TYPE_CHECKING

from flow_sdk.config import expand_home
from flow_sdk.errors import ConfigError, ObjectExists, ObjectMissing, StoreError, StoreUnavailable
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.layout import STORE_MARKER

if TYPE_CHECKING:
    from flow_sdk.store.backends.memory import MemoryStore

__all__ = ["FORMAT", "initialise", "open_store"]

FORMAT = 1
"""Version of the layout and the object formats that this release writes."""

_PROBE = "store.probe"
_HASH = "blake3"
_memory: "dict[str, MemoryStore]" = {}


def open_store(url: str | os.PathLike[str], *, create: bool = True) -> ObjectStore:
    """Open a store.

    Parameters
    ----------
    url : str or path
        ``file:///folder``, a plain path, ``s3://bucket/prefix`` or ``memory://name``.
    create : bool
        Whether to make a store where there is none yet (the folder, not the bucket).

    Returns
    -------
    ObjectStore
        The store, known to be one of a format that this release reads and to honour create-only puts.

    Raises
    ------
    ConfigError
        If the URL's kind isn't known.
    StoreUnavailable
        If the store can't be reached, or isn't there and ``create`` is false.
    StoreError
        If the store is of a newer format or ignores create-only puts.
    """
    store = _backend(os.fspath(url), create)
    initialise(store, create=create)
    return store


def _backend(url: str, create: bool) -> ObjectStore:
    kind, separator, rest = url.partition("://")
    if not separator:
        return _local(expand_home(url), create)
    if kind == "file":
        if not rest.startswith("/"):
            raise ConfigError("A file URL needs an absolute path.", seen=url, wanted="file:///folder")
        if "%" in rest:
            from urllib.parse import unquote

            rest = unquote(rest)
        return _local(rest, create)
    if kind == "memory":
        from flow_sdk.store.backends.memory import MemoryStore

        return _memory.setdefault(rest, MemoryStore(rest))
    if kind == "s3":
        from flow_sdk.store.backends.object_storage import S3Store

        return S3Store.from_url(url)
    raise ConfigError(
        f"There is no store of kind {kind!r}.", seen=url, wanted="a folder, s3://bucket/prefix or memory://name"
    )


def _local(path: str, create: bool) -> ObjectStore:
    from flow_sdk.store.backends.durable_files import make_folders
    from flow_sdk.store.backends.local import LocalStore

    if not path:
        raise ConfigError("The store's path is empty.", help="Set --datastore-root to a folder.")
    if not os.path.isdir(path):
        if not create:
            raise StoreUnavailable(
                "There is no store.", where=os.path.abspath(path), help="Check the path given with --datastore-root."
            )
        try:
            make_folders(path)
        except OSError as error:
            raise StoreUnavailable(
                "The store's folder can't be made.",
                seen=f"{error.strerror} (errno {error.errno})",
                where=os.path.abspath(path),
                help="Choose a folder that can be written with --datastore-root.",
            ) from error
    return LocalStore(path)


def initialise(store: ObjectStore, *, create: bool = True) -> None:
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
        _probe(store)
        marker = b'{"format":%d,"hash":"%s"}\n' % (FORMAT, _HASH.encode())
        try:
            store.put_if_absent(STORE_MARKER, marker)
        except ObjectExists:
            marker = store.get(STORE_MARKER)
    _check(marker, store.url)


def _probe(store: ObjectStore) -> None:
    """See a create-only put refused. The object stays, so that racing openers can share it."""
    for _ in range(2):
        try:
            store.put_if_absent(_PROBE, os.urandom(16), durable=False)
        except ObjectExists:
            return
    raise StoreError(
        "This store ignores create-only puts, so concurrent tasks could overwrite each other's results.",
        seen="a second create-only put of one key succeeded",
        wanted="a store that honours If-None-Match: * on PUT",
        where=store.url,
        help="Use a newer release of the storage server, or another bucket.",
    )


def _check(marker: bytes, url: str) -> None:
    from flow_sdk.strict_json import parse_json

    try:
        found = parse_json(marker)
        version, algorithm = int(found["format"]), str(found["hash"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            "The store's marker can't be read.",
            seen=repr(marker[:60]),
            where=f"{url}/{STORE_MARKER}",
            help="The object is damaged, or the place belongs to another program. Choose another one.",
        ) from error
    if version > FORMAT or algorithm != _HASH:
        raise StoreError(
            "The store was made by a newer release of Flow SDK.",
            seen=f"format {version}, hash {algorithm}",
            wanted=f"format {FORMAT} or older, hash {_HASH}",
            where=url,
            help="pip install -U flow-sdk",
        )
