"""Reading numpydoc ``Parameters`` sections and signatures from source, without importing it."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

_SECTION = re.compile(r"^Parameters\n-{10}\n(.*?)(?=\n[A-Z][A-Za-z ]+\n-{3,}\n|\Z)", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: :.*)?$")


@dataclass(frozen=True)
class Documented:
    """A public function or class whose docstring has a ``Parameters`` section."""

    name: str
    line: int
    documented: list[str]
    accepted: list[str]
    optional: set[str]


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
            accepted, optional = _accepted(child)
            yield Documented(prefix + child.name, child.lineno, documented, accepted, optional)
        if isinstance(child, ast.ClassDef):
            yield from _below(child, child.name + ".")


def _accepted(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> tuple[list[str], set[str]]:
    if not isinstance(node, ast.ClassDef):
        return _arguments(node)
    for child in node.body:
        if isinstance(child, ast.FunctionDef) and child.name == "__init__":
            return _arguments(child)
    fields = [
        child.target.id
        for child in node.body
        if isinstance(child, ast.AnnAssign)
        and isinstance(child.target, ast.Name)
        and not child.target.id.startswith("_")
    ]
    return fields, set()


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[list[str], set[str]]:
    arguments = node.args
    positional = [a.arg for a in (*arguments.posonlyargs, *arguments.args) if a.arg not in ("self", "cls")]
    star = [arguments.vararg.arg] if arguments.vararg else []
    rest = [arguments.kwarg.arg] if arguments.kwarg else []
    # A leading underscore is an argument that callers don't give; **rest is documented where it means something.
    names = [*positional, *star, *(a.arg for a in arguments.kwonlyargs), *rest]
    return names, {*rest, *(name for name in names if name.startswith("_"))}
