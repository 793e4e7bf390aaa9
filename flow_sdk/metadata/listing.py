"""What is asked of many runs, newest first, taken from one listing of an index instead of a request for each run.

Both indexes are in the order of the runs, so that they are walked beside them: a page of each is enough for the runs
that a page or a notebook shows. What a listing can't tell, and what is asked for again, is read from the run itself.
"""

import time
from _thread import allocate_lock  # not threading: each task that has it is slower to fork
from collections.abc import Iterator
from dataclasses import dataclass

from flow_sdk.metadata.index import WRONG, RunIndex
from flow_sdk.metadata.tags import HASHED, decode_tag
from flow_sdk.store.port import ObjectInfo, ObjectStore

__all__ = ["CAUGHT", "NOTED", "Glance", "Listed", "RunListing"]

NOTED = "noted"
"""Entered before somebody notes how the run ended, if that isn't well."""

CAUGHT = "caught"
"""Entered before a last step is committed whose exception ``@catch`` took."""

FRESH = 2.0
"""Seconds for which what was listed counts: about as long as it takes to show what it is listed for."""

MOST = 4000
"""Entries that are walked; runs that are farther apart are asked one by one."""


class Glance:
    """A moment in which something was listed."""

    def __init__(self) -> None:
        self._time, self._changes = time.monotonic(), RunIndex.changes

    @property
    def counts(self) -> bool:
        """Whether what was seen is believed: for a moment, and as long as this process changes no index."""
        return time.monotonic() - self._time <= FRESH and RunIndex.changes == self._changes


@dataclass(frozen=True, slots=True)
class Listed:
    """How a run stood when it was listed, its last step not being committed.

    Parameters
    ----------
    is_noted : bool
        Whether somebody may have noted how it ended.
    failed : tuple of (str, str)
        Tasks that have failed for good, as (step, task), whether or not they were made good since.
    """

    is_noted: bool
    failed: tuple[tuple[str, str], ...]


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
        self._facts = _Walk(store, index.facts_prefix())
        self._lock = allocate_lock()

    def find(self, run: str, started: float) -> Listed | None:
        """Tell how a run stands whose last step certainly isn't committed; None when it may be."""
        place = RunIndex.place(run, started)
        with self._lock:
            facts = self._facts.find(place) if self._ended.find(place) == [] else None
        wrong = [fact.removeprefix(WRONG) for fact in facts or () if fact.startswith(WRONG)]
        if facts is None or CAUGHT in wrong:
            return None
        failed = (what.split("=", 1) for what in wrong if what != NOTED)
        return Listed(NOTED in wrong, tuple((step, task) for step, task in failed))

    def user_tags(self, run: str, started: float) -> frozenset[str] | None:
        """Give a run's user tags; None when they have to be read."""
        with self._lock:
            facts = self._facts.find(RunIndex.place(run, started))
        tags = None if facts is None else [decode_tag(fact) for fact in facts if not fact.startswith(WRONG)]
        return None if tags is None or None in tags else frozenset(tag for tag in tags if tag is not None)


class _Walk:
    """A walk along an index whose entries are a run's place, ``=`` and something about the run."""

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store, self._prefix = store, prefix
        self._infos: Iterator[ObjectInfo] = iter(())
        self._begun: Glance | None = None

    def _begin(self) -> None:
        """Begin anew."""
        self._begun = Glance()
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
        if self._begun is None or not self._begun.counts:
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
