"""The scheduler of a local run: what starts when, retries and their pauses."""

import random
from pathlib import Path

import pytest

from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.model import FlowPlan
from flow_sdk.runtime.local.scheduler import Scheduler, TaskKey
from tests.strategies.loading import small_flow
from tests.support.in_process_runs import InProcessRun
from tests.support.runtime_flows import Failing, Shapes


@pytest.mark.parametrize("seed", range(5))
def test_the_order_in_which_tasks_end_changes_no_artifact(seed: int) -> None:
    generator = random.Random(seed)
    first = {key: m.artifacts for key, m in InProcessRun(Shapes).run().tasks().items()}
    other = InProcessRun(Shapes, max_workers=7, pick=generator.randrange).run()
    assert {key: m.artifacts for key, m in other.tasks().items()} == first


def test_max_workers_is_kept() -> None:
    run = InProcessRun(Shapes, parameters={"n": 30}, max_workers=3)
    run.scheduler.begin_run()
    most = 0
    active = []
    while True:
        active += run.scheduler.take_tasks()
        most = max(most, len(run.scheduler.running))
        if not active:
            break
        key, left = active.pop(0)
        manifest = run.attempt(key, left).manifest
        run.scheduler.task_committed(key, manifest.next, manifest.items.count if manifest.items else None)
    assert most == 3 and run.scheduler.finished


def test_retries_wait_and_then_catch_takes_over() -> None:
    run = InProcessRun(Failing, parameters={"fail": 2}).run()
    assert run.scheduler.finished
    assert run.order[:3] == [("start", "0")] * 3
    assert run.value("start", "seen") == 2 and run.task("start").attempt == 2
    failure = run.value("end", "failure")
    assert (failure.type, failure.exception) == ("builtins.KeyError", "'always'")
    assert "flows.py" in failure.stacktrace and "runtime/task/attempt.py" not in failure.stacktrace
    caught = run.task("caught")
    assert caught.ok and not caught.successful and caught.exception
    assert run.value("caught", "kept") == "set"
    assert run.value("end", "kind") == "builtins.KeyError"


def test_a_task_that_fails_too_often_fails_the_run() -> None:
    run = InProcessRun(Failing, parameters={"fail": 3}).run()
    assert run.scheduler.failed and not run.scheduler.finished
    assert run.order == [("start", "0")] * 3


def plan_of(folder: Path, *steps: str) -> FlowPlan:
    return compile_plan(small_flow(folder, *steps), file="flow.py")


RETRIED = "@retry(times=2, minutes_between_retries=1)\n"


def test_a_join_waits_for_all_branches(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        "start: self.next(self.a, self.b)",
        "a: self.next(self.j)",
        "b: self.next(self.j)",
        "j(inputs): self.next(self.end)",
        "end:",
    )
    scheduler = Scheduler(plan, 4)
    scheduler.begin_run()
    assert scheduler.take_tasks() == [(TaskKey("start", ()), 0)]
    scheduler.task_committed(TaskKey("start", ()), ("a", "b"), None)
    assert [key.step for key, _ in scheduler.take_tasks()] == ["a", "b"]
    scheduler.task_committed(TaskKey("b", ()), ("j",), None)
    assert scheduler.take_tasks() == [] and not scheduler.is_idle()
    scheduler.task_committed(TaskKey("a", ()), ("j",), None)
    assert scheduler.take_tasks() == [(TaskKey("j", ()), 0)]


def test_a_retry_waits_for_its_time(tmp_path: Path) -> None:
    scheduler = Scheduler(plan_of(tmp_path, RETRIED + "start: self.next(self.end)", "end:"), 4)
    scheduler.begin_run()
    ((key, left),) = scheduler.take_tasks()
    assert left == 2
    assert scheduler.attempt_failed(key, 100.0, fatal=False) == 60.0
    assert scheduler.take_tasks() == [] and scheduler.next_wake() == 160.0
    scheduler.wake_delayed(159.0)
    assert scheduler.take_tasks() == [] and not scheduler.is_idle()
    scheduler.wake_delayed(160.0)
    assert scheduler.take_tasks() == [(key, 1)]


def test_the_attempt_that_only_stores_the_failure_does_not_wait(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "@catch(var='failure')\n" + RETRIED + "start: self.next(self.end)", "end:")
    scheduler = Scheduler(plan, 4)
    scheduler.begin_run()
    pauses = []
    for left in (3, 2, 1, 0):
        scheduler.wake_delayed(1e9)
        assert scheduler.take_tasks() == [(TaskKey("start", ()), left)]
        pauses.append(scheduler.attempt_failed(TaskKey("start", ()), 0.0, fatal=False))
    assert pauses == [60.0, 60.0, 0.0, None] and scheduler.failed


def test_a_fatal_failure_ends_the_run_and_nothing_more_starts(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, RETRIED + "start: self.next(self.end)", "end:")
    scheduler = Scheduler(plan, 4)
    scheduler.begin_run()
    ((key, _),) = scheduler.take_tasks()
    assert scheduler.attempt_failed(key, 0.0, fatal=True) is None
    scheduler.admit_tasks([key])
    assert scheduler.take_tasks() == [] and scheduler.is_idle() and scheduler.failed


def test_tasks_that_are_offered_run_only_if_they_are_admitted(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "start: self.next(self.end)", "end:")
    scheduler = Scheduler(plan, 4)
    scheduler.begin_run()
    assert scheduler.offer_tasks() == [TaskKey("start", ())] and scheduler.take_tasks() == []
    scheduler.task_committed(TaskKey("start", ()), ("end",), None)
    scheduler.admit_tasks(scheduler.offer_tasks())
    assert scheduler.take_tasks() == [(TaskKey("end", ()), 0)]
