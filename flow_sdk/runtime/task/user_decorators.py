"""Running a step inside the decorators that users define: ``UserStepDecorator`` and ``@user_step_decorator``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flow_sdk.authoring.flow import Transition
from flow_sdk.authoring.step_extension import StepContext, StepExtension
from flow_sdk.authoring.user_decorators import AppliedDecorator, UserStepDecorator, find_custom
from flow_sdk.errors import TransitionError
from flow_sdk.plan.model import StepPlan

__all__ = ["UserDecorators"]

NEXT = ("foreach", "condition")
"""The arguments of ``self.next`` that a decorator can give."""


class UserDecorators(StepExtension):
    """All decorators of users on one step, as one extension: the nearest to the step's own code."""

    order = 900

    def before_step(self, context: StepContext) -> None:
        """Make the decorators that the plan names, the outermost first.

        Raises
        ------
        UsageError
            If one can't be found.
        """
        module = type(context.flow).__module__
        self.decorators: list[UserStepDecorator] = [
            AppliedDecorator(find_custom(name, module), (), dict(attributes)).create_decorator()
            for name, attributes in context.step.wrappers
        ]

    def around_step(self, context: StepContext, run_inner: Callable[[], None]) -> None:
        """Run the step inside the decorators. An exception of a decorator is the step's."""
        _DecoratedCall(context, run_inner).run_decorated(self.decorators)


class _DecoratedCall:
    """One call of a step with its decorators."""

    def __init__(self, context: StepContext, run_inner: Callable[[], None]) -> None:
        self.step: StepPlan = context.step
        self.flow, self.inputs, self.run_inner = context.flow, context.step_arguments, run_inner
        self.next: Any = None  # True or arguments: with these self.next is called instead of the step's own

    def run_decorated(self, decorators: list[UserStepDecorator]) -> None:
        self._run_inside(decorators)
        if self.next is not None and self.next is not False:
            self._call_next()

    def _run_inside(self, decorators: list[UserStepDecorator]) -> None:
        """Run the first decorator with all that is inside of it."""
        if not decorators:
            self.run_inner()
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
                self._run_inside(inner)
        except Exception as error:  # noqa: BLE001 - the decorator decides what becomes of it
            failure = error
        except BaseException:
            outer._close_generator()
            raise
        self._apply_result(outer, failure, outer.post_step(self.step.name, self.flow, failure))

    def _apply_result(self, decorator: UserStepDecorator, failure: Exception | None, returned: Any) -> None:
        """Apply what a decorator's ``post_step`` returned."""
        if isinstance(returned, tuple) and len(returned) == 2:
            returned, given = returned
            self.next = given if given is not None else self.next
        if isinstance(returned, Exception):
            raise returned
        if returned is not None:
            raise TransitionError(
                f"@{type(decorator).__name__} ended with what it can't.",
                seen=repr(returned)[:80],
                wanted="None, an exception, or a pair of that and arguments for self.next()",
            )
        if failure is not None and self.next in (None, False):
            self.next = True  # the step's code didn't get to its self.next()

    def _call_next(self) -> None:
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
