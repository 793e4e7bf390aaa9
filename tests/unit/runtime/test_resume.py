"""What a resumed run takes over, in one process: the real scheduler, attempts and store."""

import dataclasses
import random
from collections import Counter
from pathlib import Path

import pytest

from flow_sdk import FlowSpec
from flow_sdk.errors import NotFound, ParameterError, UsageError
from flow_sdk.metadata.index import RunIndex
from flow_sdk.metadata.runs import Runs
from flow_sdk.runtime.resume.forecast import describe_states, forecast_resume
from flow_sdk.runtime.resume.origin import find_origin
from flow_sdk.runtime.resume.reuse import Resume, Reuse
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.records import commits, layout
from tests.rig.inprocess import InProcessRun, load_source
from tests.strategies.flows import flow_source
from tests.unit.runtime.flows import Loops, Shapes


class Told:
    """A reporter that remembers what was reused."""

    def __init__(self) -> None:
        self.steps: dict[str, tuple[int, int]] = {}
        self.messages: list[str] = []

    def reused(self, step: str, count: int, left: int, origin: str) -> None:
        assert step not in self.steps, "a step is told once"
        self.steps[step] = (count, left)

    def message(self, text: str) -> None:
        self.messages.append(text)


def finished(
    flow: type[FlowSpec], *, tasks: int | None = None, pick: random.Random | None = None, run_id: str = "1"
) -> InProcessRun:
    """A run of a flow, killed after some of its tasks."""
    run = InProcessRun(flow, pick=pick.randrange if pick else lambda n: 0, run=run_id)
    Runs(run.store).create(run.record)
    if tasks is None:
        return run.run()
    run.scheduler.begin()
    ready = run.scheduler.take()
    while ready and len(run.order) < tasks:
        key, left = ready.pop(run.pick(len(ready)))
        manifest = run.attempt(key, left).manifest
        run.scheduler.committed(key, manifest.next, manifest.items.count if manifest.items else None)
        ready += run.scheduler.take()
    return run


def reuse_of(
    first: InProcessRun, flow: type[FlowSpec], step: str | None = None, run: str = "2"
) -> tuple[Reuse, InProcessRun]:
    second = InProcessRun(flow, store=first.store, run=run)
    return Resume(first.record.run, step).open(first.store, second.plan, "tester"), second


def resumed(
    first: InProcessRun, flow: type[FlowSpec], step: str | None = None, run: str = "2"
) -> tuple[InProcessRun, Told]:
    reuse, second = reuse_of(first, flow, step, run)
    refs, names = reuse.start_artifacts(Artifacts(first.store), flow)
    second.record = dataclasses.replace(second.record, artifacts=refs, parameters=names, origin_run=first.record.run)
    Runs(first.store).create(second.record)
    told = Told()
    second.run(before=lambda: reuse.commit_reused(second.scheduler, run, told))  # type: ignore[arg-type]
    return second, told


def hashes(run: InProcessRun) -> dict[tuple[str, str, str], str]:
    """All artifacts of all committed tasks."""
    found = {}
    prefix = layout.steps_prefix(run.view.flow, run.view.run)
    for info in run.store.list(prefix):
        if info.key.endswith("/commit.json"):
            step, task, _ = info.key.removeprefix(prefix).split("/")
            position = run.plan[step].position_text(run.plan[step].position(task))
            for name, ref in {**run.task(step, position).artifacts, **run.record.artifacts}.items():
                found[step, task, name] = ref.hash
    return found


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


SMALL = """
from flow_sdk import FlowSpec, Parameter, catch, step


class Small(FlowSpec):
{head}
    @step
    def start(self):
        self.items = [1, 2, 3]
        self.next(self.work, foreach="items")

    @catch(var="problem")
    @step
    def work(self):
        self.own = self.input
        {work}
        self.next(self.{after})

{more}
    @step
    def join(self, inputs):
        self.own = [getattr(i, "own", None) for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def small(folder: Path, *, head: str = "", work: str = "pass", after: str = "join", more: str = "") -> type[FlowSpec]:
    return load_source(SMALL.format(head=head, work=work, after=after, more=more), "Small", str(folder))


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
    assert forecast_resume(reuse)[0].why == "its place in the flow has changed since run 1"
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


def test_a_forecast_changes_nothing_and_is_right(tmp_path: Path) -> None:
    first = finished(small(tmp_path, work="assert self.input != 2"))
    before = [info.key for info in first.store.list("")]
    reuse, _ = reuse_of(first, small(tmp_path))
    lines = [(line.step, line.reused, line.again, line.more) for line in forecast_resume(reuse)]
    assert lines == [("start", 1, 0, False), ("work", 2, 1, False), ("join", 0, 1, False), ("end", 0, 1, False)]
    whys = [line.why for line in forecast_resume(reuse)]
    assert whys[0] == "" and "@catch took its failure" in whys[1]
    assert whys[2] == "it comes after work/1.1, which runs again"
    assert len([key for key in before if "/runs/" in key]) == len(
        [info.key for info in first.store.list("") if "/runs/" in info.key]
    )


def test_a_forecast_says_what_it_cannot_know(tmp_path: Path) -> None:
    first = finished(small(tmp_path), tasks=0)
    reuse, _ = reuse_of(first, small(tmp_path))
    start, work, *_ = forecast_resume(reuse)
    assert (start.reused, start.again, start.more) == (0, 1, False)
    assert (work.reused, work.again, work.more) == (0, 0, True)


def test_a_task_that_was_cleared_is_reused_as_it_is_now(tmp_path: Path) -> None:
    flow = small(tmp_path)
    first = finished(flow)
    old = first.task("end")
    commits.reopen(first.store, old, 1)
    second, _ = resumed(first, flow)
    assert second.order == [("end", "0")]
    commits.commit(first.store, dataclasses.replace(old, attempt=1, generation=1))
    third, _ = resumed(first, flow, run="3")
    assert third.order == [] and third.task("end").attempt == 1 and third.task("end").generation == 0


def test_what_took_its_inputs_from_an_attempt_that_was_cleared_since_runs_again(tmp_path: Path) -> None:
    flow = small(tmp_path)
    first = finished(flow)
    old = first.task("start")
    commits.reopen(first.store, old, 1)
    commits.commit(first.store, dataclasses.replace(old, attempt=1, generation=1))
    second, _ = resumed(first, flow)
    assert second.task("start").attempt == 1
    assert second.order and ("start", "0") not in second.order


def test_origins(tmp_path: Path) -> None:
    first = finished(small(tmp_path))
    runs = Runs(first.store)
    runs.create(dataclasses.replace(first.record, run="2", system_tags=(), started=2.0))
    with pytest.raises(NotFound, match="no run '42'") as far:
        find_origin(runs, "Small", "tester", "42")
    assert far.value.help == "Its newest runs: 1, 2."
    for name in ("1", "Small/1"):
        assert find_origin(runs, "Small", "tester", name) == (first.record, "it was named")
    with pytest.raises(UsageError, match="can't resume a run of 'Other'"):
        find_origin(runs, "Small", "tester", "Other/1")
    with pytest.raises(NotFound, match="no run '7'"):
        find_origin(runs, "Small", "tester", "7")
    with pytest.raises(NotFound, match="no run of 'Small' by 'tester'") as none:
        find_origin(runs, "Small", "tester", None)  # this run carries no user's tag
    assert none.value.help is not None and "1" in none.value.help
    with pytest.raises(NotFound):
        find_origin(Runs(MemoryStore("memory://empty-for-resume")), "Small", "tester", None)
    for number, user in enumerate(["anne", "ben", "anne", "ben"], start=2):
        tags = (f"user:{user}",)
        runs.create(dataclasses.replace(first.record, run=str(number), system_tags=tags, started=float(number)))
    assert find_origin(runs, "Small", "anne", None)[0].run == "4"
    # A tag of somebody else's run, from a time when it could be given, doesn't make the run anne's.
    RunIndex(first.store, "Small").add("user:anne", "5", 5.0)
    assert next(runs.newest("Small", "user:anne")) == "5"
    assert find_origin(runs, "Small", "anne", None)[0].run == "4"
    runs.create(dataclasses.replace(first.record, run="airflow-scheduled-1", started=9.0))
    with pytest.raises(NotFound) as close:
        find_origin(runs, "Small", "anne", "airflow-sheduled-1")
    assert close.value.help == "Did you mean 'airflow-scheduled-1'?"


def test_a_resume_without_a_name_is_one_of_the_users_last_run(tmp_path: Path) -> None:
    first = finished(small(tmp_path))
    runs = Runs(first.store)

    def add(run: str, *tags: str, origin: str | None = None) -> None:
        record = dataclasses.replace(first.record, run=run, system_tags=tags, origin_run=origin, started=float(run[-1]))
        runs.create(record)

    add("2", "user:anne", "runtime:local", origin="1")
    with pytest.raises(NotFound, match="no run of 'Small' by 'anne'") as none:
        find_origin(runs, "Small", "anne", None)
    assert "--origin-run-id 2" in str(none.value.help)
    add("3", "user:anne", "runtime:local")
    assert find_origin(runs, "Small", "anne", None)[1] == "it is the last run of 'anne'"
    add("4", "user:anne", "runtime:local", origin="3")
    add("5", "user:anne", "runtime:local", origin="4")
    add("6", "user:ben", "runtime:local")
    # A deployment may have been given anne's namespace: she has run none of its runs.
    add("airflow-7", "user:anne", "runtime:airflow")
    origin, why = find_origin(runs, "Small", "anne", None)
    assert origin.run == "3" and "the newest resume, give --origin-run-id 5" in why
    assert find_origin(runs, "Small", "anne", "4")[0].run == "4"


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


def test_several_tasks_that_were_stopped_or_are_running_are_shown_in_the_plural() -> None:
    text = describe_states(Counter({"failed": 2, "was stopped": 2, "is running": 3, "hadn't begun": 2}), "", "1")
    assert text == "2 failed, 2 were stopped, 3 are running, 2 hadn't begun in run 1"
    assert describe_states(Counter({"failed": 1, "was stopped": 1}), "", "1") == "1 failed, 1 was stopped in run 1"
