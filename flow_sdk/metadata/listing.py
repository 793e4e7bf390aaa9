"""What many runs have in common, read from listings of two indexes instead of a request for each run.

Both indexes are in the order of the runs, newest first, so that they are read in step with the runs: one page of each
is enough for the runs that a page or a notebook shows. What a listing can't answer is read from the run itself.
"""

import time
from _thread import allocate_lock  # not threading: each task that has it is slower to fork
from collections.abc import Iterator
from dataclasses import dataclass

from flow_sdk.metadata.index import PROBLEM, RunIndex
from flow_sdk.metadata.tags import HASHED, decode_tag
from flow_sdk.store.port import ObjectInfo, ObjectStore

__all__ = ["CAUGHT", "END_RECORDED", "IndexCursor", "ListedRunState", "ListingAge", "RunListing"]

END_RECORDED = "noted"
"""Entered before a run's end is recorded, unless the run succeeded."""

CAUGHT = "caught"
"""Entered before a last step is committed whose exception ``@catch`` took."""

FRESH_FOR = 2.0
"""Seconds for which a listing is used: about as long as it takes to show what it was read for."""

MOST_ENTRIES = 4000
"""Entries that are read; runs that are farther apart are read one by one."""


class ListingAge:
    """The moment at which something was listed."""

    def __init__(self) -> None:
        self._time, self._changes = time.monotonic(), RunIndex.changes

    @property
    def is_fresh(self) -> bool:
        """Whether the listing may be used: for a moment, and until this process changes an index."""
        return time.monotonic() - self._time <= FRESH_FOR and RunIndex.changes == self._changes


@dataclass(frozen=True, slots=True)
class ListedRunState:
    """The state of a run when it was listed, while its last step wasn't committed.

    Parameters
    ----------
    has_recorded_end : bool
        Whether an end of the run may be recorded.
    failed : tuple of (str, str)
        Tasks that failed for good, as (step, task), whether or not a later attempt was committed.
    """

    has_recorded_end: bool
    failed: tuple[tuple[str, str], ...]


class RunListing:
    """The ends and user tags of the runs of one listing.

    Parameters
    ----------
    store : ObjectStore
        The store.
    flow : str
        The flow.
    tag : str or None
        The tag that all of the runs carry; None for all runs.
    """

    def __init__(self, store: ObjectStore, flow: str, tag: str | None) -> None:
        index = RunIndex(store, flow)
        self._successes = IndexCursor(store, index.successes_prefix(tag))
        self._events = IndexCursor(store, index.run_events_prefix())
        self._lock = allocate_lock()

    def find_open_run(self, run: str, started: float) -> ListedRunState | None:
        """Return the state of a run whose last step certainly isn't committed; None when it may be."""
        name = RunIndex.entry_name(run, started)
        with self._lock:
            events = self._events.find_entries(name) if self._successes.find_entries(name) == [] else None
        problems = [event.removeprefix(PROBLEM) for event in events or () if event.startswith(PROBLEM)]
        if events is None or CAUGHT in problems:
            return None
        failed = (problem.split("=", 1) for problem in problems if problem != END_RECORDED)
        return ListedRunState(END_RECORDED in problems, tuple((step, task) for step, task in failed))

    def user_tags(self, run: str, started: float) -> frozenset[str] | None:
        """Return a run's user tags; None when they have to be read."""
        with self._lock:
            events = self._events.find_entries(RunIndex.entry_name(run, started))
        tags = None if events is None else [decode_tag(event) for event in events if not event.startswith(PROBLEM)]
        return None if tags is None or None in tags else frozenset(tag for tag in tags if tag is not None)


class IndexCursor:
    """Reads an index, whose entries are a run's entry name, ``=`` and an event of the run, in order.

    Parameters
    ----------
    store : ObjectStore
        The store.
    prefix : str
        The index's folder.
    """

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store, self._prefix = store, prefix
        self._infos: Iterator[ObjectInfo] = iter(())
        self._age: ListingAge | None = None

    def _start_again(self) -> None:
        self._age = ListingAge()
        self._infos = self._store.list(self._prefix)
        self._next: str | None = ""
        self._read: dict[str, list[str]] = {}
        self._left = MOST_ENTRIES
        self._advance()

    def _advance(self) -> None:
        info = next(self._infos, None)
        self._next = None if info is None else info.key[len(self._prefix) :]
        self._left -= 1

    def find_entries(self, name: str) -> list[str] | None:
        """Return what is entered of the run with this entry name; None when the listing can't answer."""
        if self._age is None or not self._age.is_fresh:
            self._start_again()
        moment, end = name[:17], name + "="
        while self._next is not None and (self._next < end or self._next.startswith(end)):
            if self._left <= 0:
                return None
            entry, _, event = self._next.partition("=")
            # What is too long for a key is in the object: the state of such a run is read from the run.
            key = self._next[:17] if self._next[17:].startswith(HASHED) else entry
            self._read.setdefault(key, []).append(event)
            self._advance()
        is_known = moment not in self._read and not name[17:].startswith(HASHED)
        return self._read.get(name, []) if is_known else None
