"""Find the part of a value that can't be stored."""

import contextlib
import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["find_culprit"]

_MOST_TRIES = 2000
_MOST_CHILDREN = 200


def find_culprit(value: Any, can_store: Callable[[Any], bool]) -> tuple[str, Any]:
    """Find the smallest part of a value that can't be stored.

    Parameters
    ----------
    value : object
        A value that can't be stored.
    can_store : callable
        Returns whether a part can be stored.

    Returns
    -------
    tuple of str and object
        The attribute path from the value (such as ``.layers[2].lock``, ``""`` for the value itself) and the part.
    """
    path, tries = "", 0
    seen = {id(value)}
    while True:
        for step, child in _list_parts(value):
            tries += 1
            if tries > _MOST_TRIES:
                return path, value
            if id(child) not in seen and not can_store(child):
                seen.add(id(child))
                path, value = path + step, child
                break
        else:
            return path, value


def _list_parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, type):
        return
    if isinstance(value, dict):
        for key in list(value)[:_MOST_CHILDREN]:
            yield f"[{key!r}]", value[key]
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value[:_MOST_CHILDREN]):
            yield f"[{index}]", item
    elif isinstance(value, set | frozenset):
        for item in list(value)[:_MOST_CHILDREN]:
            yield f"{{{type(item).__name__}}}", item
    elif isinstance(value, types.FunctionType):
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            with contextlib.suppress(ValueError):  # a variable that hasn't been set
                yield f".<variable {name}>", cell.cell_contents
    elif isinstance(value, types.MethodType):
        yield ".__self__", value.__self__
    elif isinstance(value, functools.partial):
        yield ".func", value.func
        yield ".args", value.args
        yield ".keywords", value.keywords
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, dict):
        for name in list(attributes)[:_MOST_CHILDREN]:
            yield f".{name}", attributes[name]
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            if hasattr(value, name):
                yield f".{name}", getattr(value, name)
