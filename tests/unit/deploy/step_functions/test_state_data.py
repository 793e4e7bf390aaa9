"""What a state machine reads of a task: the indices of a foreach, the data behind a switch."""

import json
from pathlib import Path
from typing import Any

from flow_sdk.deploy.step_functions.state_data import derive_state_data, write_state_data
from tests.strategies.loading import small_flow
from tests.support.in_process_runs import InProcessRun


def ran(folder: Path, *steps: str) -> InProcessRun:
    return InProcessRun(small_flow(folder, *steps)).run()


def read(run: InProcessRun, step: str, position: str = "0") -> Any:
    """The object that a task leaves, by way of the store."""
    task = run.id(step, position)
    write_state_data(run.view, run.plan[step], task, "nightly")
    return json.loads(run.store.get(f"flows/Small/runs/1/steps/{step}/{task}/next.json"))


NESTED = (
    "start: self.xs = [1, 2] ; self.next(self.outer, foreach='xs')",
    "outer: self.ys = 'abc' ; self.next(self.inner, foreach='ys')",
    "inner: self.next(self.j)",
    "j(inputs): self.next(self.k)",
    "k(inputs): self.next(self.end)",
    "end:",
)


def test_a_foreach_lists_the_indices_of_its_children(tmp_path: Path) -> None:
    run = ran(tmp_path, *NESTED)
    assert read(run, "start") == ["0", "1"]
    assert read(run, "outer", "1") == ["1.0", "1.1", "1.2"]


def test_a_step_that_hands_on_to_one_leaves_nothing(tmp_path: Path) -> None:
    run = ran(tmp_path, *NESTED)
    write_state_data(run.view, run.plan["inner"], "2.0.0", "nightly")
    assert run.store.head("flows/Small/runs/1/steps/inner/2.0.0/next.json") is None


def test_a_switch_says_which_step_and_which_pass_come_next(tmp_path: Path) -> None:
    run = ran(
        tmp_path,
        "start: self.n = 0 ; self.next(self.fit)",
        "fit: self.n += 1 ; self.more = self.n < 3 ; self.next({True: self.fit, False: self.end}, condition='more')",
        "end:",
    )
    wanted = {"run": "nightly", "split": "0", "next": "fit", "loops": {"fit": {"pass": 2}}}
    assert read(run, "fit", "0-1") == wanted
    assert read(run, "fit", "0-2") == {**wanted, "next": "end", "loops": {}}


def test_a_switch_inside_a_foreach_keeps_the_indices_and_the_loops_around_it(tmp_path: Path) -> None:
    run = ran(
        tmp_path,
        "start: self.xs = [3, 4] ; self.next(self.fit, foreach='xs')",
        "fit: self.n = getattr(self, 'n', 0) + 1 ; self.next(self.look)",
        "look: self.to = self.n < 2 ; self.next({True: self.fit, False: self.j}, condition='to')",
        "j(inputs): self.next(self.end)",
        "end:",
    )
    assert read(run, "look", "1-0") == {"run": "nightly", "split": "1", "next": "fit", "loops": {"fit": {"pass": 1}}}
    assert read(run, "look", "1-1") == {"run": "nightly", "split": "1", "next": "j", "loops": {}}


def test_the_object_is_the_same_however_often_it_is_written(tmp_path: Path) -> None:
    run = ran(tmp_path, *NESTED)
    step, manifest = run.plan["start"], run.task("start")
    assert derive_state_data(run.view, step, (), manifest, "n") == derive_state_data(run.view, step, (), manifest, "n")
    assert read(run, "start") == read(run, "start")
