"""Methods that look like steps and aren't, and other uses of the names of steps."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, KeysView
from types import FunctionType
from typing import Any

from flow_sdk.graph.model import SourceSpan
from flow_sdk.graph.source import FunctionSource

__all__ = ["assigned_names", "find_methods", "names_replaced", "steps_overwritten"]

_KINDS = {"Parameter": "parameter", "IncludeFile": "parameter", "Config": "config"}


def find_methods(flow: type[Any], steps: Collection[str]) -> dict[str, FunctionType]:
    """Return a flow's methods that aren't steps by name; of those with one name, the one that the flow has.

    Names with a leading ``_`` are left out: no step can have such a name.
    """
    found: dict[str, FunctionType] = {}
    for klass in reversed(flow.__mro__):
        if klass.__module__.startswith(("flow_sdk.", "builtins")):
            continue
        for name, value in vars(klass).items():
            found.pop(name, None)
            if isinstance(value, FunctionType) and not name.startswith("_") and name not in steps:
                found[name] = value
    return found


def steps_overwritten(functions: Iterable[FunctionSource], steps: KeysView[str]) -> Iterator[tuple[str, SourceSpan]]:
    """Find where methods set or delete an attribute of the flow's object that has the name of a step.

    Parameters
    ----------
    functions : iterable of FunctionSource
        The flow's steps and other methods.
    steps : set of str
        The names of its steps.

    Yields
    ------
    (str, SourceSpan)
        The name, and where it is set.
    """
    for function in functions:
        this, body = function.self_name, function.node.body
        end = body[-1].lineno - 1 if isinstance(body[-1], ast.Expr) else body[-1].end_lineno  # self.next names steps
        text = "\n".join(function.file.lines[body[0].lineno - 1 : end])
        if steps.isdisjoint(re.findall(rf"\b{re.escape(this)}\s*\.\s*(\w+)", text)):
            continue  # much cheaper than to walk the tree
        for node in ast.walk(function.node):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in steps
                and not isinstance(node.ctx, ast.Load)
                and isinstance(node.value, ast.Name)
                and node.value.id == this
            ):
                yield node.attr, function.file.span_of(node)


def assigned_names(statement: ast.stmt) -> list[ast.Name]:
    """Return the plain names that a statement assigns."""
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    return [target for target in targets if isinstance(target, ast.Name)]


def names_replaced(body: ast.ClassDef, steps: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the steps of a class body that replace something assigned before: each with what that was."""
    assigned: dict[str, str] = {}
    for statement in body.body:
        if isinstance(statement, ast.FunctionDef):
            if statement.name in steps and statement.name in assigned:
                yield statement.name, assigned[statement.name]
        else:
            value = getattr(statement, "value", None)
            if value is None:
                continue  # an annotation alone assigns nothing
            made = value.func if isinstance(value, ast.Call) else None
            name = made.attr if isinstance(made, ast.Attribute) else made.id if isinstance(made, ast.Name) else ""
            assigned |= {target.id: _KINDS.get(name, "attribute") for target in assigned_names(statement)}
