"""The commit protocol: attempts are claimed, and fail or are committed; readers see what is committed.

A task's ``commit.json`` is written create-only and holds the winner's whole manifest. When an orchestrator's user
clears a committed task, ``commit.json`` is replaced by a redirect to ``commit.1.json``, which is create-only, too, and
the earlier manifest moves to its attempt's folder. Cleared again, ``commit.1.json`` becomes a redirect to
``commit.2.json``, and so on. A redirect never changes: a late attempt, for a clearing that others followed already,
finds the redirect and reverts nothing.
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
"""How a redirect begins, and how one of an earlier release begins."""


def is_redirect(text: bytes) -> bool:
    """Return whether the bytes of a ``commit.json`` lead to a later commit."""
    return text.startswith(_REDIRECT)


def _follow_redirects(store: ObjectStore, first: str, text: bytes | None) -> tuple[str, bytes | None]:
    """Follow the redirects to the present commit; return its key and text."""
    key, number = first, 0
    while text is not None and text.startswith(_REDIRECT):
        last, number = number, int(decode_checksummed(text, key, fields=REDIRECT_FIELDS)["redirect"])
        if number <= last:
            raise IntegrityError("A task's commit leads back to itself.", seen=text.decode(), where=key)
        key = layout.later_commit_key(first, number)
        text = _get_or_none(store, key)
    return key, text


def _get_or_none(store: ObjectStore, key: str) -> bytes | None:
    try:
        return store.get(key)
    except ObjectMissing:
        return None


def claim_attempt(
    store: ObjectStore, flow: str, run: str, step: str, task: str, start: dict[str, Any], first: int = 0
) -> int:
    """Claim the first free attempt number of a task.

    Parameters
    ----------
    store : ObjectStore
        The run's store.
    flow, run, step, task : str
        Which task.
    start : dict
        What to record of the attempt's start (host, process, time).
    first : int
        The first number to try (>= 0).

    Returns
    -------
    int
        The attempt's number; no other attempt of the task has it.
    """
    attempt = first
    text = json.dumps(start, separators=(",", ":")).encode("utf-8")
    while True:
        try:
            store.put_if_absent(layout.start_key(flow, run, step, task, attempt), text, durable=False)
            return attempt
        except ObjectExists:
            attempt += 1


def commit_attempt(store: ObjectStore, manifest: Manifest) -> Manifest:
    """Commit an attempt, unless another one is committed.

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
            following = _clear_commit(store, key, number, manifest.generation) if manifest.generation else None
            if following is not None:
                number = following
                continue
            record_failed_attempt(store, manifest)
            winner = read_durable_commit(store, manifest.flow, manifest.run, manifest.step, manifest.task)
            if winner is None:
                raise ObjectExists(
                    "The task was cleared while this attempt ran: its result isn't used.", where=key
                ) from None
            return winner


def _clear_commit(store: ObjectStore, key: str, number: int, generation: int) -> int | None:
    """Clear a committed task, unless it was cleared for a later attempt than those of ``generation``.

    Returns
    -------
    int or None
        The number of the next commit; None if the present one counts.
    """
    text = store.get(key)
    if text.startswith(_REDIRECT):
        redirect = decode_checksummed(text, key, fields=REDIRECT_FIELDS)
        # Of two processes that clear at once the earlier one may have written last. That does no harm: an unneeded
        # result may count until that of the later one is committed.
        return None if redirect.get("generation", redirect["redirect"]) > generation else int(redirect["redirect"])
    current = decode_record(Manifest, text, key)
    if current.generation >= generation:
        return None
    record_failed_attempt(store, current)
    store.put(key, encode_checksummed({"redirect": number + 1, "generation": generation}, key))
    return number + 1


def record_failed_attempt(store: ObjectStore, manifest: Manifest) -> None:
    """Write the manifest of an attempt that isn't committed."""
    key = layout.manifest_key(manifest.flow, manifest.run, manifest.step, manifest.task, manifest.attempt)
    store.put(key, encode_record(manifest, key))


def record_task_failure(
    store: ObjectStore, flow: str, run: str, step: str, task: str, attempt: int, reason: str
) -> None:
    """Record that a task failed for good."""
    failure = {"step": step, "task": task, "attempt": attempt, "reason": reason, "time": time.time()}
    key = layout.failure_key(flow, run, step, task)
    store.put(key, encode_checksummed(failure, key))


def reopen_task(store: ObjectStore, manifest: Manifest, generation: int) -> None:
    """Let a task be committed again that its orchestrator's user cleared.

    Parameters
    ----------
    store : ObjectStore
        The run's store.
    manifest : Manifest
        The present commit.
    generation : int
        The new generation (>= 1).
    """
    first = key = layout.commit_key(manifest.flow, manifest.run, manifest.step, manifest.task)
    number: int | None = 0
    while number is not None and store.head(key) is not None:
        number = _clear_commit(store, key, number, generation)
        key = layout.later_commit_key(first, number or 0)


def read_task(store: ObjectStore, flow: str, run: str, step: str, task: str) -> Manifest | None:
    """Read a task's committed manifest; None when it isn't committed."""
    key = layout.commit_key(flow, run, step, task)
    key, text = _follow_redirects(store, key, _get_or_none(store, key))
    return None if text is None else decode_record(Manifest, text, key)


def read_durable_commit(store: ObjectStore, flow: str, run: str, step: str, task: str) -> Manifest | None:
    """Read a task's committed manifest and make it durable.

    For a process that reports another one's commit: that process may have been killed before it synced it.
    """
    first = layout.commit_key(flow, run, step, task)
    key, text = _follow_redirects(store, first, _get_or_none(store, first))
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


def read_commits(store: ObjectStore, tasks: Sequence[tuple[str, str, str, str]]) -> list[Manifest | None]:
    """Read the committed manifests of tasks of any runs, given as (flow, run, step, task), several at once."""
    keys = [layout.commit_key(*task) for task in tasks]
    out: list[Manifest | None] = []
    for key, first in zip(keys, store.get_many(keys), strict=True):
        found, text = _follow_redirects(store, key, first)
        out.append(None if text is None else decode_record(Manifest, text, found))
    return out


def list_attempts(store: ObjectStore, flow: str, run: str, step: str, task: str) -> list[int]:
    """Return the numbers of a task's attempts, in order."""
    names = store.folders(layout.task_prefix(flow, run, step, task))
    return sorted(int(name) for name in names if name.isdigit())


def read_attempt(store: ObjectStore, flow: str, run: str, step: str, task: str, attempt: int) -> Manifest | None:
    """Read the manifest of one attempt, committed or not; None when it wrote none."""
    committed = read_task(store, flow, run, step, task)
    if committed is not None and committed.attempt == attempt:
        return committed
    key = layout.manifest_key(flow, run, step, task, attempt)
    text = _get_or_none(store, key)
    return None if text is None else decode_record(Manifest, text, key)
