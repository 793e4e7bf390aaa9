"""Runs newest first: the order is in the keys, so that the newest is one LIST of one key."""

import itertools
from collections.abc import Iterator, Sequence
from typing import ClassVar

from flow_sdk.metadata.tags import HASHED, LONGEST, encode_tag
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records import layout
from flow_sdk.store.records.model import EARLIER_END

__all__ = ["RunIndex"]

ALL = "=all"
"""The index of all runs. It is no tag's encoded form, where ``=`` is followed by two hexadecimal digits or ``h``."""

SUCCESS = "=ok."
"""Prefix of the index of a tag's runs whose last step was about to be committed as a success."""

RUN_EVENTS = "=facts"
"""The index of events of all runs, in the order of the runs: their user tags and problems."""

PROBLEM = "=w."
"""Prefix of a problem in that index; no tag's encoded form either."""

_LATEST = 10**16 - 1  # microseconds since the epoch, to the year 2286
_HIGHEST = 10**12 - 1
_KEPT = 100


class RunIndex:
    """The newest-first listings of a flow's runs, and its integer run ids.

    Parameters
    ----------
    store : ObjectStore
        The store.
    flow : str
        The flow's name.
    """

    changes: ClassVar[int] = 0
    """How often this process changed an index, which makes its earlier listings stale."""

    def __init__(self, store: ObjectStore, flow: str) -> None:
        self._store = store
        self._flow = flow

    def _index_prefix(self, tag: str | None, mark: str = "") -> str:
        return layout.index_prefix(self._flow, mark + (ALL if tag is None else encode_tag(tag)))

    def _entry_key(self, tag: str | None, name: str, started: float, mark: str = "") -> str:
        return self._index_prefix(tag, mark) + self.entry_name(name, started)

    @staticmethod
    def entry_name(name: str, started: float) -> str:
        """Return a run's name in an index: newest first, a name that is too long for a key by its hash."""
        time = min(max(int(started * 1_000_000), 0), _LATEST)
        short = name
        if len(name) > LONGEST:
            import hashlib

            short = HASHED + hashlib.sha256(name.encode()).hexdigest()
        return f"{_LATEST - time:016d}-{short}"

    def successes_prefix(self, tag: str | None) -> str:
        """Return the folder of the entries of :meth:`add_success`: ``<entry name>=<last step>=<its task>``."""
        return self._index_prefix(tag, SUCCESS)

    def run_events_prefix(self) -> str:
        """Return the folder of the entries of :meth:`add_user_tag` and :meth:`add_problem`.

        They are ``<entry name>=<tag>`` and ``<entry name>==w.<problem>``.
        """
        return layout.index_prefix(self._flow, RUN_EVENTS)

    def _add_entry(self, tag: str | None, name: str, started: float, mark: str = "") -> None:
        """Add a durable entry: once a task is committed, no power cut may hide its run, or the run's success."""
        self._put_entry(self._index_prefix(tag, mark), name, started)

    def _read_name(self, key: str, entry: str) -> str:
        """Return the name of an entry; one that is too long for a key is in the object."""
        name = entry[17:]
        return self._store.get(key).decode() if name.startswith(HASHED) else name

    def add_run(self, tag: str | None, run: str, started: float) -> None:
        """Enter a run under a tag (None: among all runs), by its start time."""
        self._add_entry(tag, run, started)

    def add_user_tag(self, tag: str, run: str, started: float) -> None:
        """Enter a run under a user tag, and the tag among the events of all runs."""
        self.add_run(tag, run, started)
        self._put_entry(self.run_events_prefix(), f"{run}={encode_tag(tag)}", started)

    def add_problem(self, run: str, started: float, what: str) -> None:
        """Enter a problem of a run that is about to be recorded."""
        self._put_entry(self.run_events_prefix(), f"{run}={PROBLEM}{what}", started)

    def _put_entry(self, prefix: str, name: str, started: float) -> None:
        self._store.put(prefix + self.entry_name(name, started), name.encode() if len(name) > LONGEST else b"")
        RunIndex.changes += 1

    def remove_tag(self, tag: str, run: str, started: float, end: tuple[str, str]) -> None:
        """Remove a run, whose last step and its task are ``end``, from a user tag's indexes."""
        listed = self.run_events_prefix() + self.entry_name(f"{run}={encode_tag(tag)}", started)
        self._store.delete(
            [
                listed,
                self._entry_key(tag, run, started),
                self._entry_key(tag, self._success_name(run, end), started, SUCCESS),
            ]
        )
        RunIndex.changes += 1

    @staticmethod
    def _success_name(run: str, end: tuple[str, str]) -> str:
        """Return what is entered of a success: without the task where it has the id that it always had earlier."""
        step, task = end
        return f"{run}={step}" if task == EARLIER_END else f"{run}={step}={task}"

    def add_success(self, tag: str | None, run: str, started: float, end: tuple[str, str]) -> None:
        """Enter a run under a tag (None: among all runs) whose last step is about to be committed as a success."""
        self._add_entry(tag, self._success_name(run, end), started, SUCCESS)

    def has_success(self, run: str, started: float, end: tuple[str, str]) -> bool:
        """Return whether :meth:`add_success` entered the run among all runs."""
        return self._store.head(self._entry_key(None, self._success_name(run, end), started, SUCCESS)) is not None

    def list_successes(self, tag: str | None) -> Iterator[tuple[str, tuple[str, str]]]:
        """List the runs that :meth:`add_success` entered, newest first, each with its last step and its task."""
        prefix = self._index_prefix(tag, SUCCESS)
        for info in self._store.list(prefix):
            run, step, *task = self._read_name(info.key, info.key[len(prefix) :]).split("=", 2)
            yield run, (step, task[0] if task else EARLIER_END)

    def has_durable_entry(self, tag: str | None, run: str, started: float) -> bool:
        """Return whether a run is entered, and make the entry durable."""
        key = self._entry_key(tag, run, started)
        if self._store.head(key) is None:
            return False
        self._store.make_durable(key)
        return True

    def newest(self, tags: Sequence[str] = (), limit: int | None = None) -> Iterator[str]:
        """List the ids of the runs that carry all of ``tags``, newest first.

        Parameters
        ----------
        tags : sequence of str
            The tags; none for all runs.
        limit : int, optional
            How many at most (>= 1).
        """
        names = self._merge_listings(list(dict.fromkeys(tags)) or [None], limit)
        for name, key in itertools.islice(names, limit):
            yield self._read_name(key, name)

    def _merge_listings(self, tags: Sequence[str | None], limit: int | None) -> Iterator[tuple[str, str]]:
        """Read the tags' sorted listings in step; yield the entries that are in all of them."""
        prefixes = [self._index_prefix(tag) for tag in tags]
        # With several tags an entry may be skipped, so the store can't apply a limit.
        listings = [self._store.list(prefix, limit=limit if len(tags) == 1 else None) for prefix in prefixes]
        heads = [next(listing, None) for listing in listings]
        while True:
            names = []
            for head, prefix in zip(heads, prefixes, strict=True):
                if head is None:
                    return
                names.append(head.key[len(prefix) :])
            last = max(names)
            if min(names) == last:
                yield last, prefixes[0] + last
            heads = [
                next(listing, None) if name < last or min(names) == last else head
                for listing, head, name in zip(listings, heads, names, strict=True)
            ]

    def highest_number(self) -> int:
        """Return the highest integer run id that was recorded; 0 when there is none."""
        prefix = layout.number_prefix(self._flow)
        for info in self._store.list(prefix, limit=1):
            return _HIGHEST - int(info.key[len(prefix) :])
        return 0

    def record_number(self, run: str) -> None:
        """Record that an integer run id is used; other ids are ignored."""
        if not run.isdigit() or run != str(int(run)) or int(run) > _HIGHEST:
            return
        number = int(run)
        self._store.put(self._number_key(number), b"", durable=False)
        if number % _KEPT == 0:
            # Only the highest counts. Without this a folder on a laptop would be listed ever more slowly.
            self._store.delete(self._number_key(old) for old in range(max(number - 2 * _KEPT, 1), number - _KEPT))

    def _number_key(self, number: int) -> str:
        return layout.number_key(self._flow, f"{_HIGHEST - number:012d}")
