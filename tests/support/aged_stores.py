"""A clock that tests set, for memory stores and for whoever deletes from them."""

import time
from typing import Any

import pytest

from flow_sdk.store.backends import memory
from flow_sdk.store.blobs import write_protocol
from flow_sdk.upkeep import collector, mark_sweep

__all__ = ["DAY", "Clock"]

DAY = 86400.0


class Clock:
    """Stands in for the module ``time``; sleeping takes no time of the test's.

    Parameters
    ----------
    now : float, optional
        Seconds since the epoch; the real time by default.
    """

    def __init__(self, now: float | None = None) -> None:
        self.now = time.time() if now is None else now

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def install(self, monkeypatch: pytest.MonkeyPatch | Any) -> "Clock":
        """Make it the clock of memory stores, writers and collectors."""
        for module in (memory, write_protocol, collector, mark_sweep):
            monkeypatch.setattr(module, "time", self)
        return self
