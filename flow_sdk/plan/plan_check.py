"""Checks of a stored plan before it is used: every user with write access to the store may have changed it.

Names of a plan become parts of keys and paths, attributes, options of a command line and lines of a page. They are
checked here once, when the plan is read, against the rules that the compiler holds them to.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from flow_sdk.ids import is_flow_name, is_step_name
from flow_sdk.plan.parameter_errors import WANTED
from flow_sdk.strict_json import TEXT_OR_NONE, check_fields

__all__ = ["check_plan_data"]

Fields = Mapping[str, tuple[type, ...]]

_TEXT_OR_MISSING = TEXT_OR_NONE
_LIST = (list, type(None))
_FLAG = (bool, type(None))

_PLAN: Fields = {
    "flow": (str,),
    "file": (str,),
    "doc": _TEXT_OR_MISSING,
    "steps": (list,),
    "loops": _LIST,
    "parameters": _LIST,
    "constants": _LIST,
    "decorators": _LIST,
    "configs": _LIST,
    "module": _TEXT_OR_MISSING,
    "imported": _FLAG,
    "paths": _LIST,
}
_STEP: Fields = {
    "name": (str,),
    "kind": (str,),
    "is_join": _FLAG,
    "next": _LIST,
    "foreach": _TEXT_OR_MISSING,
    "condition": _TEXT_OR_MISSING,
    "cases": _LIST,
    "scopes": _LIST,
    "parents": _LIST,
    "back": _LIST,
    "joins": _TEXT_OR_MISSING,
    "decorators": _LIST,
    "doc": _TEXT_OR_MISSING,
    "line": (int, type(None)),
    "wrappers": _LIST,
}
_SCOPE: Fields = {"kind": (str,), "step": (str,), "branch": _TEXT_OR_MISSING}
_LOOP: Fields = {"entry": (str,), "body": (list,)}
_PARAMETER: Fields = {
    "name": (str,),
    "type": (str,),
    "required": _FLAG,
    "help": _TEXT_OR_MISSING,
    "separator": _TEXT_OR_MISSING,
    "is_text": _FLAG,
    "multiple": _FLAG,
    "flag": _FLAG,
    "encoding": _TEXT_OR_MISSING,
    "attribute": _TEXT_OR_MISSING,
}
_CONFIG: Fields = {"name": (str,), "attribute": _TEXT_OR_MISSING, "plain": _FLAG}
_NUMBER_OR_MISSING = (int, float, type(None))
_WHOLE_OR_MISSING = (int, type(None))
_OBJECT_OR_MISSING = (dict, type(None))
_SIZES = dict.fromkeys(("gpu", "memory", "disk", "shared_memory"), _WHOLE_OR_MISSING)
_DECORATORS: Mapping[str, Fields] = {
    "retry": {"times": _WHOLE_OR_MISSING, "minutes_between_retries": _NUMBER_OR_MISSING},
    "timeout": {"seconds": _NUMBER_OR_MISSING},
    "catch": {"var": _TEXT_OR_MISSING, "print_exception": _FLAG},
    "environment": {"vars": _OBJECT_OR_MISSING},
    "secrets": {"sources": _LIST, "role": _TEXT_OR_MISSING, "allow_override": _FLAG},
    "resources": {"cpu": _NUMBER_OR_MISSING, **_SIZES},
    "batch": {"cpu": _NUMBER_OR_MISSING, **_SIZES, "image": _TEXT_OR_MISSING, "queue": _TEXT_OR_MISSING},
    "schedule": {"cron": (str,), "timezone": _TEXT_OR_MISSING},
    "project": {"name": (str,), "branch_name": _TEXT_OR_MISSING},
    "airflow_dag": {"tags": _LIST, "default_args": _OBJECT_OR_MISSING},
}
"""Attributes of this release's decorators, which ``flow_sdk.plan.policies`` reads without further checks."""

_STEP_KINDS = ("linear", "split", "foreach", "switch", "end")
_SCOPE_KINDS = ("foreach", "split", "loop")


def check_plan_data(data: Mapping[str, Any]) -> None:
    """Check the plain data of a plan.

    Parameters
    ----------
    data : mapping
        The plan's JSON, as Python's parser gives it.

    Raises
    ------
    TypeError, ValueError
        If a field has the wrong type, or a name can't be one of what it names.
    """
    check_fields(data, _PLAN)
    _require_valid(is_flow_name(data["flow"]), "name of a flow", data["flow"])
    _require_valid(_is_inside_package(data["file"]), "file of a code package", data["file"])
    module = data.get("module") or ""
    _require_valid(not module or (all(module.split(".")) and not {"/", "\0"} & set(module)), "name of a module", module)
    for path in data.get("paths") or ():
        _require_valid(path == "." or _is_inside_package(path), "folder of a code package", path)
    steps = _read_objects(data, "steps", _STEP)
    names = {step["name"] for step in steps}
    if len(names) != len(steps) or not names:
        raise ValueError("a plan has at least one step, and each of another name")
    for step in steps:
        _check_step(step, names)
    for loop in _read_objects(data, "loops", _LOOP):
        _require_known((loop["entry"], *loop["body"]), names)
    for parameter in _read_objects(data, "parameters", _PARAMETER):
        _require_valid(_is_option_name(parameter["name"]), "name of a parameter", parameter["name"])
        _require_valid(parameter["type"] in WANTED, "type of a parameter", parameter["type"])
    for config in _read_objects(data, "configs", _CONFIG):
        _require_valid(_is_option_name(config["name"]), "name of a config", config["name"])
    for declared in (*_read_objects(data, "parameters", _PARAMETER), *_read_objects(data, "configs", _CONFIG)):
        attribute = declared.get("attribute")
        _require_valid(not attribute or _is_attribute(attribute), "attribute of a flow", attribute)
    for constant in data.get("constants") or ():
        _require_valid(_is_attribute(constant), "name of a constant", constant)
    _check_decorators(data)


def _check_step(step: Mapping[str, Any], names: set[str]) -> None:
    _require_valid(is_step_name(step["name"]), "name of a step", step["name"])
    _require_valid(step["kind"] in _STEP_KINDS, "kind of a step", step["kind"])
    for scope in _read_objects(step, "scopes", _SCOPE):
        _require_valid(scope["kind"] in _SCOPE_KINDS, "kind of a scope", scope["kind"])
        _require_known((scope["step"],), names)
    for field in ("next", "parents", "back"):
        _require_known(step.get(field) or (), names)
    if step.get("joins") is not None:
        _require_known((step["joins"],), names)
    for case in step.get("cases") or ():
        if type(case) is not list or len(case) != 2:
            raise TypeError("a case of a switch isn't a value and a step")
        _require_known(case[1:], names)
    for field in ("foreach", "condition"):
        artifact = step.get(field)
        _require_valid(artifact is None or _is_attribute(artifact), "name of an artifact", artifact)
    _check_decorators(step)
    for name, _ in step.get("wrappers") or ():
        _require_valid(all(part.isidentifier() for part in name.split(".")), "name of a decorator", name)


def _check_decorators(data: Mapping[str, Any]) -> None:
    """Check that decorators and wrappers are pairs of a name and its attributes, and these of the right types."""
    for entry in (*(data.get("decorators") or ()), *(data.get("wrappers") or ())):
        if type(entry) is not list or [type(part) for part in entry] != [str, dict]:
            raise TypeError("a decorator isn't a name and an object")
    for name, attributes in data.get("decorators") or ():
        check_fields(attributes, _DECORATORS.get(name, {}))


def _read_objects(data: Mapping[str, Any], name: str, fields: Fields) -> list[dict[str, Any]]:
    """Return a list of objects, each with these fields."""
    found: list[dict[str, Any]] = data.get(name) or []
    for entry in found:
        if type(entry) is not dict:
            raise TypeError(f"an entry of {name!r} isn't an object")
        check_fields(entry, fields)
    return found


def _require_valid(is_right: bool, what: str, seen: object) -> None:
    if not is_right:
        raise ValueError(f"{ascii(seen)[:80]} can't be the {what}")


def _require_known(steps: Iterable[Any], names: set[str]) -> None:
    for step in steps:
        _require_valid(type(step) is str and step in names, "step that another one names", step)


def _is_attribute(name: object) -> bool:
    return type(name) is str and name.isidentifier()


def _is_option_name(name: str) -> bool:
    return name.isascii() and name.replace("-", "_").isidentifier() and name[0] not in "-_" and len(name) <= 128


def _is_inside_package(path: str) -> bool:
    """Return whether a path is relative and leads nowhere else than into its folder."""
    return "\0" not in path and not any(part in ("", ".", "..") for part in path.split("/"))
