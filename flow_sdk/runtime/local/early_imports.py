"""Which modules a program imports before it does anything that such an import could depend on.

Only these may be imported before a task executes the program: a package that is imported after
``os.environ["OMP_NUM_THREADS"] = "1"`` has to be imported after it in the task as well. So the top level of the
program is read in the order in which it is executed, the user's own modules included, up to the first statement that
may have an effect on anything outside of its module.
"""

import ast
from collections.abc import Iterable, Mapping

__all__ = ["imports_before_effects"]

HARMLESS_CALLS = {
    "collections.namedtuple", "field", "frozenset", "logging.getLogger", "namedtuple", "NewType", "os.environ.get",
    "os.getenv", "os.path.abspath", "os.path.basename", "os.path.dirname", "os.path.join", "os.path.realpath", "Path",
    "pathlib.Path", "re.compile", "timedelta", "datetime.timedelta", "TypeVar", "typing.NewType", "typing.TypeVar",
}  # fmt: skip
"""Functions of Python's that programs call between their imports, and that change nothing."""

HARMLESS_DECORATORS = {
    "abc.abstractmethod", "abstractmethod", "cache", "cached_property", "classmethod", "contextlib.contextmanager",
    "contextmanager", "dataclass", "dataclasses.dataclass", "final", "functools.cache", "functools.cached_property",
    "functools.lru_cache", "functools.total_ordering", "functools.wraps", "lru_cache", "overload", "override",
    "property", "staticmethod", "total_ordering", "typing.final", "typing.overload", "typing.override", "unique",
    "wraps",
}  # fmt: skip
"""Decorators of Python's that do nothing but what they return."""


def imports_before_effects(tree: ast.Module, module: str, imported: bool, own: Mapping[str, str]) -> list[str]:
    """Return the names of modules that a program imports before its first statement that may have an effect.

    Parameters
    ----------
    tree : ast.Module
        The program.
    module : str
        Dotted name of its module; empty where it is executed as a script.
    imported : bool
        Whether the module is imported under its own name, and not executed as ``__main__``.
    own : mapping of str to str
        Files of the user's own modules, by name. They are read, too, where they are imported.

    Returns
    -------
    list of str
        Names in the order of their import, without the user's own modules. For ``from a import b``, there are ``a`` and
        ``a.b``, which needn't be a module.
    """
    found = _Imports(own)
    try:
        found.add_module(module.rpartition(".")[0])
        found.read(tree, module, is_package=own.get(module, "").endswith("__init__.py"), is_main=not imported)
    except _EffectReached:
        pass
    return found.names


class _EffectReached(Exception):
    """Ends the reading at a statement that may have an effect."""


class _Imports:
    """Collects what is imported."""

    def __init__(self, own: Mapping[str, str]) -> None:
        self.names: list[str] = []
        self._own = own
        self._read: set[str] = set()
        self._package, self._is_main = "", False

    def add_module(self, name: str) -> None:
        """Take in the import of a module and of the packages that it is in."""
        if not name:
            return
        parts = name.split(".")
        for count in range(1, len(parts)):
            self._read_own(".".join(parts[:count]))
        if name in self._own:
            self._read_own(name)
        else:
            self.names.append(name)

    def _read_own(self, name: str) -> None:
        if name not in self._own or name in self._read:
            return
        self._read.add(name)
        path = self._own[name]
        try:
            with open(path, "rb") as file:
                tree = ast.parse(file.read(), path)
        except (OSError, SyntaxError, ValueError) as error:  # an extension module, for example
            raise _EffectReached from error
        self.read(tree, name, is_package=path.endswith("__init__.py"), is_main=False)

    def read(self, tree: ast.Module, name: str, *, is_package: bool, is_main: bool) -> None:
        """Read the source of a module.

        Parameters
        ----------
        tree : ast.Module
            The source.
        name : str
            Dotted name of the module.
        is_package : bool
            Whether it is the ``__init__`` of a package.
        is_main : bool
            Whether it is executed as ``__main__``.
        """
        self._read.add(name)
        before = self._package, self._is_main
        self._package, self._is_main = name if is_package else name.rpartition(".")[0], is_main
        self._execute(tree.body)
        self._package, self._is_main = before

    def _execute(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            self._execute_one(statement)

    def _execute_one(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Import():
                for alias in statement.names:
                    self.add_module(alias.name)
            case ast.ImportFrom():
                self._import_from(statement)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                _require_harmless(_are_harmless(statement.decorator_list), _is_harmless(statement.args))
                _require_harmless(_is_harmless(statement.returns))
            case ast.ClassDef():
                _require_harmless(_are_harmless(statement.decorator_list))
                _require_harmless(all(_is_harmless(part) for part in (*statement.bases, *statement.keywords)))
                self._execute(statement.body)
            case ast.Assign():
                _require_harmless(all(_is_name(target) for target in statement.targets), _is_harmless(statement.value))
            case ast.AnnAssign():
                _require_harmless(
                    _is_name(statement.target), _is_harmless(statement.annotation), _is_harmless(statement.value)
                )
            case ast.AugAssign(target=ast.Name(id="__all__")):
                _require_harmless(_is_harmless(statement.value))
            case ast.If():
                self._choose(statement)
            case ast.Try() | ast.TryStar():
                self._execute(statement.body)
                for handler in statement.handlers:
                    _require_harmless(_is_harmless(handler.type))
                    self._execute(handler.body)
                self._execute((*statement.orelse, *statement.finalbody))
            case ast.Expr() | ast.Assert():
                _require_harmless(_is_harmless(statement))
            case ast.Pass() | ast.Raise():  # what follows an exception isn't executed
                pass
            case _:
                raise _EffectReached

    def _choose(self, statement: ast.If) -> None:
        """Read both branches: what the run hasn't executed hasn't been loaded by it either."""
        test = ast.unparse(statement.test)
        if test == "__name__ == '__main__'":
            if self._is_main:
                raise _EffectReached
        elif test not in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            _require_harmless(_is_harmless(statement.test))
            self._execute(statement.body)
        self._execute(statement.orelse)

    def _import_from(self, statement: ast.ImportFrom) -> None:
        name = statement.module or ""
        if statement.level:
            parts = self._package.split(".")
            parts = parts[: len(parts) - statement.level + 1]
            name = ".".join(filter(None, (*parts, name)))
        self.add_module(name)
        for alias in statement.names:
            self.add_module(f"{name}.{alias.name}")


def _require_harmless(*harmless: bool) -> None:
    if not all(harmless):
        raise _EffectReached


def _is_name(target: ast.expr) -> bool:
    """Return whether an assignment binds names of the module only."""
    if isinstance(target, ast.Tuple | ast.List):
        return all(_is_name(element) for element in target.elts)
    return isinstance(target, ast.Name) or (isinstance(target, ast.Starred) and _is_name(target.value))


def _is_harmless(node: ast.AST | None) -> bool:
    """Return whether evaluating an expression calls nothing but functions that change nothing."""
    if isinstance(node, ast.Await | ast.Yield | ast.YieldFrom):
        return False
    if isinstance(node, ast.Lambda):
        return _is_harmless(node.args)
    if isinstance(node, ast.Call) and ast.unparse(node.func) not in HARMLESS_CALLS:
        return False
    return node is None or all(_is_harmless(child) for child in ast.iter_child_nodes(node))


def _are_harmless(decorators: list[ast.expr]) -> bool:
    for decorator in decorators:
        call = decorator if isinstance(decorator, ast.Call) else None
        name = ast.unparse(call.func if call else decorator)
        if name not in HARMLESS_DECORATORS and not name.endswith((".setter", ".getter", ".deleter")):
            return False
        if call and not all(_is_harmless(part) for part in (*call.args, *call.keywords)):
            return False
    return True
