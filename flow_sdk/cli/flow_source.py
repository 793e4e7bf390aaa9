"""What the source of a flow file says about its flow, read without executing it."""

from __future__ import annotations

import ast
import os

from flow_sdk._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MOST_BYTES", "FlowSource", "read_flow_source"]

MOST_BYTES = 1_000_000
"""The size of the largest file that is read: who waits at a shell's prompt doesn't wait for longer ones."""

_PARAMETERS = ("Parameter", "IncludeFile")


class FlowSource:
    """Names in a flow file.

    Parameters
    ----------
    flow : str
        The flow's name.
    steps : list of str
        Its steps, in the order of the source.
    parameters : list of str
        The names of its parameters.
    """

    __slots__ = ("flow", "parameters", "steps")

    def __init__(self, flow: str, steps: list[str], parameters: list[str]) -> None:
        self.flow = flow
        self.steps = steps
        self.parameters = parameters


def read_flow_source(path: str) -> FlowSource | None:
    """Read the flow of a file; None where the file has none, can't be read, or is larger than :data:`MOST_BYTES`.

    Parameters
    ----------
    path : str
        The flow file. Steps and parameters that it inherits from another file aren't found.
    """
    try:
        if not os.path.isfile(path):  # a pipe would be waited for
            return None
        with open(path, "rb") as file:
            text = file.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            return None
        tree = ast.parse(text)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):  # the last two are the parser's limits
        return None
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    flows = [name for name in classes if _is_flow(classes, name)]
    if not flows:
        return None
    # The last one is what the file runs, unless it says so itself: if __name__ == "__main__": MyFlow()
    called = [_name_of(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    flow = next((name for name in reversed(flows) if name in called), flows[-1])
    bodies = [node for name in _class_lineage(classes, flow) for node in classes[name].body]
    steps = [node.name for node in bodies if isinstance(node, ast.FunctionDef) and _is_step(node)]
    return FlowSource(flow, steps, list(_parameter_names(bodies)))


def _class_lineage(classes: dict[str, ast.ClassDef], name: str) -> list[str]:
    """Return a class and those it inherits from in the same file, the farthest first."""
    found: list[str] = []
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one in classes and one not in found:
            found.append(one)
            waiting += [_name_of(base) for base in classes[one].bases]
    return found[::-1]


def _is_flow(classes: dict[str, ast.ClassDef], name: str) -> bool:
    return any(_name_of(base) == "FlowSpec" for one in _class_lineage(classes, name) for base in classes[one].bases)


def _is_step(function: ast.FunctionDef) -> bool:
    return any(_name_of(decorator) == "step" for decorator in function.decorator_list)


def _parameter_names(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        call = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(call, ast.Call) and _name_of(call.func) in _PARAMETERS and call.args:
            first = call.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def _name_of(node: ast.expr) -> str:
    """Return the last part of a name: ``FlowSpec`` for ``flow_sdk.FlowSpec``."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
