"""The driver with real processes: what a process that is killed means for its attempt and its run."""

from pathlib import Path

import pytest

from flow_sdk.metadata.runs import Runs
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records.commits import read_attempt
from tests.unit.runtime.local.local_runs import ISOLATIONS, plan_of, run

pytestmark = pytest.mark.slow  # starts processes


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_process_that_is_killed_fails_its_attempt_and_is_retried(isolation: str, tmp_path: Path) -> None:
    events = run(
        tmp_path,
        isolation,
        "@retry(times=1, minutes_between_retries=0)\n"
        "start: import os, signal ; os.kill(os.getpid(), signal.SIGKILL) ; self.next(self.end)",
        "end:",
    )
    assert events.names[-4:] == ["task_started", "task_failed start None", "run_finished failed", "RunFailed"]
    assert "task_failed start 0.0" in events.names
    assert events.reason == "start/0: the task's process was ended by SIGKILL (out of memory?)"
    store = open_store(str(tmp_path / "store"))
    for number in (0, 1):
        attempt = read_attempt(store, "Small", "1", "start", "0", number)
        assert attempt is not None and attempt.exception is not None
        assert attempt.exception["type"] == "TaskKilled"
    assert Runs(store).state("Small", "1", plan_of(tmp_path)) == "failed"
