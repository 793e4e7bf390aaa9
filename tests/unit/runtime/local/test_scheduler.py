"""The scheduler of a local run: what starts when, retries and their pauses."""

import random

import pytest

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
