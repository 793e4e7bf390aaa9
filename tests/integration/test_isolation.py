"""Forked tasks behave as processes of their own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.client import Run, metadata, namespace

SOURCE = """
import random
import atexit
import numpy as np
from flow_sdk import FlowSpec, step
{seed}
SHARED = []


class Alone(FlowSpec):
    @step
    def start(self):
        self.items = [1, 2, 3]
        self.next(self.draw, foreach="items")

    @step
    def draw(self):
        SHARED.append(self.input)
        self.shared = list(SHARED)
        self.drawn = (random.random(), float(np.random.random()))
        atexit.register(print, "at exit", self.input)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.drawn = [i.drawn for i in inputs]
        self.shared = [i.shared for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Alone()
"""


def run(tmp_path: Path, seed: str, isolation: str) -> Any:
    path = tmp_path / "alone.py"
    path.write_text(SOURCE.format(seed=seed))
    words = ["--datastore-root", str(tmp_path / isolation), "run", "--isolation", isolation]
    command = [sys.executable, str(path), *words]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "FLOW_SDK_USER": "t"}, timeout=120)
    metadata(str(tmp_path / isolation))
    namespace(None)
    return Run("Alone/1")


def test_each_task_draws_numbers_of_its_own(tmp_path: Path) -> None:
    drawn = run(tmp_path, "", "fork")["join"].task.data.drawn
    assert len({a for a, _ in drawn}) == len({b for _, b in drawn}) == 3


@pytest.mark.parametrize("seed", ["random.seed(4)\nnp.random.seed(4)"])
def test_a_seed_in_the_file_counts_alike_in_forked_and_fresh_processes(tmp_path: Path, seed: str) -> None:
    forked, spawned = (run(tmp_path, seed, kind)["join"].task.data.drawn for kind in ("fork", "spawn"))
    assert forked == spawned and len(set(forked)) == 1


def test_tasks_share_no_memory_and_run_their_exit_functions(tmp_path: Path) -> None:
    found = run(tmp_path, "", "fork")
    assert found["join"].task.data.shared == [[1], [2], [3]]
    assert [task.stdout for task in found["draw"]] == [f"at exit {n}\n" for n in (1, 2, 3)]


def test_a_step_may_have_its_own_folder_for_temporary_files(tmp_path: Path) -> None:
    path, folder = tmp_path / "temporary.py", tmp_path / "scratch"
    folder.mkdir()
    path.write_text(
        f"""
import tempfile
from flow_sdk import FlowSpec, current, environment, step


class Temporary(FlowSpec):
    @environment(vars={{"TMPDIR": {str(folder)!r}}})
    @step
    def start(self):
        assert tempfile.gettempdir() == current.tempdir == {str(folder)!r}
        self.next(self.end)

    @step
    def end(self):
        assert current.tempdir != {str(folder)!r}


if __name__ == "__main__":
    Temporary()
"""
    )
    command = [sys.executable, str(path), "--datastore-root", str(tmp_path / "store"), "run"]
    environment = {**os.environ, "FLOW_SDK_USER": "t"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_a_resumed_run_has_the_constants_of_its_origin_and_says_the_same_in_steps(
    tmp_path: Path, isolation: str
) -> None:
    source = """
from flow_sdk import FlowSpec, step


class Constant(FlowSpec):
    RATE = {rate}

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        self.used = self.RATE
        {fail}


if __name__ == "__main__":
    Constant()
"""
    path, environment = tmp_path / "constant.py", {**os.environ, "FLOW_SDK_USER": "t"}
    command = [sys.executable, str(path), "--datastore-root", str(tmp_path / "store")]
    path.write_text(source.format(rate=1, fail="raise ValueError"))
    first = subprocess.run([*command, "run"], check=False, capture_output=True, env=environment, timeout=60)
    assert first.returncode == 1
    path.write_text(source.format(rate=2, fail=""))
    again = [*command, "resume", "--isolation", isolation]
    done = subprocess.run(again, check=False, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    metadata(str(tmp_path / "store"))
    namespace(None)
    data = Run("Constant/2").data
    assert (data.RATE, data.used) == (1, 1)
