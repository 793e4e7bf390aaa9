"""Parameter values: from a command line, an environment or an orchestrator's JSON to the same Python values.

Every value goes through :func:`convert_value`, so a run gets equal values (and artifacts with equal
hashes) for the text ``0.5`` on a laptop and the number ``0.5`` from an orchestrator.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from flow_sdk.errors import ParameterError
from flow_sdk.plan.codec import ordered_json, sorted_data
from flow_sdk.plan.model import ParameterPlan
from flow_sdk.plan.parameter_errors import WANTED, check_text, help_of, value_error
from flow_sdk.plan.parameter_files import file_value
from flow_sdk.text import suggest_name

__all__ = ["convert_value", "from_environment", "json_schema", "plan_parameters", "resolve_values", "variables_of"]

PREFIXES = ("FLOW_SDK_RUN_", "METAFLOW_RUN_")
"""Environment variables that set parameters; the first counts where both are set."""

_TRUE = frozenset({"true", "1", "yes", "y", "on", "t"})
_FALSE = frozenset({"false", "0", "no", "n", "off", "f"})

_SCHEMA: dict[str, list[str]] = {
    "str": ["string"],
    "int": ["integer"],
    "float": ["number"],
    "bool": ["boolean"],
    "json": ["object", "array", "string", "number", "boolean", "null"],
    "file": ["string"],
}


_NUMBERS = {
    "int": r"^\s*[+-]?\d+(_\d+)*\s*$",
    "float": r"^\s*[+-]?((\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][+-]?\d+)?|[iI]nf(inity)?|[nN]a[nN])\s*$",
}
"""Patterns of text that is converted to a number. Valid in Python and JavaScript."""


def plan_parameters(flow: Any, context: Any) -> tuple[ParameterPlan, ...]:
    """Turn a flow's parameters into data, calling functions given as defaults once each.

    Parameters
    ----------
    flow : type
        The flow's class.
    context : flow_sdk.authoring.parameters.DeployContext
        What those functions are called with (each gets it with its parameter's name).

    Returns
    -------
    tuple of ParameterPlan
        In the order of the source. The default file of an ``IncludeFile`` stays a path: see
        :func:`flow_sdk.plan.parameter_files.embed_files`.

    Raises
    ------
    ParameterError
        If two parameters have one name, a default hasn't the parameter's type, or its function fails.
    """
    from flow_sdk.authoring.declarations import flow_parameters

    return tuple(_plan_parameter(parameter, context) for parameter in flow_parameters(flow))


def _plan_parameter(parameter: Any, context: Any) -> ParameterPlan:
    default, kind = parameter.default, parameter.value_type
    multiple = getattr(parameter, "multiple", False)
    if callable(default):
        try:
            default = default(context.of(parameter.name))
        except Exception as error:
            raise ParameterError(
                f"The function for the default of {parameter.name!r} failed.",
                seen=f"{type(error).__name__}: {error}",
                where=parameter.where,
            ) from error
        if parameter.type is None and kind == "str":
            kind = _infer_type(next(iter(default), "") if multiple and isinstance(default, list | tuple) else default)
    planned = ParameterPlan(
        name=parameter.name,
        type=kind,
        required=parameter.required and default is None,
        help=parameter.help,
        separator=parameter.separator,
        is_text=getattr(parameter, "is_text", True),
        encoding=getattr(parameter, "encoding", "utf-8"),
        attribute="" if parameter.attribute == parameter.name.replace("-", "_") else parameter.attribute,
        multiple=multiple,
        flag=getattr(parameter, "is_flag", False),
    )
    if default is None:
        return planned
    try:
        return replace(planned, default=_plan_default(planned, default))
    except ParameterError as error:
        error.headline = f"The default of the parameter {parameter.name!r} can't be used."
        error.where = error.where or parameter.where
        raise


def _infer_type(value: object) -> str:
    for kind, name in ((bool, "bool"), (int, "int"), (float, "float"), ((dict, list, tuple), "json")):
        if isinstance(value, kind):
            return name
    return "str"


def _plan_default(parameter: ParameterPlan, default: Any) -> Any:
    """Return a default as data that :func:`convert_value` makes the value of."""
    if parameter.type == "file":
        if not isinstance(default, str):
            raise value_error(parameter, default, "the path of a file")
        return {"path": default}
    if parameter.multiple:
        if isinstance(default, str) or not isinstance(default, Iterable):
            raise value_error(parameter, default, "a list of values, as the parameter takes several")
        return [_plan_default(replace(parameter, multiple=False), item) for item in default]
    value = convert_value(parameter, default)
    if parameter.separator is not None:
        return default
    if parameter.type == "float" and (value != value or value in (float("inf"), float("-inf"))):
        return repr(value)  # JSON has no such numbers
    if parameter.type == "json" and isinstance(value, str):
        return json.dumps(value)  # text is always read as JSON
    if parameter.type == "json":
        return value
    return value


def convert_value(parameter: ParameterPlan, raw: Any, *, paths: bool = False) -> Any:
    """Convert what was given for a parameter into its value.

    Parameters
    ----------
    parameter : ParameterPlan
        Which parameter.
    raw : str or JSON value
        Text from a command line or environment, or data from an orchestrator. For a file the contents: text,
        bytes, ``{"base64": ...}`` or, with ``paths``, a path as text or ``{"path": ...}``.
    paths : bool
        Whether text given for a file is its path on this machine. An orchestrator's data must not be able to name
        files.

    Returns
    -------
    str, int, float, bool, list, dict, tuple, bytes or None
        The value; the same for text and for the data it means.

    Raises
    ------
    ParameterError
        If it isn't a value of the parameter's type.
    """
    if parameter.multiple:
        return _convert_several(parameter, raw, paths)
    if parameter.type == "file":
        return file_value(parameter, raw, paths)
    if parameter.type == "json":
        return _with_default_order(parameter, raw, _convert_json(parameter, raw))
    if raw is None:
        if parameter.required or parameter.default is not None:
            raise value_error(parameter, raw)
        return None
    if isinstance(raw, str):
        check_text(parameter, raw)
    if parameter.separator is not None:
        return _split_list(parameter, raw)
    return _SCALARS[parameter.type](parameter, raw)


def _convert_text(parameter: ParameterPlan, raw: Any) -> str:
    if not isinstance(raw, str):
        raise value_error(parameter, raw)
    return raw


def _convert_int(parameter: ParameterPlan, raw: Any) -> int:
    if isinstance(raw, str):
        try:
            return int(raw)
        except ValueError:
            raise value_error(parameter, raw) from None
    if isinstance(raw, float) and raw.is_integer():
        return int(raw)  # JSON has no difference between 3 and 3.0
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise value_error(parameter, raw)
    return int(raw)


def _convert_float(parameter: ParameterPlan, raw: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise value_error(parameter, raw)
    try:
        return float(raw)
    except (ValueError, OverflowError):
        raise value_error(parameter, raw) from None


def _convert_bool(parameter: ParameterPlan, raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str | int | float):
        text = str(raw).strip().lower()
        if text in _TRUE:
            return True
        if text in _FALSE:
            return False
    raise value_error(parameter, raw)


_SCALARS = {"str": _convert_text, "int": _convert_int, "float": _convert_float, "bool": _convert_bool}


def _split_list(parameter: ParameterPlan, raw: Any) -> list[str]:
    if isinstance(raw, str):
        return raw.split(parameter.separator)
    if isinstance(raw, list | tuple) and all(isinstance(item, str) for item in raw):
        for item in raw:
            check_text(parameter, item)
        return list(raw)
    raise value_error(parameter, raw, f"text with {parameter.separator!r} between the items")


def _convert_several(parameter: ParameterPlan, raw: Any, paths: bool) -> tuple[Any, ...]:
    """Convert the values of a parameter that may be given several times."""
    if isinstance(raw, str):
        raw = _split_values(raw)
    if raw is None:
        raw = ()
    if not isinstance(raw, list | tuple):
        raise value_error(parameter, raw, "a list of values, or text with white space between them")
    one = replace(parameter, multiple=False)
    return tuple(convert_value(one, item, paths=paths) for item in raw)


def _split_values(text: str) -> list[Any]:
    """Split one text with several values, as an environment variable holds them: a JSON list, or words."""
    if text.lstrip().startswith("["):
        try:
            found = json.loads(text)
        except ValueError:
            return text.split()
        return found if isinstance(found, list) else text.split()
    return text.split()


def _with_default_order(parameter: ParameterPlan, raw: Any, value: Any) -> Any:
    """Return the default in place of a value that equals it: some databases lose the order of the keys."""
    default = parameter.default
    if (
        isinstance(raw, str)
        or value != default
        or ordered_json(sorted_data(value)) != ordered_json(sorted_data(default))
    ):
        return value
    return _copy_json(default)


def _convert_json(parameter: ParameterPlan, raw: Any) -> Any:
    wanted = WANTED["json"]
    try:
        value = json.loads(raw, parse_constant=_refuse_constant) if isinstance(raw, str) else _copy_json(raw)
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        around = error.doc[max(error.pos - 10, 0) : error.pos + 10]
        raise value_error(
            parameter, raw, f"{wanted}; {error.msg} at line {error.lineno}, column {error.colno}, near {around!r}"
        ) from None
    except (ValueError, TypeError, RecursionError) as error:
        raise value_error(parameter, raw, f"{wanted}; {error}") from None
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"JSON has no {name}")


def _copy_json(value: Any) -> Any:
    """Copy JSON data into new lists and dicts, so that no two runs share them."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r} isn't text")
        return {key: _copy_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copy_json(item) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"a {type(value).__name__} isn't JSON")


def from_environment(parameters: Iterable[ParameterPlan], environ: Mapping[str, str]) -> dict[str, str]:
    """Read parameters from the environment: ``FLOW_SDK_RUN_<NAME>``, then ``METAFLOW_RUN_<NAME>``.

    Returns
    -------
    dict
        Text by parameter name, to be given to :func:`resolve_values` below the values of the command line.
    """
    return {name: environ[variable] for name, variable in variables_of(parameters, environ).items()}


def variables_of(parameters: Iterable[ParameterPlan], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that give parameters, by parameter name."""
    found: dict[str, str] = {}
    for parameter in parameters:
        name = parameter.name.replace("-", "_").upper()
        for prefix in PREFIXES:
            if prefix + name in environ:
                found[parameter.name] = prefix + name
                break
    return found


def resolve_values(
    parameters: Iterable[ParameterPlan],
    given: Mapping[str, Any],
    *,
    paths: bool = False,
    variables: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the values of all parameters of a run.

    Parameters
    ----------
    parameters : iterable of ParameterPlan
        All parameters.
    given : mapping
        Text or data by parameter name, ``-`` and ``_`` being the same.
    paths : bool
        As for :func:`convert_value`: True for a command line, False for an orchestrator's data.
    variables : mapping, optional
        By parameter name, the environment variable that gave its value; an error names it.

    Returns
    -------
    dict
        Values by artifact name, in the order of ``parameters``.

    Raises
    ------
    ParameterError
        If a name is unknown or given twice, a required value is missing, or one isn't of its type.
    """
    known = {parameter.name.replace("-", "_"): parameter for parameter in parameters}
    raw: dict[str, Any] = {}
    for name, value in given.items():
        plain = name.replace("-", "_")
        if plain not in known:
            raise ParameterError(
                f"The flow has no parameter {name!r}.", help=suggest_name(name, [p.name for p in known.values()])
            )
        if plain in raw:
            raise ParameterError(f"The parameter {known[plain].name!r} is given twice.")
        raw[plain] = value
    missing = [p for plain, p in known.items() if plain not in raw and p.required]
    if missing:
        names = ", ".join(repr(parameter.name) for parameter in missing)
        raise ParameterError(
            f"A value is missing for the parameter{'s' if len(missing) > 1 else ''} {names}.",
            wanted="; ".join(f"--{p.name}: {WANTED[p.type]}" for p in missing),
            help=help_of(missing[0]) if len(missing) == 1 else None,
        )
    values: dict[str, Any] = {}
    for plain, parameter in known.items():
        if plain not in raw:
            values[parameter.artifact] = _default_value(parameter, paths)
            continue
        try:
            values[parameter.artifact] = convert_value(parameter, raw[plain], paths=paths)
        except ParameterError as error:
            variable = (variables or {}).get(parameter.name)
            if variable is not None:
                error.where = f"environment variable {variable}" + (f", {error.where}" if error.where else "")
            raise
    return values


def _default_value(parameter: ParameterPlan, paths: bool) -> Any:
    if parameter.default is None:
        return () if parameter.multiple else None
    if parameter.type == "file" and isinstance(parameter.default, str):
        return convert_value(parameter, parameter.default)  # embedded contents, not a path
    return convert_value(parameter, parameter.default, paths=paths)


def json_schema(parameter: ParameterPlan) -> dict[str, Any]:
    """Return a JSON schema of the data that :func:`convert_value` takes.

    Returns
    -------
    dict
        ``type`` (a list where there are several), ``description`` where there is help, ``default`` unless required.
    """
    types = list(_SCHEMA[parameter.type])
    items: list[str] | None = None
    if parameter.separator is not None or parameter.multiple:
        items = types if parameter.multiple else ["string"]
        types = ["string", "array"]
    if not parameter.required and parameter.default is None and "null" not in types:
        types.append("null")
    if parameter.type == "file" and (not parameter.is_text or isinstance(parameter.default, dict)):
        types.append("object")
    pattern = None if items is not None else _NUMBERS.get(parameter.type)
    if pattern is not None:
        types.insert(1, "string")  # the first one is what forms go by
    schema: dict[str, Any] = {"type": types if len(types) > 1 else types[0]}
    if pattern is not None:
        schema["pattern"] = pattern
    if items is not None:
        schema["items"] = {"type": items if len(items) > 1 else items[0]}
    if parameter.help:
        schema["description"] = parameter.help
    if not parameter.required:
        schema["default"] = parameter.default
    return schema
