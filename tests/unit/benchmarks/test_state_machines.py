"""State machines against the peer's recorded figures: transitions that are billed, and bytes of the definition."""

import json
from pathlib import Path
from typing import Any

import pytest

import benchmarks
from benchmarks.state_machines import SHAPES, bytes_a_step, flow_source, transitions
from flow_sdk.deploy.step_functions.definition import MachineOptions, state_machine
from flow_sdk.graph.item_counts import item_counts
from flow_sdk.plan.compile import compile_plan
from flow_sdk.runtime.batch.definition import BatchSettings
from tests.strategies.loading import load_flow

FOLDER = Path(benchmarks.__file__).parent
PEER = json.loads((FOLDER / "peer_state_machines.json").read_text())["shapes"]


def definition(shape: str, folder: Path) -> dict[str, Any]:
    """What the benchmark's command compiles; its settings have names of the same length."""
    source = flow_source(SHAPES[shape][1:]).replace("PACKAGE", "flow_sdk")
    flow = load_flow(source, folder)
    plan = compile_plan(flow, file="machine0.py")
    queue = "arn:aws:batch:us-east-1:123456789012:job-queue/bench"
    settings = BatchSettings(queue=queue, image="python:3.11-slim", job_role="arn:aws:iam::123456789012:role/rig-job")
    options = {"store": "s3://bench/flows", "request": "0" * 64, "item_counts": item_counts(flow)}
    return state_machine(plan, MachineOptions(settings=settings, **options))


@pytest.mark.parametrize("shape", SHAPES)
def test_no_more_transitions_and_a_fifth_of_the_bytes(shape: str, tmp_path: Path) -> None:
    ours, steps = definition(shape, tmp_path), int(SHAPES[shape][0])
    assert transitions(ours, (100, 10)) <= PEER[shape]["transitions"]
    assert bytes_a_step(ours, steps) * 5 <= PEER[shape]["bytes_a_step"]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_table_is_what_is_found(shape: str, tmp_path: Path) -> None:
    ours, steps, peer = definition(shape, tmp_path), int(SHAPES[shape][0]), PEER[shape]
    (row,) = [row for row in (FOLDER / "README.md").read_text().splitlines() if row.startswith(f"| {shape}, ")]
    *counts, peers, own, times = (float(cell) for cell in row.split("|")[2:-1])
    assert counts == [peer["transitions"], transitions(ours, (100, 10))]
    assert peers == peer["bytes_a_step"] and own == pytest.approx(bytes_a_step(ours, steps), abs=1)
    assert times == pytest.approx(peers / own, abs=0.06)
