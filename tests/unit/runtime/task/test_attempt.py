"""One attempt of a task: claimed, run, committed or failed; in one process."""

from tests.support.in_process_runs import InProcessRun
from tests.support.runtime_flows import Failing, Shapes, Slow


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
    from flow_sdk.runtime.crash_record import record_crash
    from flow_sdk.runtime.local.scheduler import TaskKey
    from flow_sdk.runtime.request import TaskRequest
    from flow_sdk.store.records.commits import claim_attempt

    run = InProcessRun(Failing)
    run.attempt(TaskKey("start", ()), 2)
    task = run.id("caught")
    claim_attempt(run.store, "Failing", "1", "caught", task, {})
    request = TaskRequest(root="", flow="Failing", run="1", step="caught", task=task, plan="", tries_left=1)
    record_crash(run.store, request, 0, "the task's process was ended by SIGKILL")
    outcome = run.attempt(TaskKey("caught", ()), 0)
    assert outcome.manifest.ok and outcome.manifest.attempt == 1
    assert run.value("caught", "failure").type == "TaskKilled"


def test_a_timeout_is_raised_in_the_step_however_often_it_is_swallowed() -> None:
    run = InProcessRun(Slow).run()
    assert run.scheduler.failed
    manifest = run.outcomes[0].manifest
    assert manifest.exception is not None and manifest.exception["type"] == "flow_sdk.errors.StepTimeout"
    assert 0.2 <= manifest.finished - manifest.started < 3
