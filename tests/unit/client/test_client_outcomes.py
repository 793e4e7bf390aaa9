"""What became of runs and tasks: attempts, failures, @catch, logs."""

from datetime import datetime

import pytest

from flow_sdk.client import DataArtifact, Flow, Run, Step, Task
from flow_sdk.errors import NotFound, PathspecError, UsageError
from flow_sdk.store.records import commits
from tests.support.run_builder import Builder

LOG = ("2026-01-02T03:04:05.000001Z o one\n2026-01-02T03:04:05.000002Z e oops\n", "2026-01-02T03:04:06.000000Z o two\n")


def test_a_run_that_went_well(flow: Builder) -> None:
    flow.whole_run()
    run = Run("Shapes/1")
    assert (run.state, run.reason, run.successful, run.finished) == ("succeeded", None, True, True)
    assert run.created_at == datetime.fromtimestamp(1_700_000_000.5)
    assert run.finished_at == datetime.fromtimestamp(1_700_000_002.0)
    assert run.end_task == Task("Shapes/1/end/0")
    assert run.code is None and run.origin_pathspec is None


def test_a_run_that_is_still_at_it(flow: Builder) -> None:
    flow.run()
    flow.commit("1", "start")
    run = Run("Shapes/1")
    assert (run.state, run.successful, run.finished, run.finished_at) == ("running", False, False, None)
    assert run.end_task is None and run.data is None
    flow.start("1", "end")
    assert run.end_task == Task("Shapes/1/end/0")
    assert not run.finished


def test_a_run_that_failed(flow: Builder) -> None:
    flow.run()
    flow.fail("1", "start", for_good=True)
    run = Run("Shapes/1")
    assert (run.state, run.successful, run.finished) == ("failed", False, False)
    assert run.reason == "Task start/0 failed: ValueError: bad"


def test_a_caught_end_is_finished_and_not_successful(flow: Builder) -> None:
    flow.whole_run("1", started=10.0)
    flow.run("2", started=20.0)
    caught = {"type": "KeyError", "message": "'x'", "stacktrace": "..."}
    flow.commit("2", "end", successful=False, exception=caught)
    run = Run("Shapes/2")
    assert (run.finished, run.successful, run.state) == (True, False, "failed")
    assert "@catch" in (run.reason or "")
    assert Flow("Shapes").latest_run == run
    assert Flow("Shapes").latest_successful_run == Run("Shapes/1")


def test_no_successful_run(flow: Builder) -> None:
    flow.run()
    assert Flow("Shapes").latest_successful_run is None


def test_attempts_of_a_task(flow: Builder) -> None:
    flow.run(values={"alpha": 1})
    flow.fail("1", "start", values={"x": "first"})
    flow.fail("1", "start", values={"x": "second"}, exception={"type": "E", "message": "two", "stacktrace": "s"})
    task = Task("Shapes/1/start/0")
    assert (task.current_attempt, task.attempts) == (1, [0, 1])
    assert (task.finished, task.successful, task.data.x) == (False, False, "second")
    assert task.exception is not None
    assert (task.exception.type, task.exception.exception, task.exception.stacktrace) == ("E", "two", "s")

    flow.commit("1", "start", values={"x": "third"}, environment={"host": "h", "pid": 7, "python": "3.11.7"})
    assert (task.current_attempt, task.finished, task.successful, task.data.x) == (2, True, True, "third")
    assert task.exception is None
    facts = {
        "attempt": "2",
        "attempt-done": "2",
        "attempt_ok": "True",
        "successful": "True",
        "user": "anne",
        "host": "h",
        "pid": "7",
    }
    facts |= {"runtime": "local", "script-name": "shapes.py", "python": "3.11.7", "python_version": "3.11.7"}
    assert task.metadata_dict == {**facts, "ds-type": "memory", "ds-root": flow.store.url}

    first = Task("Shapes/1/start/0", attempt=0)
    assert (first.current_attempt, first.finished, first.data.x, first.data.alpha) == (0, False, "first", 1)
    assert first.metadata_dict["attempt_ok"] == "False"
    assert DataArtifact("Shapes/1/start/0/x", attempt=1).data == "second"
    assert Task("Shapes/1/start/0", attempt=2).data.x == "third"
    with pytest.raises(NotFound, match="no attempt 3"):
        Task("Shapes/1/start/0", attempt=3)
    with pytest.raises(PathspecError, match="number from 0"):
        Task("Shapes/1/start/0", attempt=-1)


def test_a_task_that_has_only_started(flow: Builder) -> None:
    flow.run(values={"alpha": 1})
    flow.start("1", "start")
    task = Task("Shapes/1/start/0")
    assert (task.finished, task.successful, task.finished_at, task.exception) == (False, False, None, None)
    assert task.data.alpha == 1
    assert Step("Shapes/1/start").finished_at is None
    assert (datetime.now() - task.created_at).total_seconds() < 60


def test_a_killed_second_attempt_shows_the_first_ones_exception(flow: Builder) -> None:
    flow.run()
    flow.fail("1", "start")
    flow.start("1", "start")
    task = Task("Shapes/1/start/0")
    assert task.current_attempt == 1
    assert task.exception is not None and task.exception.type == "ValueError"


def test_step_times(flow: Builder) -> None:
    flow.run()
    flow.commit("1", "done", "0", started=5.0, finished=9.0)
    flow.commit("1", "done", "1", started=4.0, finished=8.0)
    step = Step("Shapes/1/done")
    assert (step.created_at, step.finished_at) == (datetime.fromtimestamp(4.0), datetime.fromtimestamp(9.0))


def test_logs(flow: Builder) -> None:
    flow.run()
    flow.commit("1", "start")
    flow.log("1", "start", "0", *LOG)
    task = Task("Shapes/1/start/0")
    assert (task.stdout, task.stderr) == ("one\ntwo\n", "oops\n")
    assert list(task.loglines("stderr")) == [(datetime(2026, 1, 2, 3, 4, 5, 2), "oops")]
    assert [text for _, text in task.loglines("stdout", as_unicode=False)] == [b"one", b"two"]
    with pytest.raises(UsageError, match="no such output"):
        list(task.loglines("stdlog"))


def test_logs_are_the_attempts_own(flow: Builder) -> None:
    flow.run()
    flow.fail("1", "start")
    flow.log("1", "start", "0", LOG[0], attempt=0)
    flow.commit("1", "start")
    flow.log("1", "start", "0", LOG[1], attempt=1)
    assert Task("Shapes/1/start/0").stdout == "two\n"
    assert Task("Shapes/1/start/0", attempt=0).stdout == "one\n"


def test_a_reused_task_names_its_origin_and_has_its_log(flow: Builder) -> None:
    flow.run("1")
    flow.fail("1", "start")
    flow.commit("1", "start", values={"x": 1})
    flow.log("1", "start", "0", *LOG, attempt=1)
    flow.run("2", origin_run="1")
    commits.commit_attempt(flow.store, flow.manifest("2", "start", "0", 1, values={"x": 1}, origin="Shapes/1/start/0"))
    task = Task("Shapes/2/start/0")
    assert Run("Shapes/2").origin_pathspec == "Shapes/1"
    assert Step("Shapes/2/start").origin_pathspec == "Shapes/1/start"
    assert task.origin_pathspec == "Shapes/1/start/0"
    assert task["x"].origin_pathspec == "Shapes/1/start/0/x"
    assert task.metadata_dict["origin-run-id"] == "1"
    assert task.stdout == "one\ntwo\n"
    assert (task.current_attempt, task.attempts) == (1, [0, 1])
    assert Task("Shapes/2/start/0", attempt=0).exception.exception == "bad"
    assert Task("Shapes/2/start/0", attempt=0).origin_pathspec == "Shapes/1/start/0"
    assert Task("Shapes/1/start/0").origin_pathspec is None
