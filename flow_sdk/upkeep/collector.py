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

__all__ = ["DEAD", "Collector", "store_time"]

DEAD = 3600.0
"""Seconds without a heartbeat of a collector after which another one may replace it."""

_BEAT = 60.0
"""Seconds between two heartbeats of a collector."""

_KEPT = 10
"""How many earlier collections are kept in the store, for operators."""


def store_time(store: ObjectStore) -> float:
    """Ask the store for the time, in seconds since the epoch: that by which it dates its objects."""
    store.put(layout.clock_key(), b"", durable=False)
    info = store.head(layout.clock_key())
    if info is None:
        raise StoreError("The store has lost an object that was just written.", where=layout.clock_key())
    return info.modified


class Collector:
    """The right to delete: at most one in a store has it.

    Its object's number is one more than that of any collector before it, so of two that want to be next one is refused.

    Parameters
    ----------
    store : ObjectStore
        The store.
    facts : dict
        Who collects, for people.

    Attributes
    ----------
    now : float
        The store's time when it began.
    is_unsure : bool
        Whether a request to delete blobs is under way, or failed: it may have its effect later.
    """

    def __init__(self, store: ObjectStore, facts: dict[str, Any]) -> None:
        self.store, self.facts = store, facts
        self.number = 0
        self.now = 0.0
        self.is_unsure = False
        self._said = 0.0

    def begin(self) -> None:
        """Become the collector.

        Raises
        ------
        StoreError
            If there is another one.
        """
        self.now = store_time(self.store)
        keys = list(self.store.list(layout.collections_prefix()))
        if keys:
            newest = keys[-1]
            self.number = int(newest.key[-13:-5])
            state = _collection_state(self.store.get(newest.key))
            if state.get("state") != "ended" and self.now - newest.modified < DEAD:
                raise self._taken(newest.key, state)
        self.number += 1
        try:
            self.store.put_if_absent(layout.collection_key(self.number), self._text("running"))
        except ObjectExists as error:
            raise self._taken(layout.collection_key(self.number), {}) from error
        self._said = time.time()
        self.store.delete([info.key for info in keys[:-_KEPT]])
        self._clear()

    def _clear(self) -> None:
        """Take away what a collector that was killed has announced. It is dead for longer than any request takes."""
        self.store.delete([info.key for info in self.store.list(layout.doomed_prefix())])

    def _taken(self, key: str, state: dict[str, Any]) -> StoreError:
        who = ", ".join(f"{name} {state[name]}" for name in ("user", "host", "pid") if name in state)
        return StoreError(
            "Another collection of garbage is under way in this store.",
            seen=who or None,
            where=f"{self.store.url}/{key}",
            help=f"Wait until it has ended. If it was killed, try again {DEAD / 60:.0f} minutes after its last sign.",
        )

    def _text(self, state: str, **more: Any) -> bytes:
        return json.dumps({"format": 1, "state": state, **self.facts, **more}).encode()

    def continue_collecting(self) -> None:
        """Say that this collector is alive, and make sure that it is still the only one.

        Raises
        ------
        StoreError
            If this process stood still for so long that another one may have taken its place.
        """
        now = time.time()
        if 0 <= now - self._said < _BEAT:
            return
        lost = not 0 <= now - self._said < DEAD / 2
        if lost or self.store.head(layout.collection_key(self.number + 1)) is not None:
            raise StoreError(
                "This collection of garbage stood still for too long and gives up.", help="Start it again in an hour."
            )
        self.store.put(layout.collection_key(self.number), self._text("running"), durable=False)
        self._said = now

    def end(self, **facts: Any) -> None:
        """Let go of the right, and leave a note of what was done."""
        self.store.put(layout.collection_key(self.number), self._text("ended", **facts))


def _collection_state(text: bytes) -> dict[str, Any]:
    """Read what a collector wrote last; empty when it can't be read: then only the object's age counts."""
    try:
        return parse_object(text)
    except (ValueError, TypeError):
        return {}
