"""Unpacked code packages on a worker: one folder for each package, shared by its tasks, removed when long unused.

Beside each folder lies a lock file. A task holds a shared lock on it for as long as its process lives, and its
modification time is when the package was last used. Who removes a folder holds the exclusive lock, so a task never
loses the folder that it works in.
"""

import fcntl
import os
import shutil
import tempfile
import time

from flow_sdk.errors import FlowSDKError

__all__ = ["MOST_UNUSED", "UNUSED_AGE", "unpack_once"]

UNUSED_AGE = 7 * 86400.0
"""Seconds after which a package that no task has used is removed."""

MOST_UNUSED = 20
"""How many packages are kept at most, besides those that were used within the last hour."""

_RECENT = 3600.0
_LEFTOVER_AGE = 86400.0
_LOCK = ".lock"
_NEW = "new-"
_OLD = "old-"

_held: list[int] = []
"""Descriptors of the locks of this process: closed, and so released, when it ends."""


def unpack_once(package: bytes, digest: str) -> str:
    """Unpack a code package once on this machine; where that was done before, repair what is missing.

    Parameters
    ----------
    package : bytes
        The package.
    digest : str
        Its hash; names the folder.

    Returns
    -------
    str
        The folder, private to this user, shared by all tasks of the package. It stays for as long as this process
        lives.

    Raises
    ------
    FlowSDKError
        If the folder for unpacked code isn't private.
    IntegrityError
        If the package is damaged, or a file of it can't be replaced.
    """
    from flow_sdk.store.package.archive import repair_files

    base = _private_base()
    folder = os.path.join(base, digest)
    lock = _lock_shared(folder + _LOCK)
    if lock is not None:
        _held.append(lock)
    if os.path.isdir(folder):
        repair_files(package, folder)  # a cleaner of temporary files takes some, a step may write over others
    else:
        _unpack_new(package, base, folder)
    _remove_unused(base)
    return folder


def _private_base() -> str:
    base = os.path.join(tempfile.gettempdir(), f"flow_sdk-code-{os.getuid()}")
    os.makedirs(base, mode=0o700, exist_ok=True)
    status = os.lstat(base)
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise FlowSDKError(
            "The folder for unpacked code isn't private.",
            where=base,
            help="Remove it, or set TMPDIR to a folder of your own.",
        )
    return base


def _unpack_new(package: bytes, base: str, folder: str) -> None:
    """Unpack beside the folder and rename, so that it appears as a whole; another task may be faster."""
    from flow_sdk.store.backends.durable_files import sync_folder
    from flow_sdk.store.package.archive import unpack_archive

    fresh = tempfile.mkdtemp(prefix=_NEW, dir=base)
    try:
        unpack_archive(package, fresh)
        os.rename(fresh, folder)
        sync_folder(base)
    except OSError:
        if not os.path.isdir(folder):
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _lock_shared(path: str) -> int | None:
    """Take the shared lock of a package and record that it is used now.

    Returns
    -------
    int or None
        The lock's descriptor; None where the file system has no locks, on which nothing is ever removed.
    """
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH)
        except OSError:
            os.close(fd)
            return None
        if _is_same_file(fd, path):
            os.utime(fd)
            return fd
        os.close(fd)  # it was removed with its package before we had the lock


def _is_same_file(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _remove_unused(base: str) -> None:
    """Remove packages that no task uses: those unused for long, and the oldest of many. What can't be removed stays."""
    now = time.time()
    try:
        names = os.listdir(base)
    except OSError:
        return
    used: dict[str, float] = {}
    for name in names:
        path = os.path.join(base, name)
        if name.startswith((_NEW, _OLD, "tmp")):  # of a process that was killed; "tmp" is of earlier releases
            if now - _modified_at(path) > _LEFTOVER_AGE:
                shutil.rmtree(path, ignore_errors=True)
        else:
            path = path.removesuffix(_LOCK)
            used[path] = _modified_at(path + _LOCK) or _modified_at(path)
    for rank, path in enumerate(sorted(used, key=lambda path: -used[path])):
        age = now - used[path]
        if age > UNUSED_AGE or (rank >= MOST_UNUSED and age > _RECENT):
            _remove_folder(base, path)


def _modified_at(path: str) -> float:
    """When a file or folder was last modified, in seconds since 1970; 0 when it isn't there."""
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0


def _remove_folder(base: str, folder: str) -> None:
    """Remove a package's folder unless a task holds its lock."""
    path = folder + _LOCK
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_same_file(fd, path):
            old = tempfile.mkdtemp(prefix=_OLD, dir=base)
            if os.path.isdir(folder):
                os.rename(folder, os.path.join(old, "code"))
            os.unlink(path)
            shutil.rmtree(old, ignore_errors=True)
    except OSError:
        pass  # it is in use, or another process removes it
    finally:
        os.close(fd)
