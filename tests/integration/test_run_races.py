"""Many processes on one flow at the same moment, on a shared folder and in S3: nothing is lost, ids are unique."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.metadata.runs import Runs
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records import layout
from flow_sdk.store.records.model import RunRecord
from tests.support.moto import MotoServer

# Forks the racers, waits until each has opened the store, and lets them go at once. Each prints one line of JSON.
RACE = """
import json, os, random, sys, traceback
from flow_sdk.errors import UsageError
from flow_sdk.metadata.runs import Runs
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records.model import RunRecord

def record(run):
    return RunRecord("F", run, "0" * 64, None, {}, (), "anne", 1e9 + random.random(), ("user:anne",), end="end")

def start(runs, number):
    return runs.allocate("F", record).run

def tag(runs, number):
    run = "1"
    for turn in range(4):
        runs.add_tags("F", run, [f"mine-{number}-{turn}", "everybodys"])
        if turn:
            # At most three tags each, and one of all: 49, so that nobody may be refused.
            runs.remove_tags("F", run, [f"mine-{number}-{turn - 1}", f"old-{number}"])
    runs.replace_tags("F", run, [f"mine-{number}-3"], [f"last-{number}"])

def fill(runs, number):
    added = []
    for turn in range(2):
        try:
            runs.add_tags("F", "1", [f"mine-{number}-{turn}"])
            added.append(f"mine-{number}-{turn}")
        except UsageError as error:
            assert "50" in str(error), error
    return added

url, job, racers = sys.argv[1], sys.argv[2], int(sys.argv[3])
ready, go = os.pipe(), os.pipe()
children = []
for number in range(racers):
    child = os.fork()
    if child:
        children.append(child)
        continue
    code = 1
    try:
        os.close(go[1])
        runs = Runs(open_store(url))
        os.write(ready[1], b".")
        os.read(go[0], 1)
        os.write(1, json.dumps(globals()[job](runs, number)).encode() + b"\\n")
        code = 0
    except BaseException:
        traceback.print_exc()
    os._exit(code)
os.close(ready[1])
here = 0
while here < racers:
    here += len(os.read(ready[0], 64)) or sys.exit("a racer died")
os.close(go[1])
sys.exit(any([os.waitpid(child, 0)[1] for child in children]))
"""


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer("flows") as server:
        yield server


@pytest.fixture(params=["local", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "local":
        return str(tmp_path / "store")
    for name, value in request.getfixturevalue("moto").env().items():
        monkeypatch.setenv(name, value)
    return f"s3://flows/{tmp_path.name}-{time.time_ns()}"


def race(url: str, job: str, racers: int) -> list[Any]:
    """What each racer says."""
    done = subprocess.run(
        [sys.executable, "-c", RACE, url, job, str(racers)],
        capture_output=True, text=True, timeout=300, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def begin(url: str, *tags: str) -> Runs:
    runs = Runs(open_store(url))
    runs.create(RunRecord("F", "1", "0" * 64, None, {}, (), "anne", 1.0, ("user:anne",), tags, end="end"))
    return runs


def test_fifty_runs_of_a_flow_start_at_once(url: str) -> None:
    started = race(url, "start", 50)
    assert sorted(map(int, started)) == list(range(1, 51))
    runs = Runs(open_store(url))
    assert set(runs.newest("F")) == set(runs.newest("F", "user:anne")) == set(started)
    assert all(runs.read("F", run).run == run for run in started)
    assert race(url, "start", 1) == ["51"]


def test_sixteen_tag_one_run_and_nothing_is_lost(url: str) -> None:
    runs = begin(url, *(f"old-{number}" for number in range(16)))
    race(url, "tag", 16)
    wanted = ["everybodys", *(f"last-{number}" for number in range(16))]
    assert runs.user_tags("F", "1") == sorted(wanted)
    for tag in wanted:
        assert list(runs.newest("F", tag)) == ["1"]
    for tag in ("old-3", "mine-3-1", "mine-3-3"):
        assert list(runs.newest("F", tag)) == []
    assert list(runs.store.list(layout.tag_reservations_prefix("F", "1"))) == []


def test_sixteen_fill_a_run_to_its_limit_and_never_beyond(url: str) -> None:
    there = [f"there-{number}" for number in range(34)]
    runs = begin(url, *there)
    added = [tag for tags in race(url, "fill", 16) for tag in tags]
    # What somebody was told is there is there, and there is no more than that: 32 were wanted, 16 had room.
    assert runs.user_tags("F", "1") == sorted([*there, *added])
    assert len(added) == 16
