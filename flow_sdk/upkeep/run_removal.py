"""Removing runs: which ones, and in which order their objects are deleted.

The order, for each run, is

1. check whether anything of the run was written within the grace period: then it stays;
2. delete its entries in the indexes, the one among all runs first: from now on no listing finds it;
3. delete its ``run.json``: from now on there is no such run;
4. check again whether anything of it was written just now. If so, undo steps 3 and 2;
5. delete the rest;
6. after all runs, delete the blobs that no record refers to (:mod:`flow_sdk.upkeep.mark_sweep`).

At whatever step a collector is killed, each run that can be read is whole: blobs are deleted last, and only those that
no remaining record refers to, with a ``run.json`` beside it or without. A run whose collector was killed at step 2 can
still be read by its name; one of a later step is a folder without a run, which the next collection removes.

A process that resumes a run copies references from its records without storing the blobs again. So ``resume`` first
writes a mark into the origin's folder, and then reads the origin's ``run.json``. The collector does it the other way
round, in steps 3 and 4. Whichever is first, one of the two sees the other: either the resume finds no run and fails, or
the collector finds the mark and keeps the run.

A run that a kept one was resumed from, directly or not, is kept whole: the logs of reused tasks are read there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flow_sdk.errors import IntegrityError, ObjectExists, ObjectMissing
from flow_sdk.metadata.index import RunIndex
from flow_sdk.store.port import ObjectInfo, ObjectStore
from flow_sdk.store.records import layout
from flow_sdk.store.records.codec import decode_record
from flow_sdk.store.records.layout import parse_key
from flow_sdk.store.records.model import RunRecord
from flow_sdk.upkeep.references import map_in_threads

__all__ = [
    "RetentionRules",
    "RunCandidate",
    "add_origins",
    "choose_kept_runs",
    "find_index_entries",
    "find_runs",
    "find_stray_entries",
    "remove_run",
]

DAY = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRules:
    """Which runs are kept: those that any rule keeps; all if there is no rule.

    Parameters
    ----------
    tags : tuple of str
        Keep runs with one of these tags, of the user or of the system.
    days : int or None
        Keep runs that were started at most this many days ago (>= 0).
    last : int or None
        Keep this many of each flow's runs, the newest (>= 0).
    """

    tags: tuple[str, ...] = ()
    days: int | None = None
    last: int | None = None

    @property
    def has_rule(self) -> bool:
        """Whether there is a rule."""
        return bool(self.tags) or self.days is not None or self.last is not None


@dataclass(frozen=True, slots=True)
class RunCandidate:
    """A run that may be removed, or what is left of one.

    Parameters
    ----------
    flow, run : str
        Which run.
    record : RunRecord or None
        The run's record; None for what is left of a run.
    tags : frozenset of str
        Its user and system tags; empty when the rules name no tags.
    is_damaged : bool
        Whether its record can't be read.
    """

    flow: str
    run: str
    record: RunRecord | None
    tags: frozenset[str] = frozenset()
    is_damaged: bool = False


def find_runs(store: ObjectStore, flow: str, rules: RetentionRules, threads: int) -> list[RunCandidate]:
    """Return a flow's runs and what is left of runs, the newest first."""

    def read_run(run: str) -> RunCandidate:
        key = layout.run_key(flow, run)
        try:
            record = decode_record(RunRecord, store.get(key), key)
        except ObjectMissing:
            return RunCandidate(flow, run, None)
        except IntegrityError:
            return RunCandidate(flow, run, None, is_damaged=True)
        tags = frozenset(record.system_tags)
        if rules.tags:
            keys = [info.key for info in store.list(layout.tag_prefix(flow, run))]
            found = (text.decode("utf-8") for text in store.get_many(keys) if text is not None) if keys else ()
            tags |= frozenset(found)
        return RunCandidate(flow, run, record, tags)

    runs = list(map_in_threads(read_run, store.folders(layout.runs_prefix(flow)), threads))
    return sorted(runs, key=lambda run: run.record.started if run.record is not None else 0.0, reverse=True)


def choose_kept_runs(runs: Sequence[RunCandidate], rules: RetentionRules, now: float) -> set[str]:
    """Choose the runs of a flow that are kept.

    Parameters
    ----------
    runs : sequence of Candidate
        All runs of the flow, the newest first.
    rules : Rules
        The rules.
    now : float
        The time.

    Returns
    -------
    set of str
        Ids of runs that a rule keeps, that can't be read, or that are the origin of a kept one.
    """
    whole = [run for run in runs if run.record is not None]
    keep = {run.run for run in runs if run.is_damaged}
    for number, run in enumerate(whole):
        assert run.record is not None
        young = rules.days is not None and run.record.started >= now - rules.days * DAY
        among_last = rules.last is not None and number < rules.last
        if not rules.has_rule or young or among_last or not run.tags.isdisjoint(rules.tags):
            keep.add(run.run)
    return add_origins(runs, keep)


def add_origins(runs: Sequence[RunCandidate], keep: set[str]) -> set[str]:
    """Add the runs that kept ones were resumed from, directly or not."""
    origins = {run.run: run.record.origin_run for run in runs if run.record is not None}
    for run in list(keep):
        origin = origins.get(run)
        while origin is not None and origin not in keep:
            keep.add(origin)
            origin = origins.get(origin)
    return keep


def find_index_entries(store: ObjectStore, flow: str, runs: Iterable[str]) -> dict[str, list[ObjectInfo]]:
    """Return the entries of runs in their flow's indexes, those among all runs first."""
    found: dict[str, list[ObjectInfo]] = {run: [] for run in runs}
    for info in store.list(layout.indexes_prefix(flow)):
        run = _read_entry(store, info)
        if run in found:
            found[run].append(info)
    return found


def find_stray_entries(store: ObjectStore, flow: str, runs: Iterable[str], before: float) -> list[ObjectInfo]:
    """Return the entries of a flow's indexes, written before a time, that name none of its ``runs``."""
    known = set(runs)
    old = (info for info in store.list(layout.indexes_prefix(flow)) if info.modified < before)
    return [info for info in old if _read_entry(store, info) not in known]


def _read_entry(store: ObjectStore, info: ObjectInfo) -> str | None:
    parsed = parse_key(info.key)
    if parsed.kind != "index":
        return None
    name = parsed.fields["entry"][17:]
    if name.startswith("=h"):
        try:
            name = store.get(info.key).decode("utf-8", "replace")
        except ObjectMissing:
            return None
    return name.partition("=")[0]


def is_active(store: ObjectStore, flow: str, run: str, before: float) -> bool:
    """Return whether anything of a run was written at ``before`` or later."""
    return any(info.modified >= before for info in store.list(layout.run_prefix(flow, run)))


def remove_run(store: ObjectStore, run: RunCandidate, entries: Sequence[ObjectInfo], before: float) -> bool:
    """Remove a run's records, in the order that the module's docstring explains.

    Parameters
    ----------
    store : ObjectStore
        The store.
    run : Candidate
        The run, or what is left of one.
    entries : sequence of ObjectInfo
        Its entries in the indexes.
    before : float
        A run with an object that was written at this time (of the store) or later is left as it is.

    Returns
    -------
    bool
        Whether it was removed.
    """
    if is_active(store, run.flow, run.run, before):
        return False
    key = layout.run_key(run.flow, run.run)
    if run.record is None:
        if store.head(key) is not None:
            return False
    else:
        index = RunIndex(store, run.flow)
        if run.run.isdigit() and int(run.run) > index.highest_number():
            index.record_number(run.run)  # the id isn't used again
        texts = [text or b"" for text in store.get_many([info.key for info in entries])] if entries else []
        text = store.get(key)
        store.delete([info.key for info in entries])
        store.delete([key])
        if is_active(store, run.flow, run.run, before):
            try:
                store.put_if_absent(key, text)
            except ObjectExists:
                pass
            for info, entry in zip(reversed(entries), reversed(texts), strict=True):
                store.put(info.key, entry)
            return False
    store.delete([info.key for info in store.list(layout.run_prefix(run.flow, run.run))])
    return True
