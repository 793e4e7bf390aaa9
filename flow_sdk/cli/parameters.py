"""The flow's parameters as options of a command."""

from __future__ import annotations

from typing import Any

from flow_sdk.cli.arguments import Option

__all__ = ["parameter_options"]

METAVARS = {"str": "TEXT", "int": "INTEGER", "float": "FLOAT", "bool": "true|false", "json": "JSON", "file": "PATH"}


def parameter_options(flow_class: Any) -> list[Option]:
    """Make an option of each of the flow's parameters.

    Raises
    ------
    ParameterError
        If the flow's parameters clash.
    """
    from flow_sdk.spec.parameters import flow_parameters

    return [_option(parameter) for parameter in flow_parameters(flow_class)]


def _option(parameter: Any) -> Option:
    notes = [" ".join(parameter.help.split())]
    if parameter.separator:
        notes.append(f"Several values with {parameter.separator!r} between them.")
    if parameter.required:
        notes.append("[required]")
    elif parameter.show_default and callable(parameter.default):
        notes.append("[default: worked out when the run starts]")
    elif parameter.show_default and parameter.default is not None:
        notes.append(f"[default: {_text(parameter.default)}]")
    return Option(parameter.name, " ".join(note for note in notes if note), metavar=METAVARS[parameter.value_type])


def _text(default: Any) -> str:
    if isinstance(default, bool | dict | list | tuple):
        import json

        try:
            return json.dumps(default)
        except (TypeError, ValueError):
            return str(default)
    return str(default)
