"""How blobs are deleted while others may be storing the very same ones.

A blob is named by its content, so a writer who finds it there wants to rely on it, and a collector that found it
useless wants to delete it. No store of ours can say "delete this if nobody wants it", so both keep to an order.

The writer
    - relies on a blob that is there only if it was written at most :data:`RELIED` ago; an older one it writes anew;
    - looks, at most :data:`LOOKED` before its put is over, whether a sweep is announced. If none is, it is done;
    - else waits, after its put, until the blob isn't on the list of those being deleted, and then looks whether it is
      there. If not, it begins again.

The collector
    1. takes the store's time, and reads all records after that;
    2. takes for useless what no record refers to and was last written more than the grace period before that time;
    3. announces a sweep and waits :data:`NOTICE`;
    4. of a part of the blobs writes the list of those it is going to delete, *then* looks once more when each was last
       written, deletes those for which that hasn't changed, and removes the list. Then the next part;
    5. takes the announcement away.

Why that is safe. A blob that a commit relies on was, when its writer turned to it, either *recent* or *written*.

- Recent: it was last written at most ``RELIED`` before. If the collector takes it for useless nevertheless, the writer
  turned to it more than ``grace - RELIED`` before the collector's time, and its commit wasn't among the records: so
  from the writer's look to its commit more than ``grace - RELIED`` went by.
- Written, and the collector looked at it (step 4) after the put: then it was seen to be new, and stays.
- Written after the collector looked, and deleted after that: then the list was there before the put, and stays until
  the deletion is over. Either the writer finds the blob on the list and waits; or the list is gone, so the deletion is
  over, and the writer finds the blob missing. A writer who didn't look for a list at all saw, less than ``LOOKED``
  before its put was over, no sweep announced; so the collector looked more than ``NOTICE - LOOKED`` after the put:
  that is the case before this one.

What is taken for granted: from storing a blob to the commit that refers to it less than ``grace - RELIED`` goes by,
all errors of clocks included (the grace period is at least :data:`LEAST_GRACE`; a task stores its artifacts when its
code is through, so the code's own time doesn't count); a process's clocks don't both stand still while it believes to
have looked just now; a request to delete has its effect less than :data:`OVERDUE` after the list was written, which
matters only if the collector is killed in between. Records that are copied instead of written anew need a rule of
their own: see :mod:`flow_sdk.upkeep.run_removal`.
"""

import time
from collections.abc import Callable
from weakref import WeakKeyDictionary

from flow_sdk.errors import ObjectMissing
from flow_sdk.store.port import Buffers, ObjectInfo, ObjectStore
from flow_sdk.store.records.layout import doomed_key, sweep_key
from flow_sdk.strict_json import parse_json

__all__ = ["LEAST_GRACE", "LOOKED", "NEAR", "NOTICE", "OVERDUE", "RELIED", "is_near", "is_recent", "put_blob"]

RELIED = 24 * 3600.0
"""Seconds for which a blob that is there is relied upon after it was written."""

LEAST_GRACE = 2 * RELIED
"""The shortest grace period, in seconds."""

LOOKED = 5.0
"""Seconds for which a writer who saw no sweep announced needn't look again."""

NOTICE = 15.0
"""Seconds between the announcement of a sweep and its first deletion."""

OVERDUE = 600.0
"""Seconds after which a list of blobs that are being deleted is that of a collector that was killed."""

NEAR = 4 << 20
"""The largest object, in bytes, that is read in one go wherever it is."""

_POLL = 0.2

_quiet: "WeakKeyDictionary[ObjectStore, tuple[float, float]]" = WeakKeyDictionary()
"""When no sweep was announced, by both clocks: one stands still while a laptop sleeps, the other may be set."""


def is_recent(info: ObjectInfo | None) -> bool:
    """Tell whether a blob may be relied upon: it was written not long ago."""
    return info is not None and abs(time.time() - info.modified) <= RELIED


def is_near(store: ObjectStore, size: int) -> bool:
    """Tell whether an object is verified before it is relied upon: unless it is large, and reading it is as dear as
    writing it. S3 itself watches over what it stores."""
    return size <= NEAR or not store.url.startswith("s3://")


def put_blob(store: ObjectStore, key: str, data: Callable[[], Buffers], *, durable: bool = True) -> None:
    """Write a blob so that no collector deletes it before the grace period is over.

    Parameters
    ----------
    store : ObjectStore
        Where to.
    key : str
        The blob's key.
    data : callable
        Gives its bytes, each time it is called.
    durable : bool
        Whether it must survive a power cut.
    """
    if not _saw_none(store):
        _look(store)
    while True:
        store.put(key, data(), durable=durable)
        if _saw_none(store):
            return
        if not _look(store):
            _outlast(store, key)
        if store.head(key) is not None:
            return


def _saw_none(store: ObjectStore) -> bool:
    """Tell whether this process saw, just now, that no sweep is announced."""
    seen = _quiet.get(store)
    if seen is None:
        return False
    return 0 <= time.time() - seen[0] <= LOOKED and 0 <= time.monotonic() - seen[1] <= LOOKED


def _look(store: ObjectStore) -> bool:
    """Look whether no sweep is announced."""
    now = (time.time(), time.monotonic())
    if store.head(sweep_key()) is not None:
        _quiet.pop(store, None)
        return False
    _quiet[store] = now
    return True


def _outlast(store: ObjectStore, key: str) -> None:
    """Wait until a blob that was just written isn't being deleted."""
    digest = key.rpartition("/")[2]
    name = doomed_key(digest[:2])
    written = store.head(key)
    since = time.monotonic()
    while time.monotonic() - since <= OVERDUE:
        try:
            doomed = parse_json(store.get(name))
        except ObjectMissing:
            return
        except ValueError:
            doomed = None  # a damaged list may name the blob
        if isinstance(doomed, list) and digest not in doomed:
            return
        announced = store.head(name)
        if written is not None and announced is not None and written.modified - announced.modified > OVERDUE:
            return
        time.sleep(_POLL)
