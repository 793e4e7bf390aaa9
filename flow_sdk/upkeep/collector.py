"""The right to collect garbage: one collector at a time.

Each collector creates an object with the next number, create-only, and writes it again while it works. So of two that
begin at once one is refused, and one that stopped writing may be replaced.
"""

import json
import time
from typing import Any

from flow_sdk.errors import ObjectExists, StoreError
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records import layout
from flow_sdk.strict_json import parse_object

__all__ = ["DEAD", "Collector", "read_store_time"]

DEAD = 3600.0
"""Seconds without a heartbeat of a collector after which another one may replace it."""

_BEAT = 60.0
"""Seconds between two heartbeats of a collector."""

_KEPT = 10
"""How many earlier collections are kept in the store, for operators."""


def read_store_time(store: ObjectStore) -> float:
    """Return the time by which a store dates its objects, in seconds since the epoch."""
    store.put(layout.clock_key(), b"", durable=False)
    info = store.head(layout.clock_key())
    if info is None:
        raise StoreError("The store has lost an object that was just written.", where=layout.clock_key())
    return info.modified


class Collector:
    """The right to delete from a store, which one collector has at a time.

    Parameters
    ----------
    store : ObjectStore
        The store.
    owner : dict
        User, host and process id of the collector, for operators.

    Attributes
    ----------
    now : float
        The store's time at the beginning.
    is_unsure : bool
        Whether a request to delete blobs is under way or failed: it may take effect later.
    """

    def __init__(self, store: ObjectStore, owner: dict[str, Any]) -> None:
        self.store, self.owner = store, owner
        self.number = 0
        self.now = 0.0
        self.is_unsure = False
        self._last_beat = 0.0

    def begin(self) -> None:
        """Acquire the right.

        Raises
        ------
        StoreError
            If another collector has it.
        """
        self.now = read_store_time(self.store)
        keys = list(self.store.list(layout.collections_prefix()))
        if keys:
            newest = keys[-1]
            self.number = int(newest.key[-13:-5])
            state = _parse_state(self.store.get(newest.key))
            if state.get("state") != "ended" and self.now - newest.modified < DEAD:
                raise self._busy_error(newest.key, state)
        self.number += 1
        try:
            self.store.put_if_absent(layout.collection_key(self.number), self._encode_state("running"))
        except ObjectExists as error:
            raise self._busy_error(layout.collection_key(self.number), {}) from error
        self._last_beat = time.time()
        self.store.delete([info.key for info in keys[:-_KEPT]])
        self._remove_announcements()

    def _remove_announcements(self) -> None:
        """Remove the announcements of a killed collector, which stopped longer ago than any request takes."""
        self.store.delete([info.key for info in self.store.list(layout.doomed_prefix())])

    def _busy_error(self, key: str, state: dict[str, Any]) -> StoreError:
        who = ", ".join(f"{name} {state[name]}" for name in ("user", "host", "pid") if name in state)
        return StoreError(
            "Another garbage collection is under way in this store.",
            seen=who or None,
            where=f"{self.store.url}/{key}",
            help=f"Wait until it ends. If it was killed, try again {DEAD / 60:.0f} minutes after its last heartbeat.",
        )

    def _encode_state(self, state: str, **more: Any) -> bytes:
        return json.dumps({"format": 1, "state": state, **self.owner, **more}).encode()

    def continue_collecting(self) -> None:
        """Write a heartbeat, and verify that this collector is still the only one.

        Raises
        ------
        StoreError
            If this process was stopped for so long that another collector may have begun.
        """
        now = time.time()
        if 0 <= now - self._last_beat < _BEAT:
            return
        lost = not 0 <= now - self._last_beat < DEAD / 2
        if lost or self.store.head(layout.collection_key(self.number + 1)) is not None:
            raise StoreError(
                "This garbage collection was stopped for too long and ends here.", help="Start it again in an hour."
            )
        self.store.put(layout.collection_key(self.number), self._encode_state("running"), durable=False)
        self._last_beat = now

    def end(self, **results: Any) -> None:
        """Release the right, and record what was done."""
        self.store.put(layout.collection_key(self.number), self._encode_state("ended", **results))


def _parse_state(text: bytes) -> dict[str, Any]:
    """Return what a collector wrote last; empty when it can't be read: then only the object's age counts."""
    try:
        return parse_object(text)
    except (ValueError, TypeError):
        return {}
