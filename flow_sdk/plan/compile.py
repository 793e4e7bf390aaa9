"""From a flow class to its plan: graph, lint, decorators and constants put together."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from types import ModuleType
from typing import Any, cast

from flow_sdk.authoring.declarations import flow_decorators
from flow_sdk.authoring.declared_decorators import step_decorators
from flow_sdk.authoring.flow import FlowSpec, is_step, step_functions, uses_no_dynamic_features
from flow_sdk.authoring.parameters import Parameter
from flow_sdk.errors import CheckFailed, PlanError
from flow_sdk.graph.model import Graph
from flow_sdk.graph.parse import read_graph
from flow_sdk.graph.regions import find_regions
from flow_sdk.lint.check import check_flow
from flow_sdk.lint.diagnostic import Diagnostic, render_all
from flow_sdk.lint.rules import CheckedFlow
from flow_sdk.plan.codec import ordered_json
from flow_sdk.plan.model import ConfigPlan, FlowPlan, LoopPlan, ParameterPlan, StepKind, StepPlan

__all__ = ["check_class", "compile_plan", "find_constants", "read_flow"]

Decorators = tuple[tuple[str, dict[str, Any]], ...]


def compile_plan(
    flow_class: type[FlowSpec],
    *,
    file: str,
    parameters: tuple[ParameterPlan, ...] = (),
    extra: Iterable[Any] = (),
    module: str = "",
    imported: bool = False,
    paths: tuple[str, ...] = (),
) -> FlowPlan:
    """Compile a flow class into its plan, without running user code but its mutators.

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
    module, imported, paths
        How the flow file is executed, as :class:`FlowPlan` has them.

    Returns
    -------
    FlowPlan
        The same for the same source on every Python version.

    Raises
    ------
    CheckFailed
        If the flow has lint errors. Its text shows all of them; ``.diagnostics`` holds them as a list.
    """
    flow, wrappers = _read_class(flow_class, extra)
    diagnostics = check_flow(flow)
    if diagnostics:
        raise check_failed(flow.graph.flow, diagnostics)
    return FlowPlan(
        flow=flow.graph.flow,
        file=file,
        doc=flow.graph.doc,
        steps=_compile_steps(flow, wrappers),
        loops=tuple(LoopPlan(entry, body) for entry, body in flow.regions.loops.items()),
        parameters=tuple(parameters),
        constants=find_constants(flow_class),
        decorators=_as_data(flow_decorators(flow_class)),
        configs=() if uses_no_dynamic_features() else _compile_configs(flow_class),
        module=module,
        imported=imported,
        paths=paths,
    )


def check_class(flow_class: type[FlowSpec], extra: Iterable[Any] = ()) -> list[Diagnostic]:
    """Return everything that is wrong with a flow class; the ``check`` command.

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
    error.diagnostics = diagnostics
    return error


def read_flow(flow_class: type[FlowSpec], extra: Iterable[Any] = ()) -> CheckedFlow:
    """Read all that the rules need from a flow class."""
    return _read_class(flow_class, extra)[0]


def _read_class(flow_class: type[FlowSpec], extra: Iterable[Any]) -> tuple[CheckedFlow, dict[str, Decorators]]:
    """Read what the rules need, and each step's custom decorators as data."""
    graph = read_graph(flow_class)
    wrappers: dict[str, Decorators] = {}
    extra = list(extra)
    if uses_no_dynamic_features():
        decorators = _declared_decorators(flow_class, extra)
    else:
        from flow_sdk.authoring.resolved_flow import resolve_declarations

        steps = resolve_declarations(flow_class).with_extra(extra).steps
        decorators = {name: tuple(step.decorators) for name, step in steps.items()}
        wrappers = {name: _wrapper_data(step, flow_class.__module__) for name, step in steps.items()}
    checked = CheckedFlow(
        graph=graph,
        regions=find_regions(graph),
        decorators=decorators,
        parameters=_find_parameters(flow_class),
        flow_decorators=flow_decorators(flow_class),
        hidden=_find_hidden_steps(flow_class, graph),
    )
    return checked, wrappers


def _declared_decorators(flow_class: type[FlowSpec], extra: list[Any]) -> dict[str, tuple[Any, ...]]:
    """Return each step's decorators from the source, and those of ``extra`` that it lacks."""
    added = {decorator.name: decorator for decorator in reversed(extra)}
    found = {}
    for name, function in step_functions(flow_class).items():
        own = step_decorators(function)
        names = {decorator.name for decorator in own}
        found[name] = own + tuple(d for d in added.values() if d.name not in names)
    return found


def _find_parameters(flow_class: type[FlowSpec]) -> tuple[tuple[str, Any], ...]:
    if not uses_no_dynamic_features():
        from flow_sdk.authoring.resolved_flow import resolve_declarations

        return tuple(resolve_declarations(flow_class).parameters.items())
    return tuple((name, v) for name, v in _class_attributes(flow_class).items() if isinstance(v, Parameter))


def find_constants(flow_class: type[FlowSpec]) -> tuple[str, ...]:
    """Return the names of a flow's plain class attributes along its MRO, base classes first.

    Methods and other descriptors, nested classes, modules, steps, parameters and private names aren't constants.
    """
    return tuple(name for name, value in _class_attributes(flow_class).items() if _is_constant(name, value))


def _find_hidden_steps(flow_class: type[FlowSpec], graph: Graph) -> dict[str, str]:
    """Find the steps of which the flow's class bodies have a parameter, config or plain attribute, too: its kind."""
    found = dict(graph.replaced)  # a step of the same class body has replaced it already: only the source shows it
    for klass in flow_class.__mro__:
        for name in vars(klass).keys() & graph.nodes.keys():
            value = vars(klass)[name]
            if isinstance(value, Parameter):
                found[name] = "parameter"
            elif hasattr(type(value), "__flow_deferred__"):
                found[name] = "config"
    return found


def _class_attributes(flow_class: type[FlowSpec]) -> dict[str, Any]:
    """Return all class attributes below ``FlowSpec``. A redefined one has the new value and its base's position."""
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


def _compile_configs(flow_class: type[FlowSpec]) -> tuple[ConfigPlan, ...]:
    """Return a flow's configs with their values."""
    from flow_sdk.authoring.configs import flow_configs
    from flow_sdk.authoring.resolved_flow import resolve_declarations

    values = resolve_declarations(flow_class).values
    return tuple(
        ConfigPlan(
            name=found.name,
            value=values[found.name],
            attribute="" if found.attribute == found.name else found.attribute,
            plain=found.plain,
        )
        for found in flow_configs(flow_class)
    )


def _wrapper_data(step: Any, module: str) -> Decorators:
    """Return the custom decorators of a resolved step as data, the outermost first."""
    found = []
    for one in reversed(step.wrappers):
        try:
            attributes = json.loads(ordered_json(one.kwargs))
        except PlanError as error:
            error.headline = f"@{one.name} of step {step.name!r} has an attribute that can't be written as JSON."
            error.where, error.wanted = one.where, "text, numbers, booleans, None, lists and dicts"
            raise
        found.append((one.name_in(module), attributes))
    return tuple(found)


def _compile_steps(flow: CheckedFlow, wrappers: dict[str, Decorators]) -> tuple[StepPlan, ...]:
    graph, regions = flow.graph, flow.regions
    steps = []
    for number, name in enumerate(regions.order):
        node = graph.nodes[name]
        call = node.call
        steps.append(
            StepPlan(
                name=name,
                kind=cast("StepKind", node.kind),  # the checks have refused the others
                is_join=node.is_join,
                next=node.next,
                foreach=call.foreach if call and node.kind == "foreach" else None,
                condition=call.condition if call and node.kind == "switch" else None,
                cases=tuple((case.value, case.target) for case in call.cases) if call else (),
                scopes=regions.scopes[name],
                parents=regions.parents[name],
                back=regions.back[name],
                joins=regions.joins.get(name),
                decorators=_as_data(flow.decorators[name]),
                doc=node.doc,
                line=node.span.line,
                wrappers=wrappers.get(name, ()),
                number=number,
            )
        )
    return tuple(steps)
