"""Arithmetic on positions."""

from dataclasses import replace
from itertools import product

import pytest

from flow_sdk.errors import PathspecError
from flow_sdk.ids import is_task_id
from flow_sdk.plan.model import Scope, StepPlan
from flow_sdk.plan.positions import child_position, enclosing_position, last_number

OUTER = (Scope("foreach", "start"),)
LOOPED = (*OUTER, Scope("split", "fork", "a"), Scope("loop", "head"))

START = StepPlan("start", "foreach", next=("body",))
BODY = StepPlan("body", "linear", scopes=OUTER)
HEAD = StepPlan("head", "switch", scopes=LOOPED, back=("head",))
AFTER = StepPlan("after", "linear", scopes=LOOPED[:2])


def test_a_foreach_adds_its_item() -> None:
    assert child_position(START, (), BODY, 7) == (7,)


def test_a_loop_begins_with_pass_0_and_counts_up() -> None:
    assert child_position(BODY, (7,), HEAD) == (7, 0)
    assert child_position(HEAD, (7, 0), HEAD) == (7, 1)


def test_the_number_goes_when_the_loop_is_left() -> None:
    assert child_position(HEAD, (7, 3), AFTER) == (7,)


def test_the_split_around_a_task_has_the_outer_numbers_only() -> None:
    assert enclosing_position(HEAD, (7, 3), BODY) == (7,)
    assert enclosing_position(HEAD, (7, 3), START) == ()


@pytest.mark.parametrize("passes", [0, 1, 2, 3, 4, 7, 8, 9, 100, 1023, 1024])
def test_the_last_pass_is_found_with_few_looks(passes: int) -> None:
    asked: list[int] = []

    def begun(number: int) -> bool:
        asked.append(number)
        return number < passes

    assert last_number(begun) == (passes - 1 if passes else None)
    assert len(asked) <= 2 * passes.bit_length() + 2


IDS = [
    ((), (), "0", "4"),
    (OUTER, (3,), "3", "4.3"),
    ((*OUTER, Scope("foreach", "inner")), (3, 1), "3.1", "4.3.1"),
    ((Scope("loop", "head"),), (2,), "0-2", "4-2"),
    (LOOPED, (3, 1), "3-1", "4.3-1"),
    ((Scope("loop", "head"), *OUTER), (1, 3), "3-1", "4.3-1"),
]


@pytest.mark.parametrize(("scopes", "position", "text", "task"), IDS)
def test_an_id_is_the_number_of_the_step_and_the_position(
    scopes: tuple[Scope, ...], position: tuple[int, ...], text: str, task: str
) -> None:
    step = StepPlan("s", "linear", scopes=scopes, number=4)
    assert (step.task_id(position), step.position_text(position)) == (task, text)
    assert is_task_id(task) and step.position(task) == step.parse_position(text) == position
    earlier = replace(step, number=None)
    assert earlier.task_id(position) == earlier.position_text(position) == text
    assert earlier.position(text) == position


def test_no_two_steps_share_an_id() -> None:
    steps = [StepPlan(f"s{n}", "linear", scopes=IDS[n % len(IDS)][0], number=n) for n in range(40)]
    ids = [step.task_id(position) for step in steps for position in product(range(12), repeat=len(step.kinds))]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("text", ["0", "3", "4", "4.3.1", "4.3-1", "5.3", "4.03", "4.3-", "x", ""])
def test_an_id_of_another_form_or_step_is_refused(text: str) -> None:
    with pytest.raises(PathspecError, match="isn't the id of a task"):
        StepPlan("s", "linear", scopes=OUTER, number=4).position(text)
