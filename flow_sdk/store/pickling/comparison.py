"""Compare two values in all that is stored of them, though their pickles differ in some bytes.

The pickles of equal values differ where the order of a set depends on the process, where a library pickles an address
in memory (the storage of a tensor), and where an object records that it was read: a cache, a counter of queries. The
values are pickled again, in a form that is made for comparison only: sets in the order of their elements' digests,
storages by content, classes and functions by identity, and without the attributes in ``_READ_TRACES``.
"""

import hashlib
import io
import pickle
import sys
import types
from collections.abc import Callable
from typing import Any

from flow_sdk.store.pickling.codecs import Encoded, encode_value

__all__ = ["are_equal", "was_only_read"]

MOST_OBJECTS = 500_000
"""Objects that are compared; values of more count as different."""

LARGEST_BUFFERS = 1 << 30
"""Bytes in buffers beside a pickle; larger values are stored without comparison, which would take as much memory."""

_HINTS = (b"\x8f", b"\x91", b"torch", b"pandas", b"sklearn")
"""Bytes in pickles that may differ from one of an equal value: the opcodes of sets, and names of libraries."""

_READ_TRACES = {
    "pandas": frozenset({"_cache"}),
    "sklearn": frozenset({"_stop_words_id"}),
}
"""Attributes, by library, in which its objects record that they were read."""

_TREES = ("KDTree64", "KDTree32", "BallTree64", "BallTree32", "KDTree", "BallTree")
_TREE_COUNTERS = slice(7, 11)
"""Where the state of scikit-learn's trees (1.3 to 1.8) counts queries: n_trims, n_leaves, n_splits, n_calls."""


def was_only_read(value: Any, encoded: Encoded, load: Callable[[], Any]) -> bool:
    """Return whether a loaded value is unchanged, though it pickles to other bytes now.

    Parameters
    ----------
    value : object
        The value that was loaded.
    encoded : Encoded
        The value as it would be stored now.
    load : callable
        Loads a fresh copy of what is stored. A value that was only read mostly pickles to the same bytes as that.

    Returns
    -------
    bool
        False also if they can't be compared.
    """
    if sum(part.nbytes for part in encoded.parts if isinstance(part, memoryview)) > LARGEST_BUFFERS:
        return False
    return _is_same_value(value, encoded, load())


def are_equal(one: Any, other: Any) -> bool:
    """Return whether two values are equal in all that is stored; False also if they can't be compared."""
    return _is_same_value(one, encode_value(one, where="a value to compare"), other)


def _is_same_value(value: Any, encoded: Encoded, other: Any) -> bool:
    if type(value) is not type(other):
        return False
    again = encode_value(other, where="a value to compare")
    if again.codec != encoded.codec:
        return False
    if again.size == encoded.size and b"".join(again.parts) == b"".join(encoded.parts):
        return True
    if not any(mark in part for part in encoded.parts if isinstance(part, bytes) for mark in _HINTS):
        return False
    try:
        return _Digest.compute_digest(value) == _Digest.compute_digest(other)
    except Exception:  # noqa: BLE001 a __reduce__ may raise anything
        return False


class _TooMany(Exception):
    """There are too many objects to compare."""


_Pickler: Any = pickle._Pickler
"""The pickler in Python, of which sets and text can be written in another form."""


class _Digest(_Pickler):  # type: ignore[misc]
    """A pickler whose output is for comparing only."""

    def __init__(self, digest: Any, left: list[int]) -> None:
        self._digest, self._left = digest, left
        super().__init__(_DigestFile(digest), protocol=5, buffer_callback=self._hash_buffer)

    @classmethod
    def compute_digest(cls, value: Any, left: list[int] | None = None) -> bytes:
        digest = hashlib.blake2b(digest_size=32)
        pickler = cls(digest, left if left is not None else [MOST_OBJECTS])
        pickler.dump(value)
        return bytes(digest.digest())

    def _hash_buffer(self, buffer: pickle.PickleBuffer) -> bool:
        try:
            self._digest.update(buffer.raw())
        except BufferError:
            return True
        return False

    def save(self, obj: Any, save_persistent_id: bool = True) -> Any:
        self._left[0] -= 1
        if self._left[0] < 0:
            raise _TooMany
        return super().save(obj, save_persistent_id)

    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, type | types.FunctionType | types.BuiltinFunctionType | types.ModuleType):
            return "named", id(obj)
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(obj, torch.storage.TypedStorage | torch.UntypedStorage):
            untyped = obj._untyped_storage if isinstance(obj, torch.storage.TypedStorage) else obj
            return "storage", str(getattr(obj, "dtype", "")), str(untyped.device), _hash_storage(torch, untyped)
        return None

    def reducer_override(self, obj: Any) -> Any:
        library = type(obj).__module__.partition(".")[0]
        if library not in _READ_TRACES:
            return NotImplemented
        reduced = obj.__reduce_ex__(5)
        if not isinstance(reduced, tuple) or len(reduced) < 3:
            return reduced
        return (*reduced[:2], _drop_read_traces(type(obj), reduced[2], _READ_TRACES[library]), *reduced[3:])

    def _save_text(self, obj: Any) -> None:
        """Save text or bytes without the memo: whether two equal ones are one object isn't compared."""
        content = obj.encode("utf-8", "surrogatepass") if isinstance(obj, str) else obj
        self.write(b"%s%d:" % (type(obj).__name__.encode(), len(content)))
        self.write(content)

    def _save_set(self, obj: Any) -> None:
        self.write(b"%s%d:" % (type(obj).__name__.encode(), len(obj)))
        for element in sorted(_Digest.compute_digest(element, self._left) for element in obj):
            self.write(element)

    dispatch = {  # noqa: RUF012
        **_Pickler.dispatch,
        str: _save_text,
        bytes: _save_text,
        set: _save_set,
        frozenset: _save_set,
    }


class _DigestFile(io.RawIOBase):
    """A file whose content goes into a digest."""

    def __init__(self, digest: Any) -> None:
        self._digest = digest

    def write(self, data: Any) -> int:
        self._digest.update(data)
        return len(data)


def _drop_read_traces(kind: type, state: Any, traces: frozenset[str]) -> Any:
    """Return the state of a library's object without its traces of being read."""
    if kind.__name__ in _TREES and isinstance(state, tuple) and len(state) > _TREE_COUNTERS.stop:
        return (*state[: _TREE_COUNTERS.start], *state[_TREE_COUNTERS.stop :])
    if isinstance(state, dict):
        return {name: part for name, part in state.items() if name not in traces}
    if isinstance(state, tuple):
        kept = (_drop_read_traces(object, part, traces) if isinstance(part, dict) else part for part in state)
        return tuple(part for part in kept if not (isinstance(part, dict) and not part))
    return state


def _hash_storage(torch: Any, untyped: Any) -> bytes:
    """Return the digest of the bytes of a tensor's storage."""
    view = torch.tensor([], dtype=torch.uint8).set_(untyped.cpu())
    return hashlib.blake2b(view.numpy(), digest_size=32).digest()
