"""Arithmetic on positions."""

import pytest

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
