"""What a resumed run reuses, in one process: the real scheduler, attempts and store."""

import dataclasses
import random
from pathlib import Path

import pytest

from flow_sdk import FlowSpec
from flow_sdk.errors import ParameterError, UsageError
from flow_sdk.runtime.resume.forecast import forecast_resume
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.records import commits
from tests.strategies.flows import flow_source
from tests.support.in_process_runs import InProcessRun, load_source
from tests.support.runtime_flows import Loops, Shapes
from tests.unit.runtime.resume.resumed_runs import SMALL, finished, hashes, resumed, reuse_of, small


@pytest.mark.parametrize("seed", range(40))
def test_a_run_killed_anywhere_is_resumed_to_the_same_artifacts(seed: int, tmp_path: Path) -> None:
    source = flow_source(seed)
    flow = load_source(source.text, source.name, str(tmp_path))
    whole = InProcessRun(flow).run()
    generator = random.Random(seed)
    killed = generator.randrange(len(whole.order) + 1)
    first = finished(flow, tasks=killed, pick=generator)
    second, told = resumed(first, flow)
    assert second.scheduler.finished
    assert hashes(second) == hashes(whole)
    assert sum(count for count, _ in told.steps.values()) == killed
    assert len(second.order) == len(whole.order) - killed
    assert not set(second.order) & set(first.order)


@pytest.mark.parametrize("flow", [Shapes, Loops])
def test_a_finished_run_is_taken_over_whole(flow: type[FlowSpec]) -> None:
    first = finished(flow)
    second, told = resumed(first, flow)
    assert second.order == [] and second.scheduler.finished
    assert hashes(second) == hashes(first)
    assert sum(count for count, _ in told.steps.values()) == len(first.order)


def test_the_named_step_and_all_after_it_run_again() -> None:
    first = finished(Shapes)
    second, _ = resumed(first, Shapes, "outer")
    assert {step for step, _ in second.order} == {"outer", "inner", "inner_join", "outer_join", "meet", "end"}
    assert hashes(second) == hashes(first)


def test_a_reused_task_names_the_very_first_origin() -> None:
    first = finished(Shapes)
    second, _ = resumed(first, Shapes, "end")
    third, _ = resumed(second, Shapes, run="3")
    assert third.task("work", "1").origin == f"Shapes/1/work/{third.id('work', '1')}"
    assert third.task("end").origin == f"Shapes/2/end/{third.id('end')}"
    assert third.task("work", "1").run == "3" and third.task("work", "1").ok
    assert second.task("end").origin is None


def test_a_caught_task_runs_again_and_all_after_it(tmp_path: Path) -> None:
    first = finished(small(tmp_path, work="assert self.input != 2"))
    assert not first.task("work", "1").successful
    second, told = resumed(first, small(tmp_path))
    assert second.order == [("work", "1"), ("join", "0"), ("end", "0")]
    assert told.steps == {"start": (1, 0), "work": (2, 1)}
    assert second.value("join", "own") == [1, 2, 3]


def test_a_task_before_an_added_step_runs_again(tmp_path: Path) -> None:
    first = finished(small(tmp_path))
    more = "    @step\n    def double(self):\n        self.own *= 2\n        self.next(self.join)\n"
    second, told = resumed(first, small(tmp_path, after="double", more=more))
    assert told.steps == {"start": (1, 0)}
    assert second.value("join", "own") == [2, 4, 6]


def test_a_foreach_over_something_else_runs_again(tmp_path: Path) -> None:
    first = finished(small(tmp_path))
    other = SMALL.replace('foreach="items"', 'foreach="others"').replace("self.items = ", "self.others = self.items = ")
    flow = load_source(other.format(head="", work="pass", after="join", more=""), "Small", str(tmp_path))
    reuse, _ = reuse_of(first, flow)
    assert forecast_resume(reuse)[0].why == "its position in the flow has changed since run 1"
    second, told = resumed(first, flow)
    assert told.steps == {} and second.scheduler.finished


def test_parameters_and_constants_are_the_origins_by_reference(tmp_path: Path) -> None:
    first = finished(small(tmp_path, head='    x = Parameter("x", default=1)\n    C = "old"\n    gone = 3'))
    changed = small(
        tmp_path, head='    x = Parameter("x", default=2)\n    C = "new"\n    y = Parameter("y", default=7)'
    )
    second, _ = resumed(first, changed)
    assert second.record.artifacts["x"] == first.record.artifacts["x"]
    assert second.record.artifacts["C"] == first.record.artifacts["C"]
    assert second.value("end", "y") == 7
    assert set(second.record.artifacts) == {"x", "y", "C"} and second.record.parameters == ("x", "y")


def test_a_parameter_that_the_origin_lacks_and_that_must_be_given(tmp_path: Path) -> None:
    first = finished(small(tmp_path))
    reuse, _ = reuse_of(first, small(tmp_path, head='    x = Parameter("x", default=1)'))
    required = dataclasses.replace(reuse.plan.parameters[0], required=True)
    reuse.plan = dataclasses.replace(reuse.plan, parameters=(required,))
    with pytest.raises(ParameterError, match="has no value for the parameter 'x'"):
        reuse.start_artifacts(Artifacts(first.store), small(tmp_path))


def test_a_task_that_was_cleared_is_reused_as_it_is_now(tmp_path: Path) -> None:
    flow = small(tmp_path)
    first = finished(flow)
    old = first.task("end")
    commits.reopen_task(first.store, old, 1)
    second, _ = resumed(first, flow)
    assert second.order == [("end", "0")]
    commits.commit_attempt(first.store, dataclasses.replace(old, attempt=1, generation=1))
    third, _ = resumed(first, flow, run="3")
    assert third.order == [] and third.task("end").attempt == 1 and third.task("end").generation == 0


def test_what_took_its_inputs_from_an_attempt_that_was_cleared_since_runs_again(tmp_path: Path) -> None:
    flow = small(tmp_path)
    first = finished(flow)
    old = first.task("start")
    commits.reopen_task(first.store, old, 1)
    commits.commit_attempt(first.store, dataclasses.replace(old, attempt=1, generation=1))
    second, _ = resumed(first, flow)
    assert second.task("start").attempt == 1
    assert second.order and ("start", "0") not in second.order


def test_an_orchestrators_run_is_resumed_on_a_laptop(tmp_path: Path) -> None:
    flow = small(tmp_path)
    first = finished(flow, tasks=3, run_id="airflow-scheduled__2026-11-21T00:00:00+00:00-ab12")
    second, told = resumed(first, flow, run="1")
    assert second.task("start").origin == f"Small/{first.record.run}/start/0"
    assert told.steps == {"start": (1, 0), "work": (2, 1)} and second.scheduler.finished
    # This one has no end yet, and another orchestrator's processes are none of ours.
    assert told.messages[0].startswith(f"Resuming Small/{first.record.run} (it was named), which is still running")


def test_an_unknown_step(tmp_path: Path) -> None:
    first = finished(small(tmp_path))
    with pytest.raises(UsageError, match="no step 'wrk'") as error:
        reuse_of(first, small(tmp_path), "wrk")
    assert error.value.help == "Did you mean 'work'?"
