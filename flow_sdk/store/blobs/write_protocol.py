"""How blobs are deleted while other processes may be storing the same ones.

A blob is named by its content. A writer that finds it in the store wants to rely on it, and a collector that found it
unreferenced wants to delete it. No object store can "delete this unless it is in use", so both keep to an order.

The writer
    - relies on an existing blob only if it was written at most :data:`RELIANCE_PERIOD` ago; it writes an older one
      again;
    - checks, at most :data:`CHECK_VALIDITY` before its put ends, whether a sweep is announced. If none is, it is done;
    - otherwise waits, after its put, until the blob isn't on the list of those being deleted, and then checks that it
      exists. If it doesn't, the writer begins again.

The collector
    1. reads the store's clock, and reads all records after that;
    2. considers a blob unreferenced if no record refers to it and it was last written more than the grace period
       before that time;
    3. announces a sweep and waits :data:`NOTICE`;
    4. writes the list of one batch of blobs that it is going to delete, *then* reads again when each was last
       written, deletes those that weren't written since, and removes the list. Then the next batch;
    5. removes the announcement.

Why this is safe. A blob that a commit relies on was, when its writer turned to it, either *recent* or *written*.

- Recent: it was last written at most ``RELIANCE_PERIOD`` before. If the collector considers it unreferenced
  nevertheless, the writer turned to it more than ``grace - RELIANCE_PERIOD`` before the collector's time, and its
  commit wasn't among the records: so more than ``grace - RELIANCE_PERIOD`` passed between the writer's check and its
  commit.
- Written, and the collector read its time (step 4) after the put: then it was seen to be new, and is retained.
- Written after the collector read its time, and deleted after that: then the list existed before the put, and exists
  until the deletion has ended. Either the writer finds the blob on the list and waits; or the list is gone, so the
  deletion has ended, and the writer finds the blob missing. A writer that didn't read the list at all saw, less than
  ``CHECK_VALIDITY`` before its put ended, no announced sweep; so the collector read the time more than
  ``NOTICE - CHECK_VALIDITY`` after the put: that is the case before this one.

Assumptions: less than ``grace - RELIANCE_PERIOD`` passes between storing a blob and the commit that refers to it, all
errors of clocks included (the grace period is at least :data:`SHORTEST_GRACE`; a task stores its artifacts after its
code has finished, so the code's own time doesn't count); a process's two clocks don't both stop while it believes that
it has just checked; a request to delete takes effect less than :data:`DELETION_TIMEOUT` after the list was written,
which matters only if the collector is killed in between. Records that are copied instead of written need a rule of
their own: see :mod:`flow_sdk.upkeep.run_removal`.
"""

import time
from collections.abc import Callable
from weakref import WeakKeyDictionary

from flow_sdk.errors import ObjectMissing
from flow_sdk.store.port import Buffers, ObjectInfo, ObjectStore
from flow_sdk.store.records.layout import doomed_key, sweep_key
from flow_sdk.strict_json import parse_json

__all__ = [
    "CHECK_VALIDITY",
    "DELETION_TIMEOUT",
    "NOTICE",
    "RELIANCE_PERIOD",
    "SHORTEST_GRACE",
    "SINGLE_READ_LIMIT",
    "is_recent",
    "is_verified_whole",
    "put_blob",
]

RELIANCE_PERIOD = 24 * 3600.0
"""Seconds after it was written for which a writer relies on an existing blob."""

SHORTEST_GRACE = 2 * RELIANCE_PERIOD
"""The shortest grace period, in seconds."""

CHECK_VALIDITY = 5.0
"""Seconds for which a writer that saw no announced sweep needn't check again."""

NOTICE = 15.0
"""Seconds between the announcement of a sweep and its first deletion."""

DELETION_TIMEOUT = 600.0
"""Seconds after which a list of blobs that are being deleted is that of a killed collector."""

SINGLE_READ_LIMIT = 4 << 20
"""The largest object, in bytes, that is read with one request in every store."""

_POLL = 0.2

_last_checks: "WeakKeyDictionary[ObjectStore, tuple[float, float]]" = WeakKeyDictionary()
"""When no sweep was announced, by two clocks: one stops while a laptop sleeps, the other may be set."""


def is_recent(info: ObjectInfo | None) -> bool:
    """Return whether a writer may rely on a blob, as it was written recently."""
    return info is not None and abs(time.time() - info.modified) <= RELIANCE_PERIOD


def is_verified_whole(store: ObjectStore, size: int) -> bool:
    """Return whether a writer verifies all of an object before it relies on it.

    It doesn't if the object is large and reading it is as expensive as writing it, as in a store that verifies its own
    objects.
    """
    return size <= SINGLE_READ_LIMIT or not store.capabilities.is_remote


def put_blob(store: ObjectStore, key: str, data: Callable[[], Buffers], *, durable: bool = True) -> None:
    """Write a blob so that no collector deletes it before the grace period is over.

    Parameters
    ----------
    store : ObjectStore
        The store.
    key : str
        The blob's key.
    data : callable
        Returns its bytes, each time it is called.
    durable : bool
        Whether it must survive a power cut.
    """
    if not _saw_no_sweep(store):
        _check_no_sweep(store)
    while True:
        store.put(key, data(), durable=durable)
        if _saw_no_sweep(store):
            return
        if not _check_no_sweep(store):
            _wait_for_deletion(store, key)
        if store.head(key) is not None:
            return


def _saw_no_sweep(store: ObjectStore) -> bool:
    """Return whether this process has just checked that no sweep is announced."""
    seen = _last_checks.get(store)
    if seen is None:
        return False
    return 0 <= time.time() - seen[0] <= CHECK_VALIDITY and 0 <= time.monotonic() - seen[1] <= CHECK_VALIDITY


def _check_no_sweep(store: ObjectStore) -> bool:
    """Return whether no sweep is announced."""
    now = (time.time(), time.monotonic())
    if store.head(sweep_key()) is not None:
        _last_checks.pop(store, None)
        return False
    _last_checks[store] = now
    return True


def _wait_for_deletion(store: ObjectStore, key: str) -> None:
    """Wait until a blob that was just written isn't being deleted."""
    digest = key.rpartition("/")[2]
    name = doomed_key(digest[:2])
    written = store.head(key)
    since = time.monotonic()
    while time.monotonic() - since <= DELETION_TIMEOUT:
        try:
            doomed = parse_json(store.get(name))
        except ObjectMissing:
            return
        except ValueError:
            doomed = None  # a damaged list may name the blob
        if isinstance(doomed, list) and digest not in doomed:
            return
        announced = store.head(name)
        if written is not None and announced is not None and written.modified - announced.modified > DELETION_TIMEOUT:
            return
        time.sleep(_POLL)
