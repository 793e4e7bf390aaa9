"""Object storage in a cloud as an object store: S3, Google Cloud Storage and Azure Blob Storage through obstore."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NoReturn, TypeVar

from flow_sdk.errors import ObjectExists, ObjectMissing, StoreError
from flow_sdk.store.address import StoreAddress
from flow_sdk.store.backends.cloud import Cloud, ConnectionKind
from flow_sdk.store.backends.connection import BucketConnection
from flow_sdk.store.backends.errors import (
    error_code,
    is_conflict,
    is_missing_object,
    is_out_of_range,
    is_unknown_outcome,
)
from flow_sdk.store.backends.retry import RetryBudget, report_stalls
from flow_sdk.store.blobs.frame_format import damage_error, split_frames
from flow_sdk.store.key_syntax import check_key, check_prefix
from flow_sdk.store.port import Buffers, Capabilities, ObjectInfo
from flow_sdk.store.prefetch import prefetch_map

__all__ = ["ObjectStorage"]

_Names = list[str]
_Result = TypeVar("_Result")
_Parts = list[bytes | bytearray | memoryview]

_SMALL = 256 << 10
_BULK = 4 << 20
_PART = 16 << 20
_AT_ONCE = 16
_PAGE = 1000


class ObjectStorage:
    """An object store in a bucket.

    Credentials, region and endpoint are those of the cloud's usual environment variables and files; they are read
    again when the server doesn't accept them any more. A server that is silent is abandoned within 15 seconds when
    something small is read and within 20 when it is written; one that answers with errors is asked again for a minute.

    A small object carries the checksum of its key and content, and :meth:`get` verifies it: so an answer that is cut,
    changed or another object's is requested again, and then an IntegrityError.

    Parameters
    ----------
    address : StoreAddress
        The bucket, which must exist, and the folder in it.
    cloud : Cloud
        Where the bucket is.
    """

    def __init__(self, address: StoreAddress, cloud: Cloud) -> None:
        self.address = address
        self._cloud = cloud
        self._connection = BucketConnection(cloud, address.bucket, address.path)
        # Attributes of an object: its writer, and the checksum of its key and content.
        self._writer_mark = cloud.mark_separator.join(("flow", "sdk", "writer"))
        self._checksum_mark = cloud.mark_separator.join(("flow", "sdk", "sum"))

    def __repr__(self) -> str:
        return f"ObjectStorage({self.url!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return (StoreAddress.open_backend, (self.address,))

    @property
    def url(self) -> str:
        """The bucket and prefix as a URL."""
        return self.address.url

    @property
    def capabilities(self) -> Capabilities:
        """See :attr:`~flow_sdk.store.port.ObjectStore.capabilities`."""
        return Capabilities(is_remote=True)

    def get(self, key: str) -> bytes:
        """See :meth:`~flow_sdk.store.port.ObjectStore.get`."""
        return self._read_whole(check_key(key))[0]

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See :meth:`~flow_sdk.store.port.ObjectStore.get_range`."""
        return bytes(self._read_range(key, start, length))

    def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        """See :meth:`~flow_sdk.store.port.ObjectStore.read_into`."""
        found = self._read_range(key, start, len(buffer))
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
        small, rest = _split_small(data)
        if rest is not None:
            self._put_parts(key, split_frames(chain([small], rest), _BULK))
            return
        attributes = {self._checksum_mark: _object_checksum(key, small)}

        def put(client: Any) -> None:
            obstore.put(client, key, small, use_multipart=False, attributes=attributes)

        self._attempt("write", key, put, kind=_kind_for(len(small)))

    def put_if_absent(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.put_if_absent`."""
        import obstore

        check_key(key)
        small, rest = _split_small(data)
        if rest is not None:
            small = b"".join([small, *rest])
        # A put whose answer was lost may have been applied, and sent again meets its own object. So the writer is an
        # attribute of the object.
        writer = uuid.uuid4().hex
        attributes = {self._checksum_mark: _object_checksum(key, small), self._writer_mark: writer}
        budget = self._budget("write", key)
        while True:
            client = self._connection.client(_kind_for(len(small)))
            try:
                obstore.put(client, key, small, mode="create", use_multipart=False, attributes=attributes)
                return
            except Exception as error:
                if budget.should_renew_credentials(error):
                    self._connection.renew_credentials(client)
                    continue
                clash = is_conflict(error)
                # A server that answers with an error hasn't applied it, most likely: the next put finds out.
                unknown = is_unknown_outcome(error)
                if not clash and (error_code(error) or not unknown) and budget.wait_for_retry(error):
                    continue
                if not clash and not unknown:
                    self._raise_for(error, "write", key)
                found = self._read_writer(key, error, budget)
                if found == writer:
                    return
                if found is not None:
                    raise ObjectExists("The object is already in the store.", where=self._url_of(key)) from error
                if not budget.wait_for_retry(error):
                    self._raise_for(error, "write", key)

    def make_durable(self, key: str) -> None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.make_durable`: an object that is visible is durable."""
        check_key(key)

    def head(self, key: str) -> ObjectInfo | None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.head`."""
        import obstore

        check_key(key)
        try:
            found = self._attempt("read", key, lambda client: obstore.head(client, key))
        except ObjectMissing:
            return None
        return ObjectInfo(key, found["size"], found["last_modified"].timestamp())

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[ObjectInfo]:
        """See :meth:`~flow_sdk.store.port.ObjectStore.list`."""
        check_prefix(prefix)
        return self._list_pages(prefix, limit)

    def folders(self, prefix: str) -> _Names:
        """See :meth:`~flow_sdk.store.port.ObjectStore.folders`."""
        import obstore

        check_prefix(prefix)
        found = self._attempt("list", prefix, lambda client: obstore.list_with_delimiter(client, prefix or None))
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found["common_prefixes"])

    def delete(self, keys: Iterable[str]) -> None:
        """See :meth:`~flow_sdk.store.port.ObjectStore.delete`."""
        wanted = [check_key(key) for key in keys]
        size = self._cloud.deletes_at_once
        batches = [wanted[start : start + size] for start in range(0, len(wanted), size)]
        if size > 1 or len(batches) == 1:
            for batch in batches:
                self._delete_batch(batch)
            return
        for _ in prefetch_map(self._delete_batch, batches, min(_AT_ONCE, len(batches) or 1)):
            pass

    def _delete_batch(self, keys: _Names) -> None:
        import obstore

        def delete(client: Any) -> None:
            try:
                obstore.delete(client, keys)
            except Exception as error:
                if not is_missing_object(error):
                    raise

        self._attempt("delete", keys[0], delete)

    def _list_pages(self, prefix: str, limit: int | None) -> Iterator[ObjectInfo]:
        import obstore

        left = limit if limit is not None else -1
        chunk = min(_PAGE, limit) if limit else _PAGE
        last: str | None = None
        budget = self._budget("list", prefix)
        while True:
            client = self._connection.client("small")
            start = last
            try:
                for page in obstore.list(client, prefix or None, offset=start, chunk_size=chunk):
                    budget = self._budget("list", prefix)
                    for entry in page:
                        if left == 0:
                            return
                        path = entry["path"]
                        if start is not None and path <= start:
                            continue  # a server that knows no offset begins from the start again
                        if last is not None and path <= last:
                            raise self._order_error(last, path)
                        left -= 1
                        last = path
                        yield ObjectInfo(path, entry["size"], entry["last_modified"].timestamp())
                    if left == 0:
                        return
                return
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001 obstore raises what Rust gives it
                if budget.should_renew_credentials(error):
                    self._connection.renew_credentials(client)
                elif not budget.wait_for_retry(error):
                    self._raise_for(error, "list", prefix)

    def _order_error(self, before: str, after: str) -> StoreError:
        return StoreError(
            "This store lists its objects in another order than that of their keys.",
            seen=f"{before} before {after}",
            wanted="a general-purpose bucket; in Azure an account without a hierarchical namespace",
            where=self.url,
            help="Choose another bucket with --datastore-root.",
        )

    def _read_range(self, key: str, start: int, length: int) -> Any:
        import obstore

        check_key(key)
        if length <= 0:
            if self.head(key) is None:
                self._raise_missing(key)
            return b""

        def read(client: Any) -> memoryview:
            try:
                got = obstore.get(client, key, options={"range": (start, start + length)})
                size, data = got.meta["size"], memoryview(got.bytes())
            except Exception as error:
                if is_out_of_range(error):
                    return memoryview(b"")
                raise
            wanted = min(length, size - start)
            if len(data) != wanted:
                raise damage_error(f"{len(data):,} bytes from {start:,} on instead of {wanted:,}", self._url_of(key))
            return data

        return self._attempt("read", key, read, kind=_kind_for(length))

    def _read_whole(self, key: str, budget: RetryBudget | None = None) -> tuple[bytes, dict[str, str]]:
        """Return a whole object, as it was written, and its attributes."""
        import obstore

        def read(client: Any) -> tuple[bytes, dict[str, str]]:
            got = obstore.get(client, key)
            attributes = {str(name): str(value) for name, value in got.attributes.items()}
            data = got.bytes().to_bytes()
            if attributes.get(self._checksum_mark) not in (None, _object_checksum(key, data)):
                seen = "its content and name don't have the checksum that was stored with it"
                raise damage_error(seen, self._url_of(key))
            return data, attributes

        return self._attempt("read", key, read, budget=budget)

    def _put_parts(self, key: str, pieces: Iterator[Any]) -> None:
        """Write a large object in parts, several at once, in one go: its pieces can be had only once."""
        import obstore

        writer = uuid.uuid4().hex
        client = self._connection.client("parts")
        attributes = {self._writer_mark: writer}
        try:
            with report_stalls(f"write {self._url_of(key)}", pieces, self._cloud.title) as watched:
                obstore.put(client, key, watched, attributes=attributes, chunk_size=_PART, max_concurrency=4)
        except Exception as error:  # noqa: BLE001 obstore raises what Rust gives it
            # The upload is gone once it is completed, also for a client that lost the answer.
            if not is_unknown_outcome(error) and error_code(error) != "NoSuchUpload":
                self._raise_for(error, "write", key)
            if self._read_writer_of_parts(key) != writer:
                self._raise_for(error, "write", key)

    def _get_or_none(self, key: str) -> bytes | None:
        try:
            return self.get(key)
        except ObjectMissing:
            return None

    def _read_writer(self, key: str, cause: Exception, budget: RetryBudget) -> str | None:
        """Return who wrote an object; None if there is no object."""
        try:
            return self._read_whole(key, budget)[1].get(self._writer_mark, "")
        except ObjectMissing:
            return None
        except StoreError as error:
            if is_unknown_outcome(cause):
                self._raise_for(cause, "write", key)
            raise error from cause

    def _read_writer_of_parts(self, key: str) -> str | None:
        """Return who wrote a large object; None if there is none."""
        import obstore

        def read(client: Any) -> str:
            attributes = obstore.get(client, key, options={"range": (0, 1)}).attributes
            return str(attributes.get(self._writer_mark, ""))

        try:
            return self._attempt("read", key, read)
        except StoreError:
            return None

    def _budget(self, verb: str, key: str) -> RetryBudget:
        return self._connection.new_budget(verb, self._url_of(key))

    def _attempt(
        self,
        verb: str,
        key: str,
        work: Callable[[Any], _Result],
        *,
        kind: ConnectionKind = "small",
        budget: RetryBudget | None = None,
    ) -> _Result:
        return self._connection.attempt(verb, self._url_of(key), work, kind=kind, budget=budget)

    def _url_of(self, key: str) -> str:
        return f"{self.url}/{key}"

    def _raise_missing(self, key: str) -> NoReturn:
        raise ObjectMissing("There is no such object in the store.", where=self._url_of(key))

    def _raise_for(self, error: Exception, verb: str, key: str) -> NoReturn:
        self._connection.raise_for(error, verb, self._url_of(key))


def _object_checksum(key: str, data: bytes | memoryview) -> str:
    from blake3 import blake3

    hasher = blake3(key.encode("ascii") + b"\0")
    hasher.update(data)
    return hasher.hexdigest(16)


def _kind_for(size: int) -> ConnectionKind:
    return "small" if size <= _SMALL else "bulk"


def _split_small(data: Buffers) -> tuple[bytes | memoryview, Iterator[bytes | bytearray | memoryview] | None]:
    """Return a small object, joined, and None; of a large one its beginning and the rest."""
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
