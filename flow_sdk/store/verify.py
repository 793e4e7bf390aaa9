"""Every stored byte of a blob held against its hash, in little memory however large it is."""

from collections.abc import Iterator

from flow_sdk.errors import IntegrityError
from flow_sdk.store import framing, items
from flow_sdk.store.framing import HEAD, RAW, Header, damaged
from flow_sdk.store.port import ObjectInfo, ObjectStore

__all__ = ["verify_blob"]

_PIECE = 4 << 20


def verify_blob(store: ObjectStore, info: ObjectInfo, digest: bytes) -> None:
    """Read a blob, or a pack of items, from its first byte to its last and verify each.

    Parameters
    ----------
    store : ObjectStore
        Where it is.
    info : ObjectInfo
        Which object, and its size.
    digest : bytes
        The hash it is stored under.

    Raises
    ------
    ObjectMissing
        If it isn't there any more.
    IntegrityError
        If a byte isn't what it was, or a newer release has written it.
    """
    where = f"object {info.key} in {store.url}"
    if info.size <= _PIECE:
        data = store.get(info.key)

        def read(start: int, length: int) -> bytes:
            return data[start : start + length]

        size = len(data)
    else:

        def read(start: int, length: int) -> bytes:
            return store.get_range(info.key, start, length)

        size = info.size
    start = read(0, HEAD)
    if items.is_pack(start):
        items.verify_pack(read, size, digest, where)
        return
    header = framing.read_header(start, where)
    if header.digest != digest:
        raise damaged("it is another payload's object", where)
    if header.frame == 0:
        raise damaged("its frames are empty", where)
    if _hash(store, info.key, header, _pieces(read, header.length, size), where) != digest:
        raise damaged("its payload doesn't have the hash it is stored under", where)


def _pieces(read: items.Read, start: int, size: int) -> Iterator[bytes]:
    while start < size:
        data = read(start, min(_PIECE, size - start))
        if not data:
            return
        start += len(data)
        yield data


def _hash(store: ObjectStore, key: str, header: Header, stored: Iterator[bytes], where: str) -> bytes:
    from blake3 import blake3

    hasher = blake3()
    done = 0
    for payload in stored if header.packing == RAW else _payload(header, stored, where):
        done += len(payload)
        hasher.update(payload)
    if done != header.size:
        raise damaged(f"{done:,} bytes of payload instead of {header.size:,}", where)
    return hasher.digest()


def _payload(header: Header, stored: Iterator[bytes], where: str) -> Iterator[memoryview]:
    """Decompress frame by frame."""
    rest = b""
    left = header.size
    for data in stored:
        rest += data
        while rest:
            view = memoryview(rest)
            length = framing.stored_size(view)
            if length is None or length > len(rest):
                # No frame is longer than its payload and the few bytes in front of it.
                if length is not None and length > header.frame + HEAD:
                    raise damaged("a frame has the wrong size", where)
                break
            target = memoryview(bytearray(min(header.frame, left)))
            if not len(target):
                raise damaged("it has more frames than it should", where)
            framing.unpack_into(view[:length], target, where)
            left -= len(target)
            rest = rest[length:]
            yield target
    if rest:
        raise IntegrityError(
            "A stored object is damaged.", seen="it ends inside a frame, or has bytes too many", where=where
        )
