"""SIGKILL of one process of a whole run at a random moment: what goes on from there ends as a clean run does.

``--kills N`` plays that many seeds, where else a share of twenty is played.
"""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.support.crash_runs import Hashes, begin, check_whole, children, end, hashes, listed, run_ids, wait_for_end_of
from tests.support.fault_counts import count, recovering
from tests.support.moto import MotoServer


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Hashes, float]:
    """What an undisturbed run makes, and how many seconds it takes."""
    root = tmp_path_factory.mktemp("clean")
    start = time.monotonic()
    code, errors = end(begin(root, "run"))
    assert code == 0, errors
    return hashes(root, "1"), time.monotonic() - start


def processes(scheduler: int) -> dict[str, list[int]]:
    """A run's processes by what they are."""
    servers = children(scheduler)
    return {"scheduler": [scheduler], "fork server": servers, "task": [pid for s in servers for pid in children(s)]}


def kill_one(process: "subprocess.Popen[bytes]", victim: str, moment: float, draw: random.Random) -> bool:
    """Kill a process of a run that many seconds after its start, or the first one of the kind that comes up later."""
    start = time.monotonic()
    while process.poll() is None:
        found = processes(process.pid)[victim]
        if found and time.monotonic() - start >= moment:
            try:
                os.kill(draw.choice(found), signal.SIGKILL)
                return True
            except ProcessLookupError:
                pass
        time.sleep(0.001)
    return False


def play(root: Path | str, seed: int, clean: Hashes, seconds: float) -> None:
    """One seed: a run that is killed, perhaps a resume that is killed, and the one that ends."""
    draw = random.Random(seed)
    words: tuple[str, ...] = ("run",)
    wanted, kills = draw.choice((1, 1, 2)), 0
    moment = draw.uniform(0, seconds)
    while kills < wanted:
        victim = draw.choice(("scheduler", "fork server", "task", "task"))
        process = begin(root, *words)
        others: list[int] = []
        if victim == "scheduler":
            time.sleep(moment)
            others = [pid for pids in processes(process.pid).values() for pid in pids if pid != process.pid]
        hit = kill_one(process, victim, 0 if victim == "scheduler" else moment, draw)
        code, errors = end(process)
        wait_for_end_of(others)
        assert code in (0, 1, -signal.SIGKILL), errors
        check_whole(root)
        kills += hit
        count(faults=hit)
        if code == 0 and hit:
            break
        # Faster than the kill? Then once more, with an earlier one.
        moment = draw.uniform(0, seconds) if hit else moment / 2
        words = ("resume",) if listed(root) and code else ("run",)
    if code:
        with recovering():
            code, errors = end(begin(root, *words))
        assert code == 0, errors
    assert hashes(root, run_ids(root)[-1]) == clean
    check_whole(root)


# Few at once: their temporary folders go when the test has passed.
@pytest.mark.seeds(20, at_once=20, of=4, most="--kills")
def test_a_run_that_was_killed_ends_as_a_clean_one(
    tmp_path: Path, clean: tuple[Hashes, float], part: Iterable[int]
) -> None:
    for seed in part:
        root = tmp_path / str(seed)
        root.mkdir()
        count(seeds=1)
        play(root, seed, *clean)


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer("flows") as server:
        yield server


@pytest.mark.seeds(3, at_once=3, of=3)
def test_a_run_in_s3_that_was_killed_ends_as_a_clean_one(
    moto: MotoServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    clean: tuple[Hashes, float],
    part: Iterable[int],
) -> None:
    for name, value in moto.env().items():
        monkeypatch.setenv(name, value)
    hashes, seconds = clean
    for seed in part:
        count(seeds=1)
        play(f"s3://flows/{tmp_path.name}-{seed}", seed, hashes, 2 * seconds)
