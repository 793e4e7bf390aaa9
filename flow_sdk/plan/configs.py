"""Values of configs: from the files and texts that were given, or the defaults, to the data that goes into the plan."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from flow_sdk.authoring.configs import Declaration, flow_configs
from flow_sdk.errors import FlowSDKError, ParameterError
from flow_sdk.text import suggest_name

__all__ = ["ConfigSource", "check_names", "read_configs"]

ConfigSource = tuple[str, str]
"""How one config is given: ``("path", path)`` or ``("value", text)``."""


def check_names(flow: Any, names: Mapping[str, Any]) -> None:
    """Refuse names that the flow has no config of.

    Raises
    ------
    ParameterError
        With the nearest name.
    """
    known = [declared.name for declared in flow_configs(flow)]
    for name in names:
        if name not in known:
            raise ParameterError(f"The flow has no config {name!r}.", help=suggest_name(name, known))


def read_configs(
    flow: Any, given: Mapping[str, ConfigSource], context: Any, fixed: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the values of all configs of a flow.

    Parameters
    ----------
    flow : type
        The flow's class.
    given : mapping
        What was given, by config name.
    context : flow_sdk.authoring.parameters.DeployContext
        What functions given as defaults are called with.
    fixed : mapping, optional
        Values that are taken as they are, by config name: those of the run that is resumed.

    Returns
    -------
    dict
        JSON data by config name, in the order of the source.

    Raises
    ------
    ParameterError
        If a name is unknown, a required config isn't given, a file can't be read, or its text isn't a config.
    """
    check_names(flow, given)
    values = dict(fixed or {})
    return {
        declared.name: values[declared.name]
        if declared.name in values
        else _read_value(declared, given.get(declared.name), context)
        for declared in flow_configs(flow)
    }


def _read_value(declared: Declaration, given: ConfigSource | None, context: Any) -> Any:
    source = ""
    if given is None:
        given, source = _read_default(declared, context), " by default"
    if given is None:
        if declared.required:
            raise ParameterError(
                f"The config {declared.name!r} isn't given.",
                wanted=f"--config {declared.name} PATH or --config-value {declared.name} JSON",
                where=declared.where,
                help=declared.help or None,
            )
        return None
    form, text = given
    origin = f"{text}, given{source} for config {declared.name!r}" if form == "path" else f"config {declared.name!r}"
    return _check_value(
        declared, _parse_text(declared, _read_file(declared, text, origin) if form == "path" else text, origin)
    )


def _read_default(declared: Declaration, context: Any) -> ConfigSource | None:
    form = "path" if declared.default is not None else "value"
    default = declared.default if declared.default is not None else declared.default_value
    if callable(default):
        try:
            default = default(context.of(declared.name))
        except Exception as error:
            raise _function_error(declared, "The function for the default of", error) from error
    if default is None:
        return None
    if isinstance(default, dict) and form == "value":
        default = json.dumps(_check_value(declared, default))
    if not isinstance(default, str):
        raise declared.declaration_error("can't use its default", seen=repr(default)[:80], wanted="text or a dict")
    return form, default


def _read_file(declared: Declaration, path: str, origin: str) -> str:
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ParameterError(
            f"The file of the config {declared.name!r} can't be read.",
            seen=reason,
            where=origin,
            help=f"Give another with --config {declared.name} PATH, or --config-value {declared.name} JSON.",
        ) from error


def _parse_text(declared: Declaration, text: str, origin: str) -> Any:
    if declared.parser is not None:
        return _call_parser(declared, text, origin)
    if declared.plain:
        return text
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        around = error.doc[max(error.pos - 10, 0) : error.pos + 10]
        raise ParameterError(
            f"The config {declared.name!r} isn't JSON.",
            seen=f"{error.msg} at line {error.lineno}, column {error.colno}, near {around!r}",
            where=origin,
            help='Another format needs a parser: Config(..., parser="tomllib.loads").',
        ) from None
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"The config {declared.name!r} isn't JSON.", seen=str(error), where=origin) from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"JSON has no {name}")


def _call_parser(declared: Declaration, text: str, origin: str) -> Any:
    parser = declared.parser
    try:
        if isinstance(parser, str):
            import importlib

            module, _, function = parser.rpartition(".")
            parser = getattr(importlib.import_module(module), function)
        return parser(text)
    except FlowSDKError:
        raise
    except Exception as error:
        raise _function_error(declared, "The parser of", error, origin) from error


def _function_error(declared: Declaration, what: str, error: Exception, origin: str | None = None) -> ParameterError:
    return ParameterError(
        f"{what} the config {declared.name!r} failed.",
        seen=f"{type(error).__name__}: {error}",
        where=origin or declared.where,
    )


def _check_value(declared: Declaration, value: Any) -> Any:
    """Return a copy of the value as JSON data; refuse what a plan can't hold."""
    if not (declared.plain or isinstance(value, Mapping)):
        raise ParameterError(
            f"The config {declared.name!r} isn't a set of keys and values.",
            seen=f"{type(value).__name__} {value!r}"[:80],
            wanted="a JSON object; or Config(..., plain=True), which takes any JSON value",
            where=declared.where,
        )
    return _copy_json(declared, value, declared.name)


def _copy_json(declared: Declaration, value: Any, origin: str) -> Any:
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise _json_error(declared, f"the key {key!r}", origin)
        return {key: _copy_json(declared, item, f"{origin}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copy_json(declared, item, f"{origin}[{number}]") for number, item in enumerate(value)]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        raise _json_error(declared, repr(value), origin)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise _json_error(declared, f"{type(value).__name__} {value!r}"[:80], origin)


def _json_error(declared: Declaration, seen: str, origin: str) -> ParameterError:
    return ParameterError(
        f"The config {declared.name!r} holds what can't be written as JSON.",
        seen=f"{seen} at {origin}",
        wanted="text, numbers, booleans, None, lists and dicts with keys that are text",
        where=declared.where,
        help="Have the parser turn it into text or a number.",
    )
