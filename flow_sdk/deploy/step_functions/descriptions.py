"""What AWS knows of a deployed flow and its runs, for people and as data."""

from collections.abc import Callable
from typing import Any

from flow_sdk.aws.clients import make_client
from flow_sdk.deploy.port import DeploymentStatus, RunDetails, TargetRequest
from flow_sdk.deploy.run_states import has_begun
from flow_sdk.deploy.step_functions.execution import Execution
from flow_sdk.deploy.step_functions.failed_tasks import failed_task
from flow_sdk.deploy.step_functions.machine import StateMachine
from flow_sdk.errors import AwsError, StoreError
from flow_sdk.text import shorten_line

__all__ = ["describe_execution", "describe_machine", "execution_rows", "log_tail_lines"]

LOG_TAIL = 15
"""Most lines of a failed job that are shown."""


def describe_machine(machine: StateMachine, schedule: dict[str, Any] | None) -> DeploymentStatus:
    """Return what there is to know of a deployed flow.

    Parameters
    ----------
    machine : StateMachine
        The state machine; it is there.
    schedule : dict or None
        What AWS says of its schedule.
    """
    found = machine.describe_machine() or {}
    live, versions = machine.find_live(), machine.list_versions()
    listed = ", ".join(map(str, versions[:10])) + (", ..." if len(versions) > 10 else "")
    state = found.get("status", "unknown").lower()
    rows = (
        ("State machine", f"{machine.name} ({state}) in {machine.account}"),
        ("Version", f"{live} of {listed}" if live is not None else f"none is live, of {listed or 'none'}"),
        ("Schedule", _schedule_text(schedule)),
    )
    details = {
        "state_machine": machine.name,
        "arn": machine.arn,
        "state": state,
        "version": live,
        "versions": versions,
        "schedule": _schedule_text(schedule),
    }
    return DeploymentStatus(rows=rows, details=details)


def describe_execution(request: TargetRequest, run: Execution, page: str) -> RunDetails:
    """Return what there is to know of a run.

    Parameters
    ----------
    request : TargetRequest
        The command.
    run : Execution
        The run.
    page : str
        Address of its page.
    """
    logs = f"{request.program} logs" if has_begun(request.store, request.flow, run.run) else None
    tail = log_tail_lines(run.failed_job, lambda: make_client("logs"))
    failed = None
    if not run.is_running and not run.failed_job and logs is not None:
        failed = _find_failed_task(request, run.run)
    details = {
        "version": run.version,
        "redrives": run.redrives,
        "error": run.response.get("error"),
        "cause": run.response.get("cause"),
        "failed_task": _job_task(run) or (None if failed is None else f"{run.run}/{failed[0]}"),
        "url": page,
    }
    return RunDetails(rows=tuple(execution_rows(run, page, logs, failed)), log_lines=tuple(tail), details=details)


def execution_rows(
    run: Execution, page: str, logs: str | None, failed: tuple[str, str] | None = None
) -> list[tuple[str, str]]:
    """Return all that is known of a run besides id, status and times.

    Parameters
    ----------
    run : Execution
        The run.
    page : str
        Address of its page.
    logs : str or None
        The command that prints logs; None where the store has none of this run.
    failed : (str, str), optional
        ``step/task`` of a task that failed, and why, where AWS names no job.
    """
    rows = [] if run.version is None else [("Version", str(run.version))]
    if run.redrives:
        rows.append(("Gone on with", f"{run.redrives} time{'s' if run.redrives > 1 else ''}"))
    if run.response.get("input"):
        rows.append(("Parameters", shorten_line(run.response["input"], 300)))
    if run.response.get("error"):
        rows.append(("Error", shorten_line(str(run.response["error"]), 300)))
    if run.response.get("cause"):
        rows.append(("Cause", _cause_text(run.failed_job, run.response["cause"])))
    if failed is not None:
        rows.append(("Failed task", f"{failed[0]}: {shorten_line(failed[1], 300)}"))
    nothing = "none in the store: no task got so far" if not run.is_running else "none in the store yet"
    task = _job_task(run) or f"{run.run}/{'STEP' if failed is None else failed[0]}"
    return [*rows, ("Logs", nothing if logs is None else f"{logs} {task}"), ("Console", page)]


def log_tail_lines(job: dict[str, Any], connect: Callable[[], Any]) -> list[str]:
    """Return the end of a failed job's log in CloudWatch; why it can't be read, where it can't.

    Parameters
    ----------
    job : dict
        What DescribeJobs says of it; empty for none.
    connect : callable
        Makes a botocore client for ``logs``.
    """
    from flow_sdk.runtime.batch.follow import log_tail

    try:
        return log_tail(connect(), job, LOG_TAIL) if job else []
    except AwsError as error:
        return [f"({error.headline} {error.wanted or error.seen or ''}".rstrip() + ")"]


def _find_failed_task(request: TargetRequest, run: str) -> tuple[str, str] | None:
    """Return the task that a run failed of, as the store knows it, and why; None where it doesn't or can't be asked."""
    from flow_sdk.store.open_store import open_store

    try:
        return failed_task(open_store(request.store, create=False), request.flow, run)
    except StoreError:
        return None


def _schedule_text(found: dict[str, Any] | None) -> str:
    if found is None:
        return "none"
    text = f"{found['ScheduleExpression']} in {found.get('ScheduleExpressionTimezone', 'UTC')}"
    return text if found.get("State") != "DISABLED" else f"{text}; switched off in AWS"


def _cause_text(job: dict[str, Any], cause: str) -> str:
    """Return why a run failed: of a failed job what matters, else AWS's text."""
    container = (job.get("attempts") or [{}])[-1].get("container", {})
    parts = {
        "job": job.get("jobName"),
        "exit code": container.get("exitCode"),
        "reason": container.get("reason") or job.get("statusReason"),
    }
    found = ", ".join(f"{name} {value}" for name, value in parts.items() if value not in (None, ""))
    return shorten_line(found or cause, 300)


def _job_task(run: Execution) -> str | None:
    """Return the task whose job's failure ended a run, as ``run/step/task``; None where something else did."""
    variables = (run.failed_job.get("container") or {}).get("environment") or []
    tasks = [item["value"] for item in variables if item.get("name") == "FLOW_SDK_TASK"]
    return str(tasks[-1]).partition("/")[2] if tasks else None
