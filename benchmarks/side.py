"""One of the two sides of a benchmark: an interpreter, the package whose flows it runs, and a folder of its own."""

import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Row", "Side", "median_seconds"]


@dataclass(frozen=True)
class Side:
    """Where one side runs.

    Parameters
    ----------
    python : str
        Its interpreter.
    package : str
        What its flows import (``flow_sdk`` or the peer's).
    folder : Path
        Its current folder, home and store.
    """

    python: str
    package: str
    folder: Path

    def flow(self, name: str, source: str) -> str:
        """Write a flow file; ``PACKAGE`` in the source becomes the side's package. Returns its name."""
        (self.folder / name).write_text(source.replace("PACKAGE", self.package), encoding="utf-8")
        return name

    def seconds(self, arguments: Sequence[str]) -> float:
        """Run the interpreter with some arguments and return the wall time.

        Raises
        ------
        SystemExit
            If it fails: a benchmark of something broken means nothing.
        """
        started = time.perf_counter()
        self.printed(arguments)
        return time.perf_counter() - started

    def printed(self, arguments: Sequence[str]) -> str:
        """Run the interpreter with some arguments and return what it prints to its standard output.

        Raises
        ------
        SystemExit
            If it fails.
        """
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
        environment = {**kept, "HOME": str(self.folder), "USER": "bench"}
        done = subprocess.run(
            [self.python, *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise SystemExit(
                f"{self.package}: {' '.join(arguments)} failed\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        return done.stdout


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    what : str
        What was measured.
    ours, peers : float
        The two results, in ``unit``; less is better.
    wanted : float
        How many times less ours must be; 0 for no such promise.
    unit : str
        What both are in.
    """

    what: str
    ours: float
    peers: float
    wanted: float
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """How many times less ours is."""
        return self.peers / self.ours

    @property
    def kept(self) -> bool:
        """Whether the promise is kept."""
        return self.ratio >= self.wanted


def median_seconds(ours: Side, peer: Side, arguments: Sequence[str], *, times: int) -> tuple[float, float]:
    """Median wall times of the same command on both sides, taken in turn, after one call each to warm the caches."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(times + 1):
        for side, seconds in zip((ours, peer), taken, strict=True):
            one = side.seconds(arguments)
            if number:
                seconds.append(one)
    return statistics.median(taken[0]), statistics.median(taken[1])
