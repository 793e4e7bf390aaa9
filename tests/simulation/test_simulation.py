"""Thousands of bad worlds: a task has at most one commit, what is readable is whole, and a resume ends well."""

import os
import subprocess
import sys
from collections.abc import Iterable

import pytest

from tests.simulation.simulate import play
from tests.support.fault_counts import count

BEYOND = 1_000_000
"""Where the seeds begin that ``--seeds N`` adds."""
TOLD = 5


def see(seeds: Iterable[int], *, clearing: bool = False) -> None:
    """Play seeds; say which broke what, and how to play each again."""
    broken = []
    for seed in seeds:
        played = play(seed, clearing=clearing)
        count(seeds=1, faults=played.faults)
        if played.violation:
            broken.append(str(played))
            if len(broken) == TOLD:
                break
    assert not broken, "\n".join(broken)


@pytest.mark.seeds(2_000, at_once=500, of=2)
def test_all_holds_in_every_world(part: Iterable[int]) -> None:
    see(part)


@pytest.mark.seeds(200, at_once=200, of=4)
def test_all_holds_where_tasks_are_cleared_all_the_time(part: Iterable[int]) -> None:
    see(part, clearing=True)


def test_all_holds_in_as_many_worlds_as_are_asked_for(request: pytest.FixtureRequest) -> None:
    see(range(BEYOND, BEYOND + max(1, int(request.config.getoption("--seeds")))))


def test_a_world_is_full_of_faults() -> None:
    played = [play(seed) for seed in range(60)]
    assert sum(world.faults for world in played) > 60
    assert sum(world.runs for world in played) > 120
    assert len({world.digest for world in played}) == 60


@pytest.mark.parametrize("seed", [3, 85, 1311])
def test_a_seed_plays_the_same_everywhere(seed: int) -> None:
    here = play(seed, keep=True)
    assert play(seed).digest == here.digest
    for hashes in ("0", "1"):
        there = subprocess.run(
            [sys.executable, "-m", "tests.simulation.simulate", str(seed)],
            env={**os.environ, "PYTHONHASHSEED": hashes},
            capture_output=True,
            text=True,
            check=True,
        )
        *story, last = there.stdout.splitlines()
        assert story == here.lines
        assert last == f"{here} {here.digest}"
