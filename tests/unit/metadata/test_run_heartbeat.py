"""When a local run that nobody saw the end of counts as failed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.metadata import run_heartbeat
from flow_sdk.metadata.run_heartbeat import describe_process, write_run_heartbeat
from flow_sdk.metadata.runs import Runs
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.runtime.heartbeat import Heartbeat
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.open_store import open_store
from flow_sdk.store.port import ObjectInfo, ObjectStore
from flow_sdk.store.records.layout import run_heartbeat_key
from flow_sdk.store.records.model import RunRecord

pytestmark = pytest.mark.slow  # starts processes or servers

PLAN = FlowPlan("F", "f.py", "", (StepPlan("start", "end"),))
GONE = "the process that ran it is gone"
ELSEWHERE = {"host": "another", "pid": 1, "pids": "pid:[1]", "since": 1}


class Aged:
    """A store whose objects are all of one age, by its clock."""

    def __init__(self, store: ObjectStore, seconds: float) -> None:
        self._store, self._seconds = store, seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def head(self, key: str) -> ObjectInfo | None:
        info = self._store.head(key)
        return info and ObjectInfo(info.key, info.size, time.time() - self._seconds)


def outcome(
    process: dict[str, Any], *, started: float, beat: float | None = None, stored: float = 1000.0, kind: str = "local"
) -> tuple[str, str | None]:
    """How a run stands that began, and whose last beat came, that many seconds ago."""
    store = MemoryStore(f"memory://{time.time_ns()}")
    orchestrator = {"kind": kind, **process}
    record = RunRecord("F", "1", "0" * 64, None, {}, (), "anne", time.time() - started, orchestrator=orchestrator)
    Runs(store).create(record)
    if beat is not None:
        store.put(run_heartbeat_key("F", "1"), json.dumps({**process, "time": time.time() - beat}).encode())
    found = Runs(Aged(store, stored)).outcome("F", "1", PLAN)  # type: ignore[arg-type]
    return found.state, found.reason


@pytest.mark.parametrize(
    ("ages", "state"),
    [
        ({"started": 5}, "running"),
        ({"started": 59, "beat": None}, "running"),
        ({"started": 61}, "failed"),
        ({"started": 4000, "beat": 12}, "running"),
        ({"started": 4000, "beat": 61}, "failed"),
        ({"started": 10, "beat": 61}, "running"),
        ({"started": 4000, "beat": 300, "stored": 12}, "running"),  # the process's clock is slow
        ({"started": 4000, "beat": -3000, "stored": 12}, "running"),  # it is fast
        ({"started": 4000, "beat": -3000, "stored": 61}, "failed"),
        ({"started": 4000, "beat": 20, "stored": 400}, "running"),  # the store's clock is slow
    ],
)
def test_a_run_of_another_machine_is_judged_by_its_beats(ages: dict[str, float], state: str) -> None:
    assert outcome(ELSEWHERE, **ages) == (state, GONE if state == "failed" else None)


def test_orchestrated_runs_have_no_beat() -> None:
    assert outcome({}, started=9999, kind="airflow") == ("running", None)


def test_a_dead_process_of_this_machine_is_known_at_once_and_a_live_one_needs_no_beat() -> None:
    ask = "import json; from flow_sdk.metadata import run_heartbeat as beat; print(json.dumps(beat.describe_process()))"
    process = subprocess.Popen([sys.executable, "-c", ask], stdout=subprocess.PIPE)
    assert process.stdout is not None
    facts = json.loads(process.stdout.read())
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert outcome(facts, started=1) == ("failed", GONE)  # dead, though nobody has asked for its exit code yet
    process.wait()
    assert outcome(facts, started=1, beat=1) == ("failed", GONE)
    assert outcome(describe_process(), started=9999, beat=9999) == ("running", None)
    assert outcome({**describe_process(), "since": 1}, started=1) == ("failed", GONE)  # its pid was given anew


def test_a_process_of_another_container_is_judged_by_its_beats() -> None:
    facts = {**describe_process(), "pids": "pid:[1]", "since": 1}
    assert outcome(facts, started=4000, beat=1) == ("running", None)
    assert outcome(facts, started=4000, beat=100) == ("failed", GONE)


def test_an_end_that_was_noted_counts() -> None:
    store = MemoryStore("memory://noted")
    orchestrator = {"kind": "local", **ELSEWHERE}
    Runs(store).create(RunRecord("F", "1", "0" * 64, None, {}, (), "anne", 1.0, orchestrator=orchestrator))
    assert Runs(Aged(store, 99)).outcome("F", "1", PLAN).reason == GONE  # type: ignore[arg-type]
    Runs(store).finish("F", "1", "cancelled", "interrupted")
    assert Runs(Aged(store, 99)).outcome("F", "1", PLAN).reason == "interrupted"  # type: ignore[arg-type]


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_the_beat_goes_on_until_the_run_is_over(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    path = tmp_path / run_heartbeat_key("F", "1")
    with Heartbeat(lambda: write_run_heartbeat(store, "F", "1"), first=0.02, interval=0.02):
        assert not path.exists()
        wait_for(path.exists)
        first = json.loads(path.read_bytes())["time"]
        wait_for(lambda: json.loads(path.read_bytes())["time"] > first)
    time.sleep(0.1)
    last = path.read_bytes()
    time.sleep(0.1)
    assert path.read_bytes() == last
    assert json.loads(last)["pid"] == os.getpid()


def test_a_store_that_fails_once_doesnt_end_the_beat(tmp_path: Path) -> None:
    from flow_sdk.errors import StoreUnavailable

    store = open_store(tmp_path)
    beats: list[int] = []

    def flaky() -> None:
        beats.append(1)
        if len(beats) == 1:
            raise StoreUnavailable("away")
        write_run_heartbeat(store, "F", "1")

    with Heartbeat(flaky, first=0.01, interval=0.01):
        wait_for((tmp_path / run_heartbeat_key("F", "1")).exists)


def test_the_silence_is_several_beats_long() -> None:
    from flow_sdk.runtime.heartbeat import INTERVAL

    assert run_heartbeat.SILENCE >= 5 * INTERVAL


@pytest.mark.parametrize("beat", ['{"time": 1e400}', '{"time": NaN}', '{"time": "x"}', '{"pid": "x"}', '{"since": []}'])
def test_a_beat_that_is_damaged_counts_as_none(beat: str) -> None:
    store = MemoryStore(f"memory://{time.time_ns()}")
    orchestrator = {"kind": "local", **ELSEWHERE}
    Runs(store).create(RunRecord("F", "1", "0" * 64, None, {}, (), "anne", 5.0, orchestrator=orchestrator))
    store.put(run_heartbeat_key("F", "1"), beat.encode())
    found = Runs(Aged(store, 1000.0)).outcome("F", "1", PLAN)  # type: ignore[arg-type]
    assert (found.state, found.reason) == ("failed", GONE)
