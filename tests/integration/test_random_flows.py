"""Random flows: the same artifacts whatever order tasks end in, in one process and in processes of their own."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from flow_sdk.client import Run, metadata, namespace
from tests.strategies.flows import FlowSource, flow_source
from tests.strategies.module_state import OWN, repeated_values, with_module_state
from tests.support.in_process_runs import InProcessRun, load_source

IN_PROCESS = 150
"""Seeds in one process; a few milliseconds each."""

WITH_PROCESSES = 8
"""Seeds through the command line, with a process for each task."""

WITH_STATE = 4
"""Seeds with things that the module makes, each forked and in interpreters of their own."""

Hashes = dict[tuple[str, str, str], str]


def hashes_in_process(source: FlowSource, folder: Path, pick: random.Random | None = None) -> Hashes:
    flow = load_source(source.text, source.name, str(folder))
    run = InProcessRun(flow, max_workers=5, pick=pick.randrange if pick else lambda n: 0).run()
    assert run.scheduler.finished, run.outcomes[-1].manifest.exception
    ids = [manifest.task for manifest in run.tasks().values()]
    assert len(set(ids)) == len(ids), "two tasks of a run have one id"
    return {
        (step, manifest.task, name): ref.hash
        for (step, _), manifest in run.tasks().items()
        for name, ref in {**manifest.artifacts, **run.record.artifacts}.items()
    }


def hashes_of_run(root: str, pathspec: str) -> Hashes:
    metadata(root)
    namespace(None)
    run = Run(pathspec)
    return {(step.id, task.id, artifact.id): artifact.sha for step in run for task in step for artifact in task}


@pytest.mark.parametrize("seed", range(IN_PROCESS))
def test_the_order_of_tasks_changes_nothing(seed: int, tmp_path: Path) -> None:
    source = flow_source(seed)
    plain = hashes_in_process(source, tmp_path)
    shuffled = hashes_in_process(source, tmp_path, random.Random(seed))
    assert plain == shuffled and plain


@pytest.mark.parametrize("seed", range(WITH_PROCESSES))
def test_processes_give_the_same_artifacts(seed: int, tmp_path: Path) -> None:
    source = flow_source(1000 + seed)
    path = source.write(tmp_path)
    isolation = "spawn" if seed % 4 == 3 else "fork"
    done = subprocess.run(
        [sys.executable, str(path), "--datastore-root", str(tmp_path / "store"), "run", "--isolation", isolation],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "FLOW_SDK_USER": "tester"},
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert hashes_of_run(str(tmp_path / "store"), f"{source.name}/1") == hashes_in_process(source, tmp_path)


@pytest.mark.parametrize("seed", range(WITH_STATE))
def test_what_modules_make_is_each_tasks_own(seed: int, tmp_path: Path) -> None:
    source = with_module_state(flow_source(2000 + seed), seed)
    path = source.write(tmp_path)
    found = []
    for isolation in ("fork", "spawn"):
        store = str(tmp_path / isolation)
        done = subprocess.run(
            [sys.executable, str(path), "--datastore-root", store, "run", "--isolation", isolation],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "FLOW_SDK_USER": "tester"},
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        hashes = hashes_of_run(store, f"{source.name}/1")
        tasks = [task.data.own for step in Run(f"{source.name}/1") for task in step]
        assert repeated_values(tasks) == {}
        found.append({key: value for key, value in hashes.items() if key[2] != OWN})
    assert found[0] == found[1]


def test_more_seeds_on_request(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """``--seeds N`` goes on where the fixed ones end; without it this looks at one seed that they don't have."""
    for seed in range(IN_PROCESS, IN_PROCESS + max(1, int(request.config.getoption("--seeds")))):
        source = flow_source(seed)
        shuffled = hashes_in_process(source, tmp_path, random.Random(seed))
        assert hashes_in_process(source, tmp_path) == shuffled, f"seed {seed}"
