"""``@catch``: the flow continues although a step has failed."""

from __future__ import annotations

import sys

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.decorator import Problem, StepDecorator, declare_step_decorator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from flow_sdk.authoring.caught_failure import CaughtFailure
    from flow_sdk.authoring.step_extension import StepContext

__all__ = ["CatchDecorator", "catch"]


class CatchDecorator(StepDecorator):
    """``@catch``: see :func:`catch`."""

    __slots__ = ()
    name = "catch"
    recovers_failures = True

    def check_attributes(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the name of an artifact, or None, and a boolean."""
        var, printed = values["var"], values["print_exception"]
        if var is not None and not (isinstance(var, str) and var.isidentifier()):
            self.refuse_value("var", var, "the name of an artifact, such as 'failure', or None")
        if not isinstance(printed, bool):
            self.refuse_value("print_exception", printed, "True or False")
        return {"var": var, "print_exception": printed}

    def find_problems(self, step: Any) -> Iterator[Problem]:
        """Yield FS501 on a step whose failure leaves nothing to continue with."""
        if step.kind in ("foreach", "switch"):
            unknown = "its items" if step.kind == "foreach" else "its choice"
            yield Problem(
                "FS501",
                f"@catch can't be on step {step.name!r}: when it fails, {unknown} wouldn't be known",
                f"Move what may fail into a step before it that just leads to self.{step.name}.",
            )

    def after_step(self, context: StepContext, failure: BaseException | None) -> None:
        """Set the artifact to None when the step succeeds."""
        if failure is None and self._values.get("var"):
            setattr(context.flow, self.var, None)

    def recover_failure(self, context: StepContext, failure: CaughtFailure) -> None:
        """Print the failure, and set the artifact to it."""
        if self._values.get("print_exception", True):
            print(failure.stacktrace, end="", file=sys.stderr, flush=True)
            print(f"@catch handles the failure of step {context.step.name!r}.", file=sys.stderr, flush=True)
        if variable := self._values.get("var"):
            setattr(context.flow, variable, failure)


@declare_step_decorator(CatchDecorator)
def catch(*, var: str | None = None, print_exception: bool = True) -> None:
    """Continue the flow although the step failed, after all its retries.

    Parameters
    ----------
    var : str, optional
        Artifact that gets the failure (``type``, ``exception``, ``stacktrace``); None when the step succeeds.
    print_exception : bool
        Whether the traceback is printed.
    """
