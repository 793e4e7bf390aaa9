"""The beat of a local run: while its scheduler lives, it says so."""

import threading
from types import TracebackType

from flow_sdk.errors import StoreError
from flow_sdk.metadata.heartbeat import write_beat
from flow_sdk.store.port import ObjectStore

__all__ = ["FIRST", "INTERVAL", "Heartbeat"]

FIRST = 5.0
"""Seconds until the first beat: until then the run's record counts, and a short run has none."""
INTERVAL = 10.0
"""Seconds between two beats."""


class Heartbeat:
    """Writes a run's beat from a thread, for as long as the ``with`` block lasts.

    A thread, so that a slow store doesn't keep the scheduler from its tasks, nor a slow task the beat.

    Parameters
    ----------
    store : ObjectStore
        Where to.
    flow, run : str
        Which run.
    first, interval : float
        Seconds until the first beat, and between two (> 0).
    """

    def __init__(
        self, store: ObjectStore, flow: str, run: str, *, first: float = FIRST, interval: float = INTERVAL
    ) -> None:
        self._place = (store, flow, run)
        self._first, self._interval = first, interval
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="flow-sdk-heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()

    def _beat(self) -> None:
        pause = self._first
        while not self._over.wait(pause):
            try:
                write_beat(*self._place)
            except StoreError:
                pass  # the next beat may get through; a store that stays away fails the run's tasks, not its beat
            pause = self._interval
