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
"""The index of all runs; no tag's encoded form, where ``=`` is followed by two hexadecimal digits or ``h``."""

SUCCESS = "=ok."
"""Before a tag's form: the index of the runs with the tag whose end was about to be committed as a success."""

RUN_EVENTS = "=facts"
"""The index of what is known of all runs, in the order of the runs: their user tags, and what went wrong."""

PROBLEM = "=w."
"""Before what went wrong, among the facts; no tag's encoded form either."""

_LATEST = 10**16 - 1  # microseconds since the epoch, to the year 2286
_HIGHEST = 10**12 - 1
_KEPT = 100


class RunIndex:
    """The newest-first listings of a flow's runs, and its integer run ids.

    Parameters
    ----------
    store : ObjectStore
        Where they are kept.
    flow : str
        The flow's name.
    """

    changes: ClassVar[int] = 0
    """How often this process has changed an index: what it listed before counts no more."""

    def __init__(self, store: ObjectStore, flow: str) -> None:
        self._store = store
        self._flow = flow

    def _prefix(self, tag: str | None, mark: str = "") -> str:
        return layout.index_prefix(self._flow, mark + (ALL if tag is None else encode_tag(tag)))

    def _key(self, tag: str | None, name: str, started: float, mark: str = "") -> str:
        return self._prefix(tag, mark) + self.entry_name(name, started)

    @staticmethod
    def entry_name(name: str, started: float) -> str:
        """Where a name stands in an index: newest first, what is too long for a key by its hash."""
        time = min(max(int(started * 1_000_000), 0), _LATEST)
        short = name
        if len(name) > LONGEST:
            import hashlib

            short = HASHED + hashlib.sha256(name.encode()).hexdigest()
        return f"{_LATEST - time:016d}-{short}"

    def successes_prefix(self, tag: str | None) -> str:
        """Folder of what :meth:`add_success` enters: ``<place>=<last step>=<its task>``."""
        return self._prefix(tag, SUCCESS)

    def run_events_prefix(self) -> str:
        """Return the folder of the entries of :meth:`add_user_tag` and :meth:`add_problem`.

        They are ``<entry name>=<tag>`` and ``<entry name>==w.<problem>``.
        """
        return layout.index_prefix(self._flow, RUN_EVENTS)

    def _enter(self, tag: str | None, name: str, started: float, mark: str = "") -> None:
        """Enter a run, for good: once a task of it is committed no power cut may hide it, nor its success."""
        self._enter_beside(self._prefix(tag, mark), name, started)

    def _name(self, key: str, entry: str) -> str:
        """What was entered as ``entry``: what is too long for a key lies in the object."""
        name = entry[17:]
        return self._store.get(key).decode() if name.startswith(HASHED) else name

    def add_run(self, tag: str | None, run: str, started: float) -> None:
        """Enter a run under a tag (None: among all runs), at the place of its start time."""
        self._enter(tag, run, started)

    def add_user_tag(self, tag: str, run: str, started: float) -> None:
        """Enter a run under a user tag, and the tag among those of all runs."""
        self.add_run(tag, run, started)
        self._enter_beside(self.run_events_prefix(), f"{run}={encode_tag(tag)}", started)

    def add_problem(self, run: str, started: float, what: str) -> None:
        """Enter what is about to be noted of a run that isn't its success."""
        self._enter_beside(self.run_events_prefix(), f"{run}={PROBLEM}{what}", started)

    def _enter_beside(self, prefix: str, name: str, started: float) -> None:
        self._store.put(prefix + self.entry_name(name, started), name.encode() if len(name) > LONGEST else b"")
        RunIndex.changes += 1

    def remove_tag(self, tag: str, run: str, started: float, end: tuple[str, str]) -> None:
        """Take a run, whose last step and its task are ``end``, out of a user tag's listings."""
        listed = self.run_events_prefix() + self.entry_name(f"{run}={encode_tag(tag)}", started)
        self._store.delete(
            [listed, self._key(tag, run, started), self._key(tag, self._ended(run, end), started, SUCCESS)]
        )
        RunIndex.changes += 1

    @staticmethod
    def _ended(run: str, end: tuple[str, str]) -> str:
        """What is entered of a run's last step: the name alone where the task has the id that it once always had."""
        step, task = end
        return f"{run}={step}" if task == EARLIER_END else f"{run}={step}={task}"

    def add_success(self, tag: str | None, run: str, started: float, end: tuple[str, str]) -> None:
        """Enter a run under a tag (None: among all runs) as one whose last step is about to be a success."""
        self._enter(tag, self._ended(run, end), started, SUCCESS)

    def has_success(self, run: str, started: float, end: tuple[str, str]) -> bool:
        """Tell whether a run has come as far as to be entered by :meth:`add_success` among all runs."""
        return self._store.head(self._key(None, self._ended(run, end), started, SUCCESS)) is not None

    def list_successes(self, tag: str | None) -> Iterator[tuple[str, tuple[str, str]]]:
        """List the runs that :meth:`add_success` entered, newest first, each with its last step and its task."""
        prefix = self._prefix(tag, SUCCESS)
        for info in self._store.list(prefix):
            run, step, *task = self._name(info.key, info.key[len(prefix) :]).split("=", 2)
            yield run, (step, task[0] if task else EARLIER_END)

    def has_durable_entry(self, tag: str | None, run: str, started: float) -> bool:
        """Tell whether a run is entered; if so, it stays."""
        key = self._key(tag, run, started)
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
        names = self._names(list(dict.fromkeys(tags)) or [None], limit)
        for name, key in itertools.islice(names, limit):
            yield self._name(key, name)

    def _names(self, tags: Sequence[str | None], limit: int | None) -> Iterator[tuple[str, str]]:
        """Walk the tags' sorted listings side by side; yield the entries that are in all of them."""
        prefixes = [self._prefix(tag) for tag in tags]
        # With several tags an entry may be passed over, so a limit can't be handed on to the store.
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
        """Return the highest integer run id that was noted; 0 when there is none."""
        prefix = layout.number_prefix(self._flow)
        for info in self._store.list(prefix, limit=1):
            return _HIGHEST - int(info.key[len(prefix) :])
        return 0

    def record_number(self, run: str) -> None:
        """Note that an integer run id is taken; other ids are passed over."""
        if not run.isdigit() or run != str(int(run)) or int(run) > _HIGHEST:
            return
        number = int(run)
        self._store.put(self._number_key(number), b"", durable=False)
        if number % _KEPT == 0:
            # Only the highest counts. Without this a folder on a laptop would be listed ever more slowly.
            self._store.delete(self._number_key(old) for old in range(max(number - 2 * _KEPT, 1), number - _KEPT))

    def _number_key(self, number: int) -> str:
        return layout.number_key(self._flow, f"{_HIGHEST - number:012d}")
