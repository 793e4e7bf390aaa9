"""Finalizing what a forked process has made: ``__del__`` is called, as Python does at its end.

Python clears all modules for that, and frees what they held. A forked process shares most modules with its parent, and
would have to copy that memory to clear them. So it looks for its own objects instead: what was made before the fork is
frozen (see :func:`gc.freeze`), and isn't among the objects that the garbage collector lists.
"""

import functools
import gc
import itertools
import sys
from _thread import get_ident
from collections.abc import Callable, Iterator
from io import RawIOBase
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, FunctionType, GeneratorType, ModuleType
from typing import Any

__all__ = ["finalize_objects", "finalizer_function", "flush_file"]

MOST_VISITED = 200_000
"""Objects that are looked at, at most, to find the order of the finalizers."""

_NOT_FOLLOWED = (type, ModuleType, CodeType)
_SUSPENDED = (GeneratorType, CoroutineType, AsyncGeneratorType)


def finalize_objects() -> None:
    """Call the finalizers of all objects made since the fork that haven't been finalized, those of referrers first.

    Python's own files are flushed instead: their descriptors are closed with the process, and closing one would close
    the standard output, where an object of the task was put on top of it. Objects that a daemon thread has in its
    variables are left alone, as Python leaves them.
    """
    finalizable = _finalizable_objects()
    if not finalizable:
        return
    seen: set[int] = set()
    others = [frame for ident, frame in sys._current_frames().items() if ident != get_ident()]
    for innermost in others:
        frame: FrameType | None = innermost
        while frame is not None:
            _visit_references(list(frame.f_locals.values()), seen, set())
            frame = frame.f_back
    if others:  # those that the threads' with statements use are among their variables, where no reference shows
        finalizable = [each for each in finalizable if not issubclass(type(each), _SUSPENDED)]
    wanted = {id(each) for each in finalizable}
    # The object that begins a reference cycle comes first: one of a class in Python rather than the files that it uses,
    # and of gzip's, since Python 3.12, the file rather than the raw stream through which its buffer writes into it.
    ordered: list[Any] = []
    finalizable.reverse()  # what is followed last is finalized first: the oldest, as Python does
    for each in sorted(finalizable, key=_is_stream):
        if id(each) not in seen:
            ordered += _visit_references(each, seen, wanted)
    call_finalizer = finalizer_function()
    for each in reversed(ordered):
        if _is_builtin_file(each):
            flush_file(each)
        else:
            call_finalizer(each)  # sys.unraisablehook() shows what it raises


@functools.cache
def finalizer_function() -> Callable[[Any], None]:
    """Return Python's own function that calls an object's finalizer: it knows then that it was called."""
    import ctypes

    function = ctypes.pythonapi.PyObject_CallFinalizer
    function.argtypes, function.restype = [ctypes.py_object], None
    return function


def flush_file(file: Any) -> None:
    """Write what an open file holds, if that can be done."""
    try:
        if not file.closed and file.writable():
            file.flush()
    except Exception:  # noqa: BLE001 - a pipe without a reader, a closed descriptor
        pass


def _finalizable_objects() -> list[Any]:
    """Return the objects that have a finalizer which wasn't called, the oldest first as far as that is known."""
    objects = gc.get_objects()
    kinds = {id(kind): kind for kind in map(type, objects)}
    finalized = {key for key, kind in kinds.items() if any("__del__" in vars(base) for base in kind.__mro__)}
    found = itertools.compress(objects, map(finalized.__contains__, map(id, map(type, objects))))
    return [each for each in found if not gc.is_finalized(each)]


def _is_builtin_file(value: Any) -> bool:
    return type(value).__module__ == "_io"


def _is_stream(value: Any) -> bool:
    return _is_builtin_file(value) or issubclass(type(value), RawIOBase)


def _visit_references(start: Any, seen: set[int], wanted: set[int]) -> list[Any]:
    """Follow all references from an object that weren't followed before.

    Returns
    -------
    list
        Those found whose id is wanted; each comes after what it refers to, unless that refers to it, too.
    """
    found: list[Any] = []
    seen.add(id(start))
    path: list[tuple[Any, Iterator[Any]]] = [(start, _find_referents(start))]
    while path:
        each, referents = path[-1]
        for referent in referents:
            if id(referent) not in seen and gc.is_tracked(referent) and len(seen) < MOST_VISITED:
                seen.add(id(referent))
                path.append((referent, _find_referents(referent)))
                break
        else:
            path.pop()
            if id(each) in wanted:
                found.append(each)
    return found


def _find_referents(value: Any) -> Iterator[Any]:
    """Return what an object refers to; of a function what it encloses, as all of its module is in its globals."""
    if issubclass(type(value), FunctionType):
        return iter((value.__closure__, value.__defaults__))
    return iter(() if issubclass(type(value), _NOT_FOLLOWED) else gc.get_referents(value))
