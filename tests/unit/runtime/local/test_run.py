"""A local run with real processes: its record, and the events in their order."""

from pathlib import Path

import pytest

from flow_sdk.metadata.runs import Runs
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records.commits import read_task
from tests.unit.runtime.local.local_runs import ISOLATIONS, run

pytestmark = pytest.mark.slow  # starts processes


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_run_is_recorded_and_its_events_come_in_order(isolation: str, tmp_path: Path) -> None:
    events = run(
        tmp_path,
        isolation,
        "start: self.xs = [1, 2] ; print('begun') ; self.next(self.fit, foreach='xs')",
        "fit: self.next(self.j)",
        "j(inputs): self.next(self.end)",
        "end:",
    )
    assert events.names[:4] == ["run_started", "task_started", "task_finished", "split"]
    assert events.names[-2:] == ["task_finished", "run_finished succeeded"]
    assert events.names.count("task_finished") == 5
    assert events.lines == [("start", "stdout", "begun")]
    assert (tmp_path / "id").read_text() == "1"
    store = open_store(str(tmp_path / "store"))
    record = Runs(store).read("Small", "1")
    assert record.orchestrator["kind"] == "local" and record.namespace == "user:anne"
    assert {"user:anne", "runtime:local"} <= set(record.system_tags)
    done = read_task(store, "Small", "1", "end", "3")
    assert done is not None and done.successful
