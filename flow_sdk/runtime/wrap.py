"""Running a step inside the decorators that its user has written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flow_sdk.authoring.flow import FlowSpec, Transition
from flow_sdk.authoring.user_decorators import Applied, UserStepDecorator, find_custom
from flow_sdk.errors import TransitionError
from flow_sdk.plan.model import StepPlan

__all__ = ["wrapped"]

NEXT = ("foreach", "condition")
"""The arguments of ``self.next`` that a decorator can give."""


def wrapped(step: StepPlan, flow: FlowSpec, function: Callable[..., Any]) -> Callable[..., Any]:
    """Put a step's decorators round its function.

    Parameters
    ----------
    step : StepPlan
        The step, whose plan names the decorators, the outermost first.
    flow : FlowSpec
        The flow's object.
    function : callable
        The step's own code; takes the inputs in a join, nothing in other steps.

    Returns
    -------
    callable
        What to call in its place. An exception of a decorator is the step's.

    Raises
    ------
    UsageError
        If a decorator can't be found.
    """
    module = type(flow).__module__
    decorators: list[UserStepDecorator] = [
        Applied(find_custom(name, module), (), dict(attributes)).made() for name, attributes in step.wrappers
    ]

    def run(*inputs: Any) -> None:
        _Run(step, flow, function, inputs).inside(decorators)

    return run


class _Run:
    """One call of a step with its decorators."""

    def __init__(self, step: StepPlan, flow: FlowSpec, function: Callable[..., Any], inputs: tuple[Any, ...]) -> None:
        self.step, self.flow, self.function, self.inputs = step, flow, function, inputs
        self.next: Any = None  # True or arguments: this hands on in the step's place

    def inside(self, decorators: list[UserStepDecorator]) -> None:
        self._level(decorators)
        if self.next is not None and self.next is not False:
            self._hand_on()

    def _level(self, decorators: list[UserStepDecorator]) -> None:
        """Run the first decorator with all that is inside of it."""
        if not decorators:
            self.function(*self.inputs)
            return
        outer, *inner = decorators
        instead = outer.pre_step(self.step.name, self.flow, *(self.inputs or (None,)))
        failure: Exception | None = None
        try:
            if outer.skip_step:
                self.next = outer.skip_step
            elif instead is not None:
                self.next = instead(self.flow, *self.inputs) or None
            else:
                self._level(inner)
        except Exception as error:  # noqa: BLE001 - the decorator decides what becomes of it
            failure = error
        except BaseException:
            outer._abandon()
            raise
        self._ended(outer, failure, outer.post_step(self.step.name, self.flow, failure))

    def _ended(self, decorator: UserStepDecorator, failure: Exception | None, said: Any) -> None:
        """Do what a decorator's end says."""
        if isinstance(said, tuple) and len(said) == 2:
            said, given = said
            self.next = given if given is not None else self.next
        if isinstance(said, Exception):
            raise said
        if said is not None:
            raise TransitionError(
                f"@{type(decorator).__name__} ended with what it can't.",
                seen=repr(said)[:80],
                wanted="None, an exception, or a pair of that and arguments for self.next()",
            )
        if failure is not None and self.next in (None, False):
            self.next = True  # the step's code didn't get to its self.next()

    def _hand_on(self) -> None:
        """Call ``self.next`` as the step would have, or with the arguments that a decorator gave."""
        given = self.next if isinstance(self.next, dict) else {}
        for name in given:
            if name not in NEXT:
                raise TransitionError(
                    f"A decorator of step {self.step.name!r} gives self.next() an unknown argument.",
                    seen=name,
                    wanted=" or ".join(NEXT),
                )
        if self.step.kind == "end":
            return
        cases = {value: getattr(self.flow, target) for value, target in self.step.cases}
        targets = (cases,) if cases else tuple(getattr(self.flow, name) for name in self.step.next)
        arguments = {"foreach": self.step.foreach, "condition": self.step.condition, **given}
        self.flow.__dict__["__flow_transition__"] = Transition(targets, **arguments, by_decorator=True)
