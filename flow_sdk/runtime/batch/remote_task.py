"""A task that runs as a job of Batch, as its starter sees it: its log as it comes, and how it ended."""

import socket
import time
from collections.abc import Callable
from typing import Any

from flow_sdk.client.logs import LogTail
from flow_sdk.errors import AwsError
from flow_sdk.runtime.batch.follow import Job, describe_failure, log_tail
from flow_sdk.runtime.crash_record import crash_line, record_crash
from flow_sdk.runtime.logs import log_entry
from flow_sdk.runtime.report import FAILED, FATAL, OK, Report
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.tracebacks import LONGEST, summarize_exception
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records import commits
from flow_sdk.store.records.layout import log_key, log_prefix
from flow_sdk.store.records.model import Manifest

__all__ = ["RemoteTask"]


class RemoteTask:
    """One attempt of a task on Batch.

    Parameters
    ----------
    request : TaskRequest
        The attempt.
    on_line : callable
        Receives (stream, line) of the step's output.
    say : callable
        Receives a line about the job.
    report : callable
        Receives what a task's own process reports: ``attempt``; at the end ``ok, next, caught, count`` or ``error``.
    """

    def __init__(
        self,
        request: TaskRequest,
        on_line: Callable[[str, str], None],
        say: Callable[[str], None],
        report: Report = lambda report_fields: None,
    ) -> None:
        self.request, self._on_line, self._say, self._report = request, on_line, say, report
        self.task_key = (request.flow, request.run, request.step, request.task)
        self.store = open_store(request.root, create=False)
        self.artifacts = Artifacts(self.store)
        self.attempt: int | None = None
        self._tail: LogTail | None = None
        self._known: set[int] = set()
        self._begun = False
        self._lines, self._passed_over = 0, 0

    def expect(self) -> None:
        """Record the attempts that exist; call it right before the job is submitted."""
        self._known = set(commits.list_attempts(self.store, *self.task_key))

    def expect_of_another(self) -> None:
        """Record those that have ended, for a job that another process submitted: they aren't its attempt."""
        known = commits.list_attempts(self.store, *self.task_key)
        self._known = {n for n in known if commits.read_attempt(self.store, *self.task_key, n) is not None}

    def remember(self) -> dict[str, Any]:
        """Return what :meth:`recall` takes in another process to continue; plain data."""
        known = sorted(self._known - {self.attempt})
        return {"known": known, "attempt": self.attempt, "lines": self._lines}

    def recall(self, memory: dict[str, Any]) -> None:
        """Continue where :meth:`remember` was called: lines of the log that were shown aren't shown again."""
        self._known, self._begun = set(memory["known"]), True
        if memory["attempt"] is not None:
            self._take_up(memory["attempt"])
            self._passed_over = memory["lines"]

    def committed(self) -> Manifest | None:
        """Return the task's committed manifest, unless the attempt was started after it was cleared."""
        manifest = commits.read_task(self.store, *self.task_key)
        return manifest if manifest is not None and manifest.generation >= self.request.generation else None

    def status(self, job_id: str, status: str, reason: str) -> None:
        """Log the job's status."""
        self._begun = self._begun or status not in ("SUBMITTED", "PENDING", "RUNNABLE")
        self._say(f"AWS Batch job {job_id}: {status}" + (f": {reason}" if reason else ""))

    def look(self) -> None:
        """Find the attempt that the container has claimed, and show what is new in its log."""
        if not self._begun:
            return  # jobs may wait for hours: no need to ask the store
        for number in commits.list_attempts(self.store, *self.task_key):
            if number not in self._known:  # more than one when Batch started the container again
                self._print_rest()
                self._take_up(number)
        if self._tail is not None:
            self._print_lines(self._tail.read())

    def _take_up(self, number: int) -> None:
        self._known.add(number)
        self.attempt, self._tail = number, LogTail(self.store, self.task_key, number)
        self._lines = self._passed_over = 0
        self._report({"attempt": number})

    def _print_lines(self, lines: Any) -> None:
        for line in lines:
            self._lines += 1
            if self._lines > self._passed_over:
                self._on_line(line.stream, line.text)

    def _print_rest(self) -> None:
        if self._tail is not None:
            self._print_lines(self._tail.read())
            self._print_lines(self._tail.read_rest())

    def ended(self, job: Job, logs: Callable[[], Any]) -> int:
        """Find how a job has ended, and record the reason if its container couldn't.

        Parameters
        ----------
        job : dict
            The answer of DescribeJobs for it.
        logs : callable
            Makes a botocore client for ``logs``.

        Returns
        -------
        int
            0 committed, 1 failed, 2 failed and trying again can't help.

        Raises
        ------
        AwsError
            If AWS refuses or doesn't answer.
        """
        self._begun = True
        self.look()
        self._print_rest()
        manifest = self.committed()
        if manifest is not None:
            report_fields = {"ok": True, "next": list(manifest.next), "caught": not manifest.successful}
            if manifest.items is not None:
                report_fields["count"] = manifest.items.count
            self._report(report_fields)
            return OK
        code = FATAL if _exit_code(job) == FATAL else FAILED
        failed = None if self.attempt is None else commits.read_attempt(self.store, *self.task_key, self.attempt)
        if failed is not None and failed.exception is not None:
            self._report({"error": summarize_exception(failed.exception)})
            return code
        reason = describe_failure(job)
        if self.attempt is None:
            self._print_container_log(job, logs)
            self._claim_attempt(job)
        assert self.attempt is not None
        self._end_log(reason)
        record_crash(self.store, self.request, self.attempt, reason)
        self._report({"error": reason[:LONGEST]})
        return code

    def _end_log(self, reason: str) -> None:
        """Add to the attempt's log why its container ended, which stored the log until then."""
        assert self.attempt is not None
        prefix = log_prefix(*self.task_key, self.attempt)
        chunks = [int(info.key.removeprefix(prefix)) for info in self.store.list(prefix)]
        key = log_key(*self.task_key, self.attempt, max(chunks, default=-1) + 1)
        self.store.put(key, log_entry("stderr", crash_line(reason)), durable=False)

    def _claim_attempt(self, job: Job) -> None:
        """Claim the attempt that the container didn't come so far as to claim."""
        report_fields = {"host": socket.gethostname(), "time": time.time(), "batch": {"job": job["jobId"]}}
        self.attempt = commits.claim_attempt(self.store, *self.task_key, report_fields, first=len(self._known))
        self._report({"attempt": self.attempt})

    def _print_container_log(self, job: Job, logs: Callable[[], Any]) -> None:
        """Show what a container printed before it could store a log of its own."""
        try:
            for line in log_tail(logs(), job):
                self._say(line)
        except AwsError as error:
            self._say(error.headline + (f" {error.seen}" if error.seen else ""))


def _exit_code(job: Job) -> int | None:
    code = (job.get("container") or {}).get("exitCode")
    return None if code is None else int(code)
