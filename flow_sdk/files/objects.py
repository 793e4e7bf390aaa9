"""What the S3 client takes and gives."""

from pathlib import Path
from typing import Any, NamedTuple

from flow_sdk.files.file_store import FileInfo

__all__ = ["RangeInfo", "S3GetObject", "S3Object", "S3PutObject"]


class RangeInfo(NamedTuple):
    """Which part of an object was downloaded: the object's size, and the part's first byte and length, in bytes."""

    total_size: int
    request_offset: int
    request_length: int


class S3GetObject(NamedTuple):
    """An object of which a part is wanted.

    ``offset`` (bytes, >= 0) is where the part begins, None for 0. ``length`` is how long it is, None for all that
    is left; a negative length asks for that many bytes from the object's end.
    """

    key: str
    offset: int | None = None
    length: int | None = None


class S3PutObject(NamedTuple):
    """An object to put, with what is to be known of it: ``value`` for ``put_many``, ``path`` for ``put_files``."""

    key: str
    value: Any = None
    path: str | None = None
    content_type: str | None = None
    encryption: str | None = None
    metadata: dict[str, Any] | None = None


class S3Object:
    """An object as the client found it.

    Parameters
    ----------
    prefix : str or None
        URL of what it was looked for under.
    key : str
        Its name below the prefix; the whole URL without one.
    url : str
        Its URL.
    found : Found or None
        What is known of it; None for one that isn't there, and for a folder.
    path : str or None
        Its file on this machine, if it was downloaded.
    """

    def __init__(
        self, prefix: str | None, key: str, url: str, found: FileInfo | None = None, path: str | None = None
    ) -> None:
        self._prefix, self._key, self._url = prefix, key, url
        self._found, self._path = found, path

    @property
    def exists(self) -> bool:
        """Whether there is such an object; False for a missing key and for a folder."""
        return self._found is not None

    @property
    def downloaded(self) -> bool:
        """Whether its contents are here."""
        return self._path is not None

    @property
    def url(self) -> str:
        """Its URL."""
        return self._url

    @property
    def prefix(self) -> str | None:
        """URL of what it was looked for under."""
        return self._prefix

    @property
    def key(self) -> str:
        """Its name below the prefix; the whole URL for a client without one."""
        return self._key

    @property
    def path(self) -> str | None:
        """Its file on this machine until the client is closed; None if it wasn't downloaded."""
        return self._path

    @property
    def blob(self) -> bytes | None:
        """Its contents; None if it wasn't downloaded."""
        return None if self._path is None else Path(self._path).read_bytes()

    @property
    def text(self) -> str | None:
        """Its contents, read as UTF-8; None if it wasn't downloaded."""
        blob = self.blob
        return None if blob is None else blob.decode("utf-8")

    @property
    def size(self) -> int | None:
        """Its size in bytes, of the part for a range; None for a folder or a missing object."""
        if self._found is None:
            return None
        return self._found.size if self._found.length is None else self._found.length

    @property
    def has_info(self) -> bool:
        """Whether content type, metadata and time are known; a listing doesn't have them."""
        return self._found is not None and self._found.has_info

    @property
    def content_type(self) -> str | None:
        """Its MIME type."""
        return self._found.content_type if self._found is not None else None

    @property
    def metadata(self) -> dict[str, Any] | None:
        """What was put with it; None when nothing was."""
        return self._found.metadata if self._found is not None else None

    @property
    def range_info(self) -> RangeInfo | None:
        """Which part of it was downloaded; None if it wasn't."""
        if self._found is None or self._found.length is None:
            return None
        return RangeInfo(self._found.size, self._found.offset, self._found.length)

    @property
    def last_modified(self) -> float | None:
        """When it was put, in seconds since the epoch."""
        return self._found.modified if self._found is not None and self._found.has_info else None

    @property
    def encryption(self) -> str | None:
        """How the server encrypts it, where that is known: obstore doesn't return it, so always None."""
        return None

    def __repr__(self) -> str:
        if self._found is None:
            state = "not there"
        else:
            state = f"{self.size} bytes, {'local' if self._path else 'not downloaded'}"
        return f"<S3Object {self._url} ({state})>"
