"""The interface for receivers of a local run's events."""

from typing import Protocol

__all__ = ["Reporter"]


class Reporter(Protocol):
    """Receives everything that happens in a run, in order, from one thread.

    A task is named by ``run/step/task``; ``stream`` is ``"stdout"`` or ``"stderr"``; times are seconds.
    """

    def run_started(self, flow: str, run: str, tags: tuple[str, ...]) -> None: ...

    def task_started(self, step: str, task: str, attempt: int, pid: int, *, takes_over: bool = False) -> None:
        """``takes_over`` means that the attempt doesn't run the step: it stores the failure that ``@catch`` takes."""
        ...

    def task_output(self, step: str, task: str, attempt: int, stream: str, line: str) -> None: ...

    def task_finished(self, step: str, task: str, attempt: int, seconds: float, *, caught: bool) -> None: ...

    def task_failed(
        self, step: str, task: str, attempt: int, reason: str, *, retry_in: float | None, takes_over: bool = False
    ) -> None:
        """``retry_in`` is None when no attempt follows; ``takes_over`` as the following attempt is started with."""
        ...

    def split(self, step: str, task: str, count: int) -> None:
        """A foreach is about to start ``count`` tasks."""
        ...

    def reused(self, step: str, count: int, left: int, origin: str) -> None:
        """A resumed run reuses ``count`` (>= 1) tasks of a step; ``left`` are known to run again."""
        ...

    def message(self, text: str) -> None: ...

    def run_finished(self, flow: str, run: str, seconds: float, state: str, reason: str | None) -> None:
        """``state`` is ``"succeeded"``, ``"failed"`` or ``"cancelled"``."""
        ...
