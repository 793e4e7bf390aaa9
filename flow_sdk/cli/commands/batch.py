"""``batch list`` and ``batch kill``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flow_sdk.cli.context import CommandContext
from flow_sdk.cli.json_output import print_json
from flow_sdk.cli.parser import Command, Option
from flow_sdk.errors import UsageError
from flow_sdk.options import OUTPUT

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["COMMANDS"]


def _find_jobs(context: CommandContext) -> tuple[Any, list[dict[str, Any]]]:
    """Return a client, and the jobs that the options select."""
    from flow_sdk import config
    from flow_sdk.aws.clients import make_client
    from flow_sdk.runtime.batch.jobs import unfinished_jobs

    run, user = context["run-id"], context["user"]
    given = [f"--{name}" for name in ("run-id", "user", "my-runs") if context[name]]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} can't go together.", wanted="one of them")
    if context["my-runs"]:
        user = config.user_name()
    if run is None and user is None:
        run = _latest_run(context)
        context.log(f"Run {context.flow}/{run}; --run-id or --my-runs for others.")
    batch = make_client("batch")
    name = None if run is None else run.removeprefix(f"{context.flow}/")
    return batch, unfinished_jobs(batch, context.flow, run=name, user=user)


def _latest_run(context: CommandContext) -> str:
    from flow_sdk.client.command_text import find_runs
    from flow_sdk.client.context import namespace

    if context["namespace"] is not None:
        namespace(context["namespace"] or None)
    return find_runs(context.flow, store=context.store.existing_root())[0].id


def _list_jobs(context: CommandContext) -> int:
    _, jobs = _find_jobs(context)
    if context["output"] == "json":
        print_json({"flow": context.flow, "jobs": [_job_data(job) for job in jobs]})
        return 0
    if not jobs:
        context.log("No unfinished jobs of AWS Batch were found.")
    rows = [("RUN", "STEP", "TASK", "STATUS", "JOB", "NAME")] if jobs else []
    for job in jobs:
        tags = job["tags"]
        names = (tags.get(f"flow_sdk.{key}", "") for key in ("run", "step", "task"))
        rows.append((*names, job["status"], job["jobId"], job["jobName"]))
    for line in _align_columns(rows):
        print(line)
    return 0


def _job_data(job: dict[str, Any]) -> dict[str, Any]:
    names = {key: job["tags"].get(f"flow_sdk.{key}") for key in ("run", "step", "task")}
    return {**names, "status": job["status"], "job": job["jobId"], "name": job["jobName"]}


def _align_columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _kill_jobs(context: CommandContext) -> int:
    from flow_sdk import config
    from flow_sdk.runtime.batch.follow import terminate_job

    batch, jobs = _find_jobs(context)
    if not jobs:
        context.log("No unfinished jobs of AWS Batch were found.")
    for job in jobs:
        terminate_job(batch, job["jobId"], f"Ended by {config.user_name()} with batch kill.")
        print(f"ended {job['jobName']} [{job['jobId']}]")
    return 0


OPTIONS = [
    Option("run-id", "The run; the newest one of your own when left out.", metavar="RUN"),
    Option("my-runs", "All runs that you started.", flag=True),
    Option("user", "All runs that this user started.", metavar="NAME"),
]

COMMANDS = {
    "batch list": Command(_list_jobs, options=[*OPTIONS, OUTPUT]),
    "batch kill": Command(_kill_jobs, options=OPTIONS),
}
