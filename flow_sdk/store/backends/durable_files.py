"""Bytes and names that survive a power cut, on a local file system."""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

__all__ = ["FLUSH", "PIECE", "WriteBehind", "make_folders", "replace_file", "sync_folder", "sync_names", "write_part"]

PIECE = 8 << 20
"""The most bytes moved by one call."""

FLUSH = 32 << 20
"""After how many bytes the disk is set to work."""

_FOLDER = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_DIRECTORY", 0)


class WriteBehind:
    """Has the disk write what is there while more comes: the sync at the end then finds little to do.

    Parameters
    ----------
    fd : int
        The open file.
    """

    def __init__(self, fd: int) -> None:
        self.started = 0
        self._fd = fd
        self._thread: threading.Thread | None = None
        self._error: OSError | None = None

    def start(self, size: int) -> None:
        """Have what was written so far, ``size`` bytes, go to the disk; not while it still works on earlier ones."""
        if self._thread is None or not self._thread.is_alive():
            self.started = size
            import threading  # here, as each task that has it is slower to fork

            self._thread = threading.Thread(target=self._sync, daemon=True)
            self._thread.start()

    def join(self) -> None:
        """Wait for the disk."""
        if self._thread is not None:
            self._thread.join()

    def finish(self) -> None:
        """Wait for the disk and raise what it reported."""
        self.join()
        if self._error is not None:
            raise self._error  # the kernel says it once: the sync at the end wouldn't know

    def _sync(self) -> None:
        try:
            getattr(os, "fdatasync", os.fsync)(self._fd)  # macOS has fsync only
        except OSError as error:
            self._error = error


def write_part(fd: int, part: bytes | bytearray | memoryview) -> Iterator[int]:
    """Write a part; yields how many bytes each write took."""
    size = part.nbytes if isinstance(part, memoryview) else len(part)
    done = 0
    if size <= PIECE:
        done = os.write(fd, part) if size else 0
        yield done
        if done == size:
            return
    view = memoryview(part).cast("B")
    while done < size:
        count = os.write(fd, view[done : done + PIECE])
        done += count
        yield count


def make_folders(path: str, mode: int = 0o777) -> None:
    """Make a folder and those above it, as far as they are missing; they survive a power cut once this returns.

    Parameters
    ----------
    path : str
        The folder.
    mode : int
        Its permissions; those above it get the usual ones.

    Raises
    ------
    OSError
        If one can't be made.
    """
    os.makedirs(path, mode, exist_ok=True)
    sync_names(path)  # of folders that are there, too: who made them may have been killed before it synced them


def sync_names(path: str) -> None:
    """Make the names of a folder and of all above it durable."""
    path = os.path.abspath(path)
    while (above := os.path.dirname(path)) != path:
        with suppress(PermissionError):  # a folder that may be written and not read can't be synced
            sync_folder(above)
        path = above


def sync_folder(path: str) -> None:
    """Make the names in a folder durable."""
    fd = os.open(path, _FOLDER)
    try:
        os.fsync(fd)
    except OSError as error:
        # Some network file systems can't sync a folder; there a rename is durable on its own or never.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)


def replace_file(path: str, data: bytes, mode: int = 0o644, *, prefix: str = "~") -> None:
    """Write a file whole or not at all, in place of what was there; it survives a power cut once this returns.

    Parameters
    ----------
    path : str
        The file, in a folder that exists.
    data : bytes
        Its content.
    mode : int
        Its permissions.
    prefix : str
        What the name begins with that the file has while it is written.

    Raises
    ------
    OSError
        If it can't be written; nothing has changed then.
    """
    folder = os.path.dirname(os.path.abspath(path))
    temporary = os.path.join(folder, f"{prefix}{os.urandom(8).hex()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            for _ in write_part(fd, data):
                pass
            os.fchmod(fd, mode)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(folder)
