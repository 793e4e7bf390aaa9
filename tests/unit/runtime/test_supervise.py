"""One attempt in a process of its own, for an orchestrator's worker."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from flow_sdk.plan.codec import to_json
from flow_sdk.plan.compile import compile_plan
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.supervise import supervise
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from flow_sdk.store.package.archive import build_archive
from flow_sdk.store.records.commits import read_attempt, read_task
from tests.strategies.loading import flow_text, load_flow


def request_for(folder: Path, start: str, **fields: int) -> TaskRequest:
    """The start task of a flow in a store, whose one step of its own is given."""
    code = folder / "code"
    code.mkdir()
    flow = load_flow(flow_text(f"start: {start} ; self.next(self.end)", "end:"), code)
    artifacts = Artifacts(open_store(str(folder / "store")))
    return TaskRequest(
        *(str(folder / "store"), "Small", "r", "start", "0"),
        plan=artifacts.put_bytes(to_json(compile_plan(flow, file="flow.py"))),
        package=artifacts.put_bytes(build_archive(str(code))),
        orchestrator={"kind": "quarry"},
        **fields,
    )


def test_a_committed_attempt_reports_its_outcome_and_its_lines(tmp_path: Path) -> None:
    lines: list[tuple[str, str]] = []
    request = request_for(tmp_path, "print('hello')")
    result = supervise(request, lambda stream, line: lines.append((stream, line)))
    assert (result.code, result.attempt) == (0, 0)
    assert result.outcome["ok"] and result.outcome["next"] == ["end"]
    assert ("stdout", "hello") in lines
    done = read_task(open_store(request.root), "Small", "r", "start", "0")
    assert done is not None and done.successful


@pytest.mark.parametrize("left", [0, 1])
def test_a_process_that_is_killed_is_recorded_as_a_crash(left: int, tmp_path: Path) -> None:
    request = request_for(tmp_path, "import os ; os.kill(os.getpid(), 9)", tries_left=left)
    result = supervise(request, lambda stream, line: None)
    assert (result.code, result.attempt) == (1, 0)
    assert result.outcome["error"] == "the task's process was ended by SIGKILL (out of memory?)"
    store = open_store(request.root)
    attempt = read_attempt(store, "Small", "r", "start", "0", 0)
    assert attempt is not None and attempt.exception is not None and attempt.exception["type"] == "TaskKilled"
    failures = [info.key for info in store.list("flows/Small/runs/r/failures/")]
    assert failures == ([] if left else ["flows/Small/runs/r/failures/start/0.json"])


def test_the_kill_hook_ends_the_process(tmp_path: Path) -> None:
    request = request_for(tmp_path, "import time ; print('sleeping', flush=True) ; time.sleep(300)")
    stops: list[Callable[[], None]] = []

    def on_line(stream: str, line: str) -> None:
        if line == "sleeping":
            threading.Thread(target=stops[0]).start()

    result = supervise(request, on_line, on_start=stops.append)
    assert result.code == 1
    assert result.outcome["error"] == "the task's process was ended by SIGTERM"


def test_the_environment_is_the_given_one(tmp_path: Path) -> None:
    lines: list[str] = []
    request = request_for(tmp_path, "import os ; print(os.environ.get('QUARRY_SHIFT'), os.environ.get('HIDDEN'))")
    os.environ["HIDDEN"] = "1"
    try:
        env = {name: value for name, value in os.environ.items() if name != "HIDDEN"}
        supervise(request, lambda stream, line: lines.append(line), env={**env, "QUARRY_SHIFT": "early"})
    finally:
        del os.environ["HIDDEN"]
    assert lines == ["early None"]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
