"""The port of the S3 client: a bucket, a folder, or the files of a run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple, Protocol

__all__ = ["ByteSpan", "Content", "FileEntry", "FileInfo", "FileLabel", "FileStore", "split_pieces"]

Content = bytes | BinaryIO
"""What is put: bytes, or an open file that is read to its end."""

PIECE = 8 << 20
"""The most bytes of one object that are in memory at a time, for each part that is under way."""


class ByteSpan(NamedTuple):
    """A part of an object: from ``offset`` on ``length`` bytes (None: to the end), or with ``from_end`` the last
    ``length``."""

    offset: int = 0
    length: int | None = None
    from_end: bool = False

    def resolve_range(self, size: int) -> tuple[int, int]:
        """First byte and length of the part in an object of ``size`` bytes."""
        if self.from_end:
            length = min(self.length or 0, size)
            return size - length, length
        offset = min(self.offset, size)
        return offset, size - offset if self.length is None else min(self.length, size - offset)


class FileEntry(NamedTuple):
    """An object in a listing: its key, size in bytes, and time of last change (seconds since the epoch)."""

    key: str
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class FileLabel:
    """What is put with an object: its MIME type, any JSON data, and how the server is to encrypt it."""

    content_type: str | None = None
    metadata: dict[str, Any] | None = None
    encryption: str | None = None


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What is known of an object: its size in bytes, time of last change, what was put with it; of a downloaded one
    also which part."""

    size: int
    modified: float
    content_type: str | None = None
    metadata: dict[str, Any] | None = None
    has_info: bool = True
    offset: int = 0
    length: int | None = None
    url: str | None = None
    """URL of where it was found, where that isn't what was asked for."""


class FileStore(Protocol):
    """Objects by key. Keys are checked by the client: no empty, ``.`` or ``..`` component, no control character. Those
    of a bucket may have empty components, and what a bucket lists has any key."""

    def url(self, key: str) -> str:
        """URL of an object."""
        ...

    def find_file(self, key: str) -> FileInfo | None:
        """What is known of an object; None when there is none."""
        ...

    def download_file(self, key: str, path: str, span: ByteSpan, parts: int) -> FileInfo:
        """Write an object, or a part of it, to a new file, at most ``parts`` parts at a time. Raises ObjectMissing."""
        ...

    def upload_file(self, key: str, content: Content, label: FileLabel, *, overwrite: bool) -> str:
        """Put an object, whole or not at all; with ``overwrite`` false one that is there stays. Returns its URL."""
        ...

    def list_all(self, prefix: str) -> Iterator[FileEntry]:
        """All objects below a folder (``""`` or a key without ``/`` at its end), by key."""
        ...

    def list_folder(self, prefix: str) -> tuple[list[FileEntry], list[str]]:
        """The objects and the folders (their keys) directly below a folder."""
        ...


def split_pieces(content: Content) -> Iterator[bytes]:
    """Read an object to put, piece by piece."""
    if isinstance(content, bytes):
        yield content
        return
    while piece := content.read(PIECE):
        yield piece
