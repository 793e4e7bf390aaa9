"""The flow's parameters as options of a command."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.cli.parser import Option

if TYPE_CHECKING:
    from typing import Any

    from flow_sdk.cli.context import CommandContext
    from flow_sdk.plan.model import ParameterPlan

__all__ = ["given_data", "given_values", "parameter_options"]

METAVARS = {"str": "TEXT", "int": "INTEGER", "float": "FLOAT", "bool": "true|false", "json": "JSON", "file": "PATH"}


def parameter_options(flow_class: Any) -> list[Option]:
    """Make an option of each of the flow's parameters.

    Raises
    ------
    ParameterError
        If the flow's parameters clash.
    """
    from flow_sdk.authoring.declarations import flow_parameters

    return [_make_option(parameter) for parameter in flow_parameters(flow_class)]


def _make_option(parameter: Any) -> Option:
    remarks = [" ".join(parameter.help.split())]
    if parameter.separator:
        remarks.append(f"Several values with {parameter.separator!r} between them.")
    if parameter.required:
        remarks.append("[required]")
    elif parameter.show_default and callable(parameter.default):
        remarks.append("[default: worked out when the run starts]")
    elif parameter.show_default and parameter.default is not None:
        remarks.append(f"[default: {_default_text(parameter.default)}]")
    return Option(
        parameter.name,
        " ".join(remark for remark in remarks if remark),
        metavar=METAVARS[parameter.value_type],
        default=True if parameter.is_flag and parameter.default is True else None,
        flag=parameter.is_flag,
        repeat=parameter.multiple,
    )


def _default_text(default: Any) -> str:
    if isinstance(default, bool | dict | list | tuple):
        import json

        try:
            return json.dumps(default)
        except (TypeError, ValueError):
            return str(default)
    return str(default)


def given_values(context: CommandContext, declared: tuple[ParameterPlan, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters that the command line and the environment give.

    Returns
    -------
    (dict, dict)
        What was given by parameter name, and the values of all parameters by artifact name.

    Raises
    ------
    ParameterError
        If one is missing, unknown or mistyped.
    """
    import os

    from flow_sdk.plan.parameters import from_environment, resolve_values, variables_of

    given = {**from_environment(declared, os.environ), **context.line.parameters}
    variables = variables_of((p for p in declared if p.name not in context.line.parameters), os.environ)
    return given, resolve_values(declared, given, paths=True, variables=variables)


def given_data(context: CommandContext, *, ordered: bool = False) -> dict[str, Any]:
    """Check the parameters that the command line and the environment give, for a run somewhere else.

    What isn't given is left out: it keeps the default that it was deployed with. With ``ordered``, objects of several
    keys are given as text, for an orchestrator that doesn't keep the order of keys.

    Returns
    -------
    dict of str to JSON value
        By parameter name, so that :func:`flow_sdk.plan.parameters.convert_value` gives the same values there.

    Raises
    ------
    ParameterError
        If one is missing, unknown or mistyped.
    """
    from flow_sdk.plan.parameters import convert_value

    declared = context.plan_parameters()
    given, _ = given_values(context, declared)
    return {
        p.name: _as_data(p, convert_value(p, given[p.name], paths=True), ordered) for p in declared if p.name in given
    }


def _as_data(parameter: ParameterPlan, value: Any, ordered: bool) -> Any:
    """Return a parameter's value as JSON data."""
    if isinstance(value, tuple):
        return [_as_data(parameter, item, ordered) for item in value]
    if isinstance(value, bytes):
        import base64

        return {"base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return repr(value)  # JSON has no such numbers
    if parameter.type == "json" and (isinstance(value, str) or (ordered and _has_order(value))):
        import json

        return json.dumps(value, ensure_ascii=False)  # text is always read as JSON
    return value


def _has_order(value: Any) -> bool:
    """Return whether data holds an object of several keys, however deep."""
    if isinstance(value, dict):
        return len(value) > 1 or any(map(_has_order, value.values()))
    return isinstance(value, list) and any(map(_has_order, value))
