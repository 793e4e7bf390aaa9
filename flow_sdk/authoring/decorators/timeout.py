"""``@timeout``: a step that runs too long fails."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.declaration_errors import declaration_error
from flow_sdk.authoring.decorator import Problem, StepDecorator, declare_step_decorator
from flow_sdk.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from flow_sdk.authoring.step_extension import StepContext

__all__ = ["TimeoutDecorator", "timeout"]

ALARM_INTERVAL = 5.0
"""Seconds between repeated alarms for code that swallowed the first one."""


class TimeoutDecorator(StepDecorator):
    """``@timeout``: see :func:`timeout`. In the plan: the sum, ``seconds``."""

    __slots__ = ()
    name = "timeout"
    order = 400

    def check_attributes(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the sum in seconds."""
        seconds, minutes, hours = (self.read_number(values, key) for key in self.defaults)
        total = seconds + 60 * minutes + 3600 * hours
        if total <= 0 and self._given_as_none:
            return {"seconds": None}  # refused by the check FS502, not while the flow file is imported
        if total <= 0:
            raise declaration_error(
                UsageError,
                "@timeout needs a time.",
                wanted="seconds, minutes or hours > 0; the sum counts",
                help="@timeout(minutes=10)",
            )
        return {"seconds": total}

    def find_problems(self, step: Any) -> Iterator[Problem]:
        """Yield FS502 where the time is None."""
        if self.seconds is None:
            yield Problem(
                "FS502",
                f"@timeout of step {step.name!r} has no time: what it is given is None",
                "Set the variable that the time comes from, or give it a default.",
            )

    def around_step(self, context: StepContext, run_inner: Callable[[], None]) -> None:
        """Raise ``StepTimeout`` in the step's code when the time is up, and again while it isn't ended by that."""
        seconds = self.seconds
        if not seconds:
            run_inner()
            return
        import signal

        from flow_sdk.errors import StepTimeout

        def ring(*_: object) -> None:
            raise StepTimeout(
                f"Step {context.step.name!r} ran longer than its @timeout of {seconds:g} seconds.",
                help="Give it more time with @timeout(minutes=...), or make the step faster.",
            )

        context.announce({"running": seconds})
        before = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, seconds, ALARM_INTERVAL)
        try:
            run_inner()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            context.announce({"running": None})  # storing what the step made may take its time


@declare_step_decorator(TimeoutDecorator)
def timeout(*, seconds: float | None = 0, minutes: float | None = 0, hours: float | None = 0) -> None:
    """Let a step fail that runs too long; the sum of the three counts and must be > 0.

    Parameters
    ----------
    seconds, minutes, hours : float
        The time an attempt may take, each >= 0.
    """
