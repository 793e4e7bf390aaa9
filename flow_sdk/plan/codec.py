"""JSON of a plan, the same bytes for the same flow, and reading it back."""

import dataclasses
import json
from typing import Any

from flow_sdk.errors import PlanError, PlanVersionError
from flow_sdk.plan.model import FORMAT, ConfigPlan, FlowPlan, LoopPlan, ParameterPlan, Scope, StepPlan
from flow_sdk.plan.plan_check import check_plan_data
from flow_sdk.strict_json import parse_json

__all__ = ["from_json", "ordered_json", "sorted_data", "to_json"]


def sorted_data(value: Any) -> Any:
    """Return plain data with the keys of all dicts in it sorted."""
    if isinstance(value, dict):
        return dict(sorted((key, sorted_data(item)) for key, item in value.items()))
    return [sorted_data(item) for item in value] if isinstance(value, list | tuple) else value


def ordered_json(value: Any) -> bytes:
    """Encode plain data as JSON without spaces and in ASCII only, the keys in the order that they have.

    Raises
    ------
    PlanError
        If the data holds something JSON has no form for.
    """
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise PlanError(
            "The flow holds a value that can't be written as JSON.",
            seen=str(error),
            wanted="text, numbers, booleans, None, lists and dicts in decorators and parameter defaults",
        ) from error


def _without_defaults(item: Any) -> dict[str, Any]:
    """Return a dataclass as a dict without the fields that hold their default."""
    out: dict[str, Any] = {}
    for field in dataclasses.fields(item):
        if not field.init:
            continue  # derived from the others
        value = getattr(item, field.name)
        if field.default is dataclasses.MISSING or value != field.default:
            out[field.name] = value
    return out


def to_data(plan: FlowPlan) -> dict[str, Any]:
    """Turn a plan into plain data (the form that :func:`from_data` reads).

    All keys are sorted but those of users' own values: a parameter's default, a config's value and the attributes of
    custom decorators keep the order that users have given them.
    """
    data = _without_defaults(plan)
    data["format"] = plan.format
    data["steps"] = []
    for step in plan.steps:
        entry = _without_defaults(step)
        entry.pop("number", None)
        if step.scopes:
            entry["scopes"] = [
                {key: value for key, value in scope._asdict().items() if value is not None} for scope in step.scopes
            ]
        wrappers = [(name, dict(sorted(attributes.items()))) for name, attributes in entry.pop("wrappers", ())]
        data["steps"].append(_with_values(entry, {"wrappers": wrappers} if wrappers else {}))
    if plan.loops:
        data["loops"] = [_without_defaults(loop) for loop in plan.loops]
    lists = {"steps": data.pop("steps")}
    for key, field in (("parameters", "default"), ("configs", "value")):
        items = [_without_defaults(item) for item in data.pop(key, ())]
        if items:
            values = [{field: item.pop(field)} if field in item else {} for item in items]
            lists[key] = [_with_values(item, value) for item, value in zip(items, values, strict=True)]
    return json.loads(ordered_json(_with_values(data, lists)))  # type: ignore[no-any-return]


def _with_values(data: dict[str, Any], as_given: dict[str, Any]) -> dict[str, Any]:
    """Return data with sorted keys; the keys inside of the values ``as_given`` keep their order."""
    return dict(sorted({**sorted_data(data), **as_given}.items()))


def to_json(plan: FlowPlan) -> bytes:
    """Encode a plan as JSON: the same bytes for the same flow everywhere."""
    return ordered_json(to_data(plan))


def _as_tuples(value: Any) -> Any:
    return tuple(tuple(v) if isinstance(v, list) else v for v in value)


_AS_GIVEN = ("default", "value")
"""Fields that hold any JSON value."""


def _build_from_fields(kind: type, data: dict[str, Any]) -> Any:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    return kind(
        **{
            k: _as_tuples(v) if isinstance(v, list) and k not in _AS_GIVEN else v
            for k, v in data.items()
            if k in fields
        }
    )


def from_data(data: dict[str, Any]) -> FlowPlan:
    """Build a plan from plain data.

    Raises
    ------
    PlanVersionError
        If the plan was written by a newer release.
    PlanError
        If the data isn't a plan.
    """
    version = data.get("format") if isinstance(data, dict) else None
    if not isinstance(version, int):
        raise PlanError("This isn't a flow plan.", seen=repr(data)[:80], wanted="an object with a 'format' number")
    if version > FORMAT:
        raise PlanVersionError(
            f"The plan has format {version}; this release of Flow SDK reads formats up to {FORMAT}.",
            help="Install the release the flow was deployed with, or a newer one: pip install -U flow-sdk",
        )
    try:
        check_plan_data(data)
        steps = tuple(
            _build_from_fields(
                StepPlan,
                {
                    **step,
                    "scopes": tuple(Scope(s["kind"], s["step"], s.get("branch")) for s in step.get("scopes", ())),
                    "number": number if version > 1 else None,
                },
            )
            for number, step in enumerate(data["steps"])
        )
        loops = tuple(_build_from_fields(LoopPlan, loop) for loop in data.get("loops", ()))
        parameters = tuple(_build_from_fields(ParameterPlan, parameter) for parameter in data.get("parameters", ()))
        return FlowPlan(
            flow=data["flow"],
            file=data["file"],
            doc=data.get("doc", ""),
            steps=steps,
            loops=loops,
            parameters=parameters,
            constants=tuple(data.get("constants", ())),
            decorators=_as_tuples(data.get("decorators", ())),
            configs=tuple(_build_from_fields(ConfigPlan, config) for config in data.get("configs", ())),
            module=data.get("module", ""),
            imported=data.get("imported", False),
            paths=tuple(data.get("paths", ())),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise PlanError(
            "The flow plan isn't as Flow SDK writes it.",
            seen=str(error),
            help="It is damaged, or was changed. Deploy the flow again, and check who may write to the store.",
        ) from error


def from_json(text: bytes) -> FlowPlan:
    """Read a plan from its JSON, checking its format."""
    try:
        data = parse_json(text)
    except ValueError as error:
        raise PlanError("The flow plan isn't JSON.", seen=str(error)) from error
    return from_data(data)
