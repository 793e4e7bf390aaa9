"""obstore in a process that was forked from one that has used it.

obstore's library keeps one pool of threads for its process. A forked process has none of the threads, and the library
would wait for them for ever. There is no way to make it start others. So a forked process loads the library once more:
from another file, as the loader would otherwise give it the one that is loaded.
"""

import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder
from types import ModuleType

__all__ = ["survive_forks"]

_LIBRARY = "obstore._obstore"
_kept: list[ModuleType] = []
"""The modules of the processes before this one: their objects must not be freed, as that asks for the threads, too."""

_registered = _needs_copy = False


def survive_forks() -> None:
    """Register that this process uses obstore; processes that are forked from it then load a library of their own."""
    global _registered
    if not _registered:
        _registered = True
        os.register_at_fork(after_in_child=_forget_library)
        sys.meta_path.insert(0, _LibraryFinder())


def _forget_library() -> None:
    """Import obstore again when it is next used; owners of clients make new ones in a forked process."""
    global _needs_copy
    _needs_copy = True
    for name in [name for name in sys.modules if name.partition(".")[0] == "obstore"]:
        _kept.append(sys.modules.pop(name))


class _LibraryFinder:
    """Finds the library in a copy of its file, in a process that was forked from its user."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        global _needs_copy
        if name != _LIBRARY or not _needs_copy:
            return None
        found = PathFinder.find_spec(name, path)
        if found is None or found.origin is None:
            return None
        copy = _copy_file(found.origin)
        _needs_copy = False
        return importlib.util.spec_from_file_location(name, copy, loader=_LibraryLoader(name, copy))


class _LibraryLoader(ExtensionFileLoader):
    """Loads a library from a file that is there for the moment only."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        if not self.path.startswith("/proc/"):
            os.unlink(self.path)


def _copy_file(path: str) -> str:
    """Copy a file into memory where the system has files there, else to a temporary file; returns its path."""
    with open(path, "rb") as source:
        if not hasattr(os, "memfd_create"):
            with tempfile.NamedTemporaryFile(prefix="flow-sdk-obstore-", suffix=".so", delete=False) as file:
                file.write(source.read())
                return file.name
        copy = os.memfd_create("obstore")  # open as long as the process, as its path is
        size, done = os.fstat(source.fileno()).st_size, 0
        while done < size:
            done += os.sendfile(copy, source.fileno(), done, size - done)
    # With the process's id, which makes it another name in each process: Python knows libraries by their names.
    return f"/proc/{os.getpid()}/fd/{copy}"
