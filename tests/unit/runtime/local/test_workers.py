"""A running task's process, as the driver sees it: its reports, and signals to it."""

import os
import resource
import signal
import subprocess

import pytest

from flow_sdk.runtime.local.scheduler import TaskKey
from flow_sdk.runtime.local.workers import Worker, allow_descriptors
from flow_sdk.runtime.logs import LogSender, LogWriter
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.store.backends.memory import MemoryStore

pytestmark = pytest.mark.slow  # starts processes or servers


@pytest.fixture
def worker() -> Worker:
    request = TaskRequest("", "F", "1", "fit", "1", "plan")
    log = LogWriter(LogSender(MemoryStore("memory://workers"), lambda line: None))
    return Worker(TaskKey("fit", ()), request, 0.0, log, "1")


def test_the_first_claim_counts(worker: Worker) -> None:
    worker.report('{"attempt": 2}')
    worker.report('{"attempt": 7}')
    assert (worker.claimed, worker.attempt, worker.log.name) == (True, 2, "fit/1, attempt 2")


def test_a_time_limit_sets_a_deadline_and_its_end_clears_it(worker: Worker) -> None:
    worker.report('{"running": 5}')
    assert worker.deadline is not None
    worker.report('{"running": null}')
    assert worker.deadline is None


def test_an_outcome_is_kept_and_anything_else_is_garbled(worker: Worker) -> None:
    worker.report("")
    worker.report('{"ok": true, "next": ["end"]}')
    assert worker.outcome == {"ok": True, "next": ["end"]} and not worker.garbled
    worker.report("hello")
    assert worker.garbled


def test_a_signal_reaches_a_process_that_runs_and_no_other(worker: Worker) -> None:
    worker.signal(signal.SIGKILL)  # it has no process yet
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    worker.pid = process.pid
    worker.signal(signal.SIGTERM)
    assert process.wait(30) == -signal.SIGTERM
    worker.status = -signal.SIGTERM
    worker.signal(signal.SIGKILL)
    worker.status = None
    worker.signal(signal.SIGKILL)  # its process group is gone


def test_descriptors_are_allowed_up_to_the_hard_limit() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    pid = os.fork()
    if pid == 0:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, before[1]))
        allow_descriptors(100)
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        os._exit(0 if soft == (228 if before[1] == resource.RLIM_INFINITY else min(228, before[1])) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
