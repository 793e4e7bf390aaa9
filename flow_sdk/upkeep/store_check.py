"""The store's check: every blob verified, every record read, every reference looked up.

It only reads. Tasks and a garbage collection may run at the same time: an object that was written or deleted since it
was listed is read again before it is reported as damage.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from flow_sdk.errors import IntegrityError, ObjectMissing
from flow_sdk.store.blobs.verification import verify_blob
from flow_sdk.store.port import ObjectInfo, ObjectStore
from flow_sdk.store.records.commits import read_task
from flow_sdk.store.records.layout import ParsedKey, blob_key, commit_key, run_key
from flow_sdk.store.records.model import Manifest, RunRecord
from flow_sdk.upkeep.references import BlobTable, Damage, Record, Reference, list_objects, map_in_threads, read_records
from flow_sdk.upkeep.temp_files import find_incomplete_files

__all__ = ["CheckReport", "check_store"]

NAMED = 20
"""How many of the records that refer to one damaged blob are named."""

LISTED = 100
"""How many orphans, foreign objects or incomplete files are named."""

ALL_RUNS = "=all"
"""The index of all runs of a flow."""

SUCCEEDED = "succeeded"
"""The state in the end of a run that succeeded."""

_NOT_READ = (
    "log",
    "file",
    "number",
    "index",
    "tag_reservation",
    "task_heartbeat",
    "events",
    "resume_mark",
    "marker",
    "probe",
    "collection",
    "doomed",
    "sweep",
    "clock",
    "foreign",
    "blob",
)


@dataclass(slots=True)
class CheckReport:
    """What a check found.

    Parameters
    ----------
    blobs, size, records, runs : int
        How many blobs were verified, their bytes as stored, how many records were read, how many runs there are.
    damage : list of Damage
        What isn't as it was stored.
    damaged : int
        How many damaged objects there are; a blob that many records refer to is in ``damage`` once for each of the
        first records.
    orphans, orphan_size : int
        Blobs that no record refers to, and their bytes. Running tasks have such blobs, too.
    starts : int
        Attempts of which only the start is recorded.
    incomplete : int
        Unimportant records that a power cut left empty.
    remains : list of str
        Folders of runs without a run's record.
    unlisted : list of str
        Runs that are missing in their flow's index.
    entries : int
        Entries of an index without a run.
    foreign : list of str
        Keys of the first objects that aren't Flow SDK's.
    foreigners : int
        How many foreign objects there are.
    unfinished : list of str
        The first incomplete files in a local store: of a killed process, or of one that is writing.
    unfinished_count, unfinished_size : int
        How many incomplete files there are, and their bytes.
    """

    blobs: int = 0
    size: int = 0
    records: int = 0
    runs: int = 0
    damage: list[Damage] = field(default_factory=list)
    damaged: int = 0
    orphans: int = 0
    orphan_size: int = 0
    starts: int = 0
    incomplete: int = 0
    remains: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    entries: int = 0
    foreign: list[str] = field(default_factory=list)
    foreigners: int = 0
    unfinished: list[str] = field(default_factory=list)
    unfinished_count: int = 0
    unfinished_size: int = 0


@dataclass(slots=True)
class _RunState:
    """What was read of a run so far."""

    has_record: bool = False
    started: set[tuple[str, str, int]] = field(default_factory=set)
    known: set[tuple[str, str, int]] = field(default_factory=set)
    """Attempts with more than their start."""
    committed: set[tuple[str, str]] = field(default_factory=set)
    parents: dict[tuple[str, str], str] = field(default_factory=dict)
    """Tasks that others name as their parents, each with the other task."""
    end: tuple[str, str] | None = None
    """The last step and its task, if the run's record has them."""
    has_succeeded: bool = False
    """Whether the run's end is recorded as succeeded."""


def check_store(
    store: ObjectStore, *, threads: int = 8, progress: Callable[[CheckReport], None] = lambda report: None
) -> CheckReport:
    """Check a store.

    Parameters
    ----------
    store : ObjectStore
        The store.
    threads : int
        Number of objects that are read at a time (>= 1). Each takes a few MiB of memory, whatever its size.
    progress : callable
        Called with the report so far after each blob and each record.

    Returns
    -------
    CheckReport
        What was found; its ``damage`` is empty if and only if nothing is damaged.

    Raises
    ------
    StoreError
        If the store can't be read.
    """
    return _StoreChecker(store, threads, progress).run()


class _StoreChecker:
    def __init__(self, store: ObjectStore, threads: int, progress: Callable[[CheckReport], None]) -> None:
        self.store, self.threads, self.progress = store, threads, progress
        self.report = CheckReport()
        self.bad: dict[bytes, str] = {}
        self.named: dict[bytes, int] = {}
        self.runs: dict[tuple[str, str], _RunState] = {}
        self.index: dict[str, dict[str, int]] = {}
        self.listed: dict[str, set[str]] = {}
        self.table = BlobTable(())

    def run(self) -> CheckReport:
        objects = list_objects(self.store)
        first: list[tuple[ObjectInfo, ParsedKey]] = []
        self.table = BlobTable(self._verify_blobs(self._list_blobs(objects, first)))
        for record, _ in read_records(self.store, self._list_records(objects, first), self.threads):
            self._add_record(record)
            self.progress(self.report)
        while self.runs:
            self._end_run(*next(iter(self.runs)))
        for flow in list(self.index):
            self._end_flow(flow)
        self._report_leftovers()
        return self.report

    def _list_blobs(
        self, objects: Iterator[tuple[ObjectInfo, ParsedKey]], first: list[tuple[ObjectInfo, ParsedKey]]
    ) -> Iterator[ObjectInfo]:
        """List the blobs, which are first in a listing; append the object after the last of them to ``first``."""
        for info, parsed in objects:
            if parsed.kind == "blob":
                yield info
            elif parsed.kind == "foreign":
                self._add_foreign(info)
            else:
                first.append((info, parsed))
                return

    def _verify_blobs(self, infos: Iterator[ObjectInfo]) -> Iterator[ObjectInfo]:
        def verify(info: ObjectInfo) -> tuple[ObjectInfo, str | None]:
            return info, self._verify_blob(info)

        for info, seen in map_in_threads(verify, infos, self.threads):
            self.report.blobs += 1
            self.report.size += info.size
            if seen is not None:
                self.bad[bytes.fromhex(info.key[-64:])] = seen
            self.progress(self.report)
            yield info

    def _verify_blob(self, info: ObjectInfo) -> str | None:
        """Verify a blob; return what is wrong with it, "" when it is gone."""
        seen: str | None = None
        for _ in range(2):  # what was damaged in transit is right the second time
            try:
                verify_blob(self.store, info, bytes.fromhex(info.key[-64:]))
                return None
            except ObjectMissing:
                return ""
            except IntegrityError as error:
                seen = error.seen or error.headline
        return seen

    def _list_records(
        self, objects: Iterator[tuple[ObjectInfo, ParsedKey]], first: list[tuple[ObjectInfo, ParsedKey]]
    ) -> Iterator[tuple[ObjectInfo, ParsedKey]]:
        for source in (iter(first), objects):
            for info, parsed in source:
                self._add_key(info, parsed)
                if parsed.kind not in _NOT_READ:
                    yield info, parsed

    def _add_key(self, info: ObjectInfo, parsed: ParsedKey) -> None:
        """Add what an object's key shows."""
        parts = parsed.fields
        if parsed.kind == "foreign":
            self._add_foreign(info)
        elif parsed.kind == "index":
            self._add_index_entry(info, parts["flow"], parts["tag"], parts["entry"][17:])
        elif "run" in parts:
            run = self.runs.setdefault((parts["flow"], parts["run"]), _RunState())
            run.has_record = run.has_record or parsed.kind == "run"
            if parsed.kind in ("start", "log", "manifest"):
                attempt = (parts["step"], parts["task"], int(parts["attempt"]))
                (run.started if parsed.kind == "start" else run.known).add(attempt)

    def _add_index_entry(self, info: ObjectInfo, flow: str, tag: str, name: str) -> None:
        if name.startswith("=h"):
            try:
                name = self.store.get(info.key).decode("utf-8", "replace")
            except ObjectMissing:
                return
        name = name.partition("=")[0]  # what follows is the name of the last step
        entries = self.index.setdefault(flow, {})
        entries[name] = entries.get(name, 0) + 1
        if tag == ALL_RUNS:
            self.listed.setdefault(flow, set()).add(name)

    def _add_foreign(self, info: ObjectInfo) -> None:
        self.report.foreigners += 1
        if self.report.foreigners <= LISTED:
            self.report.foreign.append(info.key)

    def _add_record(self, record: Record) -> None:
        """Add a record to the report."""
        parts = record.parsed.fields
        self.report.records += 1
        if "run" in parts:
            here = (parts["flow"], parts["run"])
            while (oldest := next(iter(self.runs))) != here:
                self._end_run(*oldest)
        if record.gone:
            return
        self.report.incomplete += record.incomplete
        if record.damage:
            self._add_damage(record.damage)
        value = record.value
        if isinstance(value, RunRecord):
            self.report.runs += 1
            self.runs[(value.flow, value.run)].end = value.last_task
        elif record.parsed.kind in ("commit", "end"):
            self._add_progress(record, self.runs[(parts["flow"], parts["run"])])
        for reference in record.references:
            if self.table.mark_reached(reference.digest) < 0 or reference.digest in self.bad:
                self._add_bad_reference(record, reference)

    def _add_progress(self, record: Record, run: _RunState) -> None:
        """Add a committed task, and the tasks that must be committed before it."""
        value = record.value
        if record.parsed.kind == "end":
            run.has_succeeded = isinstance(value, dict) and value.get("state") == SUCCEEDED
            return
        step, task = record.parsed.fields["step"], record.parsed.fields["task"]
        run.committed.add((step, task))  # what can't be read is damaged, and not missing
        if isinstance(value, Manifest):
            run.known.add((step, task, value.attempt))
            for parent in value.parents:
                run.parents.setdefault((parent.step, parent.task), f"{step}/{task}")

    def _check_commits(self, flow: str, run: str, seen: _RunState) -> None:
        """Find uncommitted tasks that must be: parents of committed ones, and the last one of a succeeded run."""
        missing = {task: f"{child} was run after it" for task, child in seen.parents.items()}
        for committed in seen.committed:
            missing.pop(committed, None)
        end = seen.end
        if seen.has_succeeded and end is not None and end not in seen.committed:
            missing[end] = "the run has succeeded"
        for (step, task), why in missing.items():
            # It may have been committed, or its run removed, since the objects were listed.
            if read_task(self.store, flow, run, step, task) is None and self.store.head(run_key(flow, run)) is not None:
                seen_as = f"it is missing, although {why}"
                self._add_damage([Damage(commit_key(flow, run, step, task), seen_as, f"{flow}/{run}/{step}/{task}")])

    def _add_bad_reference(self, record: Record, reference: Reference) -> None:
        """Verify a missing or damaged blob again, and add the record that refers to it."""
        key, digest = blob_key(reference.digest.hex()), reference.digest
        seen = self.bad.get(digest) or None
        if seen is None:
            info = self.store.head(key)
            if info is not None:
                seen = self._verify_blob(info)
            if (info is None or seen == "") and self.store.head(record.info.key) is not None:
                seen = "it is missing"
            if not seen:
                return
            self.bad[digest] = seen
        self.named[digest] = self.named.get(digest, 0) + 1
        if self.named[digest] <= NAMED:
            self._add_damage([Damage(key, seen, f"{record.owner}, {reference.what}")], again=self.named[digest] > 1)

    def _add_damage(self, damage: list[Damage], *, again: bool = False) -> None:
        self.report.damage += damage
        self.report.damaged += not again

    def _end_run(self, flow: str, run: str) -> None:
        seen = self.runs.pop((flow, run))
        self.report.starts += len(seen.started - seen.known)
        if seen.has_record:
            self._check_commits(flow, run, seen)
        else:
            self.report.remains.append(f"{flow}/{run}")
        entries = self.index.get(flow, {})
        if seen.has_record and run not in self.listed.get(flow, ()):
            self.report.unlisted.append(f"{flow}/{run}")
        if seen.has_record:
            entries.pop(run, None)

    def _end_flow(self, flow: str) -> None:
        self.report.entries += sum(self.index.pop(flow).values())

    def _report_leftovers(self) -> None:
        for info in find_incomplete_files(self.store):
            self.report.unfinished_count += 1
            self.report.unfinished_size += info.size
            if self.report.unfinished_count <= LISTED:
                self.report.unfinished.append(info.key)
        for index in range(len(self.table)):
            digest = self.table.digest(index)
            if self.bad.get(digest) == "":
                continue
            if not self.table.reached[index]:
                self.report.orphans += 1
                self.report.orphan_size += self.table.sizes[index]
            if digest in self.bad and digest not in self.named:
                self._add_damage([Damage(blob_key(digest.hex()), self.bad[digest])])
