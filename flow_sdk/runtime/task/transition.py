"""Checking a step's transition against the plan, and finding where the run continues."""

from collections.abc import Sized
from itertools import islice
from typing import Any

from flow_sdk.authoring.flow import FlowSpec, Transition
from flow_sdk.errors import TransitionError
from flow_sdk.plan.model import StepPlan
from flow_sdk.text import suggest_name

__all__ = ["check_transition", "chosen_case", "foreach_values"]


ENDLESS = 1_000_000
"""Items over the limit after which no more are counted: there may be no end."""


def _format_expected(step: StepPlan) -> str:
    if step.kind == "end":
        return "no self.next()"
    targets = ", ".join(f"self.{name}" for name in step.next)
    if step.kind == "switch":
        cases = ", ".join(f"{value!r}: self.{target}" for value, target in step.cases)
        return f"self.next({{{cases}}}, condition={step.condition!r})"
    return f"self.next({targets}" + (f", foreach={step.foreach!r})" if step.foreach else ")")


def _target_name(target: Any) -> str:
    return getattr(target, "__name__", repr(target))


def _format_actual(transition: Transition | None) -> str:
    if transition is None:
        return "no self.next()"
    if len(transition.targets) == 1 and isinstance(transition.targets[0], dict):
        cases = ", ".join(f"{value!r}: self.{_target_name(target)}" for value, target in transition.targets[0].items())
        return f"self.next({{{cases}}}, condition={transition.condition!r})"
    targets = ", ".join(f"self.{_target_name(target)}" for target in transition.targets)
    return f"self.next({targets}" + (f", foreach={transition.foreach!r})" if transition.foreach else ")")


def check_transition(step: StepPlan, transition: Transition | None) -> None:
    """Check that a step's ``self.next`` is the one in its source.

    Raises
    ------
    TransitionError
        If it isn't; shows both.
    """
    if step.kind == "end" and transition is None:
        return
    if transition is not None and step.kind != "end":
        targets = transition.targets
        if step.kind == "switch":
            cases = targets[0] if len(targets) == 1 and isinstance(targets[0], dict) else {}
            same = [(v, _target_name(t)) for v, t in cases.items()] == [tuple(case) for case in step.cases]
        else:
            same = tuple(_target_name(target) for target in targets) == step.next
        if same and transition.foreach == step.foreach and transition.condition == step.condition:
            return
    raise TransitionError(
        f"Step {step.name!r} took another transition than its source shows.",
        seen=_format_actual(transition),
        wanted=_format_expected(step),
        help="End every path through the step with self.next(...), always the same, its steps named as self.<step>.",
    )


def chosen_case(step: StepPlan, flow: FlowSpec) -> str:
    """Find the target that a switch's condition chooses.

    Raises
    ------
    TransitionError
        If the condition's value is no case, or wasn't set; lists the cases.
    """
    cases = ", ".join(repr(value) for value, _ in step.cases)
    try:
        value = getattr(flow, step.condition or "")
    except AttributeError as error:
        raise TransitionError(
            f"Switch {step.name!r} looks at self.{step.condition}, which isn't set.",
            wanted=f"one of {cases}",
            help=_nearest_name(step.condition or "", flow),
        ) from error
    for case, target in step.cases:
        if type(case) is type(value) and case == value:
            return target
    for case, target in step.cases:
        if not isinstance(value, bool) and not isinstance(case, bool) and case == value:
            return target
    raise TransitionError(
        f"Switch {step.name!r} has no case for self.{step.condition}.",
        seen=repr(value)[:200],
        wanted=f"one of {cases}",
        help="Add the case to self.next({...}), or set the condition to one of the cases.",
    )


def _nearest_name(name: str, flow: FlowSpec) -> str | None:
    """Return a suggestion of the artifact that is meant."""
    task = getattr(flow, "__flow_task__", None)
    known = task.known_names() if task is not None else {key for key in vars(flow) if not key.startswith("__")}
    return suggest_name(name, known) or None


def foreach_values(step: StepPlan, flow: FlowSpec, most: int | None, limit_help: str | None = None) -> list[Any]:
    """List the items of a foreach.

    Parameters
    ----------
    step : StepPlan
        The foreach step.
    flow : FlowSpec
        The flow object after the step.
    most : int, optional
        The most items allowed.
    limit_help : str, optional
        How a user raises the limit; the option of ``run`` when not given.

    Raises
    ------
    TransitionError
        If there is nothing to iterate over, no item, or too many.
    """
    where = f"step {step.name!r}, foreach={step.foreach!r}"
    try:
        value = getattr(flow, step.foreach or "")
    except AttributeError as error:
        raise TransitionError(
            f"The foreach goes over self.{step.foreach}, which isn't set.",
            where=where,
            help=_nearest_name(step.foreach or "", flow),
        ) from error
    if isinstance(value, Sized) and most is not None and len(value) > most:
        raise _too_many(len(value), most, where, limit_help)
    try:
        rest = iter(value.items() if isinstance(value, dict) else value)
        items = list(islice(rest, most))
        more = sum(1 for _ in islice(rest, ENDLESS))
    except TypeError as error:
        raise TransitionError(
            f"The foreach goes over self.{step.foreach}, which can't be iterated over.",
            seen=type(value).__name__,
            wanted="a list, dict, range or another iterable",
            where=where,
        ) from error
    if not items:
        raise TransitionError(
            f"The foreach goes over self.{step.foreach}, which is empty.",
            wanted="at least one item",
            where=where,
            help="Check the list before, or choose another step with a switch when there is nothing to do.",
        )
    if most is not None and more:
        raise _too_many(most + more if more < ENDLESS else None, most, where, limit_help)
    return items


def _too_many(count: int | None, most: int, where: str, limit_help: str | None) -> TransitionError:
    return TransitionError(
        f"The foreach would start {f'{count} tasks, ' if count else ''}more than the limit of {most}.",
        where=where,
        help=limit_help or f"If that is meant, raise the limit: --max-num-splits {count or 'N'}",
    )
