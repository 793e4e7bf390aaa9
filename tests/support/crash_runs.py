"""Whole runs of the small flow, as a user starts them: by its command line, in processes of their own."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flow_sdk.client import Flow, Run, metadata, namespace
from flow_sdk.metadata.runs import Runs
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records import layout
from flow_sdk.upkeep.store_check import check_store
from tests.support.store_verification import verify_store

__all__ = [
    "FLOW",
    "Hashes",
    "begin",
    "check_whole",
    "children",
    "end",
    "hashes",
    "listed",
    "run_ids",
    "wait_for_end_of",
]

ROOT = Path(__file__).resolve().parents[2]
FLOW = ROOT / "tests" / "fault" / "crash_flow.py"
NAME = "CrashFlow"

Hashes = dict[tuple[str, str, str], str]
"""Hash of each artifact, by step, task and name."""


def begin(root: Path | str, *words: str, prologue: str = "") -> "subprocess.Popen[bytes]":
    """Start a command of the flow.

    Parameters
    ----------
    root : Path or str
        The store: a folder, or an ``s3://`` address.
    words : str
        The command.
    prologue : str
        Python that each interpreter of the run executes first.
    """
    environment = {**os.environ, "FLOW_SDK_USER": "tester"}
    if prologue:
        folder = Path(tempfile.mkdtemp(prefix="prologue-", dir=Path(root).parent))
        (folder / "sitecustomize.py").write_text(prologue, encoding="utf-8")
        environment["PYTHONPATH"] = os.pathsep.join((str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")))
    place = ["--datastore", "s3" if str(root).startswith("s3:") else "local", "--datastore-root", str(root)]
    return subprocess.Popen(
        [sys.executable, str(FLOW), *place, *words, "--max-workers", "3"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=FLOW.parent,
        env=environment,
        start_new_session=True,
    )


def end(process: "subprocess.Popen[bytes]", seconds: float = 60) -> tuple[int, str]:
    """Wait for its end; returns the exit code and what it wrote to stderr."""
    try:
        errors = process.communicate(timeout=seconds)[1]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, errors.decode("utf-8", "replace")


def children(pid: int) -> list[int]:
    """Pids of the processes that have ``pid`` as their parent."""
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def alive(pid: int) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for_end_of(pids: list[int], seconds: float = 10.0) -> None:
    """Wait until all of the processes are gone."""
    until = time.monotonic() + seconds
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < until, f"{[pid for pid in pids if alive(pid)]} live on"
        time.sleep(0.005)


def run_ids(root: Path | str) -> list[str]:
    """Ids of the runs that have a record, the newest last."""
    store = open_store(str(root))
    found = store.folders(layout.runs_prefix(NAME))
    return sorted((run for run in found if store.head(layout.run_key(NAME, run)) is not None), key=int)


def listed(root: Path | str) -> list[str]:
    """Ids of the runs whose beginning was over before anything was killed, the newest first."""
    return list(Runs(open_store(str(root))).newest(NAME))


def hashes(root: Path | str, run: str) -> Hashes:
    """What a run has made."""
    metadata(str(root))
    namespace(None)
    return {
        (step.id, task.id, artifact.id): artifact.sha
        for step in Run(f"{NAME}/{run}")
        for task in step
        for artifact in task
    }


def check_whole(root: Path | str) -> None:
    """Nothing in the store is damaged, no run stands as one that runs on, and no file of ours is left half-made."""
    report = check_store(open_store(str(root)), threads=1)
    assert not report.damage, report.damage
    assert not report.foreigners, report.foreign
    verify_store(str(root))
    metadata(str(root))
    namespace(None)
    if listed(root):
        for run in Flow(NAME):
            assert run.state == ("succeeded" if run.successful else "failed"), f"{run} is {run.state}"
