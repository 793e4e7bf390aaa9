"""Flow SDK: write a flow as a class, run it on a laptop, send the same file to an orchestrator.

This module holds the public names only, each loaded when it is first used.
"""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.release import __version__ as __version__

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from flow_sdk.public_names import *  # noqa: F403 - each name is lazy at run time


def __getattr__(name: str) -> object:
    from flow_sdk.public_table import read_public_names

    public = read_public_names()
    if name == "__all__":
        return sorted([*public, "__version__"])
    if name == "metadata":  # the package of that name, which can be called like the client's function
        value: object = _import_module("flow_sdk.metadata")
    elif name in public:
        value = getattr(_import_module(public[name]), name)
    else:
        value = _of_metaflow(name)
    globals()[name] = value
    return value


def _import_module(name: str) -> object:
    """Import a module as importlib does, whose own import would take 0.3 ms of each ``--help``."""
    import sys

    __import__(name)
    return sys.modules[name]


def __dir__() -> list[str]:
    from flow_sdk.public_table import read_public_names

    return sorted({*globals(), *read_public_names()})


def _of_metaflow(name: str) -> object:
    """What Metaflow has under a name that is none of ours: one of its modules, or something that isn't here yet."""
    if not name.startswith("__"):
        import sys

        from flow_sdk.authoring.unsupported import NAMES, UnsupportedName
        from flow_sdk.compatibility.modules import find_module

        if name in NAMES:
            return UnsupportedName(name)
        # ``from flow_sdk import util`` imports the module by itself, when it hears that there is no such attribute.
        importing = sys._getframe(2).f_code.co_name == "_handle_fromlist"
        if not importing and (name in ("cards", "exception") or find_module(f"flow_sdk.{name}")):
            import importlib

            return importlib.import_module(f"flow_sdk.{name}")
    raise AttributeError(f"module 'flow_sdk' has no attribute {name!r}")


class _MetaflowModules:
    """Finds ``flow_sdk.<module>`` for moved modules, and for Metaflow's that have no file here; asked last."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if not name.startswith("flow_sdk.") or name.startswith("flow_sdk.compatibility"):
            return None
        from flow_sdk.compatibility.modules import find_module
        from flow_sdk.moved_modules import find_moved_module

        return find_moved_module(name) or find_module(name)


def _remove_finder() -> None:
    import sys

    if _MetaflowModules in sys.meta_path:
        sys.meta_path.remove(_MetaflowModules)


def _add_finder() -> None:
    import sys

    if not any(getattr(finder, "__name__", "") == _MetaflowModules.__name__ for finder in sys.meta_path):
        import atexit

        sys.meta_path.append(_MetaflowModules)
        # Python's end would otherwise free the user's modules last, after those that their objects need to be closed.
        atexit.register(_remove_finder)


_add_finder()
