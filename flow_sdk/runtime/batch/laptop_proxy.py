"""The process on a laptop that represents a task on Batch: ``python -m flow_sdk.runtime.batch.laptop_proxy``.

To a local run's driver it is what a task's own process is: it reads what to do from stdin, shows the task's output as
its own, reports on the descriptor ``FLOW_SDK_REPORT_FD``, ends with the task's exit code, and a SIGTERM ends the task.
"""

import io
import json
import os
import signal
import sys
from typing import Any, NoReturn

from flow_sdk.errors import FlowSDKError
from flow_sdk.runtime.batch.follow import follow_job, terminate_job
from flow_sdk.runtime.batch.remote_task import RemoteTask
from flow_sdk.runtime.batch.submit import JobTarget, submit_job
from flow_sdk.runtime.report import FAILED, REPORT_FD, Report, open_report
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.task.runner import die_with_parent
from flow_sdk.runtime.tracebacks import LONGEST

__all__ = ["main", "run_remotely"]


class Interrupted(BaseException):
    """The run was stopped, or its process is gone."""


class Interrupts:
    """Lets SIGTERM and SIGINT come through at safe moments only: between the submission and the answer none would know
    which job to end."""

    def __init__(self) -> None:
        self.asked = False
        self._may_raise = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle_signal)

    def _handle_signal(self, number: int, frame: object) -> None:
        self.asked = True
        if self._may_raise:
            self._may_raise = False
            raise Interrupted

    def __enter__(self) -> None:
        self._may_raise = True
        if self.asked:
            raise Interrupted

    def __exit__(self, *_: object) -> None:
        self._may_raise = False


def _run_job(request: TaskRequest, target: JobTarget, report: Report, interrupts: Interrupts) -> int:
    from flow_sdk.aws.clients import make_client

    batch, task = make_client("batch"), RemoteTask(request, _print_line, _print_message, report)
    if interrupts.asked:
        return FAILED
    task.expect()
    job_id = submit_job(batch, task.artifacts, request, target)
    task.status(job_id, "SUBMITTED", f"queue {target.queue}")
    try:
        with interrupts:
            job = follow_job(batch, job_id, lambda *news: task.status(job_id, *news), task.look)
            task.look()
    except Interrupted:
        terminate_job(batch, job_id, f"The run {request.flow}/{request.run} was stopped.")
        _print_message(f"AWS Batch job {job_id}: ended, as the run was stopped")
        report({"error": "the run was stopped"})
        return FAILED
    return task.ended(job, lambda: make_client("logs"))


def _print_line(stream: str, line: str) -> None:
    print(line, file=sys.stdout if stream == "stdout" else sys.stderr, flush=True)


def _print_message(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def run_remotely(message: dict[str, Any], report: Report, interrupts: Interrupts) -> int:
    """Run one attempt of a task on Batch.

    Parameters
    ----------
    message : dict
        ``request``, the fields of a TaskRequest, and ``target``, those of a JobTarget.
    report : callable
        Receives the reports of the task, as those of a task's own process.
    interrupts : Interrupts
        Of this process.

    Returns
    -------
    int
        0 committed, 1 failed, 2 failed and trying again can't help.
    """
    request = TaskRequest.from_json(json.dumps(message["request"]).encode())
    try:
        return _run_job(request, JobTarget(**message["target"]), report, interrupts)
    except FlowSDKError as error:
        _print_message(str(error))
        report({"error": str(error).splitlines()[0][:LONGEST]})
        return FAILED


def main() -> NoReturn:
    """Read the request from stdin and run it."""
    interrupts = Interrupts()
    die_with_parent()
    message = json.loads(sys.stdin.buffer.read())
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    fd = os.environ.pop(REPORT_FD, None)
    sys.exit(run_remotely(message, open_report(int(fd) if fd else None), interrupts))


if __name__ == "__main__":
    main()
