"""Encode a value as the bytes that are stored, and decode it.

``bytes`` and ``str`` are stored as they are. All else is a pickle (protocol 5) with its large buffers beside it, so
that an array is neither copied on its way out nor on its way in. Where the pickle would name something in the flow
file, or pickle refuses, the flow file's classes and functions are stored by value (codec ``cloudpickle``).

Equal values give equal bytes where pickle does: the order of a set of strings depends on the process's hash seed, and
whether two equal strings are one object can show.
"""

import pickle
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from flow_sdk.errors import FlowSDKError, SerializationError
from flow_sdk.store.pickling.flow_modules import flow_module_names, is_flow_module, register_flow_module

__all__ = ["CODECS", "Encoded", "decode_value", "encode_value", "register_flow_module"]

CODECS = ("bytes", "str", "pickle", "cloudpickle")
"""All codecs; a pack of items records a codec by its index here."""

_Part = bytes | memoryview

# magic, Python's major and minor version, number of buffers, bytes of the pickle; then each buffer's size
_HEAD = struct.Struct("<4sBBHIQ")
_MAGIC = b"FSDP"
_ALIGN = 64
_IN_BAND = 1024


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value as bytes.

    Parameters
    ----------
    codec : str
        What reads them.
    parts : list of bytes or memoryview
        The payload's consecutive parts; views are of the value's own memory.
    size : int
        Bytes in all.
    type : str
        The value's type as ``module.qualname``.
    """

    codec: str
    parts: list[_Part]
    size: int
    type: str


class _PartList(list[_Part]):
    """A file for the pickler that collects its output, large bytes objects without a copy."""

    __slots__ = ()

    def write(self, data: Any) -> int:
        # Anything but bytes is a view that is valid during this call only.
        self.append(data if type(data) is bytes else bytes(data))
        return len(data)


def encode_value(value: Any, *, where: str) -> Encoded:
    """Encode a value.

    Parameters
    ----------
    value : object
        Any value.
    where : str
        Step and artifact, for the error.

    Returns
    -------
    Encoded
        The bytes, as parts that may share memory with the value.

    Raises
    ------
    SerializationError
        If no codec can encode it.
    """
    kind = type(value)
    if kind is bytes:
        return Encoded("bytes", [value], len(value), "builtins.bytes")
    if kind is str:
        text = value.encode("utf-8", "surrogatepass")
        return Encoded("str", [text], len(text), "builtins.str")
    name = f"{'__main__' if is_flow_module(kind.__module__) else kind.__module__}.{kind.__qualname__}"
    codec, parts = _pickle_value(value, where)
    return Encoded(codec, parts, sum(len(p) for p in parts), name)


def _pickle_value(value: Any, where: str) -> tuple[str, list[_Part]]:
    try:
        stream, buffers = _dump_parts(pickle.Pickler, value)
        if not any(name.encode() in part for name in flow_module_names() for part in stream):
            return "pickle", _join_parts(stream, buffers, (0, 0))
    except RecursionError as error:
        _raise_unpicklable(value, where, error)
    except Exception as error:
        if isinstance(error, FlowSDKError):
            raise
    from flow_sdk.store.pickling.by_value import ByReferencePickler, ByValuePickler

    try:
        return "cloudpickle", _join_parts(*_dump_parts(ByValuePickler, value), sys.version_info[:2])
    except Exception as error:  # noqa: BLE001 a __reduce__ may raise anything
        try:
            return "pickle", _join_parts(*_dump_parts(ByReferencePickler, value), (0, 0))
        except Exception:  # noqa: BLE001 a __reduce__ may raise anything
            _raise_unpicklable(value, where, error)


def _dump_parts(kind: Any, value: Any) -> tuple[_PartList, list[memoryview]]:
    stream = _PartList()
    buffers: list[memoryview] = []

    def add_buffer(buffer: pickle.PickleBuffer) -> bool:
        """Store a buffer beside the pickle; a small one and one that isn't contiguous become part of the pickle."""
        try:
            view = buffer.raw()
        except BufferError:
            return True
        if view.nbytes < _IN_BAND:
            return True
        buffers.append(view)
        return False

    kind(stream, protocol=5, buffer_callback=add_buffer).dump(value)
    return stream, buffers


def _join_parts(stream: list[_Part], buffers: list[memoryview], python: tuple[int, ...]) -> list[_Part]:
    """Join pickle and buffers; a plain pickle without buffers stays as it is."""
    if not buffers and not python[0]:
        return stream
    size = sum(len(part) for part in stream)
    sizes = struct.pack(f"<{len(buffers)}Q", *(buffer.nbytes for buffer in buffers))
    head = _HEAD.pack(_MAGIC, python[0], python[1], 0, len(buffers), size) + sizes
    parts: list[_Part] = [head, *stream]
    offset = len(head) + size
    for buffer in buffers:
        parts += [bytes(-offset % _ALIGN), buffer]
        offset += -offset % _ALIGN + buffer.nbytes
    return parts


def decode_value(codec: str, payload: bytes | bytearray | memoryview, *, where: str, safe: bool = False) -> Any:
    """Decode a value.

    Parameters
    ----------
    codec : str
        The codec that made them.
    payload : bytes, bytearray or memoryview
        The bytes, verified. Arrays in the value are views of them, so they need memory of their own.
    where : str
        Step and artifact, for the error.
    safe : bool
        Whether to refuse to unpickle.

    Returns
    -------
    object
        The value.

    Raises
    ------
    SerializationError
        If it can't be loaded here, or not safely.
    """
    if codec == "bytes":
        return bytes(payload)
    if codec == "str":
        return str(payload, "utf-8", "surrogatepass")
    if codec not in CODECS:
        raise SerializationError(
            f"This release doesn't know the codec {codec!r}.", where=where, help="pip install -U flow-sdk"
        )
    if safe:
        raise SerializationError(
            "The artifact isn't loaded in safe mode.",
            seen=f"codec {codec}, which can run code when loaded",
            wanted="str or bytes",
            where=where,
            help="Load it without safe mode if you trust its author.",
        )
    stream, buffers = _split_payload(payload, where)
    try:
        return pickle.loads(stream, buffers=buffers)
    except Exception as error:  # noqa: BLE001 a __setstate__ may raise anything
        _raise_unloadable(error, where)


def _split_payload(payload: bytes | bytearray | memoryview, where: str) -> tuple[memoryview, Sequence[memoryview]]:
    view = memoryview(payload)
    if view[:4] != _MAGIC:
        return view, ()
    _, major, minor, _, count, size = _HEAD.unpack_from(view)
    if major and (major, minor) != sys.version_info[:2]:
        raise SerializationError(
            "The artifact holds code that was stored by another Python.",
            seen=f"Python {major}.{minor}",
            wanted="Python {}.{}, which runs here".format(*sys.version_info),
            where=where,
            help=f"Load it with Python {major}.{minor}, or move its classes and functions out of the flow file into a "
            "module, which is stored by name.",
        )
    start = _HEAD.size + 8 * count
    sizes = struct.unpack_from(f"<{count}Q", view, _HEAD.size)
    stream = view[start : start + size]
    offset = start + size
    buffers = []
    for length in sizes:
        offset += -offset % _ALIGN
        buffers.append(_make_writable(view[offset : offset + length]))
        offset += length
    return stream, buffers


def _make_writable(view: memoryview) -> memoryview:
    return memoryview(bytearray(view)) if view.readonly else view


def _raise_unpicklable(value: Any, where: str, error: BaseException) -> NoReturn:
    from flow_sdk.store.pickling.diagnosis import find_culprit

    path, culprit = find_culprit(value, lambda part: _can_pickle(part))
    kind = type(culprit)
    raise SerializationError(
        "An artifact can't be stored.",
        seen=f"{kind.__module__}.{kind.__qualname__}"
        + (f" in the attribute {path}" if path else "")
        + f": {_describe_error(error)}",
        wanted="a value that can be pickled",
        where=f"{where}{path}",
        help="Store it in another form, such as a list, text or a path, keep it in a local variable, or give its class "
        "a __getstate__ that leaves the part out.",
    ) from error


def _can_pickle(value: Any) -> bool:
    from flow_sdk.store.pickling.by_value import ByReferencePickler, ByValuePickler

    for kind in (ByValuePickler, ByReferencePickler):
        try:
            _dump_parts(kind, value)
        except Exception:  # noqa: BLE001 a __reduce__ may raise anything
            continue
        return True
    return False


def _raise_unloadable(error: Exception, where: str) -> NoReturn:
    if isinstance(error, ModuleNotFoundError):
        headline = f"An artifact needs the module {error.name!r}, which isn't installed here."
        help = f"Install what provides {error.name!r} (pip install ...), or put your own module on the Python path."
    elif isinstance(error, ImportError) or _is_missing_name(error):
        headline = "An artifact needs a class or function that isn't in its module here."
        help = "Install the version of the module that the artifact was stored with."
    elif isinstance(error, LookupError) and "isn't loaded here" in str(error):
        headline = "An artifact needs a class or function of its flow file."
        help = "Move the class or function from the flow file into a module, or load the artifact in the flow itself."
    else:
        headline = "An artifact can't be loaded."
        help = "Check that the versions of the modules involved are those it was stored with."
    raise SerializationError(headline, seen=_describe_error(error, named=True), where=where, help=help) from error


def _is_missing_name(error: BaseException) -> bool:
    """Return whether a module lacks a name that a pickle needs; other missing attributes are the value's."""
    text = _describe_error(error)
    return isinstance(error, AttributeError) and ("Can't get attribute" in text or text.startswith("module '"))


def _describe_error(error: BaseException, *, named: bool = False) -> str:
    """Return an exception's message, or its type; a user's exception may have no message, or raise in ``__str__``."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001
        text = ""
    name = type(error).__name__
    return f"{name}: {text}" if text and named else text or name
