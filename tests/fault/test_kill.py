"""SIGKILL of each process of a local run, at many moments: nothing readable is damaged, and the next try ends right."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flow_sdk.client import Run, metadata, namespace
from tests.support.fault_counts import count, recovering
from tests.support.store_verification import verify_store

FLOW = Path(__file__).with_name("kill_flow.py")


def start(root: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, str(FLOW), "--datastore-root", str(root), "run", "--max-workers", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "FLOW_SDK_USER": "tester"},
        start_new_session=True,
    )


def children(pid: int) -> list[int]:
    """Pids of the processes that have ``pid`` as their parent."""
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def wait_for(condition: "object", what: str, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until, f"waited {seconds} s for {what}"
        time.sleep(0.005)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def check_right(root: Path, run: str) -> None:
    metadata(str(root))
    namespace(None)
    found = Run(f"KillFlow/{run}")
    assert found.successful
    assert found["join"].task.data.total == 55
    assert found["join"].task.data.size == 256 * 4000 * 21
    assert verify_store(str(root)) > 0


def rerun(root: Path, run: str) -> None:
    with recovering():
        process = start(root)
        assert process.wait(60) == 0, process.stderr and process.stderr.read().decode()
    check_right(root, run)


@pytest.mark.seeds(6, of=3)
def test_a_killed_task_is_tried_again(tmp_path: Path, seed: int) -> None:
    process = start(tmp_path)
    server: list[int] = []
    wait_for(lambda: server.extend(children(process.pid)) or server, "the fork server")
    killed = 0
    generator = random.Random(seed)
    until = time.monotonic() + generator.uniform(0.05, 0.5)
    while time.monotonic() < until or (killed == 0 and process.poll() is None):
        work = tmp_path.joinpath("flows/KillFlow/runs/1/steps/work")
        if killed < 2 and work.exists():
            for pid in children(server[0]):
                time.sleep(generator.uniform(0, 0.03))
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    pass
                break
        time.sleep(0.002)
    assert process.wait(60) in (0, 1)
    assert killed
    count(seeds=1, faults=killed)
    verify_store(str(tmp_path))
    if process.returncode == 0:
        check_right(tmp_path, "1")
    else:  # the kill hit a step without retries
        rerun(tmp_path, "2")


@pytest.mark.seeds(6, of=3)
def test_a_killed_scheduler_leaves_no_process_and_nothing_damaged(tmp_path: Path, seed: int) -> None:
    process = start(tmp_path)
    server: list[int] = []
    wait_for(lambda: server.extend(children(process.pid)) or server, "the fork server")
    time.sleep(random.Random(seed).uniform(0, 0.5))
    running = children(server[0])
    process.kill()
    count(seeds=1, faults=1)
    process.wait()
    wait_for(lambda: not any(alive(pid) for pid in (*server, *running)), "the run's processes to end")
    verify_store(str(tmp_path))
    runs = list(tmp_path.glob("flows/KillFlow/runs/*/run.json"))  # the number is noted a moment later
    rerun(tmp_path, str(len(runs) + 1))


def test_a_killed_fork_server_fails_the_run_with_its_reason(tmp_path: Path) -> None:
    process = start(tmp_path)
    server: list[int] = []
    wait_for(lambda: server.extend(children(process.pid)) or server, "the fork server")
    wait_for(lambda: children(server[0]), "a task")
    running = children(server[0])
    os.kill(server[0], signal.SIGKILL)
    count(faults=1)
    assert process.wait(30) == 1
    assert process.stderr is not None and b"fork server" in process.stderr.read()
    wait_for(lambda: not any(alive(pid) for pid in running), "the tasks to end")
    rerun(tmp_path, "2")


def test_a_fork_server_that_is_killed_at_once_fails_the_run_with_its_reason(tmp_path: Path) -> None:
    process = start(tmp_path)
    server: list[int] = []
    wait_for(lambda: server.extend(children(process.pid)) or server, "the fork server")
    os.kill(server[0], signal.SIGKILL)  # before the run is handed over to it
    count(faults=1)
    assert process.wait(30) == 1
    assert process.stderr is not None and b"fork server" in process.stderr.read()
    rerun(tmp_path, "2")


def test_an_interrupted_run_ends_its_tasks_and_says_so(tmp_path: Path) -> None:
    process = start(tmp_path)
    wait_for(lambda: list(tmp_path.glob("flows/KillFlow/runs/1/steps/work/*/0")), "a task")
    pids = [pid for server in children(process.pid) for pid in (server, *children(server))]
    process.send_signal(signal.SIGINT)
    assert process.wait(20) in (1, 130)
    assert not any(alive(pid) for pid in pids)
    assert b'"cancelled"' in tmp_path.joinpath("flows/KillFlow/runs/1/end.json").read_bytes()
    verify_store(str(tmp_path))
