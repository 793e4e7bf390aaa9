"""The items of a foreach, packed in one object: each is read, and verified, alone.

::

    magic   8   b"FSDKITEM"
    format  8   FORMAT
    count   8
    index       for each item: offset 8, size 8, codec 8, blake3 of the item 32, tag 16
    items

The pack's hash is that of its magic, format, count and all items' sizes, codecs and hashes; the tag binds an entry to
pack and position, so that an entry read alone can be trusted.
"""

import struct
from collections.abc import Callable, Iterator, Sequence

from flow_sdk.errors import IntegrityError, ObjectMissing, StoreError
from flow_sdk.store.blobs.frame_format import damage_error, digest_of
from flow_sdk.store.blobs.verified_read import read_verified
from flow_sdk.store.blobs.write_protocol import SINGLE_READ_LIMIT, is_recent, is_verified_whole, put_blob
from flow_sdk.store.pickling.codecs import CODECS, Encoded
from flow_sdk.store.port import ObjectInfo, ObjectStore
from flow_sdk.store.records.layout import blob_key

__all__ = ["ReadRange", "is_pack", "make_reader", "read_item", "verify_pack", "write_items"]

ReadRange = Callable[[int, int], bytes]
"""Reads bytes of an object: from an offset, a number of bytes."""

_MAGIC = b"FSDKITEM"
_FORMAT = 1
_HEAD = struct.Struct("<8sQQ")
_DESCRIPTION = struct.Struct("<QQ32s")
_ENTRY = struct.Struct("<Q48s16s")
_FIRST = 64 << 10
_ALIGN = 64


def write_items(store: ObjectStore, items: Sequence[Encoded]) -> str:
    """Store a pack; return its hash, 64 hexadecimal digits."""
    descriptions = [_DESCRIPTION.pack(item.size, CODECS.index(item.codec), digest_of(item.parts)) for item in items]
    head = _HEAD.pack(_MAGIC, _FORMAT, len(items))
    pack = digest_of([head, *descriptions])
    key = blob_key(pack.hex())
    index, size = _build_index(head, pack, descriptions, items)
    info = store.head(key)
    if info is None or info.size != size or not is_recent(info) or not _is_whole(store, info, index, pack):
        put_blob(store, key, lambda: _join_items(index, items))
    else:
        store.make_durable(key)
    return pack.hex()


def _is_whole(store: ObjectStore, info: ObjectInfo, index: bytes, pack: bytes) -> bool:
    try:
        if is_verified_whole(store, info.size):
            verify_pack(*make_reader(store, info), pack, info.key)
            return True
        return store.get_range(info.key, 0, len(index)) == index
    except StoreError:  # as of blobs
        return False


def _build_index(
    head: bytes, pack: bytes, descriptions: Sequence[bytes], items: Sequence[Encoded]
) -> tuple[bytes, int]:
    """Return the pack's head and index, and the size of the pack."""
    offset = _align_offset(_HEAD.size + _ENTRY.size * len(items))
    index = [head]
    for position, (description, item) in enumerate(zip(descriptions, items, strict=True)):
        index.append(_ENTRY.pack(offset, description, _compute_tag(pack, position, offset, description)))
        offset = _align_offset(offset + item.size)
    joined = b"".join(index)
    return joined + bytes(-len(joined) % _ALIGN), offset


def _join_items(index: bytes, items: Sequence[Encoded]) -> Iterator[bytes | memoryview]:
    yield index
    for item in items:
        yield from item.parts
        yield bytes(-item.size % _ALIGN)


def _align_offset(offset: int) -> int:
    return offset + -offset % _ALIGN


def _compute_tag(pack: bytes, position: int, offset: int, description: bytes) -> bytes:
    return digest_of([pack, struct.pack("<QQ", position, offset), description])[:16]


def read_item(store: ObjectStore, pack: str, count: int, index: int, *, where: str) -> tuple[str, bytes]:
    """ReadRange one item of a pack.

    Parameters
    ----------
    store : ObjectStore
        The store.
    pack : str
        The pack's hash.
    count : int
        How many items it has.
    index : int
        Which one, from 0.
    where : str
        What is being read, for errors.

    Returns
    -------
    tuple of str and bytes
        Codec and payload, verified.
    """
    key = blob_key(pack)
    where = f"{where}, object {key} in {store.url}"
    at = _HEAD.size + _ENTRY.size * index
    # A pack that is small, or has few items, is read with its index in one go.
    first = at if at + _ENTRY.size > _FIRST else 0

    def read_entry() -> bytes:
        return store.get_range(key, first, _ENTRY.size if first else _FIRST)

    def verify_entry(data: bytes) -> tuple[int, bytes]:
        entry = data[at - first : at - first + _ENTRY.size]
        if len(entry) < _ENTRY.size:
            raise damage_error("it ends inside its index", where)
        offset, description, tag = _ENTRY.unpack(entry)
        if _compute_tag(bytes.fromhex(pack), index, offset, description) != tag:
            raise damage_error("an entry of its index doesn't verify", where)
        size, codec, digest = _DESCRIPTION.unpack(description)
        if not first and offset + size <= len(data):
            payload = data[offset : offset + size]
        else:
            payload = store.get_range(key, offset, size) if size else b""
        if len(payload) != size or digest_of((payload,)) != digest:
            raise damage_error(f"item {index} doesn't verify", where)
        return codec, payload

    try:
        codec, payload = read_verified(store, read_entry, verify_entry)
    except ObjectMissing as error:
        raise ObjectMissing(
            "The items of a foreach are missing.", where=where, help="Run the flow again in a new run."
        ) from error
    if codec >= len(CODECS):
        raise IntegrityError("The items were stored by a newer release.", where=where, help="pip install -U flow-sdk")
    return CODECS[codec], payload


def make_reader(store: ObjectStore, info: ObjectInfo) -> tuple[ReadRange, int]:
    """Return a function that reads an object from its beginning to its end, in large pieces, and the object's size."""
    first, piece = 0, store.get(info.key) if info.size <= SINGLE_READ_LIMIT else b""
    size = len(piece) if info.size <= SINGLE_READ_LIMIT else info.size

    def read_range(start: int, length: int) -> bytes:
        nonlocal first, piece
        if info.size > SINGLE_READ_LIMIT and not first <= start <= start + length <= first + len(piece):
            first, piece = start, store.get_range(info.key, start, max(length, SINGLE_READ_LIMIT))
        return piece[start - first : start - first + length]

    return read_range, size


def is_pack(start: bytes) -> bool:
    """Return whether an object that begins like this is a pack."""
    return start.startswith(_MAGIC)


def verify_pack(read: ReadRange, size: int, pack: bytes, where: str) -> None:
    """Verify every byte of a pack.

    Parameters
    ----------
    read : callable
        Reads the object: from an offset, a number of bytes.
    size : int
        Bytes of the object.
    pack : bytes
        The hash it is stored under.
    where : str
        What is being read, for errors.

    Raises
    ------
    IntegrityError
        If a byte isn't what it was, or a newer release has written it.
    """
    head = read(0, _HEAD.size)
    if len(head) < _HEAD.size:
        raise damage_error("it ends inside its index", where)
    _, version, count = _HEAD.unpack(head)
    end = _HEAD.size + _ENTRY.size * count
    if end > size:
        raise damage_error("it ends inside its index", where)
    entries = [_ENTRY.unpack(entry) for entry in _read_entries(read, count)]
    if digest_of([head, *(description for _, description, _ in entries)]) != pack:
        raise damage_error("its index doesn't have the hash it is stored under", where)
    if version > _FORMAT:
        raise IntegrityError("The items were stored by a newer release.", where=where, help="pip install -U flow-sdk")
    offset = _align_offset(end)
    _verify_gap(read, end, offset, where)
    for index, (at, description, tag) in enumerate(entries):
        length, _, digest = _DESCRIPTION.unpack(description)
        if at != offset or _compute_tag(pack, index, at, description) != tag:
            raise damage_error("an entry of its index doesn't verify", where)
        offset = _align_offset(at + length)
        if digest_of(_read_pieces(read, at, length)) != digest:
            raise damage_error(f"item {index} doesn't verify", where)
        _verify_gap(read, at + length, offset, where)
    if offset != size:
        raise damage_error(f"{size:,} bytes instead of {offset:,}", where)


def _read_entries(read: ReadRange, count: int) -> Iterator[bytes]:
    many = 10_000
    for first in range(0, count, many):
        part = read(_HEAD.size + _ENTRY.size * first, _ENTRY.size * min(many, count - first))
        for at in range(0, len(part) - _ENTRY.size + 1, _ENTRY.size):
            yield part[at : at + _ENTRY.size]


def _read_pieces(read: ReadRange, start: int, length: int) -> Iterator[bytes]:
    piece = 4 << 20
    for offset in range(0, length, piece):
        yield read(start + offset, min(piece, length - offset))


def _verify_gap(read: ReadRange, start: int, end: int, where: str) -> None:
    if start < end and read(start, end - start) != bytes(end - start):
        raise damage_error("what is between two items isn't empty", where)
