"""The commit protocol: attempts are claimed, fail or are committed; readers see what is committed.

A task's ``commit.json`` is written create-only and holds the winner's whole manifest. When an orchestrator's user
clears a committed task on purpose, ``commit.json`` is replaced by a redirect to ``commit.1.json``, which again is
create-only, and the manifest that was there is kept in its attempt's folder. Cleared once more, ``commit.1.json``
becomes a redirect to ``commit.2.json``, and so on. So where a place leads to once it is a redirect never changes: an
attempt that comes late, for a clearing that others have followed, finds it done and takes nothing back.
"""

import json
import time
from collections.abc import Sequence
from typing import Any

from flow_sdk.errors import IntegrityError, ObjectExists, ObjectMissing
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records import layout
from flow_sdk.store.records.checksummed_json import FORMAT, decode_checksummed, encode_checksummed
from flow_sdk.store.records.codec import REDIRECT_FIELDS, decode_record, encode_record
from flow_sdk.store.records.model import Manifest

__all__ = [
    "claim_attempt",
    "commit_attempt",
    "is_redirect",
    "list_attempts",
    "read_attempt",
    "read_commits",
    "read_durable_commit",
    "read_task",
    "read_tasks",
    "record_failed_attempt",
    "record_task_failure",
    "reopen_task",
]

_REDIRECT = (b'{"format":%d,"redirect":' % FORMAT, b'{"redirect":')
"""How one begins, and how one of an earlier release does."""


def is_redirect(text: bytes) -> bool:
    """Tell whether the bytes of a ``commit.json`` lead to a later commit."""
    return text.startswith(_REDIRECT)


def _follow(store: ObjectStore, first: str, text: bytes | None) -> tuple[str, bytes | None]:
    """Follow the redirects to the key and text that count now."""
    key, number = first, 0
    while text is not None and text.startswith(_REDIRECT):
        last, number = number, int(decode_checksummed(text, key, fields=REDIRECT_FIELDS)["redirect"])
        if number <= last:
            raise IntegrityError("A task's commit leads back to itself.", seen=text.decode(), where=key)
        key = layout.later_commit_key(first, number)
        text = _get(store, key)
    return key, text


def _get(store: ObjectStore, key: str) -> bytes | None:
    try:
        return store.get(key)
    except ObjectMissing:
        return None


def claim_attempt(
    store: ObjectStore, flow: str, run: str, step: str, task: str, facts: dict[str, Any], first: int = 0
) -> int:
    """Claim the first free attempt number of a task.

    Parameters
    ----------
    store : ObjectStore
        The run's store.
    flow, run, step, task : str
        Which task.
    facts : dict
        What to note of the attempt's start (host, process, time).
    first : int
        The number to begin looking at (>= 0).

    Returns
    -------
    int
        The attempt's number; no other attempt of the task has it.
    """
    attempt = first
    text = json.dumps(facts, separators=(",", ":")).encode("utf-8")
    while True:
        try:
            store.put_if_absent(layout.start_key(flow, run, step, task, attempt), text, durable=False)
            return attempt
        except ObjectExists:
            attempt += 1


def commit_attempt(store: ObjectStore, manifest: Manifest) -> Manifest:
    """Commit an attempt, unless another one already is.

    Returns
    -------
    Manifest
        The task's committed manifest: this one, or the winner's.
    """
    first = layout.commit_key(manifest.flow, manifest.run, manifest.step, manifest.task)
    number = 0
    while True:
        key = layout.later_commit_key(first, number)
        try:
            store.put_if_absent(key, encode_record(manifest, key))
            return manifest
        except ObjectExists:
            following = _cleared(store, key, number, manifest.generation) if manifest.generation else None
            if following is not None:
                number = following
                continue
            record_failed_attempt(store, manifest)
            winner = read_durable_commit(store, manifest.flow, manifest.run, manifest.step, manifest.task)
            if winner is None:
                raise ObjectExists(
                    "The task was cleared while this attempt ran: its result isn't wanted any more.", where=key
                ) from None
            return winner


def _cleared(store: ObjectStore, key: str, number: int, generation: int) -> int | None:
    """Clear a place that is taken, unless the task was cleared for a later attempt than those of ``generation``.

    Returns
    -------
    int or None
        The number of the place that it leads to; None when what is there counts.
    """
    text = store.get(key)
    if text.startswith(_REDIRECT):
        redirect = decode_checksummed(text, key, fields=REDIRECT_FIELDS)
        # Of two who clear at once the earlier may have written last. No harm: it is only that a result nobody
        # waits for may count until that of the later one is there.
        return None if redirect.get("generation", redirect["redirect"]) > generation else int(redirect["redirect"])
    standing = decode_record(Manifest, text, key)
    if standing.generation >= generation:
        return None
    record_failed_attempt(store, standing)
    store.put(key, encode_checksummed({"redirect": number + 1, "generation": generation}, key))
    return number + 1


def record_failed_attempt(store: ObjectStore, manifest: Manifest) -> None:
    """Keep the manifest of an attempt that isn't committed."""
    key = layout.manifest_key(manifest.flow, manifest.run, manifest.step, manifest.task, manifest.attempt)
    store.put(key, encode_record(manifest, key))


def record_task_failure(
    store: ObjectStore, flow: str, run: str, step: str, task: str, attempt: int, reason: str
) -> None:
    """Note that a task has failed for good."""
    facts = {"step": step, "task": task, "attempt": attempt, "reason": reason, "time": time.time()}
    key = layout.failure_key(flow, run, step, task)
    store.put(key, encode_checksummed(facts, key))


def reopen_task(store: ObjectStore, manifest: Manifest, generation: int) -> None:
    """Make room for a task that its orchestrator's user cleared on purpose to be committed again.

    Parameters
    ----------
    store : ObjectStore
        The run's store.
    manifest : Manifest
        The commit that stands.
    generation : int
        The new generation (>= 1).
    """
    first = key = layout.commit_key(manifest.flow, manifest.run, manifest.step, manifest.task)
    number: int | None = 0
    while number is not None and store.head(key) is not None:
        number = _cleared(store, key, number, generation)
        key = layout.later_commit_key(first, number or 0)


def read_task(store: ObjectStore, flow: str, run: str, step: str, task: str) -> Manifest | None:
    """Read a task's committed manifest; None when it isn't committed."""
    key = layout.commit_key(flow, run, step, task)
    key, text = _follow(store, key, _get(store, key))
    return None if text is None else decode_record(Manifest, text, key)


def read_durable_commit(store: ObjectStore, flow: str, run: str, step: str, task: str) -> Manifest | None:
    """Read a task's committed manifest and have it last: for those who report as done what another process has
    committed, which may have been killed right after."""
    first = layout.commit_key(flow, run, step, task)
    key, text = _follow(store, first, _get(store, first))
    if text is None:
        return None
    for each in dict.fromkeys((first, key)):
        store.make_durable(each)
    return decode_record(Manifest, text, key)


def read_tasks(store: ObjectStore, flow: str, run: str, tasks: Sequence[tuple[str, str]]) -> list[Manifest | None]:
    """Read the committed manifests of many tasks, given as (step, task), several at once."""
    if len(tasks) == 1:
        return [read_task(store, flow, run, *tasks[0])]
    return read_commits(store, [(flow, run, step, task) for step, task in tasks])


def read_commits(store: ObjectStore, places: Sequence[tuple[str, str, str, str]]) -> list[Manifest | None]:
    """Read the committed manifests of tasks of any runs, given as (flow, run, step, task), several at once."""
    keys = [layout.commit_key(*place) for place in places]
    out: list[Manifest | None] = []
    for key, first in zip(keys, store.get_many(keys), strict=True):
        found, text = _follow(store, key, first)
        out.append(None if text is None else decode_record(Manifest, text, found))
    return out


def list_attempts(store: ObjectStore, flow: str, run: str, step: str, task: str) -> list[int]:
    """Numbers of a task's attempts, in order."""
    names = store.folders(layout.task_prefix(flow, run, step, task))
    return sorted(int(name) for name in names if name.isdigit())


def read_attempt(store: ObjectStore, flow: str, run: str, step: str, task: str, attempt: int) -> Manifest | None:
    """Read the manifest of one attempt, committed or not; None when it wrote none."""
    committed = read_task(store, flow, run, step, task)
    if committed is not None and committed.attempt == attempt:
        return committed
    key = layout.manifest_key(flow, run, step, task, attempt)
    text = _get(store, key)
    return None if text is None else decode_record(Manifest, text, key)
