"""Reading numpydoc ``Parameters`` sections and signatures from source, without importing it."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

_SECTION = re.compile(r"^Parameters\n-{10}\n(.*?)(?=\n[A-Z][A-Za-z ]+\n-{3,}\n|\Z)", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: :.*)?$")


@dataclass(frozen=True)
class Accepted:
    """What a function or class can be called with."""

    required: frozenset[str]
    """Names that its documentation must have."""
    optional: frozenset[str] = frozenset()
    """Names that it may have: ``*rest``, a leading underscore, a dataclass's field that has a default."""
    others: bool = False
    """Whether ``*rest`` or ``**rest`` takes further names."""


@dataclass(frozen=True)
class Documented:
    """A public function or class whose docstring has a ``Parameters`` section."""

    name: str
    line: int
    documented: list[str]
    accepted: Accepted

    @property
    def wrong(self) -> list[str]:
        """Documented names that can't be given."""
        known = self.accepted.required | self.accepted.optional
        return [] if self.accepted.others else [name for name in self.documented if name not in known]

    @property
    def missing(self) -> list[str]:
        """Names that can be given and aren't documented."""
        return sorted(self.accepted.required - set(self.documented))


def documented_parameters(docstring: str) -> list[str] | None:
    """The parameter names of the section in its order, stars left out; None without such a section."""
    section = _SECTION.search(docstring)
    if section is None:
        return None
    names: list[str] = []
    for line in section.group(1).splitlines():
        entry = _ENTRY.match(line)
        if entry:
            names += [name.strip(" *") for name in entry.group(1).split(",")]
    return names


def documented_definitions(source: str) -> Iterator[Documented]:
    """Every public function, method and class of a module that documents its parameters."""
    yield from _below(ast.parse(source), "")


def _below(node: ast.AST, prefix: str) -> Iterator[Documented]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or child.name.startswith("_"):
            continue
        documented = documented_parameters(ast.get_docstring(child) or "")
        if documented is not None:
            yield Documented(prefix + child.name, child.lineno, documented, _accepted(child))
        if isinstance(child, ast.ClassDef):
            yield from _below(child, child.name + ".")


def _accepted(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Accepted:
    if not isinstance(node, ast.ClassDef):
        return _arguments(node)
    for child in node.body:
        if isinstance(child, ast.FunctionDef) and child.name == "__init__":
            return _arguments(child)
    fields = {
        child.target.id: child.value
        for child in node.body
        if isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name)
    }
    required = frozenset(name for name, default in fields.items() if default is None and not name.startswith("_"))
    return Accepted(required, frozenset(fields) - required)


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Accepted:
    arguments = node.args
    rest = {a.arg for a in (arguments.vararg, arguments.kwarg) if a}
    names = {a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)} - {"self", "cls"}
    required = frozenset(name for name in names if not name.startswith("_"))
    return Accepted(required, frozenset(names | rest) - required, bool(rest))
