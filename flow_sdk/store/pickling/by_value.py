"""Pickles that hold the classes and functions of the flow file by value.

cloudpickle takes classes and functions apart. Two things are different here: nothing that depends on the process or
machine is stored (random ids, paths, the module's name), and a class or function keeps its identity. A process that
has loaded the flow file gets its own class, so ``isinstance`` is true from step to step; any other makes it once.

Stored pickles name ``make_class``, ``make_enum``, ``make_function``, ``set_class_state``, ``set_function_state`` and
``flow_object`` in the module :data:`STORED_MODULE`: these names stay, with their arguments, whatever this file is
called. So every release reads what another one stored.
"""

import importlib
import io
import os
import pickle
import types
import typing
import weakref
from collections import ChainMap
from collections.abc import Callable
from typing import Any, ClassVar

from cloudpickle import cloudpickle

from flow_sdk.store.pickling.flow_modules import CANONICAL, Origin, find_by_origin, is_flow_module, origin_of

__all__ = [
    "ByReferencePickler",
    "ByValuePickler",
    "flow_object",
    "make_class",
    "make_enum",
    "make_function",
    "set_class_state",
    "set_function_state",
]

STORED_MODULE = "flow_sdk.store.byvalue"
"""The module of this file's functions in stored pickles; :mod:`flow_sdk.moved_modules` leads it here."""

_made: "weakref.WeakValueDictionary[Origin, Any]" = weakref.WeakValueDictionary()
_origins: "weakref.WeakKeyDictionary[Any, Origin]" = weakref.WeakKeyDictionary()
_complete: "weakref.WeakSet[Any]" = weakref.WeakSet()


def _find_origin(value: Any) -> Origin | None:
    return _origins.get(value) or origin_of(value)


def _canonical_module(module_name: Any) -> Any:
    return CANONICAL if is_flow_module(module_name) else module_name


def _reduce_code(code: types.CodeType) -> Any:
    return cloudpickle._code_reduce(code.replace(co_filename=os.path.basename(code.co_filename)))


def _reduce_typevar(value: typing.TypeVar) -> Any:
    if not is_flow_module(value.__module__):
        return cloudpickle._typevar_reduce(value)
    return cloudpickle._make_typevar, (*cloudpickle._decompose_typevar(value)[:-1], None)


def _refuse_file(file: io.TextIOWrapper) -> Any:
    # cloudpickle would store the content of the file, which isn't what a user wants.
    raise TypeError(f"cannot pickle {type(file).__name__!r} object")


class ByValuePickler(cloudpickle.Pickler):  # type: ignore[misc]
    """A pickler that stores the flow file's classes and functions, and others without a name, by value."""

    dispatch_table: ClassVar[Any] = ChainMap(
        {types.CodeType: _reduce_code, typing.TypeVar: _reduce_typevar, io.TextIOWrapper: _refuse_file},
        cloudpickle.Pickler.dispatch_table,
    )

    def reducer_override(self, obj: Any) -> Any:
        """Take a class or function apart; leave any other object to cloudpickle."""
        if isinstance(obj, types.FunctionType):
            if not is_flow_module(obj.__module__) and cloudpickle._should_pickle_by_reference(obj):
                return NotImplemented
            return self._take_function(obj)
        if isinstance(obj, type):
            if is_flow_module(obj.__module__):
                return _take_class(cloudpickle._dynamic_class_reduce(obj), _find_origin(obj))
            reduced = cloudpickle._class_reduce(obj)
            return _take_class(reduced, None) if reduced is not NotImplemented and len(reduced) == 6 else reduced
        return NotImplemented

    def _take_function(self, function: types.FunctionType) -> Any:
        _, args, (state, slots), *_ = self._dynamic_function_reduce(function)
        spaces = args[1]
        if "__file__" in spaces:
            spaces["__file__"] = os.path.basename(spaces["__file__"] or "")
        if is_flow_module(spaces.get("__name__")):
            spaces["__name__"] = CANONICAL
            spaces["__package__"] = None
        slots["__module__"] = _canonical_module(slots["__module__"])
        origin = _find_origin(function)
        return make_function, (origin, *args), (origin, (state, slots)), None, None, set_function_state


def _take_class(reduced: Any, origin: Origin | None) -> Any:
    maker, args, (state, slots), *_ = reduced
    args = (*args[:-2], None, None)
    if maker is cloudpickle._make_skeleton_enum:
        args = (*args[:4], _canonical_module(args[4]), *args[5:])
        make: Callable[..., Any] = make_enum
    else:
        if "__module__" in args[3]:
            args[3]["__module__"] = _canonical_module(args[3]["__module__"])
        make = make_class
    if "__module__" in state:
        state["__module__"] = _canonical_module(state["__module__"])
    state.pop("__static_attributes__", None)  # its order is a set's
    return make, (origin, *args), (origin, (state, slots)), None, None, set_class_state


class ByReferencePickler(pickle.Pickler):
    """A pickler that stores the name of the flow file's classes and functions.

    For those that can't be stored by value. The pickle loads only in a process that has loaded the flow file.
    """

    def reducer_override(self, obj: Any) -> Any:
        """Name a class or function of the flow file; leave any other object to pickle."""
        if isinstance(obj, type | types.FunctionType) and is_flow_module(obj.__module__):
            origin = _find_origin(obj)
            if origin is not None:
                return flow_object, (origin,)
        return NotImplemented


def flow_object(origin: Origin) -> Any:
    """Find a class or function of the flow file in this process."""
    found = find_by_origin(origin, object)
    if found is None:
        raise LookupError(f"{origin[2]} is defined in {origin[0]}, which isn't loaded here")
    return found


def _find_or_make(maker: Callable[..., Any], origin: Origin | None, args: Any) -> Any:
    if origin is None:
        return maker(*args)
    found = find_by_origin(origin, type)
    if found is None:
        found = _made.get(origin)
    if found is None:
        found = maker(*args)
        _origins[found] = origin
        found = _made.setdefault(origin, found)
    return found


def make_class(origin: Origin | None, *args: Any) -> Any:
    """Find or make a class of a flow file."""
    return _find_or_make(cloudpickle._make_skeleton_class, origin, args)


def make_enum(origin: Origin | None, *args: Any) -> Any:
    """Find or make an enum of a flow file."""
    return _find_or_make(cloudpickle._make_skeleton_enum, origin, args)


def make_function(origin: Origin | None, *args: Any) -> Any:
    """Find or make a function of a flow file."""
    found = find_by_origin(origin, types.FunctionType) if origin is not None else None
    if found is None:
        found = cloudpickle._make_function(*args)
        if origin is not None:
            _origins[found] = origin
    return found


def set_class_state(made: Any, state: tuple[Origin | None, Any]) -> Any:
    """Fill a class that was made; leave an existing one as it is."""
    origin, content = state
    if made in _complete or (origin is not None and find_by_origin(origin, type) is made):
        return made
    cloudpickle._class_setstate(made, content)
    _complete.add(made)
    return made


def set_function_state(made: Any, state: tuple[Origin | None, Any]) -> Any:
    """Fill a function that was made; leave an existing one as it is."""
    origin, content = state
    if origin is None or find_by_origin(origin, types.FunctionType) is not made:
        cloudpickle._function_setstate(made, content)
    return made


for _function in (make_class, make_enum, make_function, set_class_state, set_function_state, flow_object):
    _function.__module__ = STORED_MODULE
# cloudpickle stores a function by its name only if its module is imported.
importlib.import_module(STORED_MODULE)
