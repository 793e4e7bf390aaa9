"""How an orchestrated run stands when a task of it is killed, or ended, from outside: with real processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flow_sdk.metadata import task_heartbeat
from flow_sdk.metadata.task_heartbeat import list_heartbeats
from flow_sdk.runtime import supervise as supervising
from flow_sdk.store.records.layout import task_heartbeats_prefix
from tests.integration import test_supervise
from tests.integration.test_supervise import Deployed

SOURCE = """
import time
from flow_sdk import FlowSpec, Parameter, current, step

class Sent(FlowSpec):
    seconds = Parameter("seconds", default=0)

    @step
    def start(self):
        time.sleep(0 if current.retry_count else self.seconds)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    Sent()
"""
# A worker of an orchestrator, which ends as a container does when it is told to.
WORKER = """
import signal, sys
from flow_sdk.metadata import task_heartbeat
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.supervise import supervise
task_heartbeat.FIRST_AFTER = task_heartbeat.INTERVAL = 0.1
def stopped(number, frame):
    raise SystemExit(128 + number)
signal.signal(signal.SIGTERM, stopped)
sys.exit(supervise(TaskRequest.from_json(sys.stdin.buffer.read()), lambda stream, line: None).code)
"""


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    monkeypatch.setattr(test_supervise, "SOURCE", SOURCE)
    return Deployed(tmp_path)


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def worker(deployed: Deployed, **fields: object) -> "subprocess.Popen[bytes]":
    """Start a worker, and wait until its task gives signs of life."""
    process = subprocess.Popen([sys.executable, "-c", WORKER], stdin=subprocess.PIPE, env=dict(os.environ))
    assert process.stdin is not None
    process.stdin.write(deployed.request(parameters={"seconds": 60}, **fields).to_json())
    process.stdin.close()
    wait_for(lambda: list_heartbeats(deployed.store, "Sent", "r1"))
    return process


def test_a_worker_that_is_killed_falls_silent(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    process = worker(deployed, tries_left=1)
    try:
        assert deployed.client().state == "running"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    monkeypatch.setattr(task_heartbeat, "SILENCE", 0.3)
    wait_for(lambda: deployed.client().state == "failed")
    assert "killed from outside" in (deployed.client().reason or "")
    monkeypatch.undo()
    assert deployed.supervise().code == 0  # its orchestrator tries it again
    assert deployed.client().state == "running"
    assert deployed.supervise("end").code == 0
    assert deployed.client().state == "succeeded"


def test_a_worker_that_is_told_to_end_says_so(deployed: Deployed) -> None:
    process = worker(deployed, tries_left=1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 128 + signal.SIGTERM
    run = deployed.client()
    assert (run.state, run.finished) == ("failed", False)
    assert run.reason == "Task start/0 was ended from outside, and wasn't tried again so far"


def test_a_kill_hook_says_so_before_the_first_sign(deployed: Deployed) -> None:
    request = deployed.request(parameters={"seconds": 60}, tries_left=1)

    def started(stop: Callable[[], None]) -> None:
        def later() -> None:
            wait_for(lambda: any(deployed.store.list("flows/Sent/runs/r1/steps/")))
            stop()

        threading.Thread(target=later, daemon=True).start()

    ended = supervising.supervise(request, lambda stream, line: None, on_start=started)
    assert ended.code == 1
    assert deployed.client().reason == "Task start/0 was ended from outside, and wasn't tried again so far"


def test_a_short_task_leaves_and_costs_nothing(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    monkeypatch.setattr(task_heartbeat.HeartbeatWriter, "write_heartbeat", lambda self: given.append(self))
    assert deployed.supervise().code == 0
    assert deployed.supervise("end").code == 0
    assert given == [] and list(deployed.store.list(task_heartbeats_prefix("Sent", "r1"))) == []


def test_a_long_task_takes_its_sign_back(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_heartbeat, "FIRST_AFTER", 0.02)
    monkeypatch.setattr(task_heartbeat, "INTERVAL", 0.02)
    assert deployed.supervise(parameters={"seconds": 1}).code == 0
    assert list(deployed.store.list(task_heartbeats_prefix("Sent", "r1"))) == []


def test_the_tags_of_a_deployed_run(deployed: Deployed) -> None:
    before = time.strftime("date:%Y-%m-%d", time.gmtime())
    given = {"tags": ("mine", "production:t-0"), "system_tags": ("runtime:airflow", "ours"), "namespace": "ours"}
    assert deployed.supervise(**given).code == 0
    run = deployed.client()
    dates = {before, time.strftime("date:%Y-%m-%d", time.gmtime())}
    assert run.user_tags == {"mine"}
    assert run.system_tags - dates == {"runtime:airflow", "ours", "production:t-0"}
    assert run.system_tags & dates
    assert deployed.supervise("end").code == 0
    for namespace in ("ours", "production:t-0", "mine", "runtime:airflow", *(run.system_tags & dates)):
        assert run._reader.runs.latest_successful("Sent", namespace) == "r1"
