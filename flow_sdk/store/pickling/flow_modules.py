"""Which modules are flow files: their classes and functions are stored by value.

A class or function of a flow file is identified by its origin: file name, hash of the source, qualified name.
"""

import atexit
import os
import sys
from types import ModuleType
from typing import Any

__all__ = [
    "CANONICAL",
    "Origin",
    "find_by_origin",
    "flow_module_names",
    "is_flow_module",
    "origin_of",
    "register_flow_module",
]

Origin = tuple[str, str, str]
"""File name, hash of the source, qualified name."""

CANONICAL = "__main__"
"""The name of a flow file's module in stored objects, whatever its name is in this process."""


class _FlowModule:
    """A flow file loaded in this process."""

    def __init__(self, module: ModuleType | None, name: str, explicit: bool, text: bytes | None = None) -> None:
        self.module = module if module is not None else sys.modules.get(name)
        self.explicit = explicit
        path = getattr(self.module, "__file__", None)
        self.file = os.path.basename(path) if path else ""
        self._text = _read_source(path) if text is None else text
        self._hash: str | None = None

    @property
    def hash(self) -> str:
        if self._hash is None:
            from blake3 import blake3

            self._hash = blake3(self._text).hexdigest()[:32] if self._text is not None else ""
        return self._hash


_sources: dict[str, _FlowModule] = {}
# At the end of the process the user's module must be freed while the modules that it uses still work: a gzip file that
# it left open is closed then.
atexit.register(_sources.clear)


def _read_source(path: str | None) -> bytes | None:
    if not path:
        return None
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def register_flow_module(module_name: str, module: ModuleType | None = None, text: bytes | None = None) -> None:
    """Register a module of this process as a flow file.

    Its classes and functions are then stored by value, and artifacts with those of the same file have this module's own
    ones when they are loaded here. Call it as soon as the file is loaded: its source is read now.

    Parameters
    ----------
    module_name : str
        The module's name, as its classes have it in ``__module__``.
    module : module, optional
        The module, if it isn't in ``sys.modules``.
    text : bytes, optional
        Its source, if the file may have changed since the module was compiled.
    """
    _sources[module_name] = _FlowModule(module, module_name, True, text)


def flow_module_names() -> tuple[str, ...]:
    """Return the names of the modules whose classes and functions are stored by value."""
    return (*_sources, CANONICAL) if CANONICAL not in _sources else tuple(_sources)


def is_flow_module(module_name: object) -> bool:
    """Return whether a module's classes and functions are stored by value."""
    return module_name == CANONICAL or module_name in _sources


def origin_of(value: Any) -> Origin | None:
    """Return the origin of a class or function of a flow file.

    Returns
    -------
    tuple or None
        None if it can't be found by its name, such as one that was made in a function.
    """
    source = _find_source(value.__module__)
    if source is None or not source.hash or _resolve_name(source.module, value.__qualname__) is not value:
        return None
    return (source.file, source.hash, value.__qualname__)


def find_by_origin(origin: Origin, kind: type) -> Any:
    """Return this process's own class (``kind`` is ``type``) or function of an origin; None if it has none.

    A flow file that :func:`register_flow_module` registered counts also when its text has changed since: after a fix
    and a resume, earlier results get the fixed class.
    """
    file, text, name = origin
    for module_name in flow_module_names():
        source = _find_source(module_name)
        if source is not None and ((source.explicit and source.file == file) or source.hash == text):
            value = _resolve_name(source.module, name)
            if isinstance(value, kind):
                return value
    return None


def _find_source(module_name: str) -> _FlowModule | None:
    source = _sources.get(module_name)
    if module_name == CANONICAL and (
        source is None or (not source.explicit and source.module is not sys.modules.get(CANONICAL))
    ):
        source = _FlowModule(None, CANONICAL, False)
        if source.file:
            _sources[CANONICAL] = source
    return source


def _resolve_name(module: ModuleType | None, name: str) -> Any:
    value: Any = module
    for part in name.split("."):
        value = getattr(value, part, None)
    return value
