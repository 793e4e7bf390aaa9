"""A folder of this machine instead of a bucket: the files of runs whose store is local."""

import json
import os
import shutil
import stat
from collections.abc import Iterator
from typing import Any

from flow_sdk.errors import ObjectExists, ObjectMissing, StoreUnavailable, UsageError
from flow_sdk.files.file_store import ByteSpan, Content, FileEntry, FileInfo, FileLabel, split_pieces
from flow_sdk.store.backends.local import LocalStore
from flow_sdk.strict_json import parse_object

__all__ = ["LABEL", "FolderFiles"]

LABEL = "=label"
"""Name of the file beside an object that holds what was put with it; no encoded name is like it."""


class FolderFiles:
    """A folder.

    Parameters
    ----------
    root : str
        Its path.
    writable : bool
        Whether objects may be put.
    """

    def __init__(self, root: str, *, writable: bool = True) -> None:
        self._root = root.rstrip("/")
        self._store = LocalStore(root) if writable else None

    def url(self, key: str) -> str:
        """See :meth:`~flow_sdk.files.file_store.FileStore.url`."""
        return "file://" + f"{self._root}/{key}".replace("%", "%25")

    def find_file(self, key: str) -> FileInfo | None:
        """See :meth:`~flow_sdk.files.file_store.FileStore.find`."""
        try:
            status = os.stat(f"{self._root}/{key}")
            return self._file_info(key, status) if stat.S_ISREG(status.st_mode) else None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._read_error(error, key) from error

    def download_file(self, key: str, path: str, span: ByteSpan, parts: int) -> FileInfo:
        """See :meth:`~flow_sdk.files.file_store.FileStore.download_file`."""
        try:
            source = open(f"{self._root}/{key}", "rb")  # noqa: SIM115 closed below; the errors of the copy differ
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise ObjectMissing("There is no such file of the run.", where=self.url(key)) from None
        except OSError as error:
            raise self._read_error(error, key) from error
        with source, open(path, "wb") as target:
            found = self._file_info(key, os.fstat(source.fileno()))
            offset, length = span.resolve_range(found.size)
            if span.offset > 0 and span.offset >= found.size:
                raise UsageError(
                    "The object has no such bytes.", seen=f"offset {span.offset} of {found.size} bytes",
                    where=self.url(key),
                )  # fmt: skip
            if length == found.size:
                shutil.copyfileobj(source, target, 1 << 20)
            else:
                source.seek(offset)
                left = length
                while left and (piece := source.read(min(left, 1 << 20))):
                    target.write(piece)
                    left -= len(piece)
        return FileInfo(found.size, found.modified, found.content_type, found.metadata, offset=offset, length=length)

    def upload_file(self, key: str, content: Content, label: FileLabel, *, overwrite: bool) -> str:
        """See :meth:`~flow_sdk.files.file_store.FileStore.upload_file`."""
        if self._store is None:
            raise UsageError(
                "A file:// address can only be read.",
                where=self.url(key),
                help="Use S3(run=self), or an s3:// address.",
            )
        beside = f"{key.rpartition('/')[0]}/{LABEL}"
        label_data = {"content_type": label.content_type, "metadata": label.metadata}
        try:
            if any(label_data.values()) or (overwrite and self._store.head(beside)):
                self._store.put(beside, json.dumps(label_data).encode())
            (self._store.put if overwrite else self._store.put_if_absent)(key, split_pieces(content))
        except ObjectExists:
            pass
        return self.url(key)

    def list_all(self, prefix: str) -> Iterator[FileEntry]:
        """See :meth:`~flow_sdk.files.file_store.FileStore.list_all`."""
        store = self._store or LocalStore(self._root)
        for one in store.list(prefix + "/" if prefix else ""):
            if not one.key.endswith("/" + LABEL):
                yield FileEntry(one.key, one.size, one.modified)

    def list_folder(self, prefix: str) -> tuple[list[FileEntry], list[str]]:
        """See :meth:`~flow_sdk.files.file_store.FileStore.list_folder`."""
        raise UsageError(
            "A file:// address can't be listed.", where=self.url(prefix), help="Use S3(run=...) to see a run's files."
        )

    def _file_info(self, key: str, status: os.stat_result) -> FileInfo:
        label: dict[str, Any] = {}
        try:
            with open(f"{self._root}/{key.rpartition('/')[0]}/{LABEL}", "rb") as file:
                label = parse_object(file.read())
        except (OSError, ValueError, TypeError):
            pass
        return FileInfo(status.st_size, status.st_mtime, label.get("content_type"), label.get("metadata"))

    def _read_error(self, error: OSError, key: str) -> StoreUnavailable:
        return StoreUnavailable(
            "The file can't be read.", seen=f"{error.strerror} (errno {error.errno})", where=self.url(key)
        )
