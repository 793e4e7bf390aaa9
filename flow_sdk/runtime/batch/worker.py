"""The process on a laptop that stands for a task on Batch: ``python -m flow_sdk.runtime.batch.worker``.

To a local run's driver it is what a task's own process is: it reads what to do from stdin, shows the task's output as
its own, reports on the descriptor ``FLOW_SDK_REPORT_FD``, ends with the task's exit code, and a SIGTERM ends the task.
"""

import io
import json
import os
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from flow_sdk.client.logs import LogTail
from flow_sdk.errors import AwsError, FlowSDKError
from flow_sdk.runtime.batch.follow import Job, follow, log_tail, terminate, why_failed
from flow_sdk.runtime.batch.submit import JobTarget, submit
from flow_sdk.runtime.crash import note_crash
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.task import FAILED, FATAL, OK, REPORT_FD, Report, die_with_parent, reporter_to
from flow_sdk.runtime.tracebacks import LONGEST, one_line
from flow_sdk.store import attempts
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store

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
            signal.signal(number, self._take)

    def _take(self, number: int, frame: object) -> None:
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


class _Task:
    def __init__(self, request: TaskRequest, target: JobTarget, report: Report) -> None:
        from flow_sdk.aws import client

        self.request, self.target, self.report = request, target, report
        self.place = (request.flow, request.run, request.step, request.task)
        self.batch = client("batch")
        self.store = open_store(request.root, create=False)
        self.attempt: int | None = None
        self.tail: LogTail | None = None
        self.known: set[int] = set()
        self.begun = False

    def run(self, interrupts: Interrupts) -> int:
        if interrupts.asked:
            return FAILED
        self.known = set(attempts.attempts(self.store, *self.place))
        job_id = submit(self.batch, Artifacts(self.store), self.request, self.target)
        self._status(job_id, "SUBMITTED", f"queue {self.target.queue}")
        try:
            with interrupts:
                job = follow(self.batch, job_id, lambda *news: self._status(job_id, *news), self._look)
                self._look()
        except Interrupted:
            terminate(self.batch, job_id, f"The run {self.request.flow}/{self.request.run} was stopped.")
            _say(f"AWS Batch job {job_id}: ended, as the run was stopped")
            self.report({"error": "the run was stopped"})
            return FAILED
        return self._ended(job)

    def _status(self, job_id: str, status: str, reason: str) -> None:
        self.begun = self.begun or status not in ("SUBMITTED", "PENDING", "RUNNABLE")
        _say(f"AWS Batch job {job_id}: {status}" + (f": {reason}" if reason else ""))

    def _look(self) -> None:
        """Find the attempt that the container has claimed, and show what is new in its log."""
        if not self.begun:
            return  # jobs may wait for hours: no need to ask the store
        new = [n for n in attempts.attempts(self.store, *self.place) if n not in self.known]
        for number in new:  # more than one when Batch started the container anew
            self._show_rest()
            self.known.add(number)
            self.attempt = number
            self.tail = LogTail(self.store, self.place, number)
            self.report({"attempt": number})
        if self.tail is not None:
            for line in self.tail.read():
                print(line.text, file=sys.stdout if line.stream == "stdout" else sys.stderr, flush=True)

    def _show_rest(self) -> None:
        if self.tail is not None:
            for line in (*self.tail.read(), *self.tail.rest()):
                print(line.text, file=sys.stdout if line.stream == "stdout" else sys.stderr, flush=True)

    def _ended(self, job: Job) -> int:
        self._show_rest()
        manifest = attempts.read_task(self.store, *self.place)
        if manifest is not None:
            facts = {"ok": True, "next": list(manifest.next), "caught": not manifest.successful}
            if manifest.items is not None:
                facts["count"] = manifest.items.count
            self.report(facts)
            return OK
        code = _exit_code(job)
        failed = None if self.attempt is None else attempts.read_attempt(self.store, *self.place, self.attempt)
        if failed is not None and failed.exception is not None:
            self.report({"error": one_line(failed.exception)})
            return FATAL if code == FATAL else FAILED
        reason = why_failed(job)
        if self.attempt is None:
            self._show_container(job)
            self._claim(job)
        assert self.attempt is not None
        note_crash(self.store, self.request, self.attempt, reason)
        self.report({"error": reason[:LONGEST]})
        return FAILED

    def _claim(self, job: Job) -> None:
        """Count an attempt that never came so far as to count itself."""
        facts = {"host": socket.gethostname(), "time": time.time(), "batch": {"job": job["jobId"]}}
        self.attempt = attempts.claim(self.store, *self.place, facts, first=len(self.known))
        self.report({"attempt": self.attempt})

    def _show_container(self, job: Job) -> None:
        """Show what a container printed that didn't come so far as to keep a log of its own."""
        from flow_sdk.aws import client

        try:
            for line in log_tail(client("logs"), job):
                _say(line)
        except AwsError as error:
            _say(error.headline + (f" {error.seen}" if error.seen else ""))


def _exit_code(job: Job) -> int | None:
    code = (job.get("container") or {}).get("exitCode")
    return None if code is None else int(code)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def run_remotely(message: dict[str, Any], report: Report, interrupts: Interrupts) -> int:
    """Run one attempt of a task on Batch.

    Parameters
    ----------
    message : dict
        ``request``, the fields of a TaskRequest, and ``target``, those of a JobTarget.
    report : callable
        Is told facts as those of a task's own process.
    interrupts : Interrupts
        Of this process.

    Returns
    -------
    int
        0 committed, 1 failed, 2 failed and trying again can't help.
    """
    request = TaskRequest.from_json(json.dumps(message["request"]).encode())
    try:
        return _Task(request, JobTarget(**message["target"]), report).run(interrupts)
    except FlowSDKError as error:
        _say(str(error))
        report({"error": str(error).splitlines()[0][:LONGEST]})
        return FAILED


def main() -> NoReturn:
    """Read what to do from stdin and do it."""
    interrupts = Interrupts()
    die_with_parent()
    message = json.loads(sys.stdin.buffer.read())
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    fd = os.environ.pop(REPORT_FD, None)
    sys.exit(run_remotely(message, reporter_to(int(fd) if fd else None), interrupts))


if __name__ == "__main__":
    main()
