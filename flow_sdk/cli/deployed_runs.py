"""How the runs of a deployed flow are shown, wherever it is deployed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from flow_sdk.cli.reporters.plain import seconds_text

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ListedRun", "RunTable", "rows_text", "time_rows", "time_text", "took"]


class ListedRun(Protocol):
    """What the orchestrators know of each run alike."""

    @property
    def run(self) -> str:
        """The run's id in the store."""
        ...

    @property
    def status(self) -> str:
        """How it stands."""
        ...

    @property
    def started(self) -> datetime | None:
        """When it started."""
        ...

    @property
    def stopped(self) -> datetime | None:
        """When it ended."""
        ...

    @property
    def is_running(self) -> bool:
        """Whether it goes on."""
        ...


class RunTable:
    """A table of runs, whose last column is the orchestrator's own.

    Parameters
    ----------
    width : int
        Characters that the longest id of a run has, as a rule.
    column : str
        Head of the last column.
    """

    def __init__(self, width: int, column: str) -> None:
        self.width = width
        self.head = f"{'RUN':<{width}} {'STATUS':<10} {'STARTED (UTC)':<17} {'TOOK':>11}  {column}"

    def line(self, run: ListedRun, last: Any) -> str:
        """A run as a line; ``last`` stands in the last column, None leaves it empty."""
        text = f"{run.run:<{self.width}} {run.status:<10} {time_text(run.started):<17} {took(run):>11}"
        return f"{text}  {'' if last is None else last}".rstrip()


def rows_text(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Names and what is known of each, as lines."""
    return [f"{name:<14} {text}" for name, text in rows]


def time_rows(run: ListedRun) -> list[tuple[str, str]]:
    """What a run's times are, by name."""
    rows = [] if run.started is None else [("Started", f"{time_text(run.started)} UTC")]
    if run.stopped is not None:
        rows.append(("Ended", f"{time_text(run.stopped)} UTC, after {took(run)}"))
    elif run.is_running and run.started is not None:
        rows.append(("Running for", took(run)))
    return rows


def time_text(moment: datetime | None) -> str:
    """A time for people, in UTC; empty for none."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def took(run: ListedRun) -> str:
    """How long a run took, or has taken so far; empty when it hasn't started."""
    if run.started is None:
        return ""
    end = run.stopped or datetime.now(UTC)
    return seconds_text(max(0.0, (end - run.started).total_seconds()))
