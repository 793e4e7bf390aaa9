"""How many items a foreach can have, as far as the source shows it: a literal list, ``range(20)``, a class constant.

No user code is run. A count is an upper bound of what the statement that sets the list makes; where the step may change
the list otherwise, or the source can't be had, there is none.
"""

from __future__ import annotations

import ast
from typing import Any, TypeGuard

from flow_sdk.authoring.flow import step_functions
from flow_sdk.graph.source import FunctionSource, Sources

__all__ = ["item_counts"]

LARGEST = 1_000_000
"""Counts above it have no use; the limit keeps the arithmetic on hostile source small."""


def item_counts(flow: type[Any]) -> dict[str, int]:
    """Read from the source how many items the foreach steps of a flow can have at most.

    Parameters
    ----------
    flow : type
        A subclass of ``FlowSpec``.

    Returns
    -------
    dict of str to int
        By name of the foreach step; steps of which nothing is known are left out.
    """
    sources = Sources()
    steps = {name: sources.find_function(function) for name, function in step_functions(flow).items()}
    if None in steps.values():
        return {}
    known = [source for source in steps.values() if source is not None]
    changed = {node.attr for source in known for node in ast.walk(source.node) if _is_changed(node)}
    constants = {name: value for name, value in _constant_lengths(flow).items() if name not in changed}
    counts = {name: _count_of_step(source, constants) for name, source in zip(steps, known, strict=True)}
    return {name: count for name, count in counts.items() if count is not None}


def _constant_lengths(flow: type[Any]) -> dict[str, int]:
    """Return the lengths of the class constants that a foreach may run over."""
    found: dict[str, int] = {}
    for klass in reversed(flow.__mro__):
        for name, value in vars(klass).items():
            found.pop(name, None)
            if isinstance(value, list | tuple | set | frozenset | dict | range | str):
                found[name] = len(value)
    return found


def _count_of_step(source: FunctionSource, constants: dict[str, int]) -> int | None:
    artifact, this = _foreach_of(source.node), source.self_name
    if artifact is None:
        return None
    uses = [node for node in ast.walk(source.node) if _is_attribute(node, this, artifact)]
    if not uses:
        return constants.get(artifact)
    # One statement of the step's own body sets the list, and nothing else there reads it.
    for statement in source.node.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else ()
        if len(uses) == 1 and len(targets) == 1 and targets[0] is uses[0] and isinstance(statement, ast.Assign):
            return _count_items(statement.value)
        if isinstance(statement, ast.AnnAssign) and statement.target is uses[0] and len(uses) == 1:
            return None if statement.value is None else _count_items(statement.value)
    return None


def _foreach_of(function: ast.AST) -> str | None:
    """Return the artifact that the step's one ``next(..., foreach="name")`` names."""
    names = {
        keyword.value.value
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "next"
        for keyword in node.keywords
        if keyword.arg == "foreach" and isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str)
    }
    return names.pop() if len(names) == 1 else None


def _is_changed(node: ast.AST) -> TypeGuard[ast.Attribute]:
    """Return whether a statement sets or deletes an attribute."""
    return isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load)


def _is_attribute(node: ast.AST, this: str, name: str) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.value, ast.Name)
        and node.value.id == this
    )


def _count_items(node: ast.expr) -> int | None:
    """Return the most items that an expression can have; None where it isn't plain."""
    length: int | None = None
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        length = None if any(isinstance(item, ast.Starred) for item in node.elts) else len(node.elts)
    elif isinstance(node, ast.Dict):
        length = None if None in node.keys else len(node.keys)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        length = len(node.value)
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp):
        lengths = [_count_items(generator.iter) for generator in node.generators]
        length = 1
        for each in lengths:
            length = None if each is None or length is None or length * each > LARGEST else length * each
    elif isinstance(node, ast.Call):
        length = _count_of_call(node)
    elif isinstance(node, ast.BinOp):
        length = _count_of_operation(node)
    return length if length is not None and length <= LARGEST else None


def _count_of_call(node: ast.Call) -> int | None:
    name = node.func.id if isinstance(node.func, ast.Name) else None
    if name is None or node.keywords or not node.args:
        return None
    if name == "range":
        numbers = [_read_integer(argument) for argument in node.args]
        known = [number for number in numbers if number is not None]
        if len(known) != len(numbers) or len(known) > 3 or (len(known) == 3 and known[2] == 0):
            return None
        first, stop, step = (0, known[0], 1) if len(known) == 1 else (*known, 1)[:3]
        return max(0, -((first - stop) // step))
    if name in ("list", "tuple", "set", "sorted", "reversed", "enumerate") and len(node.args) == 1:
        return _count_items(node.args[0])
    if name == "zip":
        lengths = [length for length in map(_count_items, node.args) if length is not None]
        return min(lengths, default=None)
    return None


def _count_of_operation(node: ast.BinOp) -> int | None:
    left, right = _count_items(node.left), _count_items(node.right)
    if isinstance(node.op, ast.Add) and left is not None and right is not None:
        return left + right
    if isinstance(node.op, ast.Mult):
        for length, other in ((left, node.right), (right, node.left)):
            times = _read_integer(other)
            if length is not None and times is not None:
                return length * max(0, times)
    return None


def _read_integer(node: ast.expr) -> int | None:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -1
    if isinstance(node, ast.Constant) and type(node.value) is int and abs(node.value) <= LARGEST:
        return sign * node.value
    return None
