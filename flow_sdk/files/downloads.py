"""The folder of a client's downloads: made when it is needed, gone when the client is closed."""

import errno
import itertools
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Callable

from flow_sdk.errors import UsageError
from flow_sdk.files.file_store import FileInfo

__all__ = ["Downloads"]

_ENDING = re.compile(r"\.[A-Za-z0-9]{1,10}\Z")


class Downloads:
    """The downloads of one client.

    Parameters
    ----------
    folder : str or None
        Where to make the folder; None for the system's folder for temporary files.
    """

    def __init__(self, folder: str | None) -> None:
        self._above = folder
        self._folder: str | None = None
        self._numbers = itertools.count()
        self._remove: Callable[[], object] | None = None

    def add_file(self, key: str, write: Callable[[str], FileInfo]) -> tuple[str, FileInfo]:
        """Have a file written; it is there under its name whole or not at all.

        Parameters
        ----------
        key : str
            What it holds: its ending becomes the file's, and nothing else of it.
        write : callable
            Writes to the path it is given.
        """
        ending = _ENDING.search(key)
        name = f"{next(self._numbers):06d}{ending[0] if ending else ''}"
        path = os.path.join(self._make_folder(), name)
        try:
            found = write(path + "~")
            os.replace(path + "~", path)
        except OSError as error:
            self._discard_file(path + "~")
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise UsageError(
                    "There is no space left for what is downloaded.",
                    where=self._folder,
                    help="Make room, or name another folder: S3(tmproot=...).",
                ) from error
            raise
        except BaseException:
            self._discard_file(path + "~")
            raise
        return path, found

    def remove_folder(self) -> None:
        """Remove the folder with all that is in it."""
        if self._remove is not None:
            self._remove()
        self._folder = self._remove = None

    def _make_folder(self) -> str:
        if self._folder is None:
            try:
                self._folder = tempfile.mkdtemp(prefix="flow-sdk-s3-", dir=self._above)
            except OSError as error:
                raise UsageError(
                    "The folder for downloads can't be made.",
                    seen=f"{error.strerror} (errno {error.errno})",
                    where=str(self._above),
                    help="Name one that can be written: S3(tmproot=...).",
                ) from error
            # Also when the client is never closed: with it, or with the process.
            self._remove = weakref.finalize(self, _remove_folder, self._folder, os.getpid())
        return self._folder

    def _discard_file(self, path: str) -> None:
        try:
            os.unlink(path)
        except OSError:
            pass


def _remove_folder(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # a forked child has the same list of what to remove
        shutil.rmtree(folder, ignore_errors=True)
