"""Content-addressed blobs: written once under their own hash, verified on every read."""

import mmap
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

from flow_sdk.errors import ObjectMissing, StoreError
from flow_sdk.store.blobs import frame_format
from flow_sdk.store.blobs.frame_format import FRAME, HEAD, RAW, ZSTD, Header, Part, damage_error, digest_of
from flow_sdk.store.blobs.verification import verify_blob
from flow_sdk.store.blobs.verified_read import read_verified
from flow_sdk.store.blobs.write_protocol import is_recent, is_verified_whole, put_blob
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.prefetch import prefetch_map
from flow_sdk.store.records.layout import blob_key

if TYPE_CHECKING:
    from blake3 import blake3

__all__ = ["Payload", "digest_of", "read_blob", "write_blob"]

Payload = bytes | bytearray | memoryview
"""What a payload is read as: bytes for a small one, else a writable view of memory of its own."""

_LARGE = 1 << 20
_READ = 8 << 20
_AT_ONCE = 8


def write_blob(
    store: ObjectStore,
    parts: Sequence[bytes | memoryview],
    digest: bytes,
    *,
    description: bytes = b"{}",
    durable: bool = True,
) -> None:
    """Store a payload under its hash, unless an intact blob of it was written recently.

    An existing blob is verified (of a large one in S3 only header and length), so that a damaged one is repaired when
    the same payload is stored again. An old one is written again, so that the garbage collector sees that it is needed
    (:mod:`flow_sdk.store.blobs.write_protocol`).

    Parameters
    ----------
    store : ObjectStore
        The store.
    parts : sequence of bytes or memoryview
        The payload's consecutive parts.
    digest : bytes
        blake3 of the payload.
    description : bytes
        JSON for operators, at most 3 KiB.
    durable : bool
        Whether it must survive a power cut.
    """
    key = blob_key(digest.hex())
    size = sum(memoryview(part).nbytes for part in parts)
    if _is_intact(store, key, digest, parts, size):
        if durable:
            store.make_durable(key)
        return
    packing = ZSTD if frame_format.is_compressible(parts, size) else RAW
    header = frame_format.write_header(Header(packing, FRAME, size, digest, description))
    put_blob(store, key, lambda: chain([header], _pack_parts(parts, packing)), durable=durable)


def _is_intact(store: ObjectStore, key: str, digest: bytes, parts: Sequence[bytes | memoryview], size: int) -> bool:
    """Return whether a blob exists that a writer may rely on."""
    info = store.head(key)
    if info is None or not is_recent(info):
        return False
    try:
        if is_verified_whole(store, info.size):
            verify_blob(store, info, digest, unpack=size < _LARGE)
            return True
        header = _check_header(frame_format.read_header(store.get_range(key, 0, HEAD), key), digest, key)
        # Its compressed size is known only after compressing it, which is still cheaper than sending it, too.
        return info.size == header.length + sum(memoryview(part).nbytes for part in _pack_parts(parts, header.packing))
    except StoreError:  # also an unreadable disk; an unreachable store raises when it is written to
        return False


def _pack_parts(parts: Sequence[bytes | memoryview], packing: int) -> Iterator[Part]:
    if packing == RAW:
        yield from parts
        return
    for packed in prefetch_map(frame_format.pack_frame, frame_format.split_frames(parts, FRAME)):
        yield from packed


def read_blob(store: ObjectStore, digest: str, size: int | None, *, where: str) -> Payload:
    """Read a payload and verify it.

    Parameters
    ----------
    store : ObjectStore
        The store.
    digest : str
        Its hash, 64 hexadecimal digits.
    size : int or None
        Its size as recorded elsewhere, which decides how it is read; None if unknown.
    where : str
        What is read, for the error.

    Returns
    -------
    bytes or memoryview
        The payload; a memoryview is writable and owns its memory.

    Raises
    ------
    ObjectMissing
        If there is no such blob.
    IntegrityError
        If a byte of it doesn't verify.
    """
    key = blob_key(digest)
    where = f"{where}, object {key} in {store.url}"
    first = HEAD if size is not None else _LARGE

    def read_start() -> bytes:
        return store.get_range(key, 0, first) if size is None or size >= _LARGE else store.get(key)

    def verify_start(start: bytes) -> Payload:
        if size >= _LARGE if size is not None else len(start) == _LARGE:
            return _read_large(store, key, start, bytes.fromhex(digest), where)
        return _read_small(start, bytes.fromhex(digest), where)

    try:
        return read_verified(store, read_start, verify_start)
    except ObjectMissing as error:
        raise ObjectMissing(
            "A stored object is missing.",
            where=where,
            help="It was deleted from the store. Run the task that made it again in a new run.",
        ) from error


def _read_small(data: bytes, digest: bytes, where: str) -> Payload:
    from blake3 import blake3

    header = _check_header(frame_format.read_header(data[:HEAD], where), digest, where)
    if header.packing == RAW:
        payload: Payload = data[header.length :]
        if len(payload) != header.size:
            raise damage_error(f"{len(payload):,} bytes of payload instead of {header.size:,}", where)
    else:
        payload = bytearray(header.size) if header.size < _LARGE else _allocate_memory(header.size)
        view, rest = memoryview(payload), memoryview(data)[header.length :]
        for start in range(0, header.size, header.frame):
            rest = rest[frame_format.unpack_frame(rest, view[start : start + header.frame], where) :]
        if len(rest):
            raise damage_error(f"{len(rest):,} bytes too many", where)
    if blake3(payload).digest() != digest:
        raise damage_error("its payload doesn't have the hash it is stored under", where)
    return payload


def _check_header(header: Header, digest: bytes, where: str) -> Header:
    if header.digest != digest:
        raise damage_error("it is another payload's object", where)
    if header.frame == 0:
        raise damage_error("its frames are empty", where)
    return header


def _read_large(store: ObjectStore, key: str, start: bytes, digest: bytes, where: str) -> Payload:
    from blake3 import blake3

    header = _check_header(frame_format.read_header(start[:HEAD], where), digest, where)
    info = store.head(key)
    stored = info.size if info is not None else 0
    if header.packing == RAW and stored != header.length + header.size:
        raise damage_error(f"{stored:,} bytes instead of {header.length + header.size:,}", where)
    payload = _allocate_memory(header.size)
    hasher = blake3()
    if header.packing == RAW:
        _read_raw(store, key, header.length, payload, hasher, where)
    else:
        _read_compressed(store, key, header, stored, payload, hasher, where)
    if hasher.digest() != digest:
        raise damage_error("its payload doesn't have the hash it is stored under", where)
    return payload


def _read_raw(store: ObjectStore, key: str, start: int, payload: memoryview, hasher: "blake3", where: str) -> None:
    """Read ranges into the payload, several at once, and hash each after those before it."""

    def read_piece(offset: int) -> memoryview:
        piece = payload[offset : offset + _READ]
        if store.read_into(key, start + offset, piece) != len(piece):
            raise damage_error("it ends too early", where)
        return piece

    workers = _AT_ONCE if store.capabilities.is_remote else 0
    for piece in prefetch_map(read_piece, range(0, len(payload), _READ), workers):
        hasher.update(piece)


def _read_compressed(
    store: ObjectStore, key: str, header: Header, stored: int, payload: memoryview, hasher: "blake3", where: str
) -> None:
    """Read ranges one after the other, and decompress their frames, several at once."""

    def read_frames() -> Iterator[memoryview]:
        rest = bytearray()
        offset = header.length
        while offset < stored:
            data = store.get_range(key, offset, min(_READ, stored - offset))
            if not data:
                raise damage_error("it ends too early", where)
            offset += len(data)
            rest += data
            view = memoryview(bytes(rest))
            while (size := frame_format.read_frame_size(view)) is not None and size <= len(view):
                yield view[:size]
                view = view[size:]
            rest = bytearray(view)
        if rest:
            yield memoryview(bytes(rest))

    def unpack_numbered(work: tuple[int, memoryview]) -> memoryview:
        number, data = work
        target = payload[number * header.frame : (number + 1) * header.frame]
        if not len(target) or frame_format.unpack_frame(data, target, where) != len(data):
            raise damage_error("it has more frames than it should", where)
        return target

    done = 0
    for piece in prefetch_map(unpack_numbered, enumerate(read_frames())):
        hasher.update(piece)
        done += len(piece)
    if done != len(payload):
        raise damage_error("it ends too early", where)


def _allocate_memory(size: int) -> memoryview:
    """Return new writable memory, not touched before it is filled and private to this process after a fork."""
    if not size:
        return memoryview(bytearray())
    area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):
            area.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(area)
