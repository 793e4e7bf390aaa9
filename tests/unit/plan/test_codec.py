"""JSON of plans: the same bytes for the same flow, read back as it was, and older and damaged ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.errors import PlanError, PlanVersionError
from flow_sdk.plan.codec import from_data, from_json, ordered_json, sorted_data, to_data, to_json
from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.model import FORMAT, FlowPlan, StepPlan
from tests.strategies.loading import small_flow
from tests.strategies.transitions import plan_of

EACH = "start: self.a, foreach='x'\na: self.j\nj(inputs): self.end\nend:"


def test_the_same_flow_has_the_same_bytes_and_another_file_others(tmp_path: Path) -> None:
    flow = small_flow(tmp_path, "start: pass")
    assert to_json(compile_plan(flow, file="a.py")) == to_json(compile_plan(flow, file="a.py"))
    assert to_json(compile_plan(flow, file="a.py")) != to_json(compile_plan(flow, file="b.py"))


def test_a_plan_is_read_back_as_it_was(tmp_path: Path) -> None:
    plan = plan_of(EACH, tmp_path)
    assert from_json(to_json(plan)) == plan
    assert to_json(from_json(to_json(plan))) == to_json(plan)


def test_what_is_derived_is_not_stored(tmp_path: Path) -> None:
    """Neither a step's number nor the tree: reading them first changes no byte."""
    plan = plan_of(EACH, tmp_path)
    stored = to_json(plan)
    assert plan.tree.root.nodes
    assert to_json(plan) == stored and b"tree" not in stored and b"number" not in stored


def test_fields_with_their_default_are_left_out() -> None:
    data = to_data(FlowPlan("F", "f.py", "", (StepPlan("start", "end", number=0),)))
    assert data == {
        "doc": "",
        "file": "f.py",
        "flow": "F",
        "format": FORMAT,
        "steps": [{"kind": "end", "name": "start"}],
    }


def test_a_plan_of_format_1_has_no_numbers_of_steps() -> None:
    plan = from_data({"format": 1, "flow": "F", "file": "f.py", "steps": [{"name": "start", "kind": "end"}]})
    assert plan.start.number is None and plan.format == 1
    assert from_data({**to_data(plan), "format": 2}).start.number == 0


def test_a_plan_of_a_newer_release_is_refused_with_the_way_out() -> None:
    with pytest.raises(PlanVersionError, match=f"reads formats up to {FORMAT}") as caught:
        from_data({"format": FORMAT + 1})
    assert "pip install -U flow-sdk" in str(caught.value)


@pytest.mark.parametrize("text", [b"{", b"\xff", b"[" * 100_000])
def test_text_that_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(PlanError, match="isn't JSON"):
        from_json(text)


@pytest.mark.parametrize("data", [[], None, {}, {"format": "2"}, "plan"])
def test_json_that_is_no_plan_is_refused(data: Any) -> None:
    with pytest.raises(PlanError, match="isn't a flow plan"):
        from_json(json.dumps(data).encode())


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), object()])
def test_a_value_without_a_form_in_json_is_refused(value: Any) -> None:
    with pytest.raises(PlanError, match="can't be written as JSON"):
        ordered_json({"a": value})


def test_keys_are_sorted_at_every_depth() -> None:
    assert ordered_json(sorted_data({"b": [{"d": 1, "c": 2}], "a": ()})) == b'{"a":[],"b":[{"c":2,"d":1}]}'
