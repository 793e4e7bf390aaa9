"""What is asked of many runs, newest first, taken from one listing of an index instead of a request for each run.

Both indexes are in the order of the runs, so that they are walked beside them: a page of each is enough for the runs
that a page or a notebook shows. What a listing can't tell, and what is asked for again, is read from the run itself.
"""

import threading
import time
from collections.abc import Iterator

from flow_sdk.metadata.index import RunIndex
from flow_sdk.metadata.tagging import UserTags
from flow_sdk.metadata.tags import HASHED, decode_tag
from flow_sdk.store.port import ObjectInfo, ObjectStore

__all__ = ["RunListing"]

FRESH = 2.0
"""Seconds for which what was listed counts: about as long as it takes to show what it is listed for."""

MOST = 4000
"""Entries that are walked; runs that are farther apart are asked one by one."""


class RunListing:
    """How the runs of one listing ended, and their user tags.

    Parameters
    ----------
    store : ObjectStore
        The store.
    flow : str
        The flow.
    tag : str or None
        The tag that all of the runs carry; None when they are of all.
    """

    def __init__(self, store: ObjectStore, flow: str, tag: str | None) -> None:
        index = RunIndex(store, flow)
        self._ended = _Walk(store, index.ended_prefix(tag))
        self._tags = _Walk(store, index.tags_prefix())
        self._lock = threading.Lock()

    def may_have_ended(self, run: str, started: float) -> bool:
        """Tell whether a run's last step may be committed as a success: False if it certainly wasn't just now."""
        with self._lock:
            return self._ended.find(RunIndex.place(run, started)) != []

    def user_tags(self, run: str, started: float) -> frozenset[str] | None:
        """Give a run's user tags; None when they have to be read."""
        with self._lock:
            forms = self._tags.find(RunIndex.place(run, started))
        tags = None if forms is None else [decode_tag(form) for form in forms]
        return None if tags is None or None in tags else frozenset(tag for tag in tags if tag is not None)


class _Walk:
    """A walk along an index whose entries are a run's place, ``=`` and something about the run."""

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store, self._prefix = store, prefix
        self._infos: Iterator[ObjectInfo] = iter(())
        self._began = float("-inf")
        self._changes = -1

    def _begin(self) -> None:
        """Begin anew."""
        self._began, self._changes = time.monotonic(), UserTags.changes
        self._infos = self._store.list(self._prefix)
        self._next: str | None = ""
        self._walked: dict[str, list[str]] = {}
        self._left = MOST
        self._advance()

    def _advance(self) -> None:
        info = next(self._infos, None)
        self._next = None if info is None else info.key[len(self._prefix) :]
        self._left -= 1

    def find(self, place: str) -> list[str] | None:
        """What is entered about the run of a place; None when it isn't known."""
        if time.monotonic() - self._began > FRESH or self._changes != UserTags.changes:
            self._begin()
        moment, end = place[:17], place + "="
        while self._next is not None and (self._next < end or self._next.startswith(end)):
            if self._left <= 0:
                return None
            name, _, what = self._next.partition("=")
            # What is too long for a key stands in the object: such a run is asked by itself.
            key = self._next[:17] if self._next[17:].startswith(HASHED) else name
            self._walked.setdefault(key, []).append(what)
            self._advance()
        known = moment not in self._walked and not place[17:].startswith(HASHED)
        return self._walked.get(place, []) if known else None
