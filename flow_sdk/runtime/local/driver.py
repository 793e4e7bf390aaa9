"""Driving a local run: the scheduler's decisions become processes, and their ends become events."""

import os
import selectors
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flow_sdk.errors import RunFailed
from flow_sdk.metadata.run_heartbeat import write_run_heartbeat
from flow_sdk.plan.model import FlowPlan
from flow_sdk.runtime.crash_record import HARD_GRACE, crash_line, crash_reason, record_crash
from flow_sdk.runtime.heartbeat import Heartbeat
from flow_sdk.runtime.local.fork_server import ForkServer
from flow_sdk.runtime.local.program import Program
from flow_sdk.runtime.local.reporter import Reporter
from flow_sdk.runtime.local.scheduler import Scheduler, TaskKey
from flow_sdk.runtime.local.workers import Worker, Workers, allow_descriptors
from flow_sdk.runtime.logs import END_TIMEOUT, LogSender, LogWriter, drain_pipe
from flow_sdk.runtime.report import FATAL
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.tracebacks import describe_exception, summarize_exception
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.commits import claim_attempt, read_durable_commit
from flow_sdk.store.records.layout import commit_key
from flow_sdk.store.records.model import RunRecord

if TYPE_CHECKING:
    from flow_sdk.runtime.batch.submit import JobTarget
    from flow_sdk.runtime.resume.reuse import Reuse

__all__ = ["Driver", "RunOptions"]

STOP_GRACE = 3.0
"""Seconds that tasks get to end themselves when the run is stopped."""
STOP_GRACE_REMOTE = 20.0
"""The same where a job has to be ended over the network."""
ENDS = (signal.SIGTERM, signal.SIGHUP)
"""Signals that end a run as SIGINT does."""
STOPPED = "it was stopped, as the run ended"
"""The reason that is recorded for a task that was ended with its run."""
MOST_UNANSWERED = 32
"""Most tasks that the fork server is asked for before it answers; its socket holds more."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a local run is done.

    Parameters
    ----------
    root : str
        URL of the store.
    file : str
        Path of the flow file.
    module : str
        Dotted name of its module, if it isn't executed as a script.
    imported : bool
        Whether that module is imported under its name.
    user : str
        Who runs it.
    namespace : str or None
        What the tasks' own client calls see by default.
    tags : tuple of str
        User tags.
    max_workers : int
        Most tasks at a time (>= 1).
    max_num_splits : int
        Most items of one foreach (>= 1).
    max_log_size : int or None
        Bytes of one attempt's log that are kept (> 0).
    run_id_file : str or None
        File that the run id is written to.
    isolation : {"fork", "spawn"}
        Fork tasks from a process that has imported what they need, or start a fresh interpreter for each.
    package : bytes or None
        Code package to keep with the run.
    targets : dict of str to JobTarget
        The steps that run on AWS Batch, and where there.
    """

    root: str
    file: str
    user: str
    namespace: str | None = None
    tags: tuple[str, ...] = ()
    max_workers: int = 16
    max_num_splits: int = 100
    max_log_size: int | None = None
    run_id_file: str | None = None
    module: str = ""
    imported: bool = False
    isolation: str = "fork" if sys.platform == "linux" else "spawn"
    package: bytes | None = None
    targets: "dict[str, JobTarget]" = field(default_factory=dict)


class Driver:
    """Turns the scheduler's decisions into processes, and what becomes of them into events."""

    def __init__(
        self,
        store: ObjectStore,
        plan: FlowPlan,
        record: RunRecord,
        options: RunOptions,
        reporter: Reporter,
        program: Program,
        server: ForkServer | None,
        reuse: "Reuse | None",
    ) -> None:
        self.store, self.plan, self.record, self.options, self.reporter = store, plan, record, options, reporter
        self.program, self.server, self.reuse = program, server, reuse
        self.scheduler = Scheduler(plan, options.max_workers)
        self.workers = Workers(program, server)
        self.logs = LogSender(store, reporter.message)
        self.by_name: dict[str, Worker] = {}
        self.selector = selectors.DefaultSelector()
        self.reason: str | None = None
        self.server_gone = False
        self.unanswered = 0
        self.stopping = False

    def run(self) -> None:
        """Run all tasks, to the end of the run."""
        began = time.monotonic()
        self.reporter.run_started(self.record.flow, self.record.run, self.record.tags)
        allow_descriptors(3 * self.options.max_workers)
        ends = [number for number in ENDS if signal.getsignal(number) != signal.SIG_IGN]  # nohup ignores SIGHUP
        previous = {number: signal.signal(number, signal.default_int_handler) for number in ends}
        state, log_timeout = "failed", STOP_GRACE
        try:
            with Heartbeat(lambda: write_run_heartbeat(self.store, self.record.flow, self.record.run)):
                self.scheduler.begin_run()
                if self.reuse is not None:
                    self.reuse.commit_reused(self.scheduler, self.record.run, self.reporter)
                self._run_tasks()
            state = "succeeded" if self.scheduler.finished and not self.scheduler.failed else "failed"
            log_timeout = END_TIMEOUT
        except KeyboardInterrupt:
            state, self.reason = "cancelled", "interrupted"
        except Exception as error:
            self.reason = f"the scheduler failed with {summarize_exception(describe_exception(error))}"
            raise
        finally:
            try:
                self._stop_all()
                self._store_logs(log_timeout)
            finally:
                before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, *ends)}
                try:
                    self._record_end(state, time.monotonic() - began)
                finally:
                    for number, handler in {**before, **previous}.items():
                        signal.signal(number, handler)
        if state != "succeeded":
            raise RunFailed(
                f"Run {self.record.flow}/{self.record.run} {'was interrupted' if state == 'cancelled' else 'failed'}.",
                seen=self.reason,
            )

    def _record_end(self, state: str, seconds: float) -> None:
        from flow_sdk.metadata.runs import Runs

        Runs(self.store).finish(self.record.flow, self.record.run, state, self.reason)
        self.reporter.run_finished(self.record.flow, self.record.run, seconds, state, self.reason)

    def _run_tasks(self) -> None:
        while True:
            self.scheduler.wake_delayed(time.monotonic())
            for key, left in self.scheduler.take_tasks():
                self._start_task(key, left)
            if self.scheduler.failed or self.scheduler.is_idle():
                return
            self._handle_events(self._seconds_to_wait())

    def _seconds_to_wait(self) -> float | None:
        """Return the seconds until something is due without an event; None for no limit."""
        times = [worker.deadline for worker in self.by_name.values() if worker.deadline is not None]
        wake = self.scheduler.next_wake()
        if wake is not None:
            times.append(wake)
        log_timeout = min(times) - time.monotonic() if times else None
        if self.by_name:
            log_timeout = 1.0 if log_timeout is None else min(log_timeout, 1.0)
        return None if log_timeout is None else max(0.0, log_timeout)

    def _handle_events(self, timeout: float | None) -> None:
        """Wait for events and handle them."""
        for ready, _ in self.selector.select(timeout):
            if ready.data is None:
                self._receive_from_server()
            else:
                worker, take = ready.data
                if ready.fd in worker.pipes:
                    self._read_pipe(worker, ready.fd, take)
        now = time.monotonic()
        for worker in list(self.by_name.values()):
            if worker.process is not None and worker.process.poll() is not None:
                self._handle_end(worker, worker.process.returncode)
            elif worker.deadline is not None and now >= worker.deadline:
                worker.deadline = None
                worker.killed_for = f"it didn't react to its @timeout for {HARD_GRACE:g} seconds and was killed"
                worker.signal(signal.SIGKILL)

    def _read_pipe(self, worker: Worker, fd: int, take: Any) -> None:
        """Read what a pipe has."""
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            return
        take(data)
        if not data:
            self._close_pipe(worker, fd)
            if worker.process is not None and not worker.pipes:
                self._handle_end(worker, worker.process.wait())

    def _close_pipe(self, worker: Worker, fd: int) -> None:
        self.selector.unregister(fd)
        os.close(fd)
        del worker.pipes[fd]

    def _await_server(self) -> None:
        """Wait until tasks can be forked. Where they can't be, each is started in a fresh interpreter."""
        while self.server is not None and not self.server.is_ready and not self.server_gone:
            message = self.server.receive()
            if message is None:
                self._lose_server()
            elif "ready" in message:
                self.selector.register(self.server.channel, selectors.EVENT_READ, None)
            elif "note" in message:
                self.reporter.message(message["note"])
            else:
                self.reporter.message(f"Each task is started in a fresh interpreter: {message['unusable']}.")
                self.server = self.workers.server = None

    def _receive_from_server(self) -> None:
        assert self.server is not None
        message = self.server.receive()
        if message is None:
            self._lose_server()
            return
        worker = self.by_name.get(message["key"])
        if "pid" in message or (worker is not None and not worker.pid):
            self.unanswered -= 1
        if worker is None:
            return
        if "pid" in message:
            worker.pid = message["pid"]
            self._report_start(worker)
        else:
            self._handle_end(worker, message["status"])

    def _lose_server(self) -> None:
        assert self.server is not None
        self.server_gone = True
        self.scheduler.failed = True
        self.reason = "the fork server, the process that starts tasks, was killed"
        if self.server.is_ready:
            self.selector.unregister(self.server.channel)

    def _report_start(self, worker: Worker) -> None:
        request, attempt = worker.request, self.scheduler.attempts.get(worker.key, 1) - 1
        takes_over = self._has_catch(worker) and request.tries_left == 0
        self.reporter.task_started(request.step, request.task, attempt, worker.pid, takes_over=takes_over)

    def _has_catch(self, worker: Worker) -> bool:
        """Return whether the last attempt of a worker's task runs nothing of the step: @catch takes the failure."""
        return self.plan[worker.request.step].catch is not None

    def _start_task(self, key: TaskKey, left: int) -> None:
        self._await_server()
        # both ends of the socket would wait for ever if neither was read
        while self.unanswered >= MOST_UNANSWERED and not self.server_gone:
            self._receive_from_server()
        if self.server_gone:
            return
        step = self.plan[key.step]
        request = TaskRequest(
            root=self.options.root,
            flow=self.record.flow,
            run=self.record.run,
            step=key.step,
            task=step.task_id(key.position),
            plan=self.record.plan,
            file=self.program.file,
            module=self.program.module,
            imported=self.program.imported,
            search_path=self.program.search_path,
            tries_left=left,
            max_num_splits=self.options.max_num_splits,
            user=self.record.user,
            orchestrator=self.record.orchestrator,
        )
        # The last try of a step with @catch runs nothing of the step: no need of a machine that may not be had.
        takes_over = left == 0 and step.catch is not None
        target = None if takes_over else self.options.targets.get(key.step)
        started = time.monotonic()

        def make(name: str) -> Worker:
            worker = Worker(key, request, started, LogWriter(self.logs, self.options.max_log_size), name)
            worker.attempt = self.scheduler.attempts[key] - 1
            worker.target = target
            return worker

        try:
            worker, reads = self.workers.start(make, self._handle_line)
        except ConnectionError:
            self._lose_server()
            return
        self.unanswered += worker.process is None
        self.by_name[worker.name] = worker
        for fd in reads:
            self.selector.register(fd, selectors.EVENT_READ, (worker, worker.pipes[fd]))
        if worker.process is not None:
            self._report_start(worker)

    def _handle_line(self, worker: Worker, stream: str, line: str) -> None:
        if worker.target is None:  # otherwise the remote process stores its log
            worker.log.write(stream, line)
        self.reporter.task_output(worker.request.step, worker.request.task, worker.attempt, stream, line)

    def _handle_end(self, worker: Worker, status: int) -> None:
        """Read what is left of an ended process's output, and report its end to the scheduler."""
        if self.by_name.pop(worker.name, None) is None:
            return
        worker.status = status
        for fd, take in list(worker.pipes.items()):
            drain_pipe(fd, take)
            take(b"")
            self._close_pipe(worker, fd)
        try:
            self._handle_outcome(worker)
        finally:
            worker.log.close()

    def _handle_outcome(self, worker: Worker) -> None:
        """Report to the scheduler how a process has ended."""
        outcome = worker.outcome
        request = worker.request
        if worker.garbled:
            text = "something else than its own report was written to the pipe for it, and is ignored"
            self.reporter.message(f"{request.step}/{request.task}: {text}.")
        if outcome.get("ok") and not self._is_stored(request):
            outcome = {}
        if not outcome.get("ok"):
            outcome = self._find_commit(worker) or outcome
        if outcome.get("ok"):
            self._handle_commit(worker, outcome)
        else:
            self._handle_failure(worker, outcome)

    def _is_stored(self, request: TaskRequest) -> bool:
        """Return whether a task that was reported as committed is. In a remote store only the last one is
        checked here: any other is by the task after it, which takes its inputs from it."""
        if self.store.capabilities.is_remote and request.step != self.plan.end.name:
            return True
        return self.store.head(commit_key(request.flow, request.run, request.step, request.task)) is not None

    def _find_commit(self, worker: Worker) -> dict[str, Any] | None:
        """Return the outcome of a task that is committed although its process didn't report it; None for others."""
        request = worker.request
        manifest = read_durable_commit(self.store, request.flow, request.run, request.step, request.task)
        if manifest is None:
            return None
        count = manifest.items.count if manifest.items else None
        return {"ok": True, "next": manifest.next, "caught": not manifest.successful, "count": count}

    def _handle_commit(self, worker: Worker, outcome: dict[str, Any]) -> None:
        request, count = worker.request, outcome.get("count")
        if worker.killed_for:
            self.reporter.message(f"{request.step}/{request.task} is committed, but its process had to be killed.")
        self.scheduler.task_committed(worker.key, tuple(outcome["next"]), count)
        self.reporter.task_finished(
            request.step,
            request.task,
            worker.attempt,
            time.monotonic() - worker.started,
            caught=bool(outcome.get("caught")),
        )
        if count:
            self.reporter.split(request.step, request.task, count)

    def _handle_failure(self, worker: Worker, outcome: dict[str, Any]) -> None:
        request = worker.request
        if "error" in outcome:
            reason = outcome["error"]
        else:
            reason = STOPPED if self.stopping else crash_reason(worker.status or 0, worker.killed_for)
            if worker.target is not None and not worker.claimed:
                # Whether @catch handles the failure depends on how many numbers are claimed.
                start = {"host": os.uname().nodename, "pid": worker.pid, "time": time.time()}
                worker.attempt = claim_attempt(self.store, request.flow, request.run, request.step, request.task, start)
            if worker.target is None:  # otherwise the remote process stores its log
                worker.log.write("stderr", crash_line(reason))
            record_crash(self.store, request, worker.attempt, reason, stopped=self.stopping)
        if self.stopping:
            return
        fatal = worker.status == FATAL and "error" in outcome  # the user's code may end with any exit code
        retry_in = self.scheduler.attempt_failed(worker.key, time.monotonic(), fatal=fatal)
        if retry_in is None:
            self.reason = f"{request.step}/{request.task}: {reason}"
        takes_over = retry_in is not None and self._has_catch(worker) and request.tries_left == 1
        self.reporter.task_failed(
            request.step, request.task, worker.attempt, reason, retry_in=retry_in, takes_over=takes_over
        )

    def _stop_all(self) -> None:
        """End what still runs: ask, wait, kill."""
        self.stopping = True
        remote = any(worker.target is not None for worker in self.by_name.values())
        for number, grace in (
            (signal.SIGTERM, STOP_GRACE_REMOTE if remote else STOP_GRACE),
            (signal.SIGKILL, STOP_GRACE),
        ):
            for worker in self.by_name.values():
                worker.signal(number)
            until = time.monotonic() + grace
            while self.by_name and time.monotonic() < until and not self.server_gone:
                self._handle_events_quietly(until - time.monotonic())
        for worker in self.by_name.values():
            worker.log.close()

    def _store_logs(self, log_timeout: float) -> None:
        try:
            self.logs.close(log_timeout)
        except KeyboardInterrupt:
            pass  # the user doesn't want to wait for it, and what is missing has been reported

    def _handle_events_quietly(self, timeout: float) -> None:
        try:
            self._handle_events(min(0.2, timeout))
        except KeyboardInterrupt:
            for worker in self.by_name.values():
                worker.signal(signal.SIGKILL)
