"""The task runner as an orchestrator's worker starts it: from the store's plan and code package alone."""

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.authoring.parameters import DeployContext
from flow_sdk.client import Run, Task, metadata, namespace
from flow_sdk.errors import StoreUnavailable
from flow_sdk.plan.codec import to_json
from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.parameters import plan_parameters
from flow_sdk.runtime import logs
from flow_sdk.runtime import supervise as supervising
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.supervise import Supervised, supervise
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.backends.local import LocalStore
from flow_sdk.store.open_store import open_store
from flow_sdk.store.package.archive import build_archive
from flow_sdk.store.port import Buffers
from flow_sdk.store.records.commits import read_attempt
from tests.support.in_process_runs import load_source

SOURCE = """
import atexit
import os
import signal
import sys
import threading
import time
from flow_sdk import FlowSpec, Parameter, catch, current, retry, step, timeout


class SlowToStore:
    def __reduce__(self):
        time.sleep(2.5)
        return (int, ())


def leave():
    global NOTES
    NOTES = open(os.environ["NOTES"], "w")
    NOTES.write("kept")
    atexit.register(print, "at exit")
    threading.Thread(target=lambda: [time.sleep(0.2), print("in a thread")]).start()
    child = os.fork()
    if child == 0:
        sys.exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3


class Sent(FlowSpec):
    text = Parameter("text", default="plain")
    mode = Parameter("mode", default="fine")

    @timeout(seconds=1)
    @step
    def start(self):
        print("out", self.text)
        self.where = os.getcwd()
        if self.mode == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.mode == "raise":
            raise ValueError("no")
        if self.mode == "yes":
            os.system("timeout 60 yes &")
        if self.mode == "prints":
            for _ in range(5):
                print("again", flush=True)
                time.sleep(0.02)
        if self.mode == "long":
            raise ValueError("x" * 300_000)
        if self.mode == "slow":
            self.slow = SlowToStore()
        if self.mode == "deaf":
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
            time.sleep(30)
        if self.mode == "leaves":
            leave()
        if self.mode == "wrong" and current.retry_count == 0:
            return
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Sent()
"""


class Deployed:
    """A flow in a store, as a deployment leaves it."""

    def __init__(self, folder: Path) -> None:
        code = folder / "code"
        code.mkdir()
        (code / "sent.py").write_text(SOURCE)
        flow = load_source(SOURCE, "Sent", str(folder))
        plan = compile_plan(flow, file="sent.py", parameters=plan_parameters(flow, DeployContext("Sent", "me")))
        self.root = str(folder / "store")
        self.store = open_store(self.root)
        self.plan = Artifacts(self.store).put_bytes(to_json(plan))
        self.package = Artifacts(self.store).put_bytes(build_archive(str(code)))
        shutil.rmtree(code)
        self.folder = folder
        self.lines: list[tuple[str, str]] = []

    def request(self, step: str = "start", **fields: Any) -> TaskRequest:
        given = {
            "run": "r1",
            "task": {"start": "0", "end": "1"}.get(step, "2"),
            "orchestrator": {"kind": "test"},
            **fields,
        }
        return TaskRequest(root=self.root, flow="Sent", step=step, plan=self.plan, package=self.package, **given)

    def supervise(self, step: str = "start", **fields: Any) -> Supervised:
        return supervise(self.request(step, **fields), lambda stream, line: self.lines.append((stream, line)))

    def client(self, run: str = "r1") -> Run:
        metadata(self.root)
        namespace(None)
        return Run(f"Sent/{run}")


@pytest.fixture
def deployed(tmp_path: Path) -> Deployed:
    return Deployed(tmp_path)


HOSTILE = "quotes ' \" $(touch canary) `id` {{ x }} \n newline \u202e ü 😀 \\ %s"


def test_a_run_goes_through_with_its_parameters_as_they_were(deployed: Deployed) -> None:
    assert deployed.supervise(parameters={"text": HOSTILE}).code == 0
    assert deployed.supervise("end").code == 0
    run = deployed.client()
    assert run.successful and run.data.text == HOSTILE
    assert run["start"].task.stdout.startswith("out quotes")
    assert ("stdout", "out quotes ' \" $(touch canary) `id` {{ x }} ") in deployed.lines
    assert not os.path.exists(os.path.join(run["start"].task.data.where, "canary"))


def test_a_task_ends_as_a_python_process_and_what_it_forks_is_not_it(
    deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    assert deployed.supervise(parameters={"mode": "leaves"}).code == 0
    assert (tmp_path / "notes").read_text() == "kept"
    said = deployed.client()["start"].task.stdout.splitlines()
    # The child runs the exit functions that it has from the step, as a forked child of any Python program does.
    assert said == ["out plain", "at exit", "in a thread", "at exit"]


def test_a_run_keeps_the_plan_and_package_it_began_with(deployed: Deployed) -> None:
    assert deployed.supervise().code == 0
    deployed.plan = deployed.package = "0" * 64
    assert deployed.supervise("end").code == 0


def test_a_second_start_of_the_task_runs_nothing(deployed: Deployed) -> None:
    first, second = deployed.supervise(), deployed.supervise(parameters={"text": "other"})
    assert (first.attempt, second.attempt, second.code) == (0, None, 0)
    assert second.outcome["already"] and deployed.client()["start"].task.data.text == "plain"


def test_a_killed_runner_is_noted_and_tried_again(deployed: Deployed) -> None:
    killed = deployed.supervise(parameters={"mode": "kill"}, tries_left=1)
    assert (killed.code, killed.attempt) == (1, 0) and "SIGKILL" in killed.outcome["error"]
    noted = read_attempt(deployed.store, "Sent", "r1", "start", "0", 0)
    assert noted is not None and noted.exception and "SIGKILL" in noted.exception["message"]
    assert deployed.supervise(tries_left=0).code == 1
    run = deployed.client()
    assert (run.state, run.successful) == ("failed", False)
    assert Task("Sent/r1/start/0").stdout == "out plain\n"
    assert "[the task's process was ended by SIGKILL (out of memory?)]\n" in Task("Sent/r1/start/0", attempt=0).stderr


def test_a_step_that_hands_on_wrongly_is_not_to_be_tried_again(deployed: Deployed) -> None:
    assert deployed.supervise(parameters={"mode": "wrong"}, tries_left=3).code == 2


@pytest.mark.parametrize("failing", [1, 10**6])
def test_a_store_that_does_not_take_the_log_ends_no_task(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    put, left = LocalStore.put, [failing]

    def failing_put(store: LocalStore, key: str, data: Buffers, *, durable: bool = True) -> None:
        if "/log/" in key and left[0]:
            left[0] -= 1
            raise StoreUnavailable("The store is away.")
        put(store, key, data, durable=durable)

    monkeypatch.setattr(LocalStore, "put", failing_put)
    monkeypatch.setattr(logs, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(supervising, "END_TIMEOUT", 1.0)
    assert deployed.supervise(parameters={"mode": "prints"}).code == 0
    said = [line for line in deployed.lines if "log isn't whole" in line[1]]
    if failing == 1:
        assert deployed.client()["start"].task.stdout == "out plain\n" + "again\n" * 5 and not said
    else:
        ((stream, line),) = said
        assert stream == "stderr" and "6 lines weren't stored" in line and "The store is away." in line


def test_a_missing_parameter_is_one_clear_line(deployed: Deployed) -> None:
    assert deployed.supervise(parameters={"tex": "x"}).code == 2
    assert any("tex" in line and stream == "stderr" for stream, line in deployed.lines)


def test_a_step_that_the_run_did_not_begin_with_is_refused_for_good(deployed: Deployed) -> None:
    assert deployed.supervise().code == 0
    later = deployed.supervise("added_later", tries_left=3)
    assert later.code == 2 and "has no step 'added_later'" in later.outcome["error"]


def test_a_run_of_another_orchestrator_is_refused(deployed: Deployed) -> None:
    assert deployed.supervise().code == 0
    other = deployed.supervise("end", orchestrator={"kind": "test", "dag": "another"})
    assert other.code == 1 and "another orchestrator" in other.outcome["error"]


def test_a_task_out_of_order_is_refused(deployed: Deployed) -> None:
    done = deployed.supervise("end")
    assert done.code == 1 and "hasn't begun" in done.outcome["error"]


def test_a_task_whose_code_cannot_be_loaded_fails_the_run(deployed: Deployed) -> None:
    assert deployed.supervise().code == 0
    assert deployed.client().state == "running"
    broken = deployed.folder / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text("import sys; sys.modules['flow_sdk.store.package.archive'] = None\n")
    env = {**os.environ, "PYTHONPATH": f"{broken}:{os.environ.get('PYTHONPATH', '')}", "TMPDIR": str(broken)}
    for attempt, (tries_left, state) in enumerate(((1, "running"), (0, "failed"))):
        ended = supervise(deployed.request("end", tries_left=tries_left), lambda stream, line: None, env=env)
        assert (ended.code, ended.attempt) == (1, attempt)
        assert deployed.client().state == state


def test_a_grandchild_that_writes_for_ever_holds_up_nothing(deployed: Deployed) -> None:
    began = time.monotonic()
    assert deployed.supervise(parameters={"mode": "yes"}).code == 0
    assert time.monotonic() - began < 45


def test_a_very_long_message_is_no_trouble(deployed: Deployed) -> None:
    ended = deployed.supervise(parameters={"mode": "long"})
    assert ended.code == 1 and "ValueError: xxx" in ended.outcome["error"]


@pytest.mark.parametrize("mode", ["slow", "deaf"])
def test_the_timeout_is_the_steps_and_not_that_of_storing(
    deployed: Deployed, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flow_sdk.runtime.supervise.HARD_GRACE", 0.5)
    request = deployed.request("start", parameters={"mode": mode})
    ended = supervise(request, lambda stream, line: None, timeout=1)
    assert ended.code == (0 if mode == "slow" else 1), ended
    assert mode == "slow" or "didn't react to its @timeout" in ended.outcome["error"]


def test_an_interrupted_supervisor_ends_the_runner(deployed: Deployed) -> None:
    pids: list[int] = []

    def line(stream: str, text: str) -> None:
        raise KeyboardInterrupt

    def started(stop: Any) -> None:
        pids.append(stop.__self__.process.pid)

    with pytest.raises(KeyboardInterrupt):
        supervise(deployed.request(), line, on_start=started)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], signal.SIGCONT)
