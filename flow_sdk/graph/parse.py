"""Reading a flow class's graph from its source."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from typing import Any

from flow_sdk.authoring.flow import is_step, step_functions
from flow_sdk.graph.last_calls import last_calls
from flow_sdk.graph.methods import assigned_names, find_methods, names_replaced, steps_overwritten
from flow_sdk.graph.model import Case, Fault, Graph, NextCall, NextTarget, Node, SourceSpan
from flow_sdk.graph.source import (
    ClassSource,
    FunctionSource,
    SourceFile,
    Sources,
    dedent_docstring,
    innermost_function,
)

__all__ = ["read_graph"]

_GENERATOR = 0x20 | 0x200
_COROUTINE = 0x80


def read_graph(flow: type[Any]) -> Graph:
    """Read a flow's graph from the source of its steps.

    Parameters
    ----------
    flow : type
        A subclass of ``FlowSpec``; no code of it is run.

    Returns
    -------
    Graph
        The steps in the order of the source, base classes first.
    """
    sources = Sources()
    nodes = {}
    for name, function in step_functions(flow).items():
        nodes[name] = _read_node(name, function, sources)
    classes = [known for klass in reversed(flow.__mro__) if (known := _users_class(klass, sources))]
    methods = find_methods(flow, nodes)
    read = {name: source for name, function in methods.items() if (source := sources.find_function(function))}
    steps = (sources.find_function(function) for function in step_functions(flow).values())
    found = _class_source(flow, sources)
    # Python 3.13 expands tabs and strips indentation in __doc__; the source is the same for all versions.
    doc = ast.get_docstring(found.node, clean=False) if found else flow.__doc__
    return Graph(
        flow=flow.__name__,
        doc=dedent_docstring(doc),
        nodes=nodes,
        span=_class_span(flow, found),
        assignments=_find_assignments(classes),
        methods=frozenset(name for k in flow.__mro__[:-1] for name, v in vars(k).items() if callable(v)) - nodes.keys(),
        unmarked={name: source.file.name_span(source.node) for name, source in read.items() if _next_calls(source)},
        overwritten=tuple(steps_overwritten([*filter(None, steps), *read.values()], nodes.keys())),
        replaced={name: kind for known in classes for name, kind in names_replaced(known.node, nodes)},
    )


def _class_source(flow: type[Any], sources: Sources) -> ClassSource | None:
    """Find the class statement: in the file its own steps come from, or in its module's file."""
    module = vars(sys.modules[flow.__module__]) if flow.__module__ in sys.modules else {}
    names = [module.get("__file__")]
    steps = [value for value in vars(flow).values() if is_step(value)]
    names += [innermost_function(function).__code__.co_filename for function in steps]
    for name in names:
        file = sources.open_file(name, module) if name else None
        found = file.classes.get(flow.__qualname__) if file else None
        if found:
            return found
    return None


def _class_span(flow: type[Any], found: ClassSource | None) -> SourceSpan:
    if found:
        return found.file.name_span(found.node)
    return SourceSpan(getattr(sys.modules.get(flow.__module__), "__file__", None) or f"<{flow.__module__}>", 1, 1, 1, 1)


def _users_class(klass: type[Any], sources: Sources) -> ClassSource | None:
    """Find the class statement of one of the classes along the MRO; None for ours and those without source."""
    return None if klass.__module__.startswith(("flow_sdk.", "builtins")) else _class_source(klass, sources)


def _find_assignments(classes: list[ClassSource]) -> dict[str, SourceSpan]:
    """Find where class bodies along the MRO assign names, so that a finding can point at a parameter."""
    found: dict[str, SourceSpan] = {}
    for source in classes:
        for node in source.node.body:
            for target in assigned_names(node):
                found[target.id] = source.file.span_of(target)
    return found


def _read_node(name: str, function: Callable[..., Any], sources: Sources) -> Node:
    inner = innermost_function(function)
    marks: dict[str, bool] = function.__flow_step__  # type: ignore[attr-defined]
    code = inner.__code__
    found = sources.find_function(function)
    nature = "generator" if code.co_flags & _GENERATOR else "async" if code.co_flags & _COROUTINE else "function"
    line = code.co_firstlineno
    span = found.file.name_span(found.node) if found else SourceSpan(code.co_filename, line, 1, line, 1)
    return Node(
        name=name,
        arguments=code.co_argcount,
        odd_arguments=bool(code.co_flags & 0x0C or code.co_kwonlyargcount),
        nature=nature,
        marked_start=bool(marks.get("start")),
        marked_end=bool(marks.get("end")),
        calls=tuple(_read_calls(name, found)) if found else (),
        doc=dedent_docstring(ast.get_docstring(found.node, clean=False)) if found else dedent_docstring(inner.__doc__),
        span=span,
        decorator_spans=_decorator_spans(found) if found else (),
        shadows=_find_shadowed(found) if found else None,
        has_source=found is not None,
    )


def _decorator_spans(found: FunctionSource) -> tuple[tuple[str, SourceSpan], ...]:
    spans = []
    for expression in found.node.decorator_list:
        callee = expression.func if isinstance(expression, ast.Call) else expression
        name = callee.attr if isinstance(callee, ast.Attribute) else callee.id if isinstance(callee, ast.Name) else ""
        spans.append((name, found.file.span_of(expression)))
    return tuple(spans)


def _find_shadowed(found: FunctionSource) -> SourceSpan | None:
    """Find an earlier method of the same name in the same class body."""
    for node in found.owner.body if found.owner else ():
        if node is found.node:
            return None
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == found.node.name:
            return found.file.name_span(node)
    return None


def _read_calls(step: str, found: FunctionSource) -> Iterator[NextCall]:
    this = found.self_name
    calls = _next_calls(found)
    tail = found.node.body[-1]
    last = {tail.value} if isinstance(tail, ast.Expr) and tail.value in calls else set()
    if len(calls) > len(last):
        last |= last_calls(found.node.body, lambda call: _is_next(call, this))
    for call in calls:
        yield _CallReader(step, this, found.file).read_call(call, is_last=call in last)


def _next_calls(found: FunctionSource) -> list[ast.Call]:
    """Return the calls of ``self.next`` in a method, in the order of the source."""
    this, tail = found.self_name, found.node.body[-1]
    last = tail.value if isinstance(tail, ast.Expr) else None
    calls = []
    for statement in found.node.body:
        if statement is tail and isinstance(last, ast.Call) and _is_next(last, this):
            calls.append(last)
        elif found.file.mentions_word("next", statement):
            calls += [node for node in ast.walk(statement) if isinstance(node, ast.Call) and _is_next(node, this)]
    return sorted(calls, key=lambda call: (call.lineno, call.col_offset))


def _is_next(call: ast.Call, this: str) -> bool:
    callee = call.func
    return (
        isinstance(callee, ast.Attribute)
        and callee.attr == "next"
        and isinstance(callee.value, ast.Name)
        and callee.value.id == this
    )


class _CallReader:
    """Reads the arguments of one ``self.next``, collecting what is wrong with them."""

    def __init__(self, step: str, this: str, file: SourceFile) -> None:
        self.step = step
        self.this = this
        self.file = file
        self.faults: list[Fault] = []

    def read_call(self, call: ast.Call, *, is_last: bool) -> NextCall:
        keywords = {keyword.arg: keyword for keyword in call.keywords}
        for name, keyword in keywords.items():
            if name not in ("foreach", "condition", "num_parallel"):
                self.add_fault("unknown-keyword", keyword, seen=name or "**")
        foreach = self.artifact_name(keywords.get("foreach"))
        condition = self.artifact_name(keywords.get("condition"))
        targets: list[NextTarget] = []
        cases: list[Case] = []
        for argument in call.args:
            if isinstance(argument, ast.Dict):
                cases += self.read_cases(argument)
            else:
                targets += self.read_target(argument)
        kind = self.transition_kind(call, set(keywords), foreach is not None)
        if kind == "switch":
            targets = [NextTarget(case.target, case.span) for case in cases]
        return NextCall(
            kind=kind,
            targets=tuple(targets),
            foreach=foreach,
            condition=condition,
            cases=tuple(cases) if kind == "switch" else (),
            is_last=is_last,
            span=self.file.span_of(call),
            faults=tuple(self.faults),
        )

    def transition_kind(self, call: ast.Call, keywords: set[str | None], has_foreach: bool) -> str:
        """Return the kind of transition, and record a fault for arguments that don't fit together."""
        has_dict = any(isinstance(argument, ast.Dict) for argument in call.args)
        count = len(call.args)
        if not count:
            self.add_fault("no-target", call)
        if "num_parallel" in keywords:
            return "parallel"
        if {"foreach", "condition"} <= keywords:
            self.add_fault("foreach-and-condition", call)
        elif "condition" in keywords and not (has_dict and count == 1) and count:
            self.add_fault("condition-without-cases", call)
        elif has_dict and "condition" not in keywords:
            self.add_fault("cases-without-condition", call)
        elif has_foreach and count > 1:
            self.add_fault("foreach-targets", call)
        if has_dict:
            return "switch"
        if "foreach" in keywords:
            return "foreach"
        return "split" if count > 1 else "linear"

    def add_fault(self, kind: str, node: ast.AST, **details: str) -> None:
        self.faults.append(Fault(kind, self.step, self.file.span_of(node), details))

    def artifact_name(self, keyword: ast.keyword | None) -> str | None:
        """Read ``foreach='items'`` or ``condition='choice'``."""
        if keyword is None:
            return None
        value = keyword.value
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value.isidentifier():
            return value.value
        guess = value.attr if isinstance(value, ast.Attribute) else "name"
        self.add_fault("bad-artifact-name", value, keyword=keyword.arg or "", seen=ast.unparse(value), guess=guess)
        return None

    def read_target(self, node: ast.expr) -> Iterator[NextTarget]:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == self.this:
            yield NextTarget(node.attr, self.file.span_of(node))
        else:
            self.add_fault("bad-target", node, seen=ast.unparse(node))

    def read_cases(self, node: ast.Dict) -> Iterator[Case]:
        for key, value in zip(node.keys, node.values, strict=True):
            literal = _case_value(key)
            if literal is None:
                self.add_fault("bad-case", key or value, seen=ast.unparse(key) if key else "**" + ast.unparse(value))
            for target in self.read_target(value):
                yield Case(literal, target.name, target.span)


def _case_value(key: ast.expr | None) -> str | bool | int | float | None:
    """Return the value of a str, number or bool literal; None for anything else."""
    sign = 1
    if isinstance(key, ast.UnaryOp) and isinstance(key.op, ast.USub):
        key, sign = key.operand, -1
    if not isinstance(key, ast.Constant):
        return None
    value = key.value
    if isinstance(value, (str, bool)):
        return value if sign == 1 else None
    if isinstance(value, int):
        return sign * value
    # A literal too large for a float is infinite, which JSON has no form for.
    return sign * value if isinstance(value, float) and value - value == 0 else None
