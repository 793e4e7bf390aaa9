"""The commit protocol: attempts are claimed, fail or are committed; readers see what is committed.

A task's ``commit.json`` is written create-only and holds the winner's whole manifest. When an orchestrator's user
clears a committed task on purpose, ``commit.json`` is replaced by a redirect to ``commit.<generation>.json``, which
again is create-only, and the manifest that was there is kept in its attempt's folder.
"""

import json
import time
from collections.abc import Sequence
from typing import Any

from flow_sdk.errors import ObjectExists, ObjectMissing
from flow_sdk.store import layout
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records import Manifest, decode, encode

__all__ = [
    "attempts",
    "claim",
    "commit",
    "fail",
    "is_redirect",
    "mark_failed",
    "read_attempt",
    "read_task",
    "read_tasks",
    "reopen",
]

_REDIRECT = b'{"redirect":'


def is_redirect(text: bytes) -> bool:
    """Tell whether the bytes of a ``commit.json`` lead to a later commit."""
    return text.startswith(_REDIRECT)


def _redirected(key: str, generation: int) -> str:
    return key.removesuffix(".json") + f".{generation}.json"


def _follow(store: ObjectStore, key: str, text: bytes | None) -> tuple[str, bytes | None]:
    """Follow a redirect to the key and text that count now."""
    if text is not None and text.startswith(_REDIRECT):
        key = _redirected(key, json.loads(text)["redirect"])
        try:
            text = store.get(key)
        except ObjectMissing:
            text = None
    return key, text


def _get(store: ObjectStore, key: str) -> bytes | None:
    try:
        return store.get(key)
    except ObjectMissing:
        return None


def claim(store: ObjectStore, flow: str, run: str, step: str, task: str, facts: dict[str, Any], first: int = 0) -> int:
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


def commit(store: ObjectStore, manifest: Manifest) -> Manifest:
    """Commit an attempt, unless another one already is.

    Returns
    -------
    Manifest
        The task's committed manifest: this one, or the winner's.
    """
    key = layout.commit_key(manifest.flow, manifest.run, manifest.step, manifest.task)
    text = _get(store, key) if manifest.generation else None
    try:
        if text is not None and text.startswith(_REDIRECT):
            generation = json.loads(text)["redirect"]
            if generation > manifest.generation:  # the task was cleared again while this attempt ran
                raise ObjectExists("The task was cleared: this attempt's result isn't wanted any more.", where=key)
            key = _redirected(key, generation)
        store.put_if_absent(key, encode(manifest))
        return manifest
    except ObjectExists:
        fail(store, manifest)
        winner = read_task(store, manifest.flow, manifest.run, manifest.step, manifest.task)
        if winner is None:
            raise
        return winner


def fail(store: ObjectStore, manifest: Manifest) -> None:
    """Keep the manifest of an attempt that isn't committed."""
    key = layout.manifest_key(manifest.flow, manifest.run, manifest.step, manifest.task, manifest.attempt)
    store.put(key, encode(manifest))


def mark_failed(store: ObjectStore, flow: str, run: str, step: str, task: str, attempt: int, reason: str) -> None:
    """Note that a task has failed for good."""
    facts = {"step": step, "task": task, "attempt": attempt, "reason": reason, "time": time.time()}
    store.put(layout.failure_key(flow, run, step, task), json.dumps(facts).encode("utf-8"))


def reopen(store: ObjectStore, manifest: Manifest, generation: int) -> None:
    """Make room for a task that its orchestrator's user cleared on purpose to be committed again.

    Parameters
    ----------
    store : ObjectStore
        The run's store.
    manifest : Manifest
        The commit that stands, whose generation is smaller.
    generation : int
        The new generation (>= 1).
    """
    fail(store, manifest)
    key = layout.commit_key(manifest.flow, manifest.run, manifest.step, manifest.task)
    store.put(key, _REDIRECT + f"{generation}}}".encode())


def read_task(store: ObjectStore, flow: str, run: str, step: str, task: str) -> Manifest | None:
    """Read a task's committed manifest; None when it isn't committed."""
    key = layout.commit_key(flow, run, step, task)
    key, text = _follow(store, key, _get(store, key))
    return None if text is None else decode(Manifest, text, key)


def read_tasks(store: ObjectStore, flow: str, run: str, tasks: Sequence[tuple[str, str]]) -> list[Manifest | None]:
    """Read the committed manifests of many tasks, given as (step, task), several at once."""
    if len(tasks) == 1:
        return [read_task(store, flow, run, *tasks[0])]
    keys = [layout.commit_key(flow, run, step, task) for step, task in tasks]
    out: list[Manifest | None] = []
    for key, first in zip(keys, store.get_many(keys), strict=True):
        found, text = _follow(store, key, first)
        out.append(None if text is None else decode(Manifest, text, found))
    return out


def attempts(store: ObjectStore, flow: str, run: str, step: str, task: str) -> list[int]:
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
    return None if text is None else decode(Manifest, text, key)
