"""A running Airflow task as run, position and attempt of the flow, also inside of a loop."""

from types import SimpleNamespace
from typing import Any

import pytest

from flow_provider.deployment import DagFileDeployment
from flow_provider.run_ids import flow_run_id
from flow_provider.task_context import CLEARINGS, LOOP_CONF, loop_conf, read_task_context
from flow_sdk.plan.model import FlowPlan, StepPlan

DEPLOYMENT = DagFileDeployment(
    dag="f", digest="x", plan=FlowPlan("F", "f.py", "", (StepPlan("start", "end"),)), store="/s", plan_hash="0" * 64
)


def context(dag: str = "f", conf: Any = None, tries: int = 1, max_tries: int = 2) -> dict[str, Any]:
    """Airflow's context, as far as it is read."""
    return {
        "ti": SimpleNamespace(max_tries=max_tries, try_number=tries),
        "dag_run": SimpleNamespace(dag_id=dag, run_id="manual__1", conf=conf),
    }


def test_a_task_of_the_flows_own_dag() -> None:
    found = read_task_context(DEPLOYMENT, context(), None, 2)
    assert found is not None
    assert (found.dag_id, found.airflow_run, found.position) == ("f", "manual__1", "0")
    assert found.run == flow_run_id("f", "F", "manual__1")
    assert (found.generation, found.series, found.tries_left) == (0, 0, 2)
    assert found.orchestrator == {"kind": "airflow", "dag": "f", "run": "manual__1"}


def test_a_mapped_task_has_the_position_of_its_item_and_a_cleared_one_a_higher_generation() -> None:
    found = read_task_context(DEPLOYMENT, context(tries=4, max_tries=5), "3.1", 2)
    assert found is not None and (found.position, found.generation, found.tries_left) == ("3.1", 3, 2)


def test_a_task_of_a_loops_body_is_of_the_run_that_started_the_loop() -> None:
    loop = read_task_context(DEPLOYMENT, context(max_tries=3), None, 2)
    assert loop is not None and loop.generation == 1
    conf = loop_conf(loop, "0-4", 1)
    inside = read_task_context(DEPLOYMENT, context(dag="f__loop.a", conf=conf), None, 2)
    assert inside is not None
    assert (inside.dag_id, inside.run, inside.position) == ("f", loop.run, "0-4")
    assert inside.generation == inside.series == CLEARINGS, "above each of the loop's own clearings"


@pytest.mark.parametrize("conf", [None, {}, {LOOP_CONF: 3}, {LOOP_CONF: {"run": "x"}}])
def test_a_body_that_no_loop_has_started_is_found_out(conf: Any) -> None:
    assert read_task_context(DEPLOYMENT, context(dag="f__loop.a", conf=conf), None, 2) is None
