"""Files that killed processes left incomplete in a local store: no listing shows them, as they aren't objects."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from flow_sdk.store.port import ObjectInfo, ObjectStore

__all__ = ["find_incomplete_files", "remove_incomplete_files"]

_NAME = re.compile(r"~[0-9a-f]{16}(\.tmp)?", re.ASCII)


def find_incomplete_files(store: ObjectStore) -> Iterator[ObjectInfo]:
    """Find a local store's incomplete files, also those that are being written; none in any other store.

    Parameters
    ----------
    store : ObjectStore
        The store.

    Yields
    ------
    ObjectInfo
        Each file, with its path below the store's folder as its key.
    """
    root = store.capabilities.local_root
    if root is None:
        return
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(filter(_NAME.fullmatch, names)):
            path = os.path.join(folder, name)
            with suppress(OSError):  # it was renamed meanwhile
                status = os.lstat(path)
                yield ObjectInfo(os.path.relpath(path, root), status.st_size, status.st_mtime)


def remove_incomplete_files(store: ObjectStore, infos: Iterable[ObjectInfo]) -> None:
    """Delete files that :func:`find_incomplete_files` found."""
    root = store.capabilities.local_root
    if root is None:
        return
    for info in infos:
        with suppress(OSError):
            os.unlink(os.path.join(root, info.key))
