"""What the ``step-functions`` commands show."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from flow_sdk.cli.deployed_runs import RunTable, rows_text, shortened, time_rows

if TYPE_CHECKING:
    from flow_sdk.deploy.step_functions.changes import Changes
    from flow_sdk.deploy.step_functions.executions import Execution, Executions
    from flow_sdk.deploy.step_functions.prepare import Prepared

__all__ = ["RUNS_HEAD", "definition_text", "machine_lines", "run_line", "run_lines", "show_changes"]

_TABLE = RunTable(30, "VERSION")
RUNS_HEAD = _TABLE.head


def definition_text(prepared: Prepared) -> str:
    """The state machine as JSON for people, and for a file."""
    return json.dumps(prepared.definition, indent=2, ensure_ascii=False)


def show_changes(changes: Changes) -> None:
    """Print what a deployment would do."""
    jobs = len(changes.prepared.jobs)
    new = f"{len(changes.jobs)} would be registered" if changes.jobs else "all are there"
    rows = [
        ("token", changes.token),
        ("runs", f"in {changes.prepared.request.namespace or 'the namespace of the token alone'}"),
        ("state machine", changes.machine),
        ("plan and code", changes.code),
        ("job definitions", f"{jobs}: {new}"),
        *(("", name) for name in changes.jobs),
        ("schedule", changes.schedule),
    ]
    print(f"{changes.prepared.name} in {changes.place}: this is what create would do. Nothing was written.\n")
    print("\n".join(f"{name:<16} {text}".rstrip() for name, text in rows))
    print(f"\n{'LIMIT':<48} {'USED':>9} {'ALLOWED':>10} {'SHARE':>7}")
    for what, used, allowed in changes.shares:
        print(f"{what:<48} {used:>9,} {allowed:>10,} {used / allowed:>7.1%}")
    if changes.difference:
        print("\n" + "\n".join(changes.difference))


def run_line(run: Execution) -> str:
    """A run as a line of a table."""
    return _TABLE.line(run, run.version)


def run_lines(run: Execution, console: str, logs: str) -> list[str]:
    """All that is known of a run."""
    rows = [("Run", run.run), ("Status", run.status), *time_rows(run)]
    if run.version is not None:
        rows.append(("Version", str(run.version)))
    if run.redrives:
        rows.append(("Gone on with", f"{run.redrives} time{'s' if run.redrives > 1 else ''}"))
    if run.facts.get("input"):
        rows.append(("Parameters", shortened(run.facts["input"], 300)))
    if run.facts.get("error"):
        rows.append(("Error", shortened(str(run.facts["error"]), 300)))
    if run.facts.get("cause"):
        rows.append(("Cause", _cause(_failed_job(run), run.facts["cause"])))
    rows += [("Logs", f"{logs} {_failed_task(run) or f'{run.run}/STEP'}"), ("Console", console)]
    return rows_text(rows)


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


def _failed_job(run: Execution) -> dict[str, Any]:
    """The Batch job whose failure ended a run, as AWS describes it; empty where something else did."""
    try:
        job = json.loads(run.facts.get("cause") or "{}")
    except ValueError:
        return {}
    return job if isinstance(job, dict) and "JobId" in job else {}


def _cause(job: dict[str, Any], cause: str) -> str:
    """Why a run failed: of a failed job what matters, else AWS's text."""
    container = (job.get("Attempts") or [{}])[-1].get("Container", {})
    parts = {
        "job": job.get("JobName"),
        "exit code": container.get("ExitCode"),
        "reason": container.get("Reason") or job.get("StatusReason"),
    }
    found = ", ".join(f"{name} {value}" for name, value in parts.items() if value not in (None, ""))
    return shortened(found or cause, 300)


def _failed_task(run: Execution) -> str | None:
    """The task whose job's failure ended a run, as ``run/step/task``; None where something else did."""
    variables = (_failed_job(run).get("Container") or {}).get("Environment") or []
    told = [item["Value"] for item in variables if item.get("Name") == "FLOW_SDK_TASK"]
    return str(told[-1]).partition("/")[2] if told else None
