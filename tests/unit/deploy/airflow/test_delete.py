"""Deleting from Airflow: runs that begin while the others are being stopped."""

from collections.abc import Iterator
from typing import Any

import pytest

from flow_sdk.deploy.airflow import delete
from flow_sdk.deploy.airflow.api import AirflowRefused


class LateRun:
    """Airflow with a run that began after the runs were listed: it refuses to delete the DAG until the run is ended."""

    def __init__(self) -> None:
        self.running = {"late"}

    def delete_dag(self, dag_id: str) -> bool:
        if self.running:
            raise AirflowRefused("Airflow can't delete it.", status=409, where="http://127.0.0.1")
        return True

    def dag_runs(self, dag_id: str, states: Any = ()) -> Iterator[dict[str, Any]]:
        assert set(states) == {"queued", "running"}
        return iter([{"dag_run_id": run} for run in sorted(self.running)])

    def fail_dag_run(self, dag_id: str, run_id: str) -> None:
        self.running.remove(run_id)


def test_a_run_that_begins_meanwhile_is_stopped_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delete, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(delete, "ENDING", 1.0)
    api: Any = LateRun()
    assert delete._forget_dag(api, "Train__loop.work") is True
    assert api.running == set()


def test_a_task_that_does_not_end_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delete, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(delete, "ENDING", 0.05)
    api: Any = LateRun()
    api.fail_dag_run = lambda dag_id, run_id: None
    with pytest.raises(AirflowRefused):
        delete._forget_dag(api, "Train__loop.work")
