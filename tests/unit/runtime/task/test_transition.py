"""What a step handed on to against its source."""

from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from flow_sdk.authoring.flow import Transition
from flow_sdk.errors import TransitionError
from flow_sdk.plan.model import StepPlan
from flow_sdk.runtime.task.transition import check_transition, chosen_case, foreach_values


def named(name: str) -> Any:
    return SimpleNamespace(__name__=name)


LINEAR = StepPlan("s", "linear", next=("a",))
FOREACH = StepPlan("s", "foreach", next=("a",), foreach="items")
SWITCH = StepPlan("s", "switch", next=("a", "b"), condition="way", cases=(("x", "a"), ("y", "b")))
END = StepPlan("s", "end")


@pytest.mark.parametrize(
    ("step", "transition"),
    [
        (LINEAR, Transition((named("a"),), None, None)),
        (FOREACH, Transition((named("a"),), "items", None)),
        (SWITCH, Transition(({"x": named("a"), "y": named("b")},), None, "way")),
        (END, None),
    ],
)
def test_the_transition_of_the_source_passes(step: StepPlan, transition: Transition | None) -> None:
    check_transition(step, transition)


@pytest.mark.parametrize(
    ("step", "transition", "seen"),
    [
        (LINEAR, None, "no self.next()"),
        (LINEAR, Transition((named("b"),), None, None), "self.next(self.b)"),
        (FOREACH, Transition((named("a"),), "others", None), "foreach='others'"),
        (FOREACH, Transition((named("a"),), None, None), "self.next(self.a)"),
        (SWITCH, Transition(({"x": named("a")},), None, "way"), "{'x': self.a}"),
        (SWITCH, Transition(({"x": named("a"), "y": named("b")},), None, "other"), "condition='other'"),
        (END, Transition((named("a"),), None, None), "self.next(self.a)"),
    ],
)
def test_any_other_one_shows_both(step: StepPlan, transition: Transition | None, seen: str) -> None:
    with pytest.raises(TransitionError) as caught:
        check_transition(step, transition)
    assert seen in (caught.value.seen or "")
    assert caught.value.wanted


@pytest.mark.parametrize(
    ("cases", "value", "target"),
    [
        ((("x", "a"), ("y", "b")), "y", "b"),
        (((True, "a"), (False, "b")), False, "b"),
        (((1, "a"), (2, "b")), 2.0, "b"),
        (((1, "a"), (True, "b")), True, "b"),
    ],
)
def test_a_switch_takes_the_case_of_its_value(cases: Any, value: Any, target: str) -> None:
    step = StepPlan("s", "switch", next=("a", "b"), condition="way", cases=cases)
    assert chosen_case(step, SimpleNamespace(way=value)) == target  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["z", None, 1, True])
def test_a_value_without_a_case_lists_the_cases(value: Any) -> None:
    with pytest.raises(TransitionError) as caught:
        chosen_case(SWITCH, SimpleNamespace(way=value))  # type: ignore[arg-type]
    assert "'x', 'y'" in str(caught.value) and repr(value) in str(caught.value)


def test_a_condition_that_is_not_set_is_named() -> None:
    with pytest.raises(TransitionError, match=r"self\.way"):
        chosen_case(SWITCH, SimpleNamespace())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("items", "values"),
    [
        ([1, 2], [1, 2]),
        ({"a": 1}, [("a", 1)]),
        (range(2), [0, 1]),
        ("ab", ["a", "b"]),
        ({7}, [7]),
        ((n for n in (3, 4)), [3, 4]),
    ],
)
def test_a_foreach_goes_over_any_iterable(items: Any, values: list[Any]) -> None:
    assert foreach_values(FOREACH, SimpleNamespace(items=items), 10) == values  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("flow", "text"),
    [
        (SimpleNamespace(), "isn't set"),
        (SimpleNamespace(items=[]), "empty"),
        (SimpleNamespace(items=5), "int"),
        (SimpleNamespace(items=range(11)), "--max-num-splits 11"),
        (SimpleNamespace(items=(n for n in range(12))), "--max-num-splits 12"),
    ],
)
def test_a_foreach_that_cannot_be_is_refused(flow: Any, text: str) -> None:
    with pytest.raises(TransitionError) as caught:
        foreach_values(FOREACH, flow, 10)
    assert text in str(caught.value)


def test_the_near_name_is_suggested() -> None:
    flow = SimpleNamespace(items=[1], other=2)
    with pytest.raises(TransitionError) as caught:
        foreach_values(StepPlan("s", "foreach", next=("a",), foreach="itmes"), flow, 10)  # type: ignore[arg-type]
    assert caught.value.help == "Did you mean 'items'?"
    with pytest.raises(TransitionError) as caught:
        chosen_case(SWITCH, SimpleNamespace(wya=1))  # type: ignore[arg-type]
    assert caught.value.help == "Did you mean 'wya'?"


@pytest.mark.parametrize("endless", [count(), (n for n in count())])
def test_items_without_end_are_too_many(endless: Any) -> None:
    with pytest.raises(TransitionError, match="more than the limit of 5"):
        foreach_values(FOREACH, SimpleNamespace(items=endless), 5)  # type: ignore[arg-type]
