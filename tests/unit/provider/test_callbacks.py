"""What is recorded in the store when Airflow ends a run."""

from pathlib import Path

import pytest

from flow_provider.callbacks import RunFailureCallback, clear_recorded_end
from flow_provider.deployment import DagFileDeployment
from flow_provider.run_ids import flow_run_id
from flow_sdk.metadata.runs import Runs
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records.model import RunRecord

PLAN = FlowPlan(
    "F", "f.py", "", (StepPlan("start", "linear", next=("end",)), StepPlan("end", "end", parents=("start",)))
)


class DagRun:
    clear_number = 0


@pytest.fixture
def deployment(tmp_path: Path) -> DagFileDeployment:
    return DagFileDeployment(dag="f", digest="x", plan=PLAN, store=str(tmp_path / "store"), plan_hash="0" * 64)


def test_a_failed_dag_run_is_recorded_and_a_cleared_one_runs_again(deployment: DagFileDeployment) -> None:
    runs, run = Runs(open_store(deployment.store)), flow_run_id("f", "F", "manual__1")
    facts = {"kind": "airflow", "dag": "f", "run": "manual__1"}
    runs.create(RunRecord("F", run, "0" * 64, None, {}, (), "airflow", 1.0, orchestrator=facts, end="end"))
    RunFailureCallback(deployment)({"run_id": "manual__1", "reason": "timed_out"})
    outcome = runs.outcome("F", run, PLAN)
    assert (outcome.state, outcome.reason) == ("failed", "Airflow ended the run: timed_out")
    dag_run = DagRun()
    clear_recorded_end(deployment, {"dag_run": dag_run}, run)
    assert runs.state("F", run, PLAN) == "failed"
    dag_run.clear_number = 1
    clear_recorded_end(deployment, {"dag_run": dag_run}, run)
    assert runs.state("F", run, PLAN) == "running"


def test_a_dag_processor_that_does_not_reach_the_store_fails_nothing(
    deployment: DagFileDeployment, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    RunFailureCallback(deployment)({"run_id": "manual__1"})
    assert not (tmp_path / "store").exists() and not caplog.records
    open_store(deployment.store)
    (tmp_path / "store" / "store.json").write_text("{")
    RunFailureCallback(deployment)({"run_id": "manual__1"})
    assert "couldn't be recorded" in caplog.text
