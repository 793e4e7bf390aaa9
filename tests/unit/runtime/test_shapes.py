"""Whole flows of every shape through scheduler, attempts and store, in one process."""

import random

import pytest

from tests.rig.inprocess import InProcessRun
from tests.unit.runtime.flows import Failing, Loops, Shapes, Slow


def test_splits_foreach_and_switches_give_what_the_code_says() -> None:
    run = InProcessRun(Shapes).run()
    assert run.scheduler.finished
    assert run.value("meet", "result") == ([100, 2, 104], [["a00"], ["b00", "b11"]], True)
    assert run.value("end", "total") == 2060
    assert run.value("inner", "stack", "1.1") == [(1, 2, ("b", 2)), (1, 2, 1)]
    assert run.task("inner", "1.0").parents[0].step == "outer"
    assert [p.task for p in run.task("gather").parents] == [
        run.id("extra", "0"),
        run.id("work", "1"),
        run.id("extra", "2"),
    ]
    assert [p.step for p in run.task("gather").parents] == ["extra", "work", "extra"]


def test_a_step_that_no_switch_chose_never_runs() -> None:
    run = InProcessRun(Shapes).run()
    assert ("extra", "1") not in run.order and ("extra", "0") in run.order


def test_loops_in_a_foreach_and_a_foreach_in_a_loop() -> None:
    run = InProcessRun(Loops).run()
    assert run.value("collect", "traces") == [
        [(1, 1), (2, 1), (3, 1)],
        [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)],
    ]
    assert run.value("collect", "last_pieces") == [[13, 23], [13, 23]]
    assert ("tick", "1-2.1") in run.order
    last = run.task("leave", "1").parents[0]
    assert last.task == run.id(last.step, "1-2")
    assert run.task("tick", "1-0.1").parents[0].task == run.id("tick", "1-0.0")
    assert run.task("head", "0-1").parents[0].step == "fan_in"


@pytest.mark.parametrize("seed", range(5))
def test_the_order_in_which_tasks_end_changes_no_artifact(seed: int) -> None:
    generator = random.Random(seed)
    first = {key: m.artifacts for key, m in InProcessRun(Shapes).run().tasks().items()}
    other = InProcessRun(Shapes, max_workers=7, pick=generator.randrange).run()
    assert {key: m.artifacts for key, m in other.tasks().items()} == first


def test_max_workers_is_kept() -> None:
    run = InProcessRun(Shapes, parameters={"n": 30}, max_workers=3)
    run.scheduler.begin()
    most = 0
    active = []
    while True:
        active += run.scheduler.take()
        most = max(most, len(run.scheduler.running))
        if not active:
            break
        key, left = active.pop(0)
        manifest = run.attempt(key, left).manifest
        run.scheduler.committed(key, manifest.next, manifest.items.count if manifest.items else None)
    assert most == 3 and run.scheduler.finished


def test_retries_wait_and_then_catch_takes_over() -> None:
    run = InProcessRun(Failing, parameters={"fail": 2}).run()
    assert run.scheduler.finished
    assert run.order[:3] == [("start", "0")] * 3
    assert run.value("start", "seen") == 2 and run.task("start").attempt == 2
    failure = run.value("end", "failure")
    assert (failure.type, failure.exception) == ("builtins.KeyError", "'always'")
    assert "flows.py" in failure.stacktrace and "runtime/attempt.py" not in failure.stacktrace
    caught = run.task("caught")
    assert caught.ok and not caught.successful and caught.exception
    assert run.value("caught", "kept") == "set"
    assert run.value("end", "kind") == "builtins.KeyError"


def test_a_task_that_fails_too_often_fails_the_run() -> None:
    run = InProcessRun(Failing, parameters={"fail": 3}).run()
    assert run.scheduler.failed and not run.scheduler.finished
    assert run.order == [("start", "0")] * 3


def test_a_second_attempt_of_a_committed_task_runs_nothing() -> None:
    run = InProcessRun(Shapes).run()
    from flow_sdk.runtime.local.scheduler import TaskKey

    again = run.attempt(TaskKey("work", (1,)), 0)
    assert again.already and again.manifest == run.task("work", "1")


def test_a_task_cleared_on_purpose_runs_again_and_its_old_result_stays_readable() -> None:
    from flow_sdk.runtime.local.scheduler import TaskKey
    from flow_sdk.store.records.commits import read_attempt

    run = InProcessRun(Shapes).run()
    before = run.task("work", "1")
    again = run.attempt(TaskKey("work", (1,)), 0, generation=1)
    assert not again.already and again.manifest.attempt == 1
    assert run.task("work", "1").generation == 1
    assert read_attempt(run.store, "Shapes", "1", "work", before.task, 0) == before
    assert run.attempt(TaskKey("work", (1,)), 0, generation=1).already
    third = run.attempt(TaskKey("work", (1,)), 0, generation=2)
    assert third.manifest.attempt == 2 and run.task("work", "1").attempt == 2


def test_a_killed_last_attempt_is_caught_by_one_that_runs_nothing() -> None:
    from flow_sdk.runtime.crash_record import note_crash
    from flow_sdk.runtime.local.scheduler import TaskKey
    from flow_sdk.runtime.request import TaskRequest
    from flow_sdk.store.records.commits import claim

    run = InProcessRun(Failing)
    run.attempt(TaskKey("start", ()), 2)
    task = run.id("caught")
    claim(run.store, "Failing", "1", "caught", task, {})
    request = TaskRequest(root="", flow="Failing", run="1", step="caught", task=task, plan="", tries_left=1)
    note_crash(run.store, request, 0, "the task's process was ended by SIGKILL")
    outcome = run.attempt(TaskKey("caught", ()), 0)
    assert outcome.manifest.ok and outcome.manifest.attempt == 1
    assert run.value("caught", "failure").type == "TaskKilled"


def test_a_timeout_is_raised_in_the_step_however_often_it_is_swallowed() -> None:
    run = InProcessRun(Slow).run()
    assert run.scheduler.failed
    manifest = run.outcomes[0].manifest
    assert manifest.exception is not None and manifest.exception["type"] == "flow_sdk.errors.StepTimeout"
    assert 0.2 <= manifest.finished - manifest.started < 3
