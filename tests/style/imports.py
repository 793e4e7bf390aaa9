"""Which modules of a package import which, read from their source."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["find_cycles", "import_graph"]


def import_graph(package: Path) -> dict[str, set[str]]:
    """Return for each module of a package the modules of the same package that it imports.

    Imports inside functions count; those for type checkers only don't, as they are never executed.

    Parameters
    ----------
    package : Path
        The package's folder.
    """
    modules = {_module_name(package, path): path for path in package.rglob("*.py")}
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        imported = {
            f"{source}.{item}" if f"{source}.{item}" in modules else source
            for source, item in _imported_names(ast.parse(path.read_text(encoding="utf-8")))
        }
        graph[name] = (imported & modules.keys()) - {name}
    return graph


def find_cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or through others, each sorted."""
    reachable = {name: _reachable_from(graph, name) for name in graph}
    groups = {
        tuple(sorted(other for other in reachable[name] if name in reachable[other]))
        for name in graph
        if name in reachable[name]
    }
    return [list(group) for group in sorted(groups)]


def _reachable_from(graph: Mapping[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph[name]
    return found


def _module_name(package: Path, path: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported_names(node: ast.AST) -> Iterator[tuple[str, str | None]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from _imported_names(other)
        elif isinstance(child, ast.Import):
            yield from ((alias.name, None) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from ((child.module or "", alias.name) for alias in child.names)
        else:
            yield from _imported_names(child)
