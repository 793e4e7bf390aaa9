"""Running one attempt for an orchestrator's worker: in a process of its own, its log streamed and stored."""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flow_sdk.errors import StoreError
from flow_sdk.metadata import task_heartbeat
from flow_sdk.runtime.crash_record import HARD_GRACE, crash_line, crash_reason, record_crash, record_failure
from flow_sdk.runtime.heartbeat import Heartbeat
from flow_sdk.runtime.interpreter import LAUNCHER
from flow_sdk.runtime.logs import END_TIMEOUT, LineSplitter, LogSender, LogWriter, drain_pipe
from flow_sdk.runtime.report import (
    FAILED,
    FATAL,
    LONGEST_REPORT,
    OK,
    REPORT_FD,
    Claimed,
    Finished,
    Running,
    read_report,
)
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records.commits import read_durable_commit

__all__ = ["Supervised", "supervise"]

STOP_GRACE = 5.0
"""Seconds between asking a task to end and killing it."""


@dataclass(slots=True)
class Supervised:
    """How a supervised attempt ended.

    Parameters
    ----------
    code : int
        0 committed, 1 failed, 2 failed and trying again can't help.
    attempt : int or None
        The number it claimed; None when the task was committed before, or it didn't come that far.
    outcome : dict
        What the runner reported: ``ok, next, count, caught, already, error`` as far as they apply.
    """

    code: int
    attempt: int | None = None
    outcome: dict[str, Any] = field(default_factory=dict)


class _Supervisor:
    def __init__(self, request: TaskRequest, on_line: Callable[[str, str], None], env: dict[str, str]) -> None:
        self.request, self.on_line = request, on_line
        self.result = Supervised(FAILED)
        read, write = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, LAUNCHER, "flow_sdk.runtime.task.runner"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[write],
            env={**env, REPORT_FD: str(write)},
            start_new_session=True,
        )
        os.close(write)
        # the store is opened after the child is started: clients have threads
        self.store = open_store(request.root)
        self.logs = LogSender(self.store, lambda line: on_line("stderr", line))
        self.log = LogWriter(self.logs)
        self.sign: task_heartbeat.HeartbeatWriter | None = None
        self.beat: Heartbeat | None = None
        self.stopped = self.garbled = False
        self.killed_for: str | None = None
        self.timeout: float | None = None
        self.deadline: float | None = None
        out, err = self.process.stdout, self.process.stderr
        assert out is not None and err is not None
        self.pipes = {
            out.fileno(): LineSplitter(lambda line: self._handle_line("stdout", line)),
            err.fileno(): LineSplitter(lambda line: self._handle_line("stderr", line)),
            read: LineSplitter(self._handle_report, LONGEST_REPORT),
        }
        self.report_fd = read

    def _handle_line(self, stream: str, line: str) -> None:
        self.log.write(stream, line)
        self.on_line(stream, line)

    def _handle_report(self, line: str) -> None:
        report = read_report(line)
        if isinstance(report, Running):
            if self.timeout is not None:
                self.deadline = None if report.seconds is None else time.monotonic() + report.seconds + HARD_GRACE
        elif isinstance(report, Claimed) and self.result.attempt is None:
            self.result.attempt = report.attempt
            request = self.request
            attempt_key = (request.flow, request.run, request.step, request.task, report.attempt)
            self.log.assign_attempt(*attempt_key)
            self.sign = task_heartbeat.HeartbeatWriter(self.store, *attempt_key)
            self.beat = Heartbeat(
                self.sign.write_heartbeat, first=task_heartbeat.FIRST_AFTER, interval=task_heartbeat.INTERVAL
            )
            self.beat.start()
        elif isinstance(report, Finished):
            self.result.outcome = report.outcome
        elif line.strip() and not self.garbled:
            self.garbled = True
            self._handle_line(
                "stderr", "Something else than the task's own report was written to the pipe for it; it is ignored."
            )

    def run(self, timeout: float | None) -> Supervised:
        try:
            return self._run_process(timeout)
        finally:
            self.log.close()
            self.logs.close(STOP_GRACE if self.stopped else END_TIMEOUT)

    def _run_process(self, timeout: float | None) -> Supervised:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(self.request.to_json())
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it died at once, which its exit code shows
        try:
            self.timeout = timeout
            self._read_output()
        except BaseException:
            self.stop()
            self._read_output()
            self._record_loss(True)
            raise
        finally:
            os.close(self.report_fd)
        result = self._handle_end(self.process.wait())
        self._record_loss(self.stopped and result.code != OK)
        return result

    def _record_loss(self, lost: bool) -> None:
        """Record that the attempt was ended from outside: the orchestrator may neither try it again nor report it."""
        if self.beat is None or self.sign is None:
            return
        self.beat.stop(STOP_GRACE)
        try:
            if lost:
                self.sign.record_stop()
            else:
                self.sign.remove_heartbeat()
        except StoreError:
            pass  # the heartbeat that is left grows old, which means the same, later; a commit overrules it

    def _read_output(self) -> None:
        """Read the process's output until it has ended."""
        with selectors.DefaultSelector() as selector:
            for fd in self.pipes:
                os.set_blocking(fd, False)
                selector.register(fd, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select(0.5):
                    data = os.read(key.fd, 65536)
                    if data:
                        self.pipes[key.fd].feed(data)
                    else:
                        self.pipes[key.fd].close()
                        selector.unregister(key.fd)
                if self.process.poll() is not None:
                    for key in list(selector.get_map().values()):
                        drain_pipe(key.fd, self.pipes[key.fd].feed)
                        self.pipes[key.fd].close()
                    return  # a grandchild may hold the pipes for ever
                if self.deadline is not None and time.monotonic() > self.deadline:
                    self.killed_for = f"it didn't react to its @timeout for {HARD_GRACE:g} seconds and was killed"
                    os.killpg(self.process.pid, signal.SIGKILL)

    def stop(self) -> None:
        """Ask the process to end; kill it when it doesn't."""
        self.stopped = True
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(STOP_GRACE)
                return
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                return

    def _handle_end(self, status: int) -> Supervised:
        request, result = self.request, self.result
        result.code = status if status in (0, 1, 2) else FAILED
        if status == OK and result.outcome.get("ok"):
            return result
        manifest = read_durable_commit(self.store, request.flow, request.run, request.step, request.task)
        if manifest is not None and manifest.generation >= request.generation:
            result.code = OK
            result.outcome = {"ok": True, "next": list(manifest.next)}
        elif "error" not in result.outcome:
            reason = crash_reason(status, self.killed_for)
            self._handle_line("stderr", crash_line(reason))
            result.code, result.outcome["error"] = FAILED, reason
            if result.attempt is not None:
                record_crash(self.store, request, result.attempt, reason)
        if result.code == FATAL or (result.code != OK and request.tries_left == 0):
            record_failure(self.store, self.request, result.attempt or 0, result.outcome["error"])
        return result


def supervise(
    request: TaskRequest,
    on_line: Callable[[str, str], None],
    *,
    env: dict[str, str] | None = None,
    timeout: float | None = None,
    on_start: Callable[[Callable[[], None]], None] | None = None,
) -> Supervised:
    """Run one attempt of a task in a process of its own, to its end.

    Parameters
    ----------
    request : TaskRequest
        The attempt.
    on_line : callable
        Receives (stream, line) of the step's output as it comes.
    env : dict, optional
        The process's whole environment; this process's when not given. The supervisor's own store client takes its
        credentials from this process's environment.
    timeout : float, optional
        The step's @timeout in seconds (> 0); code of the step that doesn't react to it is killed 30 seconds later.
    on_start : callable, optional
        Receives a function that ends the process, for the orchestrator's kill hook.

    Returns
    -------
    Supervised
        How it ended. Nothing is raised for a failed step.
    """
    supervisor = _Supervisor(request, on_line, dict(os.environ) if env is None else env)
    if on_start is not None:
        on_start(supervisor.stop)
    return supervisor.run(timeout)
