"""The format of a blob: a header that describes it, and the payload, raw or in compressed frames.

::

    magic      8   b"FSDKBLOB"
    version    1   FORMAT
    packing    1   0 raw, 1 zstd frames
    text size  2   bytes of the description
    frame      4   bytes of payload in a frame (the last one may be shorter)
    size       8   bytes of payload
    hash      32   blake3 of the payload
    description    JSON for operators: codec, Python, module versions
    check     16   blake3 of all the above, its first 16 bytes

Raw: the payload follows as it is, so any part of it can be read by its offset. Compressed: each frame follows as
``size 4 | check 8 | bytes``; the size's highest bit says that the frame is stored uncompressed, and the check is that
of size and bytes, so that nothing is decompressed that wasn't verified.
"""

import re
import shlex
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from flow_sdk.errors import IntegrityError

__all__ = [
    "FRAME",
    "HEAD",
    "RAW",
    "ZSTD",
    "Header",
    "damage_error",
    "digest_of",
    "is_compressible",
    "pack_frame",
    "read_frame_size",
    "read_header",
    "split_frames",
    "unpack_frame",
    "verify_frame",
    "write_header",
]

RAW, ZSTD = 0, 1
FRAME = 4 << 20
HEAD = 4096
"""Bytes that contain any header."""

_MAGIC = b"FSDKBLOB"
_FORMAT = 1
_FIXED = struct.Struct("<8sBBHIQ32s")
_CHECK = 16
_FRAME = struct.Struct("<I8s")
_STORED = 1 << 31
_WORTH_PROBING = 16 << 10
_SAMPLE = 64 << 10
_SAMPLES = 4

Part = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Header:
    """The description of a blob.

    Parameters
    ----------
    packing : int
        ``RAW`` or ``ZSTD``.
    frame : int
        Bytes of payload in a frame, > 0.
    size : int
        Bytes of payload.
    digest : bytes
        blake3 of the payload.
    description : bytes
        JSON for operators.
    """

    packing: int
    frame: int
    size: int
    digest: bytes
    description: bytes = b"{}"

    @property
    def length(self) -> int:
        """Bytes of the header itself."""
        return _FIXED.size + len(self.description) + _CHECK


def write_header(header: Header) -> bytes:
    """Return a header as bytes."""
    from blake3 import blake3

    fixed = _FIXED.pack(
        _MAGIC, _FORMAT, header.packing, len(header.description), header.frame, header.size, header.digest
    )
    text = fixed + header.description
    return text + blake3(text).digest(_CHECK)


def read_header(data: bytes, where: str) -> Header:
    """Read and verify the header at the beginning of an object.

    Parameters
    ----------
    data : bytes
        The object, or its first ``HEAD`` bytes.
    where : str
        What is being read, for the error.

    Returns
    -------
    Header
        The header.

    Raises
    ------
    IntegrityError
        If it is damaged, not a blob's, or of a newer format.
    """
    from blake3 import blake3

    if len(data) < _FIXED.size:
        raise damage_error("it ends inside its header", where)
    magic, version, packing, description, frame, size, digest = _FIXED.unpack_from(data)
    if magic != _MAGIC:
        raise damage_error("it doesn't begin like a blob", where)
    end = _FIXED.size + description
    if blake3(data[:end]).digest(_CHECK) != data[end : end + _CHECK]:
        raise damage_error("its header doesn't verify", where)
    if version > _FORMAT or packing > ZSTD:
        raise IntegrityError(
            "A stored object was written by a newer release of Flow SDK.", where=where, help="pip install -U flow-sdk"
        )
    return Header(packing, frame, size, digest, data[_FIXED.size : end])


def damage_error(seen: str, where: str) -> IntegrityError:
    """Return the error for an object that doesn't verify, with the command that checks the store named in ``where``."""
    found = re.search(r" in ((?:file|s3)://.*)", where, re.DOTALL)
    store = f" --datastore-root {shlex.quote(found[1])}" if found else ""
    return IntegrityError(
        "A stored object is damaged.",
        seen=seen,
        wanted="the bytes that were stored",
        where=where,
        help=f"See whether it is damaged in the store or changed on its way here: flow-sdk store check{store}",
    )


def digest_of(parts: Iterable[bytes | memoryview]) -> bytes:
    """Return the hash of consecutive parts as one payload (32 bytes)."""
    # One thread: blake3's own pool doesn't survive the fork that makes a task's process.
    from blake3 import blake3

    hasher = blake3()
    for part in parts:
        hasher.update(part)
    return hasher.digest()


def split_frames(parts: Iterable[Part], size: int) -> Iterator[Part]:
    """Split consecutive parts into frames of ``size`` bytes, copying only where a frame spans two parts."""
    pending = bytearray()
    for part in parts:
        view = memoryview(part).cast("B")
        while len(view):
            if not pending and len(view) >= size:
                yield view[:size]
                view = view[size:]
                continue
            taken = size - len(pending)
            pending += view[:taken]
            view = view[taken:]
            if len(pending) == size:
                yield bytes(pending)
                pending.clear()
    if pending:
        yield bytes(pending)


def is_compressible(parts: Sequence[Part], size: int) -> bool:
    """Return whether compression of a few samples saves a tenth or more."""
    if size < _WORTH_PROBING:
        return False
    import zstandard

    compressor = zstandard.ZstdCompressor(level=1)
    step = max(_SAMPLE, size // _SAMPLES)
    offset = wanted = 0
    for part in parts:
        view = memoryview(part).cast("B")
        while wanted < offset + len(view):
            sample = view[wanted - offset : wanted - offset + _SAMPLE]
            if len(compressor.compress(sample)) < 0.9 * len(sample):
                return True
            wanted += step
        offset += len(view)
    return False


def pack_frame(frame: Part) -> list[Part]:
    """Compress one frame, or leave it as it is if that saves nothing."""
    import zstandard
    from blake3 import blake3

    body: Part = zstandard.ZstdCompressor(level=1).compress(frame)
    size = len(body)
    if size >= len(frame):
        body, size = frame, len(frame) | _STORED
    check = blake3(struct.pack("<I", size))
    check.update(body)
    return [_FRAME.pack(size, check.digest(8)), body]


def unpack_frame(data: memoryview, target: memoryview, where: str) -> int:
    """Verify and decompress the frame at the beginning of ``data``.

    Parameters
    ----------
    data : memoryview
        Stored bytes, from the frame's beginning on.
    target : memoryview
        Where its payload belongs; its length is the payload's.
    where : str
        What is being read, for the error.

    Returns
    -------
    int
        How many stored bytes the frame takes.
    """
    import zstandard

    end, is_stored = verify_frame(data, where)
    body = data[_FRAME.size : end]
    try:
        payload = body if is_stored else zstandard.ZstdDecompressor().decompress(body, len(target))
    except zstandard.ZstdError as error:
        raise damage_error(f"a frame can't be decompressed: {error}", where) from error
    if len(payload) != len(target):
        raise damage_error("a frame has the wrong size", where)
    target[:] = payload
    return end


def verify_frame(data: memoryview, where: str) -> tuple[int, bool]:
    """Verify the frame at the beginning of ``data``; return its stored size, and whether it is uncompressed."""
    from blake3 import blake3

    if len(data) < _FRAME.size:
        raise damage_error("it ends inside a frame", where)
    size, wanted = _FRAME.unpack_from(data)
    end = _FRAME.size + (int(size) & ~_STORED)
    check = blake3(data[:4])
    check.update(data[_FRAME.size : end])
    if check.digest(8) != wanted:
        raise damage_error("a frame doesn't verify", where)
    return end, bool(size & _STORED)


def read_frame_size(data: memoryview) -> int | None:
    """Return how many stored bytes the frame at the beginning of ``data`` takes; None if that can't be seen yet."""
    if len(data) < _FRAME.size:
        return None
    return _FRAME.size + (int(_FRAME.unpack_from(data)[0]) & ~_STORED)
