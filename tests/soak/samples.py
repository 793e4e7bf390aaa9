"""Samples of what a process holds, and the verdict over a soak."""

import json
import os
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MOST_GROWTH", "Sample", "find_growth", "measure", "read_samples", "write_sample"]

MOST_GROWTH = 1.05
"""Resident memory at the end, at most, as a multiple of what it was when the process had warmed up."""


POOL = 2
"""How many more connections a pool may keep open at the end."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process held at one moment.

    Parameters
    ----------
    time : float
        Seconds since the epoch.
    descriptors : int
        Open file descriptors that aren't sockets.
    sockets : int
        Open sockets: a pool of connections keeps more or fewer of them.
    resident : int
        Resident memory in bytes.
    """

    time: float
    descriptors: int
    sockets: int
    resident: int


def measure(pid: int | str = "self") -> Sample:
    """Measure a process.

    Raises
    ------
    OSError
        If there is no such process.
    """
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        pages = int(file.read().split()[1])
    targets = [_target(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
    sockets = sum(target.startswith("socket:") for target in targets)
    others = sum(bool(target) for target in targets) - sockets  # without those that were closed meanwhile
    return Sample(time.time(), others, sockets, pages * os.sysconf("SC_PAGE_SIZE"))


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except FileNotFoundError:
        return ""


def write_sample(path: Path, sample: Sample) -> None:
    """Append a sample to a file."""
    with open(path, "a", encoding="ascii") as file:
        file.write(json.dumps([sample.time, sample.descriptors, sample.sockets, sample.resident]) + "\n")


def read_samples(path: Path) -> list[Sample]:
    """Read the samples of a file; none when it isn't there."""
    if not path.exists():
        return []
    return [Sample(*json.loads(line)) for line in path.read_text("ascii").splitlines()]


def find_growth(samples: list[Sample], warm_up: float, window: float) -> list[str]:
    """Find what a process holds more of at the end than when it had warmed up.

    Parameters
    ----------
    samples : list of Sample
        In the order of time.
    warm_up : float
        Seconds after the first sample from which on it mustn't grow.
    window : float
        Seconds after the warm-up and before the end that are compared: of the memory the median, of the sockets the
        smallest number. Of the other descriptors the smallest number in each half of the time after the warm-up
        counts: each running task holds some, and on a busy machine a short window has no moment without tasks.

    Returns
    -------
    list of str
        What has grown; also when there are too few samples to tell.
    """
    begin = samples[0].time + warm_up if samples else 0.0
    before = [one for one in samples if begin <= one.time < begin + window]
    after = [one for one in samples if one.time > samples[-1].time - window]
    if not before or not after or samples[-1].time - window < begin + window:
        return [f"only {len(samples)} samples: too few to tell"]
    found = []
    middle = (begin + samples[-1].time) / 2
    early = [one for one in samples if begin <= one.time < middle]
    late = [one for one in samples if one.time >= middle]
    first, last = min(one.descriptors for one in early), min(one.descriptors for one in late)
    if first != last:
        found.append(f"open descriptors: {first} after the warm-up, {last} at the end")
    first, last = min(one.sockets for one in before), min(one.sockets for one in after)
    if last > first + POOL:
        found.append(f"open sockets: {first} after the warm-up, {last} at the end")
    first, last = _median(one.resident for one in before), _median(one.resident for one in after)
    if last > first * MOST_GROWTH:
        found.append(f"resident memory: {first / 1e6:.1f} MB after the warm-up, {last / 1e6:.1f} MB at the end")
    return found


def _median(values: Iterable[int]) -> int:
    return statistics.median_low(list(values))
