"""What an orchestrator without switches and loops of its own asks of a run, on random flows that have run."""

from __future__ import annotations

from pathlib import Path

import pytest

from flow_sdk.errors import ObjectMissing, PathspecError, TransitionError
from flow_sdk.ids import FOREACH
from flow_sdk.metadata.runs import Runs
from flow_sdk.plan.codec import to_json
from flow_sdk.runtime.run_queries import find_task_id, foreach_children, is_chosen, loop_outcome, open_run
from flow_sdk.store.blobs.blob import digest_of
from flow_sdk.store.open_store import open_store
from tests.strategies.flows import flow_source
from tests.strategies.loading import small_flow
from tests.support.in_process_runs import InProcessRun, load_source

pytestmark = pytest.mark.slow  # starts processes


def finished_run(seed: int, folder: Path) -> InProcessRun:
    source = flow_source(seed, max_steps=20)
    return InProcessRun(load_source(source.text, source.name, str(folder))).run()


@pytest.mark.parametrize("seed", range(40))
def test_the_answers_are_what_the_tasks_of_the_run_show(seed: int, tmp_path: Path) -> None:
    run = finished_run(seed, tmp_path)
    plan, done = run.plan, set(run.order)
    for name, text in done:
        step = plan[name]
        position = step.parse_position(text)
        assert is_chosen(run.view, name, text)
        if step.kind == FOREACH:
            below = [(step.next[0], one) for one in foreach_children(run.view, name, text)]
            assert below and set(below) <= done and len(set(below)) == len(below)
        if name in plan.tree.loops:
            outcome = loop_outcome(run.view, name, text)
            next_one = step.position_text((*position[:-1], position[-1] + 1))
            if (name, next_one) in done:
                assert outcome is None
            else:
                assert outcome in plan.tree.loops[name].body.targets and outcome != name


def test_a_case_that_was_not_chosen_is_not(tmp_path: Path) -> None:
    found = 0
    for seed in range(40):
        run = finished_run(seed, tmp_path)
        missing = {step.name for step in run.plan.steps} - {name for name, _ in run.order}
        for name in missing:
            step = run.plan[name]
            first = step.position_text((0,) * len(step.kinds))
            assert not is_chosen(run.view, name, first)
            found += 1
    assert found, "some switch must have left a step out"


def test_an_iteration_that_is_not_finished_has_no_outcome(tmp_path: Path) -> None:
    for seed in range(40):
        run = finished_run(seed, tmp_path)
        for entry in run.plan.tree.loops.values():
            last = entry.step.position_text((*((0,) * (len(entry.step.kinds) - 1)), 99))
            with pytest.raises(TransitionError, match="isn't finished"):
                loop_outcome(run.view, entry.step.name, last)


SWITCH = (
    "start: self.xs = [0, 1] ; self.next(self.fit, foreach='xs')",
    "fit: self.to = self.input ; self.next({0: self.low, 1: self.high}, condition='to')",
    "low: self.next(self.j)",
    "high: self.next(self.j)",
    "j(inputs): self.next(self.end)",
    "end:",
)
LOOP = (
    "start: self.n = 0 ; self.next(self.fit)",
    "fit: self.n += 1 ; self.next(self.left, self.right)",
    "left: self.next(self.j)",
    "right: self.next(self.j)",
    "j(inputs): self.n = inputs[0].n ; self.go = self.n < 3 ; "
    "self.next({True: self.fit, False: self.end}, condition='go')",
    "end:",
)


def test_a_case_that_a_switch_did_not_choose_is_not_chosen(tmp_path: Path) -> None:
    run = InProcessRun(small_flow(tmp_path, *SWITCH)).run()
    chosen = [(step, at) for step in ("low", "high") for at in ("0", "1") if is_chosen(run.view, step, at)]
    assert chosen == [("low", "0"), ("high", "1")]
    assert is_chosen(run.view, "start", "0") and is_chosen(run.view, "j", "0")
    assert is_chosen(run.view, "of_a_later_version", "0")


def test_a_step_that_the_run_has_not_reached_is_not_chosen(tmp_path: Path) -> None:
    run = InProcessRun(small_flow(tmp_path, *SWITCH))
    assert not is_chosen(run.view, "j", "0") and not is_chosen(run.view, "fit", "0")
    assert foreach_children(run.view, "start", "0") == []


def test_the_children_of_a_foreach_are_positions(tmp_path: Path) -> None:
    run = InProcessRun(small_flow(tmp_path, *SWITCH)).run()
    assert foreach_children(run.view, "start", "0") == ["0", "1"]


def test_an_iteration_leads_back_or_out(tmp_path: Path) -> None:
    run = InProcessRun(small_flow(tmp_path, *LOOP)).run()
    assert [loop_outcome(run.view, "fit", f"0-{n}") for n in range(3)] == [None, None, "end"]
    with pytest.raises(TransitionError, match="iteration isn't finished: task fit/"):
        loop_outcome(run.view, "fit", "0-3")


def test_a_run_is_opened_with_the_plan_it_began_with(tmp_path: Path) -> None:
    run = InProcessRun(small_flow(tmp_path, *LOOP)).run()
    root = str(tmp_path / "store")
    with pytest.raises(ObjectMissing):
        open_run(root, "Small", "1")
    kept = InProcessRun(small_flow(tmp_path, *LOOP), store=open_store(root)).run()
    Runs(kept.store).create(kept.record)
    view = open_run(root, "Small", "1")
    assert view.plan == run.plan and view.read(view.plan["end"], ()) is not None


def test_a_task_is_named_by_its_position_in_any_version(tmp_path: Path) -> None:
    root = str(tmp_path / "store")
    run = InProcessRun(small_flow(tmp_path, *LOOP), store=open_store(root))
    Runs(run.store).create(run.record)
    later = InProcessRun(small_flow(tmp_path, "start: self.next(self.added)", "added: self.next(self.end)", "end:"))
    digest = digest_of((to_json(later.plan),)).hex()
    deployed = (digest, later.plan)
    assert find_task_id(root, "Small", "1", deployed, "end", "0") == run.plan["end"].task_id(())
    assert find_task_id(root, "Small", "2", deployed, "end", "0") == later.plan["end"].task_id(())
    assert find_task_id(root, "Small", "1", deployed, "added", "0") == later.plan["added"].task_id(())
    with pytest.raises(PathspecError):
        find_task_id(root, "Small", "1", deployed, "end", "7")
