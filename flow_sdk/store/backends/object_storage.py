"""S3, and what speaks its language, as an object store."""

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from flow_sdk.aws.settings import forget_settings
from flow_sdk.errors import ObjectExists, ObjectMissing, StoreError
from flow_sdk.store.backends.errors import error_code, explain, is_missing, is_unknown
from flow_sdk.store.backends.retry import Patience, stalls_told
from flow_sdk.store.backends.s3_connection import Kind, connect
from flow_sdk.store.blobs.frame_format import damage_error, split_frames
from flow_sdk.store.key_syntax import check_key, check_prefix, s3_place
from flow_sdk.store.port import Buffers, ObjectInfo
from flow_sdk.store.prefetch import prefetch_map

if TYPE_CHECKING:
    from obstore.store import S3Store as Client

__all__ = ["S3Store"]

_Names = list[str]
_Result = TypeVar("_Result")

_SMALL = 256 << 10
_BULK = 4 << 20
_PART = 16 << 20
_AT_ONCE = 16
# Marks on an object: who wrote it, and the checksum of its key and content.
_WRITER = "flow-sdk-writer"
_SUM = "flow-sdk-sum"


class S3Store:
    """An object store in a bucket.

    Credentials, region and endpoint are those of the usual AWS environment variables and files; they are read anew
    when S3 doesn't accept them any more. A server that is silent is given up within 15 seconds when something small is
    read and within 20 when it is written; one that answers with errors is asked again for a minute.

    A small object carries the checksum of its key and content, and :meth:`get` verifies it: so an answer that is cut,
    changed or another object's is asked for again, and then an IntegrityError.

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
        self._clients: dict[Kind, Client] = {}
        self._pid = os.getpid()

    @classmethod
    def from_url(cls, url: str) -> "S3Store":
        """Read an ``s3://bucket/prefix`` URL."""
        return cls(*s3_place(url))

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
        return self._whole(check_key(key), self._patience("read", key))[0]

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
        return prefetch_map(self._get_or_none, keys, min(_AT_ONCE, len(keys)))

    def put(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.put`."""
        import obstore

        check_key(key)
        small, rest = _split(data)
        if rest is not None:
            self._put_parts(key, split_frames(chain([small], rest), _BULK))
            return
        marks = {_SUM: _sum(key, small)}

        def put(client: "Client") -> None:
            obstore.put(client, key, small, use_multipart=False, attributes=marks)

        self._do("write", key, put, kind=_kind(len(small)))

    def put_if_absent(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.put_if_absent`."""
        import obstore

        check_key(key)
        small, rest = _split(data)
        if rest is not None:
            small = b"".join([small, *rest])
        # A put whose answer was lost may have been applied, and sent again meets its own object. So whose object it
        # is is written on it.
        writer = uuid.uuid4().hex
        marks = {_SUM: _sum(key, small), _WRITER: writer}
        patience = self._patience("write", key)
        while True:
            client = self._client(_kind(len(small)))
            try:
                obstore.put(client, key, small, mode="create", use_multipart=False, attributes=marks)
                return
            except Exception as error:
                if patience.renews(error):
                    self._renew(client)
                    continue
                clash = type(error).__name__ in ("AlreadyExistsError", "PreconditionError")
                # A server that answers with an error hasn't applied it, most likely: the next put finds out.
                if not clash and (error_code(error) or not is_unknown(error)) and patience.again(error):
                    continue
                if not clash and not is_unknown(error):
                    self._fail(error, "write", key)
                found = self._writer(key, error, patience)
                if found == writer:
                    return
                if found is not None:
                    raise ObjectExists("The object is already in the store.", where=self._at(key)) from error
                if not patience.again(error):
                    self._fail(error, "write", key)

    def make_durable(self, key: str) -> None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.make_durable`: what can be seen lasts."""
        check_key(key)

    def head(self, key: str) -> ObjectInfo | None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.head`."""
        import obstore

        check_key(key)
        try:
            found = self._do("read", key, lambda client: obstore.head(client, key))
        except ObjectMissing:
            return None
        return ObjectInfo(key, found["size"], found["last_modified"].timestamp())

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[ObjectInfo]:
        """See :meth:`~flow_sdk.store.port.ObjectStore.list`."""
        check_prefix(prefix)
        return self._list(prefix, limit)

    def folders(self, prefix: str) -> _Names:
        """See :meth:`~flow_sdk.store.port.ObjectStore.folders`."""
        import obstore

        check_prefix(prefix)
        found = self._do("list", prefix, lambda client: obstore.list_with_delimiter(client, prefix or None))
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found["common_prefixes"])

    def delete(self, keys: Iterable[str]) -> None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.delete`."""
        wanted = [check_key(key) for key in keys]
        for start in range(0, len(wanted), 1000):
            self._delete(wanted[start : start + 1000])

    def _delete(self, keys: _Names) -> None:
        import obstore

        def delete(client: "Client") -> None:
            try:
                obstore.delete(client, keys)
            except Exception as error:
                if not is_missing(error):
                    raise

        self._do("delete", keys[0], delete)

    def _list(self, prefix: str, limit: int | None) -> Iterator[ObjectInfo]:
        import obstore

        left = limit if limit is not None else -1
        chunk = min(1000, limit) if limit else 1000
        last: str | None = None
        patience = self._patience("list", prefix)
        while True:
            client = self._client("small")
            try:
                for found in obstore.list(client, prefix or None, offset=last, chunk_size=chunk):
                    patience = self._patience("list", prefix)
                    for entry in found:
                        if left == 0:
                            return
                        left -= 1
                        last = entry["path"]
                        yield ObjectInfo(entry["path"], entry["size"], entry["last_modified"].timestamp())
                    if left == 0:
                        return
                return
            except Exception as error:  # noqa: BLE001 obstore raises what Rust gives it
                if patience.renews(error):
                    self._renew(client)
                elif not patience.again(error):
                    self._fail(error, "list", prefix)

    def _range(self, key: str, start: int, length: int) -> Any:
        import obstore

        check_key(key)
        if length <= 0:
            if self.head(key) is None:
                self._missing(key)
            return b""

        def read(client: "Client") -> memoryview:
            try:
                got = obstore.get(client, key, options={"range": (start, start + length)})
                size, data = got.meta["size"], memoryview(got.bytes())
            except Exception as error:
                if error_code(error) in ("InvalidRange", "416"):
                    return memoryview(b"")
                raise
            wanted = min(length, size - start)
            if len(data) != wanted:
                raise damage_error(f"{len(data):,} bytes from {start:,} on instead of {wanted:,}", self._at(key))
            return data

        return self._do("read", key, read, kind=_kind(length))

    def _whole(self, key: str, patience: Patience) -> tuple[bytes, dict[str, str]]:
        """Read a whole object, as it was written, and the marks on it."""
        import obstore

        def read(client: "Client") -> tuple[bytes, dict[str, str]]:
            got = obstore.get(client, key)
            marks = {str(name): str(value) for name, value in got.attributes.items()}
            data = got.bytes().to_bytes()
            if marks.get(_SUM) not in (None, _sum(key, data)):
                raise damage_error(
                    "its content and name don't have the checksum that was stored with it", self._at(key)
                )
            return data, marks

        return self._do("read", key, read, patience=patience)

    def _put_parts(self, key: str, pieces: Iterator[Any]) -> None:
        """Write a large object in parts, several at once, in one go: its pieces can be had only once."""
        import obstore

        writer = uuid.uuid4().hex
        client = self._client("parts")
        try:
            with stalls_told(f"write {self._at(key)}", pieces) as told:
                obstore.put(client, key, told, attributes={_WRITER: writer}, chunk_size=_PART, max_concurrency=4)
        except Exception as error:  # noqa: BLE001 obstore raises what Rust gives it
            # The upload is gone once it is completed, also for whoever didn't hear of it.
            if not is_unknown(error) and error_code(error) != "NoSuchUpload":
                self._fail(error, "write", key)
            if self._begun_by(key) != writer:
                self._fail(error, "write", key)

    def _get_or_none(self, key: str) -> bytes | None:
        try:
            return self.get(key)
        except ObjectMissing:
            return None

    def _writer(self, key: str, cause: Exception, patience: Patience) -> str | None:
        """Who wrote an object; None if there is no object."""
        try:
            return self._whole(key, patience)[1].get(_WRITER, "")
        except ObjectMissing:
            return None
        except StoreError as error:
            if is_unknown(cause):
                self._fail(cause, "write", key)
            raise error from cause

    def _begun_by(self, key: str) -> str | None:
        """Who wrote a large object; None if there is none."""
        import obstore

        def read(client: "Client") -> str:
            return str(obstore.get(client, key, options={"range": (0, 1)}).attributes.get(_WRITER, ""))

        try:
            return self._do("read", key, read)
        except StoreError:
            return None

    def _patience(self, verb: str, key: str) -> Patience:
        return Patience(f"{verb} {self._at(key)}")

    def _do(
        self,
        verb: str,
        key: str,
        work: "Callable[[Client], _Result]",
        *,
        kind: Kind = "small",
        patience: Patience | None = None,
    ) -> "_Result":
        """Do something until it is done, with newer credentials if need be, or until patience is over."""
        patience = patience or self._patience(verb, key)
        while True:
            client = self._client(kind)
            try:
                return work(client)
            except Exception as error:  # noqa: BLE001 obstore raises what Rust gives it
                if patience.renews(error):
                    self._renew(client)
                elif not patience.again(error):
                    self._fail(error, verb, key)

    def _client(self, kind: Kind) -> "Client":
        if self._pid != os.getpid():
            self._clients, self._pid = {}, os.getpid()
        client = self._clients.get(kind)
        if client is None:
            client = self._clients[kind] = connect(self.bucket, self.prefix, kind=kind)
        return client

    def _renew(self, client: "Client") -> None:
        """Have credentials read anew, unless another thread has done so already."""
        if any(client is one for one in self._clients.values()):
            self._clients = {}
            forget_settings()

    def _at(self, key: str) -> str:
        return f"{self.url}/{key}"

    def _missing(self, key: str) -> NoReturn:
        raise ObjectMissing("There is no such object in the store.", where=self._at(key))

    def _fail(self, error: Exception, verb: str, key: str) -> NoReturn:
        if isinstance(error, StoreError):
            raise error
        if is_missing(error) and verb == "read":
            raise ObjectMissing("There is no such object in the store.", where=self._at(key)) from error
        raise explain(error, verb, self.bucket, self._at(key)) from error


def _sum(key: str, data: bytes | memoryview) -> str:
    from blake3 import blake3

    hasher = blake3(key.encode("ascii") + b"\0")
    hasher.update(data)
    return hasher.hexdigest(16)


def _kind(size: int) -> Kind:
    return "small" if size <= _SMALL else "bulk"


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
