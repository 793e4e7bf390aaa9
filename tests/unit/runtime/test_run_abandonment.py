"""Runs that an orchestrator ends between two tasks."""

from pathlib import Path

from flow_sdk.metadata.runs import Runs
from flow_sdk.runtime.run_abandonment import clear_end, record_abandonment
from flow_sdk.store.open_store import open_store
from tests.strategies.loading import small_flow
from tests.support.in_process_runs import InProcessRun


def test_an_end_is_recorded_once_and_cleared(tmp_path: Path) -> None:
    root = str(tmp_path / "store")
    flow = small_flow(tmp_path, "start: self.next(self.end)", "end:")
    run = InProcessRun(flow, store=open_store(root))
    Runs(run.store).create(run.record)
    assert record_abandonment(root, "Small", "1", "quarry", "The cart broke.", when=1000.0)
    assert not record_abandonment(root, "Small", "1", "quarry", "It broke again.")
    assert Runs(run.store).state("Small", "1", run.plan) == "failed"
    clear_end(root, "Small", "1")
    assert Runs(run.store).state("Small", "1", run.plan) != "failed"


def test_nothing_is_recorded_where_no_store_is(tmp_path: Path) -> None:
    assert not record_abandonment(str(tmp_path / "none"), "Small", "1", "quarry", "The cart broke.")
    assert not (tmp_path / "none").exists()
