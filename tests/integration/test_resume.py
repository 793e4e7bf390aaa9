"""``resume`` by the command line, and what the client says of a resumed run."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flow_sdk.client import Flow, Run, Task, metadata, namespace
from flow_sdk.errors import NotFound
from tests.support.moto import MotoServer
from tests.unit.cli.flow_file import FLOW, call, write

BAD = FLOW.replace('print("fitting"', "if self.input == 2 and FAIL: raise ValueError('no')\n        print(\"fitting\"")
ANNE, BEN = {"FLOW_SDK_USER": "anne"}, {"FLOW_SDK_USER": "ben"}


def source(fails: bool, text: str = BAD) -> str:
    return f"FAIL = {fails}\n" + text.replace(
        'print("done"', 'from flow_sdk import current\n        print(current.origin_run_id, "done"'
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Run 1, whose task fit/2 failed, and the flow mended since."""
    write(tmp_path, source(True))
    assert call(tmp_path, "run", "--folds", "4", "--alpha", "0.25", "--tag", "t", environment=ANNE).returncode == 1
    write(tmp_path, source(False))
    return tmp_path


def resume(folder: Path, *words: str, who: dict[str, str] = ANNE) -> "subprocess.CompletedProcess[str]":
    done = call(folder, "resume", *words, environment=who)
    assert done.returncode == 0, done.stderr
    return done


def runs(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("**/flows/TrainFlow/runs/[!~]*"))


def look(folder: Path) -> None:
    (store,) = (path.parent for path in folder.glob("**/store.json"))
    metadata(str(store))
    namespace(None)


def test_the_rest_of_a_failed_run_is_done(folder: Path) -> None:
    done = resume(folder, "--run-id-file", "id", "--tag", "again")
    assert (folder / "id").read_text() == "2"
    assert "fitting 2" in done.stdout and "fitting 1" not in done.stdout
    assert "1 done [0, 10, 20, 30]" in done.stdout
    told = [re.sub(r"^\S+ \S+ ", "", line) for line in done.stderr.splitlines() if "reused" in line]
    assert told[0] == "[2/start] 1 task reused from run 1"
    assert len(told) == 2 and re.fullmatch(r"\[2/fit\] \d tasks? reused from run 1, \d to run", told[1])
    look(folder)
    run = Run("TrainFlow/2")
    assert run.successful and run.origin_pathspec == "TrainFlow/1" and Run("TrainFlow/1").origin_pathspec is None
    assert run.user_tags == {"again"} and "user:anne" in run.tags
    assert run["start"].task.data.alpha == 0.25
    reused = Task("TrainFlow/2/start/0")
    assert reused.origin_pathspec == "TrainFlow/1/start/0" and reused.stdout.startswith("alpha is 0.25")
    assert reused.attempts == [0] and reused.exception is None
    assert Task("TrainFlow/2/end/3").origin_pathspec is None
    assert "alpha is 0.25" in call(folder, "logs", "2/start").stdout


def test_the_last_run_of_the_user_is_the_origin_through_any_number_of_resumes(folder: Path) -> None:
    for _ in range(3):
        assert "1 done [0, 10, 20, 30]" in resume(folder, "join").stdout
    look(folder)
    assert [run.origin_pathspec for run in Flow("TrainFlow")] == [*["TrainFlow/1"] * 3, None]
    done = resume(folder, "--dry-run")
    assert done.stderr.startswith(
        "Resuming TrainFlow/1 (it is the last run of 'anne'; to continue from the newest resume"
    )
    assert "--origin-run-id 4" in done.stderr


def test_a_resume_that_is_named_is_the_origin(folder: Path) -> None:
    resume(folder)
    done = resume(folder, "join", "--origin-run-id", "2")
    assert "2 done [0, 10, 20, 30]" in done.stdout and "fitting" not in done.stdout
    look(folder)
    assert Run("TrainFlow/3").origin_pathspec == "TrainFlow/2"
    assert Task("TrainFlow/3/fit/1.2").origin_pathspec == "TrainFlow/2/fit/1.2"
    assert Task("TrainFlow/3/start/0").origin_pathspec == "TrainFlow/1/start/0"
    assert Task("TrainFlow/3/start/0").stdout == Task("TrainFlow/1/start/0").stdout


def test_somebody_elses_run_gives_results_of_ones_own(folder: Path) -> None:
    done = call(folder, "resume", environment=BEN)
    assert done.returncode == 1 and "no run of 'TrainFlow' by 'ben'" in done.stderr
    resume(folder, "1", who=BEN)  # the same as --origin-run-id 1
    look(folder)
    namespace("user:ben")
    assert Run("TrainFlow/2").successful
    record = json.loads(next(folder.glob("**/runs/2/run.json")).read_text())
    assert record["namespace"] == "user:ben" and record["user"] == "ben"


@pytest.mark.parametrize(
    ("words", "code", "headline"),
    [
        (["--origin-run-id", "99"], 1, "has no run '99'"),
        (["--origin-run-id", "Other/1"], 2, "can't resume a run of 'Other'"),
        (["--origin-run-id", "../1"], 2, "can't resume a run of '..'"),
        (["ft"], 2, "no step 'ft'"),
        (["sfn-20261121T114913-2de3155b"], 1, "has no run 'sfn-20261121T114913-2de3155b'"),
        (["1", "--origin-run-id", "TrainFlow/1"], 2, "Two runs to resume are named."),
        (["fit", "join"], 2, "doesn't take 'join'"),
        (["--alpha", "3"], 2, "A resumed run has the parameters of its origin."),
    ],
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_mistake_leaves_nothing_behind(
    folder: Path, words: list[str], code: int, headline: str, dry: tuple[str, ...]
) -> None:
    before = sorted(folder.rglob("*"))
    done = call(folder, "resume", *words, *dry, environment=ANNE)
    assert done.returncode == code, done.stderr
    assert headline in done.stderr.splitlines()[0] and "Traceback" not in done.stderr
    assert [path for path in sorted(folder.rglob("*")) if "__pycache__" not in path.parts] == [
        path for path in before if "__pycache__" not in path.parts
    ]


def test_no_store_is_made(tmp_path: Path) -> None:
    write(tmp_path)
    assert call(tmp_path, "resume").returncode == 1
    assert not list(tmp_path.glob("**/store.json"))


def test_a_dry_run_says_why_and_starts_nothing(folder: Path) -> None:
    done = resume(folder, "--dry-run")
    assert runs(folder) == ["1"]
    lines = done.stdout.splitlines()
    assert done.stderr == "Resuming TrainFlow/1 (it is the last run of 'anne')\n"
    assert lines[0].split() == ["step", "reused", "run", "why"]
    assert re.fullmatch(r"start +1 +0", lines[1])
    assert re.fullmatch(r"fit +\d +\d  (1 failed(, \d w\w+ stopped)?(, \d hadn't begun)?|it failed) in run 1", lines[2])
    assert re.fullmatch(r"join +0 +1  it hadn't begun in run 1", lines[3])
    again = resume(folder, "fit", "--dry-run").stdout.splitlines()
    assert re.fullmatch(r"fit +0 +4  it was named", again[2])
    assert re.fullmatch(r"join +0 +1  it comes after 'fit'", again[3])


def test_what_a_program_reads(folder: Path) -> None:
    events = [json.loads(line) for line in resume(folder, "--output", "json").stdout.splitlines()]
    reused = [event for event in events if event["event"] == "reused"]
    assert [event["step"] for event in reused] == ["start", "fit"]
    assert reused[0] == {**reused[0], "run": "2", "count": 1, "left": 0, "origin": "1"}
    assert events[-1]["state"] == "succeeded"


def test_spawned_tasks_are_resumed_too(folder: Path) -> None:
    assert "1 done [0, 10, 20, 30]" in resume(folder, "--isolation", "spawn").stdout


def test_with_adds_decorators_to_what_runs(folder: Path) -> None:
    resume(folder, "--with", "retry:times=1")
    look(folder)
    assert Run("TrainFlow/2").successful


def test_runs_in_s3_are_resumed(tmp_path: Path) -> None:
    at = ("--datastore", "s3", "--datastore-root", "s3://flows/team")
    with MotoServer("flows") as server:
        who = {**server.env(), **ANNE}
        write(tmp_path, source(True))
        assert call(tmp_path, *at, "run", "--folds", "4", environment=who).returncode == 1
        write(tmp_path, source(False))
        done = call(tmp_path, *at, "resume", environment=who)
        assert done.returncode == 0, done.stderr
        assert "1 done [0, 10, 20, 30]" in done.stdout and "[2/start] 1 task reused" in done.stderr
        assert "alpha is 0.5" in call(tmp_path, *at, "logs", "2/start", environment=who).stdout


def test_a_killed_run_has_failed_at_once_and_is_resumed(tmp_path: Path) -> None:
    path = write(
        tmp_path, FLOW.replace('print("done"', 'import time; time.sleep(30 * (self.alpha == 7)); print("done"')
    )
    command = [sys.executable, str(path), "run", "--folds", "2", "--alpha", "7"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, **ANNE}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 20
    while not list(tmp_path.glob("**/runs/1/steps/end/*/0/start.json")):
        assert time.monotonic() < until
        time.sleep(0.01)
    look(tmp_path)
    run = Run("TrainFlow/1")
    assert run.state == "running"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (run.state, run.reason) == ("failed", "the process that ran it is gone")
    write(tmp_path)
    done = resume(tmp_path)
    assert "done [0, 10]" in done.stdout and "fitting" not in done.stdout
    assert Run("TrainFlow/2").state == "succeeded"
    with pytest.raises(NotFound):
        Run("TrainFlow/3")


STANDING = """
import pathlib
import time

from flow_sdk import FlowSpec, step


class Standing(FlowSpec):
    @step
    def start(self):
        self.numbers = [0, 1, 2]
        self.next(self.work, foreach="numbers")

    @step
    def work(self):
        if self.input == 0:
            pathlib.Path("begun").touch()
            time.sleep(600)
        while not pathlib.Path("begun").exists():
            time.sleep(0.05)
        assert self.input == 0, "no"
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Standing()
"""


def test_a_dry_run_tells_failed_from_stopped_and_from_what_had_not_begun(tmp_path: Path) -> None:
    (tmp_path / "standing.py").write_text(STANDING)
    assert call(tmp_path, "run", "--max-workers", "2", environment=ANNE, file="standing.py").returncode == 1
    shown = call(tmp_path, "resume", "--dry-run", environment=ANNE, file="standing.py").stdout.splitlines()
    assert re.fullmatch(r"work +0 +3  1 failed, 1 was stopped, 1 hadn't begun in run 1", shown[2])
    assert re.fullmatch(r"join +0 +1  it hadn't begun in run 1", shown[3])
    namespace(None)
    metadata(str(next(tmp_path.glob("**/store.json")).parent))
    assert [task.exception.exception for task in Run("Standing/1")["work"] if task.index == 0] == [
        "it was stopped, as the run ended"
    ]
    assert {task.state for task in Run("Standing/1")["work"]} == {"failed"}


def test_a_parameter_named_as_an_option_of_resume_is_no_obstacle(tmp_path: Path) -> None:
    text = STANDING.replace("FlowSpec, step", "FlowSpec, Parameter, step").replace(
        "(FlowSpec):", '(FlowSpec):\n    output = Parameter("output", default="x")\n'
    )
    (tmp_path / "standing.py").write_text(text.replace("[0, 1, 2]", "[1]"))
    (tmp_path / "begun").touch()
    assert call(tmp_path, "run", environment=ANNE, file="standing.py").returncode == 1
    assert (
        call(tmp_path, "resume", "--dry-run", "--output", "plain", environment=ANNE, file="standing.py").returncode == 0
    )
    assert "Parameters of the flow" not in call(tmp_path, "resume", "--help", file="standing.py").stdout
