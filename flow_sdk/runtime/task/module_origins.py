"""Whose a loaded module is: Python's and installed packages' on one side, the user's on the other.

A module of an installed package does the same in every process that imports it, so tasks may share one that is imported
already. The user's own modules are executed by each task. A package that is installed as editable is the user's.
"""

import os
import sys
from types import ModuleType

__all__ = ["is_installed", "module_origin", "origin_is_installed"]

_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_OWN = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
_NO_FILE = ("built-in", "frozen")


def module_origin(module: ModuleType) -> str | None:
    """Return where a module was loaded from: a path, ``built-in`` or ``frozen``; None when that isn't known."""
    spec = getattr(module, "__spec__", None)
    origin = getattr(spec, "origin", None) or getattr(module, "__file__", None)
    if not isinstance(origin, str):
        return None
    # A package may make modules of its own and give them any name for a file, as torch does with torch.classes.
    return origin if os.path.isabs(origin) or origin in _NO_FILE or os.path.exists(origin) else None


def origin_is_installed(origin: str) -> bool:
    """Return whether an origin lies in the standard library, an installed package or this package."""
    if origin in _NO_FILE:
        return True
    path = origin if os.path.isabs(origin) else os.path.abspath(origin)
    return path.startswith((_STANDARD_LIBRARY, _OWN)) or any(folder in path for folder in _INSTALLED)


def is_installed(module: ModuleType) -> bool:
    """Return whether a module is not the user's. One without a file is: installed packages make such modules."""
    origin = module_origin(module)
    return origin is None or origin_is_installed(origin)


def loaded_modules() -> tuple[dict[str, str], dict[str, str]]:
    """Sort the modules of this process.

    Returns
    -------
    (dict of str to str, dict of str to str)
        The origins of those that are installed, and those of the user's own ones, by name.
    """
    installed: dict[str, str] = {}
    own: dict[str, str] = {}
    for name, module in sys.modules.copy().items():
        origin = module_origin(module) if isinstance(module, ModuleType) else None
        if origin is None:
            continue
        if origin_is_installed(origin):
            installed[name] = origin
        elif name != "__main__":
            own[name] = origin
    return installed, own
