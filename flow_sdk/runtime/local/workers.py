"""Local task processes: starting them by fork or spawn, with pipes for output and reports."""

import dataclasses
import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flow_sdk.runtime.crash_record import HARD_GRACE
from flow_sdk.runtime.interpreter import interpreter_command
from flow_sdk.runtime.local.fork_server import ForkServer
from flow_sdk.runtime.local.program import Program
from flow_sdk.runtime.local.scheduler import TaskKey
from flow_sdk.runtime.logs import LineSplitter, LogWriter
from flow_sdk.runtime.report import LONGEST_REPORT, REPORT_FD, Claimed, Finished, Running, read_report
from flow_sdk.runtime.request import TaskRequest

if TYPE_CHECKING:
    from flow_sdk.runtime.batch.submit import JobTarget

__all__ = ["Worker", "Workers", "allow_descriptors"]


@dataclass(slots=True)
class Worker:
    """A running task process.

    Parameters
    ----------
    key : TaskKey
        Its task.
    request : TaskRequest
        What it was started with.
    started : float
        Monotonic seconds.
    log : LogWriter
        Where its output is stored.
    name : str
        Names it among all workers of the run.
    pid : int
        Its process; 0 until the fork server says which.
    attempt : int
        The number it claimed, or will.
    status : int or None
        Exit code, or minus the signal that ended it; None while it runs.
    outcome : dict
        What it reported at its end.
    pipes : dict
        What to call with the bytes read from each of its descriptors.
    process : Popen or None
        Its process when it was spawned, not forked.
    deadline : float or None
        Monotonic seconds at which it is killed.
    killed_for : str or None
        Why we killed it.
    target : JobTarget or None
        Where on AWS Batch the task runs, if it does. Then the process only stands for it, and the log is stored there.
    claimed : bool
        Whether it has claimed its number.
    garbled : bool
        Whether something else than the runner has written to the pipe for its report.
    """

    key: TaskKey
    request: TaskRequest
    started: float
    log: LogWriter
    name: str
    pid: int = 0
    attempt: int = 0
    status: int | None = None
    outcome: dict[str, Any] = field(default_factory=dict)
    pipes: dict[int, Callable[[bytes], None]] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    deadline: float | None = None
    killed_for: str | None = None
    target: "JobTarget | None" = None
    claimed: bool = False
    garbled: bool = False

    def report(self, line: str) -> None:
        """Take in a line of the process's report."""
        said = read_report(line)
        if isinstance(said, Running):
            self.deadline = None if said.seconds is None else time.monotonic() + said.seconds + HARD_GRACE
        elif isinstance(said, Claimed) and not self.claimed:
            self.attempt, self.claimed = said.attempt, True
            request = self.request
            self.log.assign_attempt(request.flow, request.run, request.step, request.task, self.attempt)
        elif isinstance(said, Finished):
            self.outcome = said.outcome
        elif line.strip():
            self.garbled = True

    def signal(self, number: int) -> None:
        """Send a signal to the process and all it started."""
        if self.pid and self.status is None:
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                pass


def allow_descriptors(count: int) -> None:
    """Have this process allowed to open ``count`` descriptors more than it needs itself, as far as that can be."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 128
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class Workers:
    """Starts task processes.

    Parameters
    ----------
    program : Program
        What the tasks execute.
    server : ForkServer or None
        What they are forked from; None to start a fresh interpreter for each task. A task on Batch always has one.
    """

    def __init__(self, program: Program, server: ForkServer | None) -> None:
        self.program, self.server = program, server
        self._count = 0

    def start(
        self, worker_for: Callable[[str], Worker], on_line: Callable[[Worker, str, str], None]
    ) -> tuple[Worker, list[int]]:
        """Start a process.

        Parameters
        ----------
        worker_for : callable
            Makes the Worker for a unique name.
        on_line : callable
            Receives (worker, stream, line).

        Returns
        -------
        (Worker, list of int)
            The worker and the descriptors to read from; ``worker.pipes`` takes what is read.
        """
        self._count += 1
        worker = worker_for(str(self._count))
        pairs = [os.pipe() for _ in range(3)]
        reads, writes = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        splitters = [
            LineSplitter(lambda line: on_line(worker, "stdout", line)),
            LineSplitter(lambda line: on_line(worker, "stderr", line)),
            LineSplitter(worker.report, LONGEST_REPORT),
        ]
        for fd, splitter in zip(reads, splitters, strict=True):
            os.set_blocking(fd, False)
            worker.pipes[fd] = lambda data, s=splitter: s.feed(data) if data else s.close()  # type: ignore[misc]
        try:
            if self.server is not None and worker.target is None:
                self.server.start(worker.name, json.loads(worker.request.to_json()), writes)
            else:
                self._spawn(worker, writes)
        except BaseException:
            for fd in reads:
                os.close(fd)
            raise
        finally:
            for fd in writes:
                os.close(fd)
        return worker, reads

    def _spawn(self, worker: Worker, writes: list[int]) -> None:
        module, message, environment, folder = "flow_sdk.runtime.task.runner", worker.request.to_json(), None, None
        if worker.target is not None:
            module = "flow_sdk.runtime.batch.laptop_proxy"
            fields = {"request": json.loads(message), "target": dataclasses.asdict(worker.target)}
            message = json.dumps(fields).encode()
        else:
            environment, folder = self.program.environment, self.program.folder
        worker.process = subprocess.Popen(
            interpreter_command(module),
            stdin=subprocess.PIPE,
            stdout=writes[0],
            stderr=writes[1],
            pass_fds=[writes[2]],
            env={**(os.environ if environment is None else environment), REPORT_FD: str(writes[2])},
            cwd=folder,
            start_new_session=True,
        )
        worker.pid = worker.process.pid
        assert worker.process.stdin is not None
        try:
            worker.process.stdin.write(message)
            worker.process.stdin.close()
        except BrokenPipeError:
            pass  # it died at once; its exit code says so
