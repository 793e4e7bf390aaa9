"""What the ``step-functions`` commands show."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from flow_sdk.cli.deployed_runs import RunTable, rows_text, time_rows
from flow_sdk.cli.terminal import text_for_stream
from flow_sdk.text import shorten_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from flow_sdk.deploy.step_functions.changes import Changes
    from flow_sdk.deploy.step_functions.executions import Execution, Executions
    from flow_sdk.deploy.step_functions.prepare import Prepared

__all__ = [
    "RUNS_HEAD",
    "definition_text",
    "foreach_lines",
    "machine_lines",
    "run_line",
    "run_lines",
    "show_changes",
    "tail_lines",
]

_TABLE = RunTable(30, "VERSION")
RUNS_HEAD = _TABLE.head

TAIL = 15
"""Most lines of a failed job that are shown."""


def definition_text(prepared: Prepared) -> str:
    """The state machine as JSON for people, and for a file."""
    return json.dumps(prepared.definition, indent=2, ensure_ascii=False)


def show_changes(changes: Changes) -> None:
    """Print what a deployment would do."""
    jobs = len(changes.prepared.jobs)
    new = f"{len(changes.jobs)} would be registered" if changes.jobs else "all are there"
    rows = [
        ("token", changes.token),
        ("runs", f"in {changes.namespace}"),
        ("state machine", changes.machine),
        ("plan and code", changes.code),
        ("job definitions", f"{jobs}: {new}"),
        *(("", name) for name in changes.jobs),
        *(("foreach" if not number else "", line) for number, line in enumerate(foreach_lines(changes.prepared))),
        ("schedule", changes.schedule),
        ("alerts", changes.alerts),
    ]
    print(f"{changes.prepared.name} in {changes.place}: this is what create would do. Nothing was written.\n")
    print("\n".join(f"{name:<16} {text}".rstrip() for name, text in rows))
    print(f"\n{'LIMIT':<48} {'USED':>9} {'ALLOWED':>10} {'SHARE':>7}")
    for what, used, allowed in changes.shares:
        print(f"{what:<48} {used:>9,} {allowed:>10,} {used / allowed:>7.1%}")
    for line in changes.prepared.unheeded:
        print(f"\n{line}")
    if changes.difference:
        print("\n" + "\n".join(changes.difference))


def foreach_lines(prepared: Prepared) -> list[str]:
    """Say of each foreach how its items run, and what one costs; empty for a flow without a foreach."""
    from flow_sdk.deploy.step_functions.limits import INLINE_WORKERS, transitions_of_item

    lines = []
    for step in prepared.plan.steps:
        if step.kind == "foreach":
            count = transitions_of_item(prepared.plan, step.name, prepared.distributed)
            cost = f"{count} state transition{'s' if count > 1 else ''}"
            if step.name in prepared.distributed:
                how = f"distributed map, {prepared.max_workers:,} items at a time; an item is an execution with {cost}"
            else:
                how = f"inline map, {min(prepared.max_workers, INLINE_WORKERS)} items at a time; an item has {cost}"
            lines.append(f"{step.name}: {how}")
    return lines


def run_line(run: Execution) -> str:
    """A run as a line of a table."""
    return _TABLE.line(run, run.version)


def run_lines(
    run: Execution, console: str, logs: str | None, tail: list[str], failed: tuple[str, str] | None = None
) -> list[str]:
    """All that is known of a run.

    Parameters
    ----------
    run : Execution
        The run.
    console : str
        Address of its page.
    logs : str or None
        The command that prints logs; None where the store has none of this run.
    tail : list of str
        The end of what the job printed whose failure ended it.
    failed : (str, str), optional
        ``step/task`` of a task that failed, and why, where AWS names no job.
    """
    rows = [("Run", run.run), ("Status", run.status), *time_rows(run)]
    if run.version is not None:
        rows.append(("Version", str(run.version)))
    if run.redrives:
        rows.append(("Gone on with", f"{run.redrives} time{'s' if run.redrives > 1 else ''}"))
    if run.facts.get("input"):
        rows.append(("Parameters", shorten_line(run.facts["input"], 300)))
    if run.facts.get("error"):
        rows.append(("Error", shorten_line(str(run.facts["error"]), 300)))
    if run.facts.get("cause"):
        rows.append(("Cause", _cause(run.failed_job, run.facts["cause"])))
    if failed is not None:
        rows.append(("Failed task", f"{failed[0]}: {shorten_line(failed[1], 300)}"))
    nothing = "none in the store: no task got so far" if not run.is_running else "none in the store yet"
    task = _failed_task(run) or f"{run.run}/{'STEP' if failed is None else failed[0]}"
    rows.append(("Logs", nothing if logs is None else f"{logs} {task}"))
    rows.append(("Console", console))
    return [*rows_text(rows), *(["", "The end of the failed job's log:", *map(text_for_stream, tail)] if tail else [])]


def tail_lines(job: dict[str, Any], logs: Callable[[], Any]) -> list[str]:
    """The end of a failed job's log in CloudWatch; why it can't be read, where it can't.

    Parameters
    ----------
    job : dict
        What DescribeJobs says of it; empty for none.
    logs : callable
        Makes a botocore client for ``logs``.
    """
    from flow_sdk.errors import AwsError
    from flow_sdk.runtime.batch.follow import log_tail

    try:
        return log_tail(logs(), job, TAIL) if job else []
    except AwsError as error:
        return [f"({error.headline} {error.wanted or error.seen or ''}".rstrip() + ")"]


def machine_lines(runs: Executions, schedule: dict[str, Any] | None, latest: int) -> list[str]:
    """All that is known of a deployed flow, and its latest runs."""
    machine = runs.machine
    found = machine.describe() or {}
    live, versions = machine.live(), machine.versions()
    shown = ", ".join(map(str, versions[:10])) + (", ..." if len(versions) > 10 else "")
    rows = [
        ("State machine", f"{machine.name} ({found.get('status', 'unknown').lower()}) in {machine.place}"),
        ("Version", f"{live} of {shown}" if live is not None else f"none is live, of {shown or 'none'}"),
        ("Schedule", _schedule(schedule)),
    ]
    lines = rows_text(rows)
    shown_runs = [run for _, run in zip(range(latest), runs.list(), strict=False)]
    return [*lines, "", RUNS_HEAD, *map(run_line, shown_runs)] if shown_runs else [*lines, "", "No run yet."]


def _schedule(found: dict[str, Any] | None) -> str:
    if found is None:
        return "none"
    text = f"{found['ScheduleExpression']} in {found.get('ScheduleExpressionTimezone', 'UTC')}"
    return text if found.get("State") != "DISABLED" else f"{text}; switched off in AWS"


def _cause(job: dict[str, Any], cause: str) -> str:
    """Why a run failed: of a failed job what matters, else AWS's text."""
    container = (job.get("attempts") or [{}])[-1].get("container", {})
    parts = {
        "job": job.get("jobName"),
        "exit code": container.get("exitCode"),
        "reason": container.get("reason") or job.get("statusReason"),
    }
    found = ", ".join(f"{name} {value}" for name, value in parts.items() if value not in (None, ""))
    return shorten_line(found or cause, 300)


def _failed_task(run: Execution) -> str | None:
    """The task whose job's failure ended a run, as ``run/step/task``; None where something else did."""
    variables = (run.failed_job.get("container") or {}).get("environment") or []
    told = [item["value"] for item in variables if item.get("name") == "FLOW_SDK_TASK"]
    return str(told[-1]).partition("/")[2] if told else None
