"""Garbage collection from beginning to end: runs that no rule keeps, then blobs that no record refers to."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from flow_sdk.errors import StoreError, UsageError
from flow_sdk.store.blobs.write_protocol import SHORTEST_GRACE
from flow_sdk.store.port import ObjectInfo, ObjectStore
from flow_sdk.store.records import layout
from flow_sdk.upkeep.collector import Collector
from flow_sdk.upkeep.mark_sweep import RunSurvey, mark_blobs, survey_run, sweep_blobs
from flow_sdk.upkeep.references import BlobTable, Damage, list_blobs, map_in_threads
from flow_sdk.upkeep.run_removal import (
    RetentionRules,
    RunCandidate,
    add_origins,
    choose_kept_runs,
    find_index_entries,
    find_runs,
    find_stray_entries,
    remove_run,
)
from flow_sdk.upkeep.temp_files import find_incomplete_files, remove_incomplete_files

__all__ = ["GRACE", "FlowShare", "GcReport", "collect_garbage"]

GRACE = 7 * 24 * 3600.0
"""The grace period, in seconds, unless another one is given."""


@dataclass(slots=True)
class FlowShare:
    """What is removed of a flow.

    Parameters
    ----------
    kept, runs, remains : int
        How many runs stay, how many are removed, and of how many the remains are removed.
    active : int
        How many runs stay only because something of them was written within the grace period.
    objects, size : int
        Objects of the removed runs, and their bytes, without blobs.
    blobs, blob_size : int
        Removed blobs that only removed runs of this flow referred to, and their bytes.
    attempts : int
        Objects of attempts that never ended, of tasks that another attempt committed.
    entries : int
        Entries of indexes without a run.
    """

    kept: int = 0
    runs: int = 0
    remains: int = 0
    active: int = 0
    objects: int = 0
    size: int = 0
    blobs: int = 0
    blob_size: int = 0
    attempts: int = 0
    entries: int = 0


@dataclass(slots=True)
class GcReport:
    """What is removed, or would be.

    Parameters
    ----------
    deleted : bool
        Whether it was removed; False after a dry run.
    flows : dict of str to FlowShare
        What is removed of each flow.
    blobs, blob_size : int
        All removed blobs, and their bytes.
    young, young_size : int
        Unreferenced blobs that stay, as they were written within the grace period, and their bytes.
    unfinished, unfinished_size : int
        Files that killed processes left incomplete in a local store, and their bytes.
    damage : list of Damage
        Records that can't be read, and missing blobs. With damage no blob is removed unless the caller asks for it.
    """

    deleted: bool = False
    flows: dict[str, FlowShare] = field(default_factory=dict)
    blobs: int = 0
    blob_size: int = 0
    young: int = 0
    young_size: int = 0
    unfinished: int = 0
    unfinished_size: int = 0
    damage: list[Damage] = field(default_factory=list)

    @property
    def size(self) -> int:
        """All removed bytes."""
        return self.blob_size + self.unfinished_size + sum(share.size for share in self.flows.values())


def collect_garbage(
    store: ObjectStore,
    rules: RetentionRules,
    *,
    now: float,
    grace: float = GRACE,
    delete: bool = False,
    despite_damage: bool = False,
    user: str = "",
    threads: int = 8,
    progress: Callable[[str], None] = lambda text: None,
) -> GcReport:
    """Find, and delete, runs that no rule keeps and blobs that no record refers to.

    Parameters
    ----------
    store : ObjectStore
        The store.
    rules : Rules
        Which runs are kept.
    now : float
        The time, for a dry run; a collection that deletes uses the store's clock.
    grace : float
        Nothing younger, in seconds, is deleted: at least :data:`~flow_sdk.store.blobs.write_protocol.SHORTEST_GRACE`.
    delete : bool
        Whether to delete, or only to report what would be removed.
    despite_damage : bool
        Whether to delete blobs although records are damaged, which may have referred to them.
    user : str
        The user, for operators.
    threads : int
        How many runs are read at a time (>= 1).
    progress : callable
        Called with the name of each phase.

    Returns
    -------
    GcReport
        What was removed, or would be.

    Raises
    ------
    UsageError
        If the grace period is too short.
    StoreError
        If the store can't be used, or another collection is under way.
    """
    if grace < SHORTEST_GRACE:
        raise UsageError(
            "The grace period is too short.",
            seen=f"{grace / 86400:g} days",
            wanted=f"at least {SHORTEST_GRACE / 86400:g} days",
            help="Tasks rely on blobs that others stored up to a day before.",
        )
    owner = {"user": user, "host": os.uname().nodename, "pid": os.getpid()}
    collector = Collector(store, owner) if delete else None
    if collector is not None:
        collector.begin()
        now = collector.now
    collection = _Collection(store, rules, now, grace, threads, progress, collector)
    try:
        report = collection.run(despite_damage)
    finally:
        if collector is not None and not collector.is_unsure:
            collector.end(blobs=collection.report.blobs, bytes=collection.report.size)
    if delete and report.damage and not despite_damage:
        raise StoreError(
            "Records of the store are damaged, so no blob was deleted: which ones they refer to isn't known.",
            seen=f"{report.damage[0].owner}: {report.damage[0].key}: {report.damage[0].seen}",
            where=store.url,
            help="flow-sdk store check names all damage. Repair it, or delete blobs with --despite-damage.",
        )
    return report


class _Collection:
    def __init__(
        self,
        store: ObjectStore,
        rules: RetentionRules,
        now: float,
        grace: float,
        threads: int,
        progress: Callable[[str], None],
        collector: Collector | None,
    ) -> None:
        self.store, self.rules, self.now, self.before = store, rules, now, now - grace
        self.threads, self.progress, self.collector = threads, progress, collector
        self.report = GcReport(deleted=collector is not None)
        self.table = BlobTable(())
        self.owners: dict[bytes, str] = {}
        self.gone: set[tuple[str, str]] = set()

    def keep_alive(self) -> None:
        if self.collector is not None:
            self.collector.continue_collecting()

    def run(self, despite_damage: bool) -> GcReport:
        self.progress("listing blobs")
        self.table = BlobTable(list_blobs(self.store))
        self.keep_alive()
        for flow in self.store.folders(layout.flows_prefix()):
            self._remove_runs(flow)
        self._remove_unfinished()
        self._mark_needed()
        if self.report.damage and not despite_damage:
            return self.report
        self._count_unmarked()
        if self.collector is not None:
            self.report.blobs, self.report.blob_size = sweep_blobs(
                self.store, self.table, self.before, self.collector, lambda count, size: self.progress("deleting blobs")
            )
        return self.report

    def _remove_runs(self, flow: str) -> None:
        """Remove the runs of a flow that no rule keeps, and the remains of others."""
        self.progress(f"looking at the runs of {flow}")
        share = self.report.flows[flow] = FlowShare()
        runs = find_runs(self.store, flow, self.rules, self.threads)
        keep = choose_kept_runs(runs, self.rules, self.now)
        going = [run for run in runs if run.run not in keep]
        entries = find_index_entries(self.store, flow, [run.run for run in going]) if going else {}
        for run in going:  # the newest first: what is resumed before its origin
            self.keep_alive()
            if run.run in keep:
                continue
            survey = survey_run(self.store, layout.run_prefix(flow, run.run), self.keep_alive)
            if not self._remove_run(run, survey, entries.get(run.run, [])):
                share.active += 1
                keep.add(run.run)
                add_origins(runs, keep)
                continue
            self.gone.add((flow, run.run))
            share.runs += run.record is not None
            share.remains += run.record is None
            share.objects += survey.objects
            share.size += survey.size
            for digest in survey.digests:
                self.owners.setdefault(digest, flow)
        share.kept = sum(run.record is not None and (flow, run.run) not in self.gone for run in runs)
        named = (run.run for run in runs if run.record is not None or run.is_damaged)
        stray = find_stray_entries(self.store, flow, named, self.before)
        share.entries = len(stray)
        if self.collector is not None:
            self.store.delete([info.key for info in stray])

    def _remove_run(self, run: RunCandidate, survey: RunSurvey, entries: list[ObjectInfo]) -> bool:
        if survey.newest >= self.before:
            return False
        return self.collector is None or remove_run(self.store, run, entries, self.before)

    def _mark_needed(self) -> None:
        """Mark the blobs that deployments and all remaining runs refer to."""
        self.progress("reading records")

        def survey_folder(folder: tuple[str, str]) -> tuple[str, RunSurvey]:
            return folder[0], survey_run(self.store, folder[1], self.keep_alive)

        for flow, survey in map_in_threads(
            survey_folder, chain([("", layout.deployments_prefix())], self._list_record_folders()), self.threads
        ):
            self.report.damage += mark_blobs(self.store, self.table, survey)
            dead = [info for info in survey.dead if info.modified < self.before]
            if flow and dead:
                self.report.flows.setdefault(flow, FlowShare()).attempts += len(dead)
                if self.collector is not None:
                    self.store.delete([info.key for info in dead])

    def _remove_unfinished(self) -> None:
        """Remove incomplete files that no process writes any more."""
        left = [info for info in find_incomplete_files(self.store) if info.modified < self.before]
        self.report.unfinished, self.report.unfinished_size = len(left), sum(info.size for info in left)
        if self.collector is not None:
            remove_incomplete_files(self.store, left)

    def _list_record_folders(self) -> Iterator[tuple[str, str]]:
        """List the folders that may hold records, each with its flow."""
        for flow in self.store.folders(layout.flows_prefix()):
            folder = layout.flow_prefix(flow)
            for name in self.store.folders(folder):
                if name not in layout.FLOW_FOLDERS:
                    yield flow, f"{folder}{name}/"
            for run in self.store.folders(layout.runs_prefix(flow)):
                if (flow, run) not in self.gone or self.collector is not None:
                    yield flow, layout.run_prefix(flow, run)

    def _count_unmarked(self) -> None:
        """Count the blobs that aren't marked."""
        table = self.table
        for index in range(len(table)):
            if table.reached[index]:
                continue
            if table.modified[index] >= self.before:
                self.report.young += 1
                self.report.young_size += table.sizes[index]
                continue
            self.report.blobs += 1
            self.report.blob_size += table.sizes[index]
            flow = self.owners.get(table.digest(index))
            if flow is not None:
                self.report.flows[flow].blobs += 1
                self.report.flows[flow].blob_size += table.sizes[index]
