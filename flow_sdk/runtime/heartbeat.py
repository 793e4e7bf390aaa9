"""The thread that writes heartbeats: in the driver for a local run, in the supervisor for an orchestrator's task.

What they write, and after how long a silence counts, is in :mod:`flow_sdk.metadata.run_heartbeat` and
:mod:`flow_sdk.metadata.task_heartbeat`.
"""

import threading
from collections.abc import Callable
from types import TracebackType

from flow_sdk.errors import StoreError

__all__ = ["FIRST", "INTERVAL", "Heartbeat"]

FIRST = 5.0
"""Seconds until the first heartbeat of a local run: until then its record counts, and a short run has none."""
INTERVAL = 10.0
"""Seconds between two heartbeats of a local run."""


class Heartbeat:
    """Gives a beat again and again from a thread, for as long as the ``with`` block lasts.

    A thread, so that a slow store doesn't keep the scheduler from its tasks, nor a slow task the beat.

    Parameters
    ----------
    beat : callable
        Writes one beat.
    first, interval : float
        Seconds until the first beat, and between two (> 0).
    """

    def __init__(self, beat: Callable[[], None], *, first: float = FIRST, interval: float = INTERVAL) -> None:
        self._write = beat
        self._first, self._interval = first, interval
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run_thread, name="flow-sdk-heartbeat", daemon=True)

    def start(self) -> None:
        """Begin, as the ``with`` block does."""
        self._thread.start()

    def stop(self, seconds: float = 0.0) -> None:
        """End, and wait that long (>= 0) for a beat that is being written."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def __enter__(self) -> "Heartbeat":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run_thread(self) -> None:
        pause = self._first
        while not self._over.wait(pause):
            try:
                self._write()
            except StoreError:
                pass  # the next beat may get through; a store that stays away fails the run's tasks, not its beat
            pause = self._interval
