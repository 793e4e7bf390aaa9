"""A bucket of S3, or of what speaks its language."""

import json
import mmap
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, TypeVar

from flow_sdk.aws.settings import forget_settings
from flow_sdk.errors import ObjectMissing, StoreError, UsageError
from flow_sdk.files.botocore_bucket import METADATA, BotocoreBucket, is_unusual
from flow_sdk.files.file_store import PIECE, Content, Entry, Found, Label, Span, pieces
from flow_sdk.store.backends.errors import error_code, explain, is_missing, is_refused
from flow_sdk.store.backends.s3_connection import connect
from flow_sdk.store.prefetch import prefetch_map

if TYPE_CHECKING:
    from obstore.store import S3Store as Client

__all__ = ["Bucket"]

_Result = TypeVar("_Result")

TYPE = "Content-Type"
_STANDARD = {"content-type", "content-disposition", "content-encoding", "content-language", "cache-control"}
_TRIES = 4
_UNUSUAL = "invalid path"
"""What obstore says when a listing holds a key that it refuses."""


class Bucket:
    """A bucket.

    Parameters
    ----------
    name : str
        The bucket's name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._any_key = BotocoreBucket(name)
        self._clients: dict[tuple[bool, str | None], Client] = {}
        self._process = os.getpid()

    def url(self, key: str) -> str:
        """See :meth:`~flow_sdk.files.file_store.Place.url`."""
        return f"s3://{self.name}/{key}"

    def look(self, key: str) -> Found | None:
        """See :meth:`~flow_sdk.files.file_store.Place.look`."""
        if is_unusual(key):
            return self._any_key.look(key)
        try:
            return _found(self._get(key, {"head": True}))
        except ObjectMissing:
            return None

    def download(self, key: str, path: str, span: Span, parts: int) -> Found:
        """See :meth:`~flow_sdk.files.file_store.Place.download`."""
        if is_unusual(key):
            return self._any_key.download(key, path, span, parts)
        for attempt in range(_TRIES):
            try:
                return self._download(key, path, span, parts)
            except _Changed:
                if attempt == _TRIES - 1:
                    raise StoreError("The object changes while it is read.", where=self.url(key)) from None
        raise AssertionError("unreachable")

    def _download(self, key: str, path: str, span: Span, parts: int) -> Found:
        whole = self._get(key, {})
        found = _found(whole)
        offset, length = span.within(found.size)
        if span.offset > 0 and span.offset >= found.size:
            raise UsageError(
                "The object has no such bytes.",
                seen=f"offset {span.offset} of {found.size} bytes",
                where=self.url(key),
            )
        tag = whole.meta["e_tag"]
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            if found.size <= PIECE:
                data = self._bytes(whole, key)
                _write(fd, memoryview(data)[offset : offset + length], 0)
            else:
                del whole

                def part(start: int) -> None:
                    end = min(start + PIECE, offset + length)
                    got = self._get(key, {"range": (start, end), **({"if_match": tag} if tag else {})})
                    data = self._bytes(got, key)
                    if len(data) != end - start:
                        raise _Changed
                    _write(fd, memoryview(data), start - offset)

                starts = range(offset, offset + length, PIECE)
                for _ in prefetch_map(part, starts, max(1, min(parts, len(starts)))):
                    pass
        finally:
            os.close(fd)
        return Found(found.size, found.modified, found.content_type, found.metadata, offset=offset, length=length)

    def upload(self, key: str, content: Content, label: Label, *, overwrite: bool) -> str:
        """See :meth:`~flow_sdk.files.file_store.Place.upload`."""
        if is_unusual(key):
            return self._any_key.upload(key, content, label, overwrite=overwrite)
        import obstore

        attributes: dict[str, str] = {}
        if label.content_type is not None:
            attributes[TYPE] = label.content_type
        if label.metadata is not None:
            attributes[METADATA] = json.dumps(label.metadata)
        options: dict[str, Any] = {"attributes": attributes} if attributes else {}
        start = 0 if isinstance(content, bytes) else _position(content)

        def put(client: "Client") -> None:
            if start is not None and not isinstance(content, bytes):
                content.seek(start)
            if not overwrite:
                obstore.put(client, key, _whole(content), mode="create", use_multipart=False, **options)
            elif isinstance(content, bytes) and len(content) <= PIECE:
                obstore.put(client, key, content, use_multipart=False, **options)
            else:
                obstore.put(client, key, _parts(content), chunk_size=PIECE, max_concurrency=4, **options)

        if not overwrite and self.look(key) is not None:
            return self.url(key)
        try:
            self._do(put, bulk=True, label=label, again=start is not None)
        except Exception as error:  # noqa: BLE001 obstore raises what Rust gives it
            # Of two that put it at once one was first; and obstore's own second try may have met its first.
            if type(error).__name__ not in ("AlreadyExistsError", "PreconditionError") or overwrite:
                self._fail(error, "write", key)
        return self.url(key)

    def walk(self, prefix: str) -> Iterator[Entry]:
        """See :meth:`~flow_sdk.files.file_store.Place.walk`."""
        if prefix and is_unusual(prefix):
            return self._any_key.walk(prefix)
        import obstore

        def walk(client: "Client") -> list[Entry]:
            pages = obstore.list(client, prefix or None, chunk_size=1000)
            return [Entry(one["path"], one["size"], one["last_modified"].timestamp()) for page in pages for one in page]

        try:
            found = self._do(walk)
        except Exception as error:  # noqa: BLE001 obstore raises what Rust gives it
            if _UNUSUAL in str(error):
                return self._any_key.walk(prefix)
            self._fail(error, "list", prefix)
        return iter(sorted(found))

    def level(self, prefix: str) -> tuple[list[Entry], list[str]]:
        """See :meth:`~flow_sdk.files.file_store.Place.level`."""
        if prefix and is_unusual(prefix):
            return self._any_key.level(prefix)
        import obstore

        try:
            page = self._do(lambda client: obstore.list_with_delimiter(client, prefix or None))
        except Exception as error:  # noqa: BLE001 obstore raises what Rust gives it
            if _UNUSUAL in str(error):
                return self._any_key.level(prefix)
            self._fail(error, "list", prefix)
        entries = [Entry(one["path"], one["size"], one["last_modified"].timestamp()) for one in page["objects"]]
        return sorted(entries), sorted(folder.rstrip("/") for folder in page["common_prefixes"])

    def _get(self, key: str, options: dict[str, Any]) -> Any:
        import obstore

        try:
            return self._do(lambda client: obstore.get(client, key, options=options), bulk=True)  # type: ignore[arg-type]
        except Exception as error:
            if type(error).__name__ == "PreconditionError" or error_code(error) == "InvalidRange":
                raise _Changed from error
            self._fail(error, "read", key)

    def _bytes(self, got: Any, key: str) -> Any:
        try:
            return got.bytes()
        except Exception as error:  # noqa: BLE001 obstore raises what Rust gives it
            self._fail(error, "read", key)

    def _do(
        self,
        work: "Callable[[Client], _Result]",
        *,
        bulk: bool = False,
        label: Label | None = None,
        again: bool = True,
    ) -> _Result:
        """Do something; where S3 doesn't accept the credentials, once more with those that are found then."""
        try:
            return work(self._client(bulk, label))
        except Exception as error:
            if not again or not is_refused(error):
                raise
        self._clients = {}
        forget_settings()
        return work(self._client(bulk, label))

    def _client(self, bulk: bool, label: Label | None = None) -> "Client":
        if self._process != os.getpid():
            self._clients, self._process = {}, os.getpid()
        encryption = label.encryption if label is not None else None
        client = self._clients.get((bulk, encryption))
        if client is None:
            client = connect(self.name, "", kind="parts" if bulk else "small", retries=True, encryption=encryption)
            self._clients[bulk, encryption] = client
        return client

    def _fail(self, error: Exception, verb: str, key: str) -> NoReturn:
        if isinstance(error, StoreError):
            raise error
        if is_missing(error) and verb == "read":
            raise ObjectMissing("There is no such object in S3.", where=self.url(key)) from error
        told = explain(error, verb, self.name, self.url(key))
        if error_code(error) == "NoSuchBucket":
            told.help = f"Check the bucket's name, or make it: aws s3 mb s3://{self.name}"
        raise told from error


class _Changed(Exception):
    """The object was replaced while its parts were read."""


def _write(fd: int, data: memoryview, at: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(fd, data[done:], at + done)


def _position(content: BinaryIO) -> int | None:
    """Where an open file stands; None for one that can't be read again."""
    try:
        return content.tell() if content.seekable() else None
    except (OSError, ValueError, AttributeError):
        return None


def _whole(content: Content) -> Any:
    """A whole object at once, as a create-only put needs it; a file is mapped and not read into memory."""
    if isinstance(content, bytes):
        return content
    try:
        return memoryview(mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ))[content.tell() :]
    except (OSError, ValueError):
        return content.read()


def _parts(content: Content) -> Any:
    if isinstance(content, bytes):
        return (memoryview(content)[start : start + PIECE] for start in range(0, len(content), PIECE))
    return pieces(content)


def _found(got: Any) -> Found:
    attributes = dict(got.attributes)
    own = {name: value for name, value in attributes.items() if name.lower() not in _STANDARD}
    metadata: dict[str, Any] | None = own or None
    if METADATA in own:
        try:
            metadata = json.loads(own[METADATA])
        except ValueError:
            pass
    return Found(got.meta["size"], got.meta["last_modified"].timestamp(), attributes.get(TYPE), metadata)
