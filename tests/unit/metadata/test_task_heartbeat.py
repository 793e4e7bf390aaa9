"""How an orchestrated run stands of which nobody tells the end."""

import time
from typing import Any

import pytest

from flow_sdk.metadata import task_heartbeat
from flow_sdk.metadata.runs import Runs
from flow_sdk.metadata.task_heartbeat import HeartbeatWriter, list_heartbeats
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.runtime.heartbeat import INTERVAL as LOCAL_INTERVAL
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.records import commits
from flow_sdk.store.records.model import Manifest, RunRecord

PLAN = FlowPlan(
    "F", "f.py", "", (StepPlan("start", "linear", next=("end",)), StepPlan("end", "end", parents=("start",)))
)


class Orchestrated:
    """A run of Airflow, begun two days ago."""

    def __init__(self, kind: str = "airflow") -> None:
        self.store = MemoryStore("memory://alive")
        self.runs = Runs(self.store)
        facts = {"kind": kind, "host": "another", "pid": 1, "pids": "pid:[1]", "since": 1}
        started = time.time() - (2 * task_heartbeat.ABANDONED_AFTER if kind == "airflow" else 1)
        self.runs.create(RunRecord("F", "1", "0" * 64, None, {}, (), "airflow", started, orchestrator=facts, end="end"))

    def begin(self, step: str = "start", task: str = "0") -> HeartbeatWriter:
        attempt = commits.claim_attempt(self.store, "F", "1", step, task, {})
        return HeartbeatWriter(self.store, "F", "1", step, task, attempt)

    def age(self, seconds: float) -> None:
        """Let the signs found so far be that old."""
        for key, (data, _) in list(self.store._objects.items()):
            if "/alive/" in key:
                self.store._objects[key] = (data, time.time() - seconds)

    def age_all(self, seconds: float) -> None:
        """Let everything in the store be that old."""
        for key, (data, _) in list(self.store._objects.items()):
            self.store._objects[key] = (data, time.time() - seconds)

    def commit(self, step: str = "start", task: str = "0", **more: Any) -> None:
        commits.commit_attempt(self.store, Manifest("F", "1", step, task, 0, ok=True, successful=True, **more))

    @property
    def state(self) -> str:
        return self.runs.state("F", "1", PLAN)


@pytest.fixture
def run() -> Orchestrated:
    return Orchestrated()


def test_between_tasks_it_runs(run: Orchestrated) -> None:
    assert run.state == "running"
    sign = run.begin()
    assert run.state == "running"
    sign.write_heartbeat()
    assert run.state == "running"
    run.commit()
    sign.remove_heartbeat()
    assert (run.state, list_heartbeats(run.store, "F", "1")) == ("running", [])
    run.commit("end")
    assert run.state == "succeeded"


def test_a_task_that_falls_silent_was_killed(run: Orchestrated) -> None:
    run.begin().write_heartbeat()
    run.age(task_heartbeat.SILENCE - 5)
    assert run.state == "running"
    run.age(task_heartbeat.SILENCE + 5)
    outcome = run.runs.outcome("F", "1", PLAN)
    assert outcome.state == "failed" and outcome.time == pytest.approx(time.time() - 305, abs=60)
    assert (outcome.reason or "").startswith("Task start/0 was last heard of then: it was killed from outside")
    run.begin()  # its orchestrator tries it again: too short yet for a sign of its own
    assert run.state == "running"


def test_a_task_that_was_told_to_end_is_known_at_once(run: Orchestrated) -> None:
    run.begin().record_stop()
    assert (
        run.runs.outcome("F", "1", PLAN).reason == "Task start/0 was ended from outside, and wasn't tried again so far"
    )
    run.commit()
    assert run.state == "running"


def test_while_another_task_is_at_work_the_run_is(run: Orchestrated) -> None:
    run.begin("start", "0").record_stop()
    other = run.begin("start", "1")
    other.write_heartbeat()
    assert run.state == "running"
    other.remove_heartbeat()
    assert run.state == "failed"


def test_a_sign_that_came_too_late_to_be_taken_back_means_nothing(run: Orchestrated) -> None:
    sign = run.begin()
    run.commit()
    sign.write_heartbeat()
    run.age(task_heartbeat.SILENCE + 5)
    assert run.state == "running"


def test_a_local_run_has_its_own_beat(run: Orchestrated) -> None:
    local = Orchestrated("local")
    local.begin().record_stop()  # a container that the laptop's driver starts again
    assert local.state == "running"


def test_the_silence_is_several_signs_long() -> None:
    assert task_heartbeat.SILENCE >= 5 * task_heartbeat.INTERVAL > LOCAL_INTERVAL


def test_a_run_that_its_orchestrator_gave_up_between_two_tasks_has_failed(run: Orchestrated) -> None:
    run.commit()
    assert run.runs.record_abandonment("F", "1", "airflow", "Airflow has given it up", 7.0)
    outcome = run.runs.outcome("F", "1", PLAN)
    assert (outcome.state, outcome.reason, outcome.time) == ("failed", "Airflow has given it up", 7.0)
    # The first word counts; a task that failed for good says more.
    assert not run.runs.record_abandonment("F", "1", "airflow", "again")
    commits.record_task_failure(run.store, "F", "1", "end", "0", 0, "ValueError: x")
    assert run.runs.outcome("F", "1", PLAN).reason == "Task end/0 failed: ValueError: x"


def test_what_goes_on_after_all_is_running_and_what_is_done_succeeded(run: Orchestrated) -> None:
    assert run.runs.record_abandonment("F", "1", "airflow", "x", time.time() - 60)
    sign = run.begin()
    sign.write_heartbeat()
    assert run.state == "running"
    sign.remove_heartbeat()
    assert run.state == "failed"
    run.runs.clear_end("F", "1")
    assert run.state == "running"
    run.commit("end")
    assert not run.runs.record_abandonment("F", "1", "airflow", "x") and run.state == "succeeded"
    assert not run.runs.record_abandonment("F", "unknown", "airflow", "x")
    assert not list(run.store.list("flows/F/runs/unknown/"))


def test_a_run_of_which_nothing_has_come_for_a_day_counts_as_given_up(run: Orchestrated) -> None:
    run.commit()
    run.age_all(task_heartbeat.ABANDONED_AFTER - 60)
    assert run.state == "running"
    run.age_all(task_heartbeat.ABANDONED_AFTER + 60)
    outcome = run.runs.outcome("F", "1", PLAN)
    assert outcome.state == "failed" and "nothing has come from it since" in (outcome.reason or "")
    assert outcome.time == pytest.approx(time.time() - task_heartbeat.ABANDONED_AFTER - 60, abs=30)
    run.begin("end")  # held back, and begun at last
    assert run.state == "running"


def test_a_sign_that_was_left_by_a_task_that_is_done_keeps_no_run_alive(run: Orchestrated) -> None:
    run.begin().write_heartbeat()
    run.commit()
    run.age_all(task_heartbeat.ABANDONED_AFTER + 60)
    assert run.state == "failed"
