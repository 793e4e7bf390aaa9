"""Running a step inside its extensions: what its decorators do while it runs, in their declared order."""

import sys
from collections.abc import Callable
from typing import Any

from flow_sdk.authoring.builtin_decorators import find_decorator
from flow_sdk.authoring.step_extension import StepContext, StepExtension
from flow_sdk.plan.model import StepPlan
from flow_sdk.runtime.task.current import CurrentExtension
from flow_sdk.runtime.tracebacks import user_traceback

__all__ = ["ExtensionStack", "find_extensions"]


def find_extensions(step: StepPlan) -> list[StepExtension]:
    """Return the extensions of a step, the one that begins first at the front.

    A decorator that this release doesn't have, in a plan of another release, has no extension.

    Parameters
    ----------
    step : StepPlan
        The step in the plan.
    """
    found: list[StepExtension] = [CurrentExtension()]
    if step.wrappers:
        # Not for all: a process in which nothing has imported users' decorators has no need to look for them.
        from flow_sdk.runtime.task.user_decorators import UserDecorators

        found.append(UserDecorators())
    for name, attributes in step.decorators:
        kind = find_decorator(name)
        if kind is not None and issubclass(kind, StepExtension):
            found.append(kind.from_plan(attributes))
    return sorted(found, key=lambda extension: extension.order)


class ExtensionStack:
    """The extensions of one attempt.

    Parameters
    ----------
    step : StepPlan
        The step in the plan.
    """

    def __init__(self, step: StepPlan) -> None:
        self._extensions = find_extensions(step)
        self._begun: list[StepExtension] = []
        self.recovery: StepExtension | None = next((one for one in self._extensions if one.recovers_failures), None)
        """The extension that has the task committed although its step has failed."""

    def run_step(self, context: StepContext, function: Callable[..., Any]) -> None:
        """Call a step's function inside all extensions.

        Parameters
        ----------
        context : StepContext
            The attempt.
        function : callable
            The step's own code.

        Raises
        ------
        BaseException
            What the code or an extension raises.
        """
        for extension in self._extensions:
            extension.before_step(context)
            self._begun.append(extension)
        arguments = context.step_arguments

        def run_inner() -> None:
            function(*arguments)

        for extension in reversed(self._extensions):
            if type(extension).around_step is not StepExtension.around_step:
                run_inner = _enclose_call(extension, context, run_inner)
        run_inner()

    def finish_step(self, context: StepContext, failure: BaseException | None) -> None:
        """Have all extensions whose ``before_step`` has returned act after the step, the last one first.

        Parameters
        ----------
        context : StepContext
            The attempt.
        failure : BaseException or None
            What :meth:`run_step` raised.

        Raises
        ------
        Exception
            What an extension raises after a step that has succeeded. After a step that has failed it is printed: the
            step's own failure counts.
        """
        raised: Exception | None = None
        while self._begun:
            try:
                self._begun.pop().after_step(context, raised or failure)
            except Exception as error:  # noqa: BLE001 - it is the step's failure, or is printed
                if failure is None and raised is None:
                    raised = error
                else:
                    print(user_traceback(error), end="", file=sys.stderr, flush=True)
        if raised is not None:
            raise raised


def _enclose_call(extension: StepExtension, context: StepContext, run_inner: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        extension.around_step(context, run_inner)

    return run
