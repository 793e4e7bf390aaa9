"""How the runs of a deployed flow are shown, wherever it is deployed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flow_sdk.cli.reporters.plain import seconds_text
from flow_sdk.deploy.deployed_runs import time_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flow_sdk.deploy.declaration import TargetDeclaration
    from flow_sdk.deploy.port import DeployedRun

__all__ = ["RunTable", "duration_text", "join_rows", "time_rows"]


class RunTable:
    """A table of runs, whose last column is the target's own.

    Parameters
    ----------
    target : TargetDeclaration
        The target.
    """

    def __init__(self, target: TargetDeclaration) -> None:
        self.width = target.run_id_width
        head = f"{'RUN':<{self.width}} {'STATUS':<10} {'STARTED (UTC)':<17} {'TOOK':>11}  {target.column}"
        self.head = head.rstrip()

    def format_run(self, run: DeployedRun) -> str:
        """Return a run as a line."""
        text = f"{run.run:<{self.width}} {run.status:<10} {time_text(run.started):<17} {duration_text(run):>11}"
        return f"{text}  {'' if run.column is None else run.column}".rstrip()


def join_rows(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Return names and values as lines."""
    return [f"{name:<14} {text}" for name, text in rows]


def time_rows(run: DeployedRun) -> list[tuple[str, str]]:
    """Return the times of a run as rows."""
    rows = [] if run.started is None else [("Started", f"{time_text(run.started)} UTC")]
    if run.stopped is not None:
        rows.append(("Ended", f"{time_text(run.stopped)} UTC, after {duration_text(run)}"))
    elif run.is_running and run.started is not None:
        rows.append(("Running for", duration_text(run)))
    return rows


def duration_text(run: DeployedRun) -> str:
    """Return how long a run took, or has taken so far; empty when it hasn't started."""
    if run.started is None:
        return ""
    end = run.stopped or datetime.now(UTC)
    return seconds_text(max(0.0, (end - run.started).total_seconds()))
