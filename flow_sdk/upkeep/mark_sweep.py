"""Mark the blobs that records refer to, and sweep the others.

:mod:`flow_sdk.store.blobs.write_protocol` explains why a writer never loses a blob to it, and
:mod:`flow_sdk.upkeep.run_removal` in which order runs are removed.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from flow_sdk.store.blobs.write_protocol import DELETION_TIMEOUT, NOTICE
from flow_sdk.store.port import ObjectInfo, ObjectStore
from flow_sdk.store.records import layout
from flow_sdk.store.records.layout import ParsedKey
from flow_sdk.store.records.model import Manifest
from flow_sdk.upkeep.collector import Collector
from flow_sdk.upkeep.references import (
    BlobTable,
    Damage,
    Record,
    digests_in,
    list_objects,
    read_records,
)

__all__ = ["RunSurvey", "mark_blobs", "survey_run", "sweep_blobs"]

_BATCH = 1000
_LIST_VALIDITY = DELETION_TIMEOUT / 10
_LARGEST_RECORD = 1 << 30
"""Bytes of the largest record; larger objects aren't read."""
_REFERRING = ("run", "commit", "manifest", "release", "request", "foreign")


@dataclass(slots=True)
class RunSurvey:
    """A run's objects and what they need.

    Parameters
    ----------
    objects, size : int
        How many objects it has, and their bytes; no blobs.
    newest : float
        When the newest of them was written.
    digests : set of bytes
        Every hash in its records.
    references : dict of bytes to str
        The blobs that the records refer to, each with one record that does.
    damage : list of Damage
        Records that can't be read.
    dead : list of ObjectInfo
        Starts and logs of attempts that never ended, of tasks that another attempt has committed.
    """

    objects: int = 0
    size: int = 0
    newest: float = 0.0
    digests: set[bytes] = field(default_factory=set)
    references: dict[bytes, str] = field(default_factory=dict)
    damage: list[Damage] = field(default_factory=list)
    dead: list[ObjectInfo] = field(default_factory=list)


def survey_run(store: ObjectStore, prefix: str, keep_alive: Callable[[], None] = lambda: None) -> RunSurvey:
    """Read all records of a run, with or without its own.

    Parameters
    ----------
    store : ObjectStore
        The store.
    prefix : str
        The run's folder, or any other with records in it.
    keep_alive : callable
        Called after each record, as a large run takes long.
    """
    survey = RunSurvey()
    attempts: dict[tuple[str, str, int], list[ObjectInfo]] = {}
    ended: set[tuple[str, str, int]] = set()
    committed: set[tuple[str, str]] = set()

    def list_and_count() -> Iterator[tuple[ObjectInfo, ParsedKey]]:
        for info, parsed in list_objects(store, prefix):
            survey.objects += 1
            survey.size += info.size
            survey.newest = max(survey.newest, info.modified)
            parts = parsed.fields
            if parts.get("attempt"):
                attempt = (parts["step"], parts["task"], int(parts["attempt"]))
                attempts.setdefault(attempt, []).append(info)
                if parsed.kind == "manifest":
                    ended.add(attempt)
            if parsed.kind in _REFERRING and info.size <= _LARGEST_RECORD:
                yield info, parsed

    for record, text in _read_with_reopened(store, list_and_count()):
        keep_alive()
        _add_record(survey, record, text)
        if isinstance(record.value, Manifest) and record.parsed.kind == "commit":
            ended.add((record.value.step, record.value.task, record.value.attempt))
            committed.add((record.value.step, record.value.task))
    for attempt, infos in attempts.items():
        if attempt not in ended and attempt[:2] in committed:
            survey.dead += infos
    return survey


def _read_with_reopened(
    store: ObjectStore, objects: Iterable[tuple[ObjectInfo, ParsedKey]]
) -> Iterator[tuple[Record, bytes]]:
    """Read records; of a task whose commit was replaced by a redirect, list and read all of them again.

    The manifest that was its commit may have moved to a key that the listing had passed already.
    """
    for record, text in read_records(store, objects, 1):
        yield record, text
        if record.parsed.kind == "commit" and isinstance(record.value, dict):
            parts = record.parsed.fields
            task = layout.task_prefix(parts["flow"], parts["run"], parts["step"], parts["task"])
            again = [
                (info, parsed) for info, parsed in list_objects(store, task) if parsed.kind in ("commit", "manifest")
            ]
            yield from read_records(store, again, 1)


def _add_record(survey: RunSurvey, record: Record, text: bytes) -> None:
    survey.damage += record.damage
    # Any text that looks like a hash retains the blob of that hash, also in a record of a kind that is unknown here.
    survey.digests.update(digests_in(text))
    for reference in record.references:
        survey.references.setdefault(reference.digest, f"{record.owner}, {reference.what}")


def mark_blobs(store: ObjectStore, table: BlobTable, survey: RunSurvey) -> list[Damage]:
    """Mark the blobs that a run's records refer to.

    Parameters
    ----------
    store : ObjectStore
        The store.
    table : BlobTable
        Its blobs; those that are referred to are marked.
    survey : RunSurvey
        What :func:`survey_run` returned.

    Returns
    -------
    list of Damage
        Records that can't be read, and missing blobs.
    """
    for digest in survey.digests:
        table.mark_reached(digest)
    damage = list(survey.damage)
    for digest, owner in survey.references.items():
        key = layout.blob_key(digest.hex())
        if table.find_index(digest) < 0 and store.head(key) is None:
            damage.append(Damage(key, "it is missing", owner))
    return damage


def sweep_blobs(
    store: ObjectStore,
    table: BlobTable,
    before: float,
    collector: Collector,
    progress: Callable[[int, int], None] = lambda count, size: None,
) -> tuple[int, int]:
    """Delete the blobs that aren't marked, in the order of :mod:`flow_sdk.store.blobs.write_protocol`.

    Parameters
    ----------
    store : ObjectStore
        The store.
    table : BlobTable
        Its blobs, marked.
    before : float
        Only blobs that were last written before this time (of the store) are deleted.
    collector : Collector
        The right to delete.
    progress : callable
        Called after each batch with the number of blobs deleted so far and their bytes.

    Returns
    -------
    (int, int)
        The number of deleted blobs, and their bytes.
    """
    count = size = 0
    announced = False
    for folder, digests in _split_batches(table, before):
        if not announced:
            store.put(layout.sweep_key(), b"{}")
            time.sleep(NOTICE)
            announced = True
        deleted = _delete_batch(store, folder, digests, before, collector)
        count += len(deleted)
        size += sum(info.size for info in deleted)
        progress(count, size)
    # Also that of a killed collector, which costs every writer requests.
    store.delete([layout.sweep_key()])
    return count, size


def _split_batches(table: BlobTable, before: float) -> Iterator[tuple[str, list[str]]]:
    folder = ""
    digests: list[str] = []
    for index in range(len(table)):
        if table.reached[index] or table.modified[index] >= before:
            continue
        digest = table.digest(index).hex()
        if digests and (digest[:2] != folder or len(digests) == _BATCH):
            yield folder, digests
            digests = []
        folder = digest[:2]
        digests.append(digest)
    if digests:
        yield folder, digests


def _delete_batch(
    store: ObjectStore, folder: str, digests: Sequence[str], before: float, collector: Collector
) -> list[ObjectInfo]:
    """Delete blobs of one folder, unless they were written since."""
    wanted = {layout.blob_key(digest) for digest in digests}
    list_and_count = layout.doomed_key(folder)
    while True:
        collector.continue_collecting()
        since = (time.time(), time.monotonic())
        store.put(list_and_count, json.dumps(digests).encode())
        infos = [
            info
            for info in store.list(layout.blob_folder_prefix(folder))
            if info.key in wanted and info.modified < before
        ]
        # After an error from here on the list stays: whether the request takes effect isn't known then.
        if 0 <= time.time() - since[0] < _LIST_VALIDITY and time.monotonic() - since[1] < _LIST_VALIDITY:
            collector.is_unsure = True
            store.delete([info.key for info in infos])
            collector.is_unsure = False
            store.delete([list_and_count])
            return infos
