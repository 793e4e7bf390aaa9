"""Verify every stored byte of a blob, in little memory whatever its size."""

from collections.abc import Iterator

from flow_sdk.errors import IntegrityError
from flow_sdk.store.blobs import frame_format, item_pack
from flow_sdk.store.blobs.frame_format import HEAD, RAW, Header, damage_error
from flow_sdk.store.blobs.write_protocol import SINGLE_READ_LIMIT
from flow_sdk.store.port import ObjectInfo, ObjectStore

__all__ = ["verify_blob"]


def verify_blob(store: ObjectStore, info: ObjectInfo, digest: bytes, *, unpack: bool = True) -> None:
    """Read a blob, or a pack of items, from its first byte to its last and verify each.

    Parameters
    ----------
    store : ObjectStore
        The store.
    info : ObjectInfo
        Which object, and its size.
    digest : bytes
        The hash it is stored under.
    unpack : bool
        Whether to decompress frames and compare the payload with its hash. Otherwise each frame is compared with its
        own checksum, which also shows any changed byte, and takes less time than to compress the payload again.

    Raises
    ------
    ObjectMissing
        If it isn't there any more.
    IntegrityError
        If a byte isn't what it was, or a newer release has written it.
    """
    where = f"object {info.key} in {store.url}"
    read, size = item_pack.make_reader(store, info)
    start = read(0, HEAD)
    if item_pack.is_pack(start):
        item_pack.verify_pack(read, size, digest, where)
        return
    header = frame_format.read_header(start, where)
    if header.digest != digest:
        raise damage_error("it is another payload's object", where)
    if header.frame == 0:
        raise damage_error("its frames are empty", where)
    stored = _read_pieces(read, header.length, size)
    if header.packing != RAW and not unpack:
        _verify_frames(header, stored, where)
    elif _hash_payload(header, stored, where) != digest:
        raise damage_error("its payload doesn't have the hash it is stored under", where)


def _read_pieces(read: item_pack.ReadRange, start: int, size: int) -> Iterator[bytes]:
    while start < size:
        data = read(start, min(SINGLE_READ_LIMIT - start % SINGLE_READ_LIMIT, size - start))
        if not data:
            return
        start += len(data)
        yield data


def _hash_payload(header: Header, stored: Iterator[bytes], where: str) -> bytes:
    from blake3 import blake3

    hasher = blake3()
    done = 0
    for payload in stored if header.packing == RAW else _unpack_payload(header, stored, where):
        done += len(payload)
        hasher.update(payload)
    if done != header.size:
        raise damage_error(f"{done:,} bytes of payload instead of {header.size:,}", where)
    return hasher.digest()


def _unpack_payload(header: Header, stored: Iterator[bytes], where: str) -> Iterator[memoryview]:
    """Decompress frame by frame."""
    left = header.size
    for frame in _split_stored(header, stored, where):
        target = memoryview(bytearray(min(header.frame, left)))
        if not len(target):
            raise damage_error("it has more frames than it should", where)
        frame_format.unpack_frame(frame, target, where)
        left -= len(target)
        yield target


def _verify_frames(header: Header, stored: Iterator[bytes], where: str) -> None:
    count, wanted = 0, -(-header.size // header.frame)
    for frame in _split_stored(header, stored, where):
        frame_format.verify_frame(frame, where)
        count += 1
    if count != wanted:
        raise damage_error(f"{count:,} frames instead of {wanted:,}", where)


def _split_stored(header: Header, stored: Iterator[bytes], where: str) -> Iterator[memoryview]:
    """Split the stored bytes into frames."""
    rest = memoryview(b"")
    for data in stored:
        rest = memoryview(bytes(rest) + data if rest else data)
        while (length := frame_format.read_frame_size(rest)) is not None:
            # No frame is longer than its payload and the few bytes in front of it.
            if length > header.frame + HEAD:
                raise damage_error("a frame has the wrong size", where)
            if length > len(rest):
                break
            yield rest[:length]
            rest = rest[length:]
    if rest:
        raise IntegrityError(
            "A stored object is damaged.", seen="it ends inside a frame, or has bytes too many", where=where
        )
