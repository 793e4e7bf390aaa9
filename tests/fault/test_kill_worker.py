"""SIGKILL of an orchestrator's worker process and of its task runner, at many moments."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flow_sdk.client import Run, metadata, namespace
from flow_sdk.plan.codec import to_json
from flow_sdk.plan.compile import compile_plan
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.supervise import supervise
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from tests.fault.test_kill import alive, children, wait_for
from tests.support.fault_counts import count, recovering
from tests.support.in_process_runs import load_source
from tests.support.store_verification import verify_store

SOURCE = """
import time
from flow_sdk import FlowSpec, step


class Worked(FlowSpec):
    @step
    def start(self):
        time.sleep(0.1)
        self.parts = [bytes([k]) * 100_000 for k in range(20)]
        self.total = sum(map(len, self.parts))


if __name__ == "__main__":
    Worked()
"""
WORKER = """
import sys
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.supervise import supervise
supervise(TaskRequest.from_json(sys.stdin.buffer.read()), lambda stream, line: None)
"""


@pytest.fixture
def request_(tmp_path: Path) -> TaskRequest:
    path = tmp_path / "worked.py"
    path.write_text(SOURCE)
    plan = compile_plan(load_source(SOURCE, "Worked", str(tmp_path)), file="worked.py")
    root = str(tmp_path / "store")
    digest = Artifacts(open_store(root)).put_bytes(to_json(plan))
    return TaskRequest(
        root=root, flow="Worked", run="r", step="start", task="0", plan=digest, file=str(path), tries_left=9
    )


@pytest.mark.parametrize("victim", ["worker", "runner"])
@pytest.mark.seeds(5)
def test_the_next_try_ends_right(request_: TaskRequest, victim: str, seed: int) -> None:
    generator = random.Random(seed)
    worker = subprocess.Popen([sys.executable, "-c", WORKER], stdin=subprocess.PIPE, start_new_session=True)
    assert worker.stdin is not None
    worker.stdin.write(request_.to_json())
    worker.stdin.close()
    runners: list[int] = []
    wait_for(lambda: runners.extend(children(worker.pid)) or runners or worker.poll() is not None, "the runner")
    time.sleep(generator.uniform(0.0, 0.45))
    try:
        os.kill(worker.pid if victim == "worker" else runners[0], signal.SIGKILL)
        count(faults=1)
    except ProcessLookupError:
        pass  # it was faster than this kill; the result must be right all the same
    worker.wait(30)
    wait_for(lambda: not any(alive(pid) for pid in runners), "the runner to end with its worker")
    verify_store(request_.root)
    count(seeds=1)
    with recovering():
        assert supervise(request_, lambda stream, line: None).code == 0
    metadata(request_.root)
    namespace(None)
    run = Run("Worked/r")
    assert run.successful and run.data.total == 2_000_000
    assert verify_store(request_.root) == 2
