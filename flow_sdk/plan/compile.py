"""From a flow class to its plan: graph, lint, decorators and constants put together."""

from __future__ import annotations

import os
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from flow_sdk.errors import CheckFailed
from flow_sdk.graph.model import Graph
from flow_sdk.graph.parse import read_graph
from flow_sdk.graph.regions import Regions, find_regions
from flow_sdk.lint.check import check_flow
from flow_sdk.lint.diagnostic import Diagnostic, render_all
from flow_sdk.lint.rules import CheckedFlow
from flow_sdk.plan.model import FlowPlan, Loop, ParameterPlan, Scope, StepPlan
from flow_sdk.spec.decorators import flow_decorators, step_decorators
from flow_sdk.spec.flow import FlowSpec, is_step, step_functions
from flow_sdk.spec.parameters import Parameter

__all__ = ["check_class", "compile_plan", "constants", "read_flow"]

Decorators = tuple[tuple[str, dict[str, Any]], ...]


def compile_plan(
    flow_class: type[FlowSpec],
    *,
    file: str,
    parameters: tuple[ParameterPlan, ...] = (),
    extra: Iterable[Any] = (),
) -> FlowPlan:
    """Compile a flow class into its plan, without running user code.

    Parameters
    ----------
    flow_class : type
        A subclass of ``FlowSpec``.
    file : str
        The flow file's path relative to the code package's root, with ``/``.
    parameters : tuple of ParameterPlan
        The flow's parameters, their deploy-time functions already called.
    extra : iterable of decorators
        Step decorators for every step that lacks one of that name (``--with``); of two the first counts.

    Returns
    -------
    FlowPlan
        The same for the same source on every Python version.

    Raises
    ------
    CheckFailed
        If the flow has lint errors. Its text shows all of them; ``.diagnostics`` holds them as a list.
    """
    flow = read_flow(flow_class, extra)
    diagnostics = check_flow(flow)
    if diagnostics:
        raise check_failed(flow.graph.flow, diagnostics)
    return FlowPlan(
        flow=flow.graph.flow,
        file=file,
        doc=flow.graph.doc,
        steps=_steps(flow.graph, flow.regions, {name: _as_data(found) for name, found in flow.decorators.items()}),
        loops=tuple(Loop(entry, body) for entry, body in flow.regions.loops.items()),
        parameters=tuple(parameters),
        constants=constants(flow_class),
        decorators=_as_data(flow_decorators(flow_class)),
    )


def check_class(flow_class: type[FlowSpec], extra: Iterable[Any] = ()) -> list[Diagnostic]:
    """Find everything that is wrong with a flow class; the ``check`` command.

    Parameters
    ----------
    flow_class : type
        A subclass of ``FlowSpec``.
    extra : iterable of decorators
        As for :func:`compile_plan`.
    """
    return check_flow(read_flow(flow_class, extra))


def check_failed(flow: str, diagnostics: list[Diagnostic]) -> CheckFailed:
    """Make the error that shows all diagnostics, files named relative to the current folder."""
    number = len(diagnostics)
    headline = f"Flow {flow} has {number} error{'s' if number > 1 else ''}."
    error = CheckFailed(f"{render_all(diagnostics, os.getcwd())}\n\n{headline}")
    error.diagnostics = diagnostics  # type: ignore[attr-defined]
    return error


def read_flow(flow_class: type[FlowSpec], extra: Iterable[Any] = ()) -> CheckedFlow:
    """Read all that the rules look at from a flow class."""
    graph = read_graph(flow_class)
    added = {decorator.name: decorator for decorator in reversed(list(extra))}
    decorators = {}
    for name, function in step_functions(flow_class).items():
        own = step_decorators(function)
        names = {decorator.name for decorator in own}
        decorators[name] = own + tuple(d for d in added.values() if d.name not in names)
    return CheckedFlow(
        graph=graph,
        regions=find_regions(graph),
        decorators=decorators,
        parameters=tuple((name, v) for name, v in _attributes(flow_class).items() if isinstance(v, Parameter)),
    )


def constants(flow_class: type[FlowSpec]) -> tuple[str, ...]:
    """Return the names of a flow's plain class attributes along its MRO, base classes first.

    Methods and other descriptors, nested classes, modules, steps, parameters and private names aren't constants.
    """
    return tuple(name for name, value in _attributes(flow_class).items() if _is_constant(name, value))


def _attributes(flow_class: type[FlowSpec]) -> dict[str, Any]:
    """All class attributes below ``FlowSpec``; what a derived class redefines has its value and its base's place."""
    found: dict[str, Any] = {}
    for klass in reversed(flow_class.__mro__):
        if klass is not object and klass is not FlowSpec:
            found.update(vars(klass))
    return found


def _is_constant(name: str, value: Any) -> bool:
    if name.startswith("_") or name in vars(FlowSpec) or is_step(value) or isinstance(value, (type, ModuleType)):
        return False
    # Functions, properties, class methods, parameters: whatever Python binds when it is read from an object.
    return not hasattr(type(value), "__get__")


def _as_data(given: Iterable[Any]) -> Decorators:
    return tuple(sorted(((d.name, d.attributes()) for d in given), key=lambda pair: pair[0]))


def _steps(graph: Graph, regions: Regions, decorators: dict[str, Decorators]) -> tuple[StepPlan, ...]:
    steps = []
    for name in regions.order:
        node = graph.nodes[name]
        call = node.call
        steps.append(
            StepPlan(
                name=name,
                kind=node.kind,
                is_join=node.is_join,
                next=node.next,
                foreach=call.foreach if call and node.kind == "foreach" else None,
                condition=call.condition if call and node.kind == "switch" else None,
                cases=tuple((case.value, case.target) for case in call.cases) if call else (),
                scopes=tuple(Scope(scope.kind, scope.step, scope.branch) for scope in regions.scopes[name]),
                parents=regions.parents[name],
                back=regions.back[name],
                joins=regions.joins.get(name),
                decorators=decorators[name],
                doc=node.doc,
                line=node.span.line,
            )
        )
    return tuple(steps)
