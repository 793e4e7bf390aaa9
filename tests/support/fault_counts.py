"""What the fault tests did in all: they count here, and the suite prints one line of it at its end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["TOTALS", "Totals", "count", "recovering"]


@dataclass(slots=True)
class Totals:
    """Sums over all tests of this process.

    Parameters
    ----------
    seeds : int
        Seeds that were played.
    faults : int
        Faults that were injected: kills, failed or lost calls, states after a power cut.
    violations : int
        Tests of faults that failed.
    recovery : float
        Seconds that the slowest recovery took.
    """

    seeds: int = 0
    faults: int = 0
    violations: int = 0
    recovery: float = 0.0

    def line(self) -> str:
        """Return the sums as one line."""
        return (
            f"faults: {self.seeds:,} seeds run, {self.faults:,} faults injected, {self.violations:,} violations, "
            f"slowest recovery {self.recovery:.1f} s"
        )


TOTALS = Totals()


def count(*, seeds: int = 0, faults: int = 0, recovery: float = 0.0) -> None:
    """Add to the sums.

    Parameters
    ----------
    seeds : int
        How many seeds more were played.
    faults : int
        How many faults more were injected.
    recovery : float
        Seconds that one recovery took; the slowest is kept.
    """
    TOTALS.seeds += seeds
    TOTALS.faults += faults
    TOTALS.recovery = max(TOTALS.recovery, recovery)


@contextmanager
def recovering() -> Iterator[None]:
    """Take the time of a recovery: what is done after a fault until everything is right again."""
    start = time.monotonic()
    yield
    count(recovery=time.monotonic() - start)
