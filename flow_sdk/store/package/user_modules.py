"""Find the user's modules that a flow imports, transitively, from the source and without running it."""

import ast
import importlib.machinery
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flow_sdk.store.package.entry import FlowEntry, import_base, is_installed, is_package_file

__all__ = ["UserModule", "find_user_modules", "imported_names", "parse_source"]

_OURS = ("flow_sdk", "flow_provider", "metaflow")


@dataclass(frozen=True, slots=True)
class UserModule:
    """A module that is neither Python's nor part of an installed distribution.

    Parameters
    ----------
    name : str
        Its dotted name; ``""`` for a script.
    file : str
        Absolute path of its file.
    imported_by : str
        ``file:line`` of the statement that imports it; ``""`` for the first one.
    """

    name: str
    file: str
    imported_by: str = ""

    @property
    def base(self) -> str:
        """The folder that it is imported from."""
        return import_base(self.file, self.name)

    @property
    def package(self) -> str:
        """The package that its relative imports start from."""
        return self.name if is_package_file(self.file, self.name) else self.name.rpartition(".")[0]


def find_user_modules(entry: FlowEntry, more: Iterable[str] = ()) -> list[UserModule]:
    """Find the user's modules that a flow imports, its own file first.

    Imports inside functions count; those for type checkers alone and modules that can't be found here don't.

    Parameters
    ----------
    entry : FlowEntry
        The flow's file.
    more : iterable of str
        Names of other modules that belong to the flow.
    """
    search = _ModuleSearch()
    first = UserModule(entry.module, entry.file)
    for name in more:
        search.add_import(name, "")
    found = {first.file: first}
    waiting = [first, *search.take_new()]
    while waiting:
        module = waiting.pop()
        found.setdefault(module.file, module)
        tree = parse_source(module.file)
        if tree is not None:
            for name, line in imported_names(tree, module.package):
                search.add_import(name, f"{module.file}:{line}")
        waiting += (each for each in search.take_new() if each.file not in found)
    return list(found.values())


def parse_source(path: str) -> ast.Module | None:
    """Parse a Python file; None for what can't be read as one, such as an extension module."""
    if not path.endswith((".py", ".pyw")) and os.path.splitext(path)[1]:
        return None
    try:
        with open(path, "rb") as file:
            return ast.parse(file.read(), path)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


def imported_names(tree: ast.AST, package: str) -> Iterator[tuple[str, int]]:
    """Find what a module's source imports.

    Parameters
    ----------
    tree : ast.AST
        The source.
    package : str
        Dotted name of the package that it lies in; ``""`` for none.

    Yields
    ------
    (str, int)
        The name of a module, or of something in a module, and the line.
    """
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _absolute_name(node, package)
            if origin is not None:
                yield origin, node.lineno
                yield from ((f"{origin}.{alias.name}", node.lineno) for alias in node.names if alias.name != "*")
        elif isinstance(node, ast.Call):
            name = _imported_by_call(node)
            if name is not None:
                yield name, node.lineno
        if isinstance(node, ast.If) and _is_for_type_checkers(node.test):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _absolute_name(node: ast.ImportFrom, package: str) -> str | None:
    """Return the absolute name that a statement imports from; None for a relative import without a package."""
    if not node.level:
        return node.module
    parts = package.split(".") if package else []
    if len(parts) < node.level:
        return None
    return ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])


def _imported_by_call(node: ast.Call) -> str | None:
    """Return the module that a call of ``import_module`` or ``__import__`` names as a literal."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in ("import_module", "__import__") and node.args and isinstance(node.args[0], ast.Constant):
        value = node.args[0].value
        if isinstance(value, str) and value and not value.startswith("."):
            return value
    return None


def _is_for_type_checkers(test: ast.expr) -> bool:
    return (test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")) == "TYPE_CHECKING"


@dataclass(frozen=True, slots=True)
class _ModuleLocation:
    """The files of a module.

    ``file`` is None for a namespace package and for a module without a file; ``folders`` is where its submodules are.
    """

    file: str | None
    folders: tuple[str, ...]


class _ModuleSearch:
    """Finds modules by their names as an import would, but executes nothing."""

    def __init__(self) -> None:
        self._known: dict[str, _ModuleLocation | None] = {}
        self._new: list[UserModule] = []

    def add_import(self, name: str, imported_by: str) -> None:
        """Add the modules that an import of a name loads: a package before its modules."""
        parts = name.split(".")
        if parts[0] in _OURS or parts[0] in sys.builtin_module_names:
            return
        for count in range(1, len(parts) + 1):
            name = ".".join(parts[:count])
            is_new = name not in self._known
            found = self._find_module(name)
            if found is None or (found.file is not None and is_installed(found.file)):
                return  # or a function, or a class
            if is_new and found.file is not None:
                self._new.append(UserModule(name, os.path.abspath(found.file), imported_by))

    def take_new(self) -> list[UserModule]:
        """Return what was found since the last call."""
        new, self._new = self._new, []
        return new

    def _find_module(self, name: str) -> _ModuleLocation | None:
        if name not in self._known:
            self._known[name] = _find_loaded(name) or self._search_module(name)
        return self._known[name]

    def _search_module(self, name: str) -> _ModuleLocation | None:
        parent, _, _ = name.rpartition(".")
        above = self._find_module(parent) if parent else None
        if parent and (above is None or not above.folders):
            return None
        folders = list(above.folders) if above is not None else None
        for finder in sys.meta_path if folders is None else (importlib.machinery.PathFinder,):
            try:
                spec = finder.find_spec(name, folders)
            except (ImportError, AttributeError, ValueError, OSError):
                continue
            if spec is not None:
                return _ModuleLocation(
                    spec.origin if spec.has_location else None, tuple(spec.submodule_search_locations or ())
                )
        return None


def _find_loaded(name: str) -> _ModuleLocation | None:
    """Return the files of a module that is imported already."""
    module = sys.modules.get(name)
    if module is None or not hasattr(module, "__dict__"):
        return None
    found = vars(module)
    file, folders = found.get("__file__"), found.get("__path__") or ()
    if not isinstance(file, str):
        file = None
    try:
        return _ModuleLocation(file, tuple(str(folder) for folder in folders)) if file or folders else None
    except TypeError:
        return None
