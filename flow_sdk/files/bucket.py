"""A bucket in a cloud, with any key, content types and metadata, as the S3 client needs it."""

import json
import mmap
import os
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple, NoReturn, TypeVar

from flow_sdk.errors import ObjectMissing, StoreError, UsageError
from flow_sdk.files.botocore_bucket import METADATA, BotocoreBucket, is_unusual
from flow_sdk.files.file_store import PIECE, ByteSpan, Content, FileEntry, FileInfo, FileLabel, split_pieces
from flow_sdk.store.backends.cloud import Cloud, ConnectionKind
from flow_sdk.store.backends.connection import BucketConnection
from flow_sdk.store.backends.errors import error_code, is_conflict, is_credential_refusal, is_missing_bucket
from flow_sdk.store.backends.s3 import S3Cloud
from flow_sdk.store.prefetch import prefetch_map

__all__ = ["Bucket"]

_Result = TypeVar("_Result")

TYPE = "Content-Type"
_STANDARD = {"content-type", "content-disposition", "content-encoding", "content-language", "cache-control"}
_TRIES = 4
_UNUSUAL = "invalid path"
"""What obstore says when a listing holds a key that it refuses."""


class _Answer(NamedTuple):
    """An object as one request read it; ``data`` is None for a large one, of which the request reads no content."""

    found: FileInfo
    tag: str | None
    data: Any


class Bucket:
    """A bucket.

    Parameters
    ----------
    name : str
        The bucket's name.
    scheme : str
        The scheme of its addresses.
    cloud : Cloud, optional
        Where it is; S3 by default.
    """

    def __init__(self, name: str, scheme: str = "s3", cloud: Cloud | None = None) -> None:
        self.name, self.scheme = name, scheme
        self._cloud = cloud or S3Cloud()
        self._connection = BucketConnection(self._cloud, name)
        self._any_key = BotocoreBucket(name) if scheme == "s3" else None
        self._metadata = METADATA.replace("-", self._cloud.mark_separator)

    def url(self, key: str) -> str:
        """See :meth:`~flow_sdk.files.file_store.FileStore.url`."""
        return f"{self.scheme}://{self.name}/{key}"

    def find_file(self, key: str) -> FileInfo | None:
        """See :meth:`~flow_sdk.files.file_store.FileStore.find`."""
        if is_unusual(key):
            return self._with_any_key(key).find_file(key)
        import obstore

        def read_head(client: Any) -> FileInfo:
            return self._file_info(obstore.get(client, key, options={"head": True}))

        try:
            return self._attempt_request("read", key, read_head)
        except ObjectMissing:
            return None

    def download_file(self, key: str, path: str, span: ByteSpan, parts: int) -> FileInfo:
        """See :meth:`~flow_sdk.files.file_store.FileStore.download_file`."""
        if is_unusual(key):
            return self._with_any_key(key).download_file(key, path, span, parts)
        for _ in range(_TRIES):
            try:
                return self._download_parts(key, path, span, parts)
            except _Changed:
                continue
        raise StoreError("The object changes while it is read.", where=self.url(key))

    def _download_parts(self, key: str, path: str, span: ByteSpan, parts: int) -> FileInfo:
        found, tag, data = self._read_start(key)
        offset, length = span.resolve_range(found.size)
        if span.offset > 0 and span.offset >= found.size:
            raise UsageError(
                "The object has no such bytes.",
                seen=f"offset {span.offset} of {found.size} bytes",
                where=self.url(key),
            )
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            if data is not None:
                _write_at(fd, memoryview(data)[offset : offset + length], 0)
            else:

                def copy_part(start: int) -> None:
                    end = min(start + PIECE, offset + length)
                    _write_at(fd, memoryview(self._read_part(key, start, end, tag)), start - offset)

                starts = range(offset, offset + length, PIECE)
                for _ in prefetch_map(copy_part, starts, max(1, min(parts, len(starts)))):
                    pass
        finally:
            os.close(fd)
        return FileInfo(found.size, found.modified, found.content_type, found.metadata, offset=offset, length=length)

    def _read_start(self, key: str) -> _Answer:
        """Read what is known of an object, and its content if it is small."""
        import obstore

        def read_span(client: Any) -> _Answer:
            got = obstore.get(client, key)
            found = self._file_info(got)
            return _Answer(found, got.meta["e_tag"], got.bytes() if found.size <= PIECE else None)

        return self._attempt_request("read", key, read_span, kind="parts")

    def _read_part(self, key: str, start: int, end: int, tag: str | None) -> Any:
        """Read a part of an object. Raises _Changed if the object isn't that of the tag any more."""
        import obstore

        options: Any = {"range": (start, end), **({"if_match": tag} if tag else {})}

        def read_part(client: Any) -> Any:
            try:
                data = obstore.get(client, key, options=options).bytes()
            except Exception as error:
                if type(error).__name__ == "PreconditionError" or error_code(error) == "InvalidRange":
                    return None
                raise
            return data if len(data) == end - start else None

        found = self._attempt_request("read", key, read_part, kind="parts")
        if found is None:
            raise _Changed
        return found

    def upload_file(self, key: str, content: Content, label: FileLabel, *, overwrite: bool) -> str:
        """See :meth:`~flow_sdk.files.file_store.FileStore.upload_file`."""
        if is_unusual(key):
            return self._with_any_key(key).upload_file(key, content, label, overwrite=overwrite)
        import obstore

        attributes: dict[str, str] = {}
        if label.content_type is not None:
            attributes[TYPE] = label.content_type
        if label.metadata is not None:
            attributes[self._metadata] = json.dumps(label.metadata)
        options: dict[str, Any] = {"attributes": attributes} if attributes else {}
        if not overwrite:
            if self.find_file(key) is not None:
                return self.url(key)
            whole = _read_all(content)

            def create_object(client: Any) -> None:
                try:
                    obstore.put(client, key, whole, mode="create", use_multipart=False, **options)
                except Exception as error:
                    # Of two that put it at once one was first; and a second try may have met its first.
                    if not is_conflict(error):
                        raise

            self._attempt_request("write", key, create_object, kind="parts", encryption=label.encryption)
        elif isinstance(content, bytes) and len(content) <= PIECE:

            def put_object(client: Any) -> None:
                obstore.put(client, key, content, use_multipart=False, **options)

            self._attempt_request("write", key, put_object, kind="parts", encryption=label.encryption)
        else:
            self._upload_parts(key, content, label, options)
        return self.url(key)

    def _upload_parts(self, key: str, content: Content, label: FileLabel, options: dict[str, Any]) -> None:
        """Upload in parts, which obstore itself retries; again from the start with credentials that are read again."""
        import obstore

        start = 0 if isinstance(content, bytes) else _position_in(content)
        renewed = start is None
        while True:
            client = self._connection.client("parts", label.encryption)
            if start is not None and not isinstance(content, bytes):
                content.seek(start)
            try:
                obstore.put(client, key, _split_content(content), chunk_size=PIECE, max_concurrency=4, **options)
                return
            except Exception as error:  # noqa: BLE001 obstore raises what Rust gives it
                if renewed or not is_credential_refusal(error):
                    self._raise_for(error, "write", key)
                renewed = True
                self._connection.renew_credentials(client)

    def read(self, key: str) -> bytes | None:
        """Return a small object's content; None if there is no such object."""
        import obstore

        try:
            return self._attempt_request("read", key, lambda client: obstore.get(client, key).bytes().to_bytes())
        except ObjectMissing:
            return None

    def delete(self, key: str) -> None:
        """Delete an object; a missing one is no error."""
        import obstore

        try:
            self._attempt_request("delete", key, lambda client: obstore.delete(client, [key]))
        except StoreError as error:
            if not isinstance(error.__cause__, FileNotFoundError) or is_missing_bucket(error.__cause__):
                raise

    def list_all(self, prefix: str) -> Iterator[FileEntry]:
        """See :meth:`~flow_sdk.files.file_store.FileStore.list_all`."""
        if prefix and is_unusual(prefix):
            return self._with_any_key(prefix).list_all(prefix)
        import obstore

        def walk_keys(client: Any) -> list[FileEntry]:
            pages = obstore.list(client, prefix or None, chunk_size=1000)
            return [
                FileEntry(one["path"], one["size"], one["last_modified"].timestamp()) for page in pages for one in page
            ]

        found = self._list_usual(prefix, walk_keys)
        return self._with_any_key(prefix).list_all(prefix) if found is None else iter(sorted(found))

    def list_folder(self, prefix: str) -> tuple[list[FileEntry], list[str]]:
        """See :meth:`~flow_sdk.files.file_store.FileStore.list_folder`."""
        if prefix and is_unusual(prefix):
            return self._with_any_key(prefix).list_folder(prefix)
        import obstore

        page: Any = self._list_usual(prefix, lambda client: obstore.list_with_delimiter(client, prefix or None))
        if page is None:
            return self._with_any_key(prefix).list_folder(prefix)
        entries = [FileEntry(one["path"], one["size"], one["last_modified"].timestamp()) for one in page["objects"]]
        return sorted(entries), sorted(folder.rstrip("/") for folder in page["common_prefixes"])

    def _list_usual(self, prefix: str, read: Callable[[Any], _Result]) -> _Result | None:
        """List; None where the bucket holds a key that obstore refuses."""

        def list_usual(client: Any) -> _Result | None:
            try:
                return read(client)
            except Exception as error:
                if _UNUSUAL in str(error) and self._any_key is not None:
                    return None
                raise

        return self._attempt_request("list", prefix, list_usual)

    def _with_any_key(self, key: str) -> BotocoreBucket:
        """Return the way to keys that obstore refuses."""
        if self._any_key is None:
            raise UsageError(f"This key can't be used in {self._cloud.title}.", seen=repr(key), where=self.url(""))
        return self._any_key

    def _attempt_request(
        self,
        verb: str,
        key: str,
        work: Callable[[Any], _Result],
        *,
        kind: ConnectionKind = "small",
        encryption: str | None = None,
    ) -> _Result:
        try:
            return self._connection.attempt(verb, self.url(key), work, kind=kind, encryption=encryption)
        except StoreError as error:
            raise self._reword_error(error) from error.__cause__

    def _raise_for(self, error: Exception, verb: str, key: str) -> NoReturn:
        try:
            self._connection.raise_for(error, verb, self.url(key))
        except StoreError as raised:
            raise self._reword_error(raised) from error

    def _reword_error(self, error: StoreError) -> StoreError:
        """Return an error in the words of files and buckets instead of those of stores."""
        if isinstance(error, ObjectMissing):
            return ObjectMissing(f"There is no such object in {self._cloud.title}.", where=error.where)
        if isinstance(error.__cause__, Exception) and is_missing_bucket(error.__cause__):
            own = self._cloud.help()
            making = own.make_bucket.format(bucket=self.name)
            error.help = f"Check the {own.bucket_word}'s name, or make it: {making}"
        return error

    def _file_info(self, got: Any) -> FileInfo:
        attributes = dict(got.attributes)
        own = {name: value for name, value in attributes.items() if name.lower() not in _STANDARD}
        metadata: dict[str, Any] | None = own or None
        if self._metadata in own:
            try:
                metadata = json.loads(own[self._metadata])
            except ValueError:
                pass
        return FileInfo(got.meta["size"], got.meta["last_modified"].timestamp(), attributes.get(TYPE), metadata)


class _Changed(Exception):
    """The object was replaced while its parts were read."""


def _write_at(fd: int, data: memoryview, at: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(fd, data[done:], at + done)


def _position_in(content: BinaryIO) -> int | None:
    """Return the position in an open file; None for one that can't be read again."""
    try:
        return content.tell() if content.seekable() else None
    except (OSError, ValueError, AttributeError):
        return None


def _read_all(content: Content) -> Any:
    """Return a whole object at once, as a create-only put needs it; a file is mapped and not read into memory."""
    if isinstance(content, bytes):
        return content
    try:
        return memoryview(mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ))[content.tell() :]
    except (OSError, ValueError):
        return content.read()


def _split_content(content: Content) -> Any:
    if isinstance(content, bytes):
        return (memoryview(content)[start : start + PIECE] for start in range(0, len(content), PIECE))
    return split_pieces(content)
