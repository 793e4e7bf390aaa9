"""Which file a process was started with, and how it is started elsewhere."""

from __future__ import annotations

import os
import sys

from flow_sdk._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

__all__ = ["FlowEntry", "find_entry", "import_base", "is_installed", "is_package_file"]

_STANDARD_LIBRARY = os.path.dirname(os.path.realpath(os.__file__)) + os.sep


class FlowEntry:
    """How a flow file is executed.

    Parameters
    ----------
    file : str
        Absolute path of the file.
    module : str
        Dotted name of its module where it is executed as ``python -m`` does, or imported; ``""`` for a script.
    imported : bool
        Whether the module is imported under its own name, and not executed as ``__main__``.
    """

    __slots__ = ("file", "imported", "module")

    def __init__(self, file: str, module: str = "", imported: bool = False) -> None:
        self.file = file
        self.module = module
        self.imported = imported

    @property
    def base(self) -> str:
        """The folder that the script, or the top-level module, lies in."""
        return import_base(self.file, self.module)


def find_entry(flow_class: Any) -> FlowEntry:
    """Find out how a flow of this process was started.

    The file that Python was started with counts, as it may prepare what the flow needs, even where the flow's class
    lies in another module. Where that file isn't the user's (a command that ``pip`` has installed, a test runner), it
    is the flow's own module, to be imported.

    Parameters
    ----------
    flow_class : type
        The flow, a subclass of :class:`~flow_sdk.FlowSpec`.
    """
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    module = sys.modules.get(flow_class.__module__)
    own_file = getattr(module, "__file__", None)
    if module is not None and module is not main and own_file and not (file and _is_users(file)):
        spec = getattr(module, "__spec__", None)
        # A module that calls its flow while it is imported can only be executed.
        return FlowEntry(os.path.abspath(own_file), flow_class.__module__, not getattr(spec, "_initializing", False))
    spec = getattr(main, "__spec__", None)
    name = spec.name if spec is not None and spec.name != "__main__" else ""
    return FlowEntry(os.path.abspath(file or sys.argv[0]), name)


def is_installed(path: str) -> bool:
    """Return whether a file belongs to Python itself or to an installed distribution, by where it lies."""
    real = os.path.realpath(path)
    parts = real.split(os.sep)
    return "site-packages" in parts or "dist-packages" in parts or real.startswith(_STANDARD_LIBRARY)


def is_package_file(path: str, module: str) -> bool:
    """Return whether a module is a package, and wasn't imported as ``package.__init__``."""
    is_named = module.rpartition(".")[2] == "__init__"
    return bool(module) and not is_named and os.path.basename(path).startswith("__init__.")


def import_base(path: str, module: str) -> str:
    """Return the folder that a module is found in: the one of its file without the parts of its name.

    Parameters
    ----------
    path : str
        The module's file.
    module : str
        Its dotted name; ``""`` for a script, which is found in its own folder.
    """
    folder = os.path.dirname(path)
    above = module.count(".") + is_package_file(path, module)
    for _ in range(above):
        folder = os.path.dirname(folder)
    return folder


def _is_users(file: str) -> bool:
    """Return whether the file that Python was started with is the user's, and not an installed program."""
    scripts = os.path.join(os.path.realpath(sys.prefix), "bin")
    return os.path.isfile(file) and not is_installed(file) and os.path.dirname(os.path.realpath(file)) != scripts
