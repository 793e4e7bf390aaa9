"""SIGKILL of a local run's scheduler at many moments, of its resumes too: the last resume ends as a clean run does."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flow_sdk.client import Flow, Run, metadata, namespace
from flow_sdk.metadata.runs import Runs
from flow_sdk.store.open_store import open_store
from tests.fault.test_kill import FLOW, alive, check_right, children, wait_for
from tests.support.fault_counts import count, recovering
from tests.support.store_verification import verify_store

Hashes = dict[tuple[str, str, str], str]


def begin(root: Path, *words: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, str(FLOW), "--datastore-root", str(root), *words, "--max-workers", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "FLOW_SDK_USER": "tester"},
        start_new_session=True,
    )


def hashes(run: str) -> Hashes:
    namespace(None)
    return {
        (step.id, task.id, artifact.id): artifact.sha
        for step in Run(f"KillFlow/{run}")
        for task in step
        for artifact in task
    }


def kill(process: "subprocess.Popen[bytes]", after: float) -> None:
    """Kill a scheduler, and wait until its tasks have ended with it."""
    server: list[int] = []
    wait_for(lambda: process.poll() is not None or server.extend(children(process.pid)) or server, "the fork server")
    time.sleep(after)
    running = [pid for parent in server for pid in children(parent)]
    process.kill()
    count(faults=1)
    process.wait()
    wait_for(lambda: not any(alive(pid) for pid in (*server, *running)), "the run's processes to end")


def run_ids(root: Path) -> list[str]:
    return sorted((path.parent.name for path in root.glob("flows/KillFlow/runs/*/run.json")), key=int)


def can_resume(root: Path) -> bool:
    """Tell whether a run's beginning was over before the kill: until it is listed there is nothing to resume."""
    return bool(run_ids(root)) and newest(root) != ""


def newest(root: Path) -> str:
    """The id of the newest run or resume; empty when none is listed."""
    return next(Runs(open_store(str(root))).newest("KillFlow"), "")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Hashes:
    """What an undisturbed run gives."""
    root = tmp_path_factory.mktemp("clean")
    process = begin(root, "run")
    assert process.wait(60) == 0
    metadata(str(root))
    return hashes("1")


@pytest.mark.seeds(12, of=3)
def test_the_last_resume_ends_as_a_clean_run(tmp_path: Path, clean: Hashes, seed: int) -> None:
    generator = random.Random(seed)
    kill(begin(tmp_path, "run"), generator.uniform(0, 0.5))
    for _ in range(seed % 3):
        if can_resume(tmp_path):
            kill(begin(tmp_path, "resume", "--origin-run-id", newest(tmp_path)), generator.uniform(0, 0.4))
    killed = can_resume(tmp_path)
    verify_store(str(tmp_path))
    count(seeds=1)
    with recovering():
        last = begin(tmp_path, *(("resume", "--origin-run-id", newest(tmp_path)) if killed else ("run",)))
        assert last.wait(60) == 0, last.stderr and last.stderr.read().decode()
    run = run_ids(tmp_path)[-1]
    check_right(tmp_path, run)
    assert hashes(run) == clean
    verify_store(str(tmp_path))
    for other in Flow("KillFlow"):
        assert other.state == ("succeeded" if other.successful else "failed")
        for step in other:
            for task in step:
                assert task.origin_pathspec is None or Run("/".join(task.origin_pathspec.split("/")[:2]))
