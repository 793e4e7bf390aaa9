"""S3, and what speaks its language, as an object store."""

import os
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NoReturn

from flow_sdk.errors import ConfigError, ObjectExists, ObjectMissing, StoreError
from flow_sdk.store.ahead import ahead
from flow_sdk.store.framing import frames
from flow_sdk.store.keys import check_key, check_prefix
from flow_sdk.store.port import Buffers, ObjectInfo
from flow_sdk.store.s3_client import connect, endpoint
from flow_sdk.store.s3_errors import error_code, explain, is_missing, is_unknown

if TYPE_CHECKING:
    from obstore.store import S3Store as Client

__all__ = ["S3Store"]

_Names = list[str]

_BULK = 4 << 20
_PART = 16 << 20
_AT_ONCE = 16
_TRIES = 4
_WRITER = "flow-sdk-writer"


class S3Store:
    """An object store in a bucket.

    Credentials, region and endpoint are those of the usual AWS environment variables and files. Small requests are
    answered or given up within 15 seconds.

    Parameters
    ----------
    bucket : str
        The bucket. It must exist.
    prefix : str
        Folder in the bucket, without ``/`` at its ends; ``""`` for the whole bucket.
    """

    def __init__(self, bucket: str, prefix: str = "") -> None:
        self.bucket = bucket
        self.prefix = prefix
        self._clients: dict[bool, Client] = {}
        self._pid = os.getpid()

    @classmethod
    def from_url(cls, url: str) -> "S3Store":
        """Read an ``s3://bucket/prefix`` URL."""
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        prefix = prefix.strip("/")
        if not bucket or (prefix and not _is_prefix(prefix)):
            raise ConfigError("That isn't an S3 address.", seen=url, wanted="s3://bucket or s3://bucket/prefix")
        return cls(bucket, prefix)

    def __repr__(self) -> str:
        return f"S3Store({self.bucket!r}, {self.prefix!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return (S3Store, (self.bucket, self.prefix))

    @property
    def url(self) -> str:
        """The bucket and prefix as an ``s3://`` URL."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def get(self, key: str) -> bytes:
        """See :meth:`~flow_sdk.store.port.ObjectStore.get`."""
        import obstore

        client = self._client()
        try:
            return obstore.get(client, check_key(key)).bytes().to_bytes()
        except Exception as error:  # noqa: BLE001 obstore raises what Rust gives it
            self._fail(error, "read", key)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See :meth:`~flow_sdk.store.port.ObjectStore.get_range`."""
        return bytes(self._range(key, start, length))

    def get_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        """Read from ``start`` on into a buffer, without a copy in between; returns how many bytes were read."""
        found = self._range(key, start, len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def get_many(self, keys: Sequence[str]) -> Iterator[bytes | None]:
        """See :meth:`~flow_sdk.store.port.ObjectStore.get_many`."""
        for key in keys:
            check_key(key)
        if len(keys) == 1:
            return iter([self._get_or_none(keys[0])])
        return ahead(self._get_or_none, keys, min(_AT_ONCE, len(keys)))

    def put(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.put`."""
        import obstore

        check_key(key)
        small, rest = _split(data)
        try:
            if rest is None:
                obstore.put(self._client(), key, small, use_multipart=False)
            else:
                pieces = frames(chain([small], rest), _BULK)
                obstore.put(self._client(bulk=True), key, pieces, chunk_size=_PART, max_concurrency=4)
        except Exception as error:  # noqa: BLE001 obstore raises what Rust gives it
            self._fail(error, "write", key)

    def put_if_absent(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.put_if_absent`."""
        import obstore

        check_key(key)
        small, rest = _split(data)
        if rest is not None:
            small = b"".join([small, *rest])
        # obstore itself sends a put again after a lost answer, and then sees its own object. So whose object it is
        # is written on it.
        writer = uuid.uuid4().hex
        client = self._client(bulk=len(small) > _BULK)
        for attempt in range(_TRIES):
            try:
                obstore.put(client, key, small, mode="create", use_multipart=False, attributes={_WRITER: writer})
                return
            except Exception as error:
                refused = type(error).__name__ in ("AlreadyExistsError", "PreconditionError")
                if not refused and not is_unknown(error):
                    self._fail(error, "write", key)
                found = self._writer(key, error)
                if found == writer:
                    return
                if found is not None:
                    raise ObjectExists("The object is already in the store.", where=f"{self.url}/{key}") from error
                if attempt == _TRIES - 1:
                    self._fail(error, "write", key)
            # AWS answers 409 while another create-only put of the key is under way.
            time.sleep(0.1 * 2**attempt)

    def head(self, key: str) -> ObjectInfo | None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.head`."""
        import obstore

        client = self._client()
        try:
            found = obstore.head(client, check_key(key))
        except Exception as error:  # noqa: BLE001 obstore raises what Rust gives it
            if is_missing(error):
                return None
            self._fail(error, "read", key)
        return ObjectInfo(key, found["size"], found["last_modified"].timestamp())

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[ObjectInfo]:
        """See :meth:`~flow_sdk.store.port.ObjectStore.list`."""
        check_prefix(prefix)
        return self._list(prefix, limit)

    def folders(self, prefix: str) -> _Names:
        """See :meth:`~flow_sdk.store.port.ObjectStore.folders`."""
        import obstore

        client = self._client()
        try:
            found = obstore.list_with_delimiter(client, check_prefix(prefix) or None)
        except Exception as error:  # noqa: BLE001 obstore raises what Rust gives it
            self._fail(error, "list", prefix)
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found["common_prefixes"])

    def delete(self, keys: Iterable[str]) -> None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.delete`."""
        import obstore

        wanted = [check_key(key) for key in keys]
        client = self._client()
        for start in range(0, len(wanted), 1000):
            try:
                obstore.delete(client, wanted[start : start + 1000])
            except Exception as error:  # noqa: BLE001 obstore raises what Rust gives it
                if not is_missing(error):
                    self._fail(error, "delete", wanted[start])

    def _list(self, prefix: str, limit: int | None) -> Iterator[ObjectInfo]:
        import obstore

        left = limit if limit is not None else -1
        chunk = min(1000, limit) if limit else 1000
        try:
            for found in obstore.list(self._client(), prefix or None, chunk_size=chunk):
                for entry in found:
                    if left == 0:
                        return
                    left -= 1
                    yield ObjectInfo(entry["path"], entry["size"], entry["last_modified"].timestamp())
                if left == 0:
                    return
        except Exception as error:  # noqa: BLE001 obstore raises what Rust gives it
            self._fail(error, "list", prefix)

    def _range(self, key: str, start: int, length: int) -> Any:
        import obstore

        check_key(key)
        if length <= 0:
            if self.head(key) is None:
                self._missing(key)
            return b""
        client = self._client(bulk=length > _BULK)
        try:
            return memoryview(obstore.get_range(client, key, start=start, length=length))
        except Exception as error:  # noqa: BLE001 obstore raises what Rust gives it
            if error_code(error) in ("InvalidRange", "416"):
                return b""
            self._fail(error, "read", key)

    def _get_or_none(self, key: str) -> bytes | None:
        try:
            return self.get(key)
        except ObjectMissing:
            return None

    def _writer(self, key: str, cause: Exception) -> str | None:
        """Who wrote an object; None if there is no object."""
        import obstore

        try:
            return str(obstore.get(self._client(), key).attributes.get(_WRITER, ""))
        except Exception as error:  # noqa: BLE001 obstore raises what Rust gives it
            if is_missing(error):
                return None
            self._fail(cause if is_unknown(cause) else error, "write", key)

    def _client(self, *, bulk: bool = False) -> "Client":
        if self._pid != os.getpid():
            self._clients, self._pid = {}, os.getpid()
        client = self._clients.get(bulk)
        if client is None:
            client = self._clients[bulk] = connect(self.bucket, self.prefix, bulk=bulk)
        return client

    def _missing(self, key: str) -> NoReturn:
        raise ObjectMissing("There is no such object in the store.", where=f"{self.url}/{key}")

    def _fail(self, error: Exception, verb: str, key: str) -> NoReturn:
        if isinstance(error, StoreError):
            raise error
        if is_missing(error) and verb == "read":
            raise ObjectMissing("There is no such object in the store.", where=f"{self.url}/{key}") from error
        raise explain(error, verb, self.bucket, f"{self.url}/{key}", endpoint()) from error


def _is_prefix(prefix: str) -> bool:
    try:
        check_prefix(prefix + "/")
    except StoreError:
        return False
    return True


def _split(data: Buffers) -> tuple[bytes | memoryview, Iterator[bytes | bytearray | memoryview] | None]:
    """Tell a small object, joined, from a large one: its beginning and the rest."""
    if isinstance(data, bytes | bytearray | memoryview):
        view = memoryview(data).cast("B")
        if len(view) <= _BULK:
            return view, None
        return view[:0], iter([view])
    parts = iter(data)
    start: _Parts = []
    size = 0
    for part in parts:
        size += memoryview(part).nbytes
        start.append(part)
        if size > _BULK:
            return b"", chain(start, parts)
    return b"".join(start), None


_Parts = list[bytes | bytearray | memoryview]
