"""moto's server with a Batch that runs its jobs: every attempt is a process on this host, or a container of it
(`batch_containers`). Started by `BatchServer`.

Added to moto's own Batch: retryStrategy with evaluateOnExit, attempts with exit codes and reasons, timeouts,
termination, log lines while the job runs, AWS_BATCH_JOB_ATTEMPT, and a limit to how many jobs run at a time.
"""

import argparse
import atexit
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from moto.batch import models, responses
from moto.batch.exceptions import ClientException
from moto.batch.utils import JobStatus

from tests.support import moto_program

POLL = 0.05
MOST_OVERRIDES = 8192
"""Characters; Batch's own limit, which moto doesn't have."""
GRACE = 3.0
"""Seconds between SIGTERM and SIGKILL when a job is ended; Batch itself gives 30."""
RECLAIM = "Host EC2"
"""A termination for a reason that begins so ends one attempt and not the job, as when a spot instance is reclaimed."""


class Rules:
    """What all jobs of this server share."""

    environment: dict[str, str]
    engine = ""
    mark = ""
    attempt: "type[Attempt]"
    slots: threading.BoundedSemaphore
    submitted = threading.local()
    starting = threading.Lock()
    closed = False


class Attempt:
    """One attempt of a job: a process, its log stream, and how it ended.

    Parameters
    ----------
    job : Job
        The job.
    number : int
        Counted from 1.
    """

    def __init__(self, job: "Job", number: int) -> None:
        self.job, self.number = job, number
        self.started = _milliseconds()
        self.exit_code: int | None = None
        self.reason: str | None = None
        self.ended_by: str | None = None
        self.lines: list[dict[str, Any]] = []
        self.stream = f"{job.job_definition.name}/default/{job.job_id}-{number}"

    def run(self) -> None:
        """Run it to its end; whatever processes it leaves behind end with it, as in a container."""
        folder = tempfile.mkdtemp(prefix="batch-job-")
        job = self.job
        job._log_backend.ensure_log_group(job._log_group)
        job._log_backend.ensure_log_stream(job._log_group, self.stream)
        try:
            process = self._start(folder)
        except OSError as error:
            self.reason = f"CannotStartContainerError: {error}"
            shutil.rmtree(folder, ignore_errors=True)
            return
        reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        reader.start()
        try:
            self._wait(process)
        finally:
            self._leave_nothing()
            process.wait()
            reader.join(2)
            self._send_lines()
            shutil.rmtree(folder, ignore_errors=True)
        self.exit_code = process.returncode if process.returncode >= 0 else 128 - process.returncode

    def _start(self, folder: str) -> subprocess.Popen[bytes]:
        with Rules.starting:
            if Rules.closed:
                raise OSError("the server ends")
            return subprocess.Popen(
                self._command(),
                cwd=folder,
                env=self._environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def _command(self) -> list[str]:
        return self.job.command()

    def _environment(self, folder: str) -> dict[str, str]:
        return {**Rules.environment, "HOME": folder, "TMPDIR": folder, **self.job.environment(self.number)}

    def _send(self, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        process.send_signal(number)

    def _leave_nothing(self) -> None:
        end_processes(self.job.job_id)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append({"timestamp": _milliseconds(), "message": line.decode("utf-8", "replace").rstrip("\n")})

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        seconds = self.job._get_attempt_duration()
        deadline = time.monotonic() + seconds if seconds else None
        kill_at: float | None = None
        while process.poll() is None:
            now = time.monotonic()
            if kill_at is None:
                self.ended_by = self._why_end(deadline)
                if self.ended_by:
                    self._send(process, signal.SIGTERM)
                    kill_at = now + GRACE
            elif now > kill_at:
                self._send(process, signal.SIGKILL)
            self._send_lines()
            time.sleep(POLL)

    def _why_end(self, deadline: float | None) -> str | None:
        if self.job.stop:
            return self.job.job_stopped_reason or "Job terminated"
        if self.job.reclaimed:
            reason, self.job.reclaimed = self.job.reclaimed, None
            return reason
        return "Job attempt duration exceeded timeout" if deadline and time.monotonic() > deadline else None

    def _send_lines(self) -> None:
        lines, self.lines[:] = list(self.lines), []
        if lines:
            self.job._log_backend.put_log_events(self.job._log_group, self.stream, lines)

    @property
    def succeeded(self) -> bool:
        """Whether the command ended with 0, of its own accord."""
        return self.exit_code == 0 and not self.ended_by

    @property
    def status_reason(self) -> str:
        """What DescribeJobs says of its end."""
        return self.ended_by or "Essential container in task exited"

    def describe(self) -> dict[str, Any]:
        """Return it as DescribeJobs does."""
        container: dict[str, Any] = {
            "containerInstanceArn": "arn:aws:ecs:us-east-1:123456789012:container-instance/rig",
            "taskArn": f"arn:aws:ecs:us-east-1:123456789012:task/{self.job.job_id}-{self.number}",
            "logStreamName": self.stream,
            "networkInterfaces": [],
        }
        if self.exit_code is not None:
            container["exitCode"] = self.exit_code
        if self.reason is not None:
            container["reason"] = self.reason
        return {
            "container": container,
            "startedAt": self.started,
            "stoppedAt": _milliseconds(),
            "statusReason": self.status_reason,
        }

    def tries_again(self, strategy: dict[str, Any]) -> bool:
        """Whether the retry strategy wants a further attempt, by the first rule that matches."""
        if self.ended_by and not self.ended_by.startswith(RECLAIM):
            return False
        seen = {
            "onExitCode": "" if self.exit_code is None else str(self.exit_code),
            "onReason": self.reason or "",
            "onStatusReason": self.status_reason,
        }
        for rule in strategy.get("evaluateOnExit") or []:
            if all(_matches(rule[name], text) for name, text in seen.items() if name in rule):
                return bool(rule["action"].upper() == "RETRY")
        return True


class Job(models.Job):
    """moto's job, which runs."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.retry_strategy = getattr(Rules.submitted, "strategy", None) or self.job_definition.retry_strategy or {}
        self.reclaimed: str | None = None
        self.terminated = False

    def command(self) -> list[str]:
        """The command, with its parameters."""
        return self._add_parameters_to_command(self._get_container_property("command", []))

    def environment(self, attempt: int) -> dict[str, str]:
        """The variables of the definition, those of the submission, and Batch's own."""
        given = {one["name"]: one["value"] for one in self._get_container_property("environment", [])}
        return {
            **given,
            "AWS_BATCH_JOB_ID": self.job_id,
            "AWS_BATCH_JOB_ATTEMPT": str(attempt),
            "AWS_BATCH_JQ_NAME": self.job_queue.name,
            "AWS_BATCH_CE_NAME": "rig",
        }

    def _get_container_property(self, p: str, default: Any) -> Any:
        if p != "environment":
            return super()._get_container_property(p, default)
        # moto's own adds to the job's overrides with every call.
        merged = {one["name"]: one["value"] for one in (self.job_definition.container_properties or {})[p]}
        merged.update({one["name"]: one["value"] for one in self.container_overrides.get(p, [])})
        return [{"name": name, "value": value} for name, value in merged.items()]

    def describe(self) -> dict[str, Any]:
        """Return it as DescribeJobs does."""
        described = super().describe()
        described["retryStrategy"] = self.retry_strategy or {"attempts": 1, "evaluateOnExit": []}
        described["container"]["image"] = (self.job_definition.container_properties or {})["image"]
        described["isTerminated"] = self.terminated
        if self.attempts:
            described["container"].update(self.attempts[-1]["container"])
        return described

    def terminate(self, reason: str) -> None:
        """End it, or one attempt if the reason is that of a reclaimed host."""
        if reason.startswith(RECLAIM):
            self.reclaimed = reason
        elif not self.job_stopped:
            self.terminated = True
            super().terminate(reason)

    def run(self) -> None:
        """Run attempts until one succeeds or the retry strategy has had enough."""
        self.status = JobStatus.PENDING
        if self.depends_on and not self._wait_for_dependencies():
            return
        self.status = JobStatus.RUNNABLE
        while not self.stop and not Rules.slots.acquire(timeout=POLL):
            pass
        if self.stop:
            self._mark_stopped(success=False)
            return
        try:
            succeeded = self._run_attempts()
        finally:
            Rules.slots.release()
        self._mark_stopped(success=succeeded)

    def _run_attempts(self) -> bool:
        most = int(self.retry_strategy.get("attempts") or 1)
        for number in range(1, most + 1):
            self.status = JobStatus.STARTING
            attempt = Rules.attempt(self, number)
            if number == 1:
                self.job_started_at = datetime.now()
            self.log_stream_name = attempt.stream
            self.status = JobStatus.RUNNING
            attempt.run()
            self.attempts.append(attempt.describe())
            self.exit_code = attempt.exit_code
            self.job_stopped_reason = attempt.status_reason
            if attempt.succeeded:
                return True
            if self.stop or number == most or not attempt.tries_again(self.retry_strategy):
                return False
            self.status = JobStatus.RUNNABLE
        return False


class Jobs(dict[str, "Job"]):
    """A backend's jobs. Looked through while others are submitted, which a plain dict refuses."""

    def items(self) -> Any:
        """The jobs that there are now."""
        return list(super().items())

    def values(self) -> Any:
        """The jobs that there are now."""
        return list(super().values())


def _new_backend(original: Any) -> Any:
    def init(self: models.BatchBackend, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        self._jobs = Jobs(self._jobs)

    return init


def end_processes(job_id: str | None = None) -> None:
    """Kill the processes of a job, or of all jobs of this server; their environment tells whose they are."""
    own = f"AWS_ENDPOINT_URL={Rules.environment['AWS_ENDPOINT_URL']}".encode()
    job = f"AWS_BATCH_JOB_ID={job_id or ''}".encode()
    while True:
        found = 0
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                variables = Path("/proc", name, "environ").read_bytes().split(b"\0")
                matches = job in variables if job_id else any(one.startswith(job) for one in variables)
                if matches and own in variables:
                    os.kill(int(name), signal.SIGKILL)
                    found += 1
            except OSError:
                continue
        if not found:
            return
        time.sleep(0.01)


def close() -> None:
    """End all jobs, and start no more."""
    with Rules.starting:
        Rules.closed = True
    end_processes()


def _matches(pattern: str, text: str) -> bool:
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


def _milliseconds() -> int:
    return int(time.time() * 1000)


def _submit(original: Any) -> Any:
    def submitjob(self: responses.BatchResponse) -> Any:
        overrides = self._get_param("containerOverrides") or {}
        if len(json.dumps(overrides, separators=(",", ":"))) > MOST_OVERRIDES:
            raise ClientException(f"Container Overrides length must be at most {MOST_OVERRIDES}")
        if any(one["name"].startswith("AWS_BATCH") for one in overrides.get("environment", [])):
            raise ClientException("Environment variables must not start with AWS_BATCH")
        # moto doesn't hand the retry strategy of SubmitJob on.
        Rules.submitted.strategy = self._get_param("retryStrategy")
        try:
            return original(self)
        finally:
            Rules.submitted.strategy = None

    return submitjob


def main() -> None:
    """Start the server; further arguments are those of moto_server."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-environment", type=json.loads, required=True)
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--engine", default="")
    parser.add_argument("--mark", default="")
    options, rest = parser.parse_known_args()
    Rules.environment = options.job_environment
    Rules.slots = threading.BoundedSemaphore(options.slots)
    Rules.attempt = Attempt
    if options.engine:
        from tests.support.batch_containers import ContainerAttempt

        Rules.engine, Rules.mark, Rules.attempt = options.engine, options.mark, ContainerAttempt
    models.Job = Job
    models.BatchBackend.__init__ = _new_backend(models.BatchBackend.__init__)
    # moto's own wants two characters.
    models.JOB_NAME_REGEX = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$")
    responses.BatchResponse.submitjob = _submit(responses.BatchResponse.submitjob)
    atexit.register(close)
    moto_program.main(rest)
