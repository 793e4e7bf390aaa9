"""Files that killed processes left half-written in a local store: no objects, so no listing shows them."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from flow_sdk.store.port import ObjectInfo, ObjectStore

__all__ = ["remove_unfinished", "unfinished"]

_NAME = re.compile(r"~[0-9a-f]{16}(\.tmp)?", re.ASCII)


def unfinished(store: ObjectStore) -> Iterator[ObjectInfo]:
    """Find a local store's half-written files, those too that are being written just now; none in any other store.

    Parameters
    ----------
    store : ObjectStore
        The store.

    Yields
    ------
    ObjectInfo
        Each, with its path below the store's folder as its key.
    """
    root = store.capabilities.local_root
    if root is None:
        return
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(filter(_NAME.fullmatch, names)):
            path = os.path.join(folder, name)
            with suppress(OSError):  # it has got its name meanwhile
                status = os.lstat(path)
                yield ObjectInfo(os.path.relpath(path, root), status.st_size, status.st_mtime)


def remove_unfinished(store: ObjectStore, infos: Iterable[ObjectInfo]) -> None:
    """Delete half-written files that :func:`unfinished` has found."""
    root = store.capabilities.local_root
    if root is None:
        return
    for info in infos:
        with suppress(OSError):
            os.unlink(os.path.join(root, info.key))
