"""Generated flows compile, and their plans mean what their source does."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from flow_sdk.plan.codec import from_json, to_json
from flow_sdk.plan.compile import compile_plan
from tests.strategies.flows import FlowSource, flow_source, flow_sources
from tests.strategies.loading import load_flow
from tests.unit.plan.interpreter import Interpreter

SETTINGS = settings(
    max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def run(source: FlowSource, folder: Path) -> None:
    flow = load_flow(source.text, folder)
    plan = compile_plan(flow, file="flow.py")
    assert from_json(to_json(plan)) == plan
    assert len(plan.steps) == source.steps
    tasks = Interpreter(flow, plan).run()
    assert len(tasks) <= source.tasks < 40
    places = {step.name: number for number, step in enumerate(plan.steps)}
    for step in plan.steps:
        assert all(places[target] > places[step.name] for target in step.next if target not in step.back)


@pytest.mark.parametrize("seed", range(60))
def test_a_flow_from_a_seed(seed: int, tmp_path: Path) -> None:
    run(flow_source(seed), tmp_path)


@SETTINGS
@given(source=flow_sources(max_steps=20, max_depth=4))
def test_a_flow_from_hypothesis(source: FlowSource, tmp_path: Path) -> None:
    run(source, tmp_path)


@SETTINGS
@given(source=flow_sources(allow_loops=False, allow_switches=False, allow_fused=False))
def test_what_is_not_allowed_is_not_generated(source: FlowSource, tmp_path: Path) -> None:
    run(source, tmp_path)
    assert not any(word in shape for shape in source.shapes for word in ("loop", "switch", "case", "join and"))


def test_the_seeds_hold_every_shape() -> None:
    shapes = set().union(*(flow_source(seed).shapes for seed in range(60)))
    assert shapes >= {
        "split", "nested split", "foreach", "nested foreach", "switch on 'x'", "switch on 0", "switch on True",
        "switch on -1", "direct case", "case to join", "loop self", "loop tail", "loop head", "loop break",
        "loop continue", "loop in foreach", "nested loop", "join and split", "join and end", "inputs by name",
        "merge include", "merge exclude", "marked ends",
    }  # fmt: skip


def test_a_seed_gives_the_same_text() -> None:
    assert flow_source(5).text == flow_source(5).text
    assert flow_source(5).text != flow_source(6).text
