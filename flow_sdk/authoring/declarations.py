"""What a flow declares, with what its configs and mutators make of it: parameters and decorators."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.declared_decorators import declared_flow_decorators
from flow_sdk.authoring.flow import uses_no_dynamic_features
from flow_sdk.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from flow_sdk.authoring.decorator import Decorator
    from flow_sdk.authoring.flow import FlowSpec
    from flow_sdk.authoring.parameters import Parameter

__all__ = ["apply_parsers", "find_inactive", "flow_decorators", "flow_parameters"]


def flow_parameters(flow: type[FlowSpec]) -> list[Parameter[Any]]:
    """Return a flow's parameters: those it declares, and what its mutators make of them.

    Raises
    ------
    ParameterError
        If two have the same name (``-`` and ``_`` and upper and lower case being the same).
    """
    from flow_sdk.authoring.parameters import declared_parameters

    if uses_no_dynamic_features():
        found = declared_parameters(flow)
    else:
        from flow_sdk.authoring.resolved_flow import resolve_declarations

        found = resolve_declarations(flow).parameters
    names: dict[str, str] = {}
    for attribute, parameter in found.items():
        same = names.setdefault(parameter.name.replace("-", "_").lower(), attribute)
        if same != attribute:
            raise ParameterError(
                f"Two parameters of {flow.__name__} have the name {parameter.name!r}.",
                seen=f"{same} and {attribute}",
                wanted="names that differ in more than '-' and '_' or upper and lower case",
            )
    return list(found.values())


def flow_decorators(flow: type) -> tuple[Decorator, ...]:
    """Return the decorators of a flow by name, those that depend on configs with their values."""
    if uses_no_dynamic_features():
        return declared_flow_decorators(flow)
    from flow_sdk.authoring.resolved_flow import resolve_declarations

    found = resolve_declarations(flow).decorators
    return tuple(found[name] for name in sorted(found))


def find_inactive(flow: type[FlowSpec]) -> Iterator[tuple[str, str]]:
    """Find the decorators without effect on a flow, its steps included.

    Parameters
    ----------
    flow : type
        The flow's class.

    Yields
    ------
    (str, str)
        The decorator's name and the step's; "" for one on the class.
    """
    from flow_sdk.authoring.inactive_decorators import find_declared_inactive

    found = find_declared_inactive(flow)
    if not uses_no_dynamic_features():
        from flow_sdk.authoring.resolved_flow import resolve_declarations

        found += resolve_declarations(flow).inactive
    yield from dict.fromkeys(found)


def apply_parsers(flow: type[FlowSpec], values: dict[str, Any]) -> dict[str, Any]:
    """Run the parsers of a flow's files over their contents, once, when a run starts.

    Parameters
    ----------
    flow : type
        The flow's class.
    values : dict
        Values by artifact name, as :func:`flow_sdk.plan.parameters.resolve_values` gives them.

    Returns
    -------
    dict
        The same with the parsers' results.
    """
    parsed = dict(values)
    for parameter in flow_parameters(flow):
        parser = getattr(parameter, "parser", None)
        if parser is None or parsed.get(parameter.attribute) is None:
            continue
        try:
            if isinstance(parser, str):
                import importlib

                module, _, function = parser.rpartition(".")
                parser = getattr(importlib.import_module(module), function)
            parsed[parameter.attribute] = parser(parsed[parameter.attribute])
        except Exception as error:
            raise ParameterError(
                f"The parser of the parameter {parameter.name!r} failed.", seen=f"{type(error).__name__}: {error}"
            ) from error
    return parsed
