"""What the client says of tasks that were tried again, caught, killed or run again by a resume."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flow_sdk.client import Run, Task, metadata, namespace

FLOW = """
import os, signal
from flow_sdk import FlowSpec, catch, current, retry, step


class Tries(FlowSpec):
    @retry(times=2, minutes_between_retries=0)
    @step
    def start(self):
        print("try", current.retry_count, flush=True)
        if current.retry_count == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if current.retry_count == 1:
            os.kill(os.getpid(), signal.SIGSEGV)
        self.shared = "old"
        self.next(self.raises)

    @catch(var="failure", print_exception=False)
    @step
    def raises(self):
        self.shared = "new"
        self.x = 1 / 0
        self.next(self.killed)

    @catch(var="gone")
    @step
    def killed(self):
        self.lost = 1
        os.kill(os.getpid(), signal.SIGTERM if "SIGTERM" in os.environ else signal.SIGKILL)
        self.next(self.end)

    @step
    def end(self):
        assert self.shared == "new" and self.failure and self.gone


if __name__ == "__main__":
    Tries()
"""


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "tries.py", "--datastore-root", str(folder / "store"), *words],
        cwd=folder,
        env={**os.environ, "FLOW_SDK_USER": "anne"},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_attempts_are_all_told_of(isolation: str, tmp_path: Path) -> None:
    (tmp_path / "tries.py").write_text(FLOW)
    done = call(tmp_path, "run", "--isolation", isolation)
    assert done.returncode == 0, done.stderr
    metadata(str(tmp_path / "store"))
    namespace(None)
    run = Run("Tries/1")
    start, raises, killed = (run[name].task for name in ("start", "raises", "killed"))
    assert start is not None and raises is not None and killed is not None

    by_name = [(fact.name, fact.value) for fact in start.metadata]
    assert [value for name, value in by_name if name == "attempt"] == ["0", "1", "2"]
    assert [value for name, value in by_name if name == "attempt_ok"] == ["False", "False", "True"]
    assert [value for name, value in by_name if name == "attempt-done"] == ["0", "1", "2"]
    assert dict(by_name) == start.metadata_dict and start.metadata_dict["attempt"] == "2"
    assert {fact.type for fact in start.metadata if fact.name == "attempt_ok"} == {"internal_attempt_status"}
    only = Task(start.pathspec, attempt=1)
    assert [fact.value for fact in only.metadata if fact.name == "attempt"] == ["1"]
    assert "origin-run-id" not in start.metadata_dict

    # What killed a process is in the attempt's own log, after what it had printed.
    assert Task(start.pathspec, attempt=0).stdout == "try 0\n"
    assert Task(start.pathspec, attempt=0).stderr == "[the task's process was ended by SIGKILL (out of memory?)]\n"
    assert only.stderr == "[the task's process was ended by SIGSEGV]\n"
    assert start.stderr == "" and start.exception is None
    assert "SIGSEGV" in call(tmp_path, "logs", "--stderr", "1/start/0", "--attempt", "1").stdout

    # A caught failure is in the artifact; what the step had set is there as far as there was a process to keep it.
    assert raises.exception is None and killed.exception is None
    assert (raises.finished, raises.successful, raises.data.shared) == (True, False, "new")
    assert raises.data.failure.type.endswith("ZeroDivisionError")
    assert "lost" not in killed.data and "SIGKILL" in killed.data.gone.exception
    assert "SIGKILL" in killed.stderr and "@catch handles the failure" in killed.stderr
    assert Task(killed.pathspec, attempt=0).exception is not None

    assert call(tmp_path, "resume", "end").returncode == 0
    again = Run("Tries/2")
    assert again["end"].task.metadata_dict["origin-run-id"] == "1"
    assert "origin-task-id" not in again["end"].task.metadata_dict
    reused = again["start"].task
    assert (reused.metadata_dict["origin-run-id"], reused.metadata_dict["origin-task-id"]) == ("1", "0")
    assert [fact.value for fact in reused.metadata if fact.name == "attempt"] == ["0", "1", "2"]
