"""What an orchestrator without switches and loops of its own asks of a run, on random flows that have run."""

from __future__ import annotations

from pathlib import Path

import pytest

from flow_sdk.errors import TransitionError
from flow_sdk.ids import FOREACH
from flow_sdk.runtime.run_queries import foreach_children, is_chosen, loop_outcome
from tests.strategies.flows import flow_source
from tests.support.in_process_runs import InProcessRun, load_source


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
