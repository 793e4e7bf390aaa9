"""Which task a run failed of, where AWS doesn't say: of a distributed map it says only that an item failed."""

from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.checksummed_json import decode_checksummed
from flow_sdk.store.records.codec import FAILURE_FIELDS
from flow_sdk.store.records.commits import read_tasks
from flow_sdk.store.records.layout import failures_prefix

__all__ = ["failed_task"]

LOOKED_AT = 20
"""How many failure marks are read; a later attempt may have made one good that stands before one that counts."""


def failed_task(store: ObjectStore, flow: str, run: str) -> tuple[str, str] | None:
    """Find a task of a run that failed for good and isn't committed.

    Parameters
    ----------
    store : ObjectStore
        The run's store.
    flow, run : str
        Which run.

    Returns
    -------
    (str, str) or None
        ``step/task`` and the reason; None where no task of the run has said that it failed.
    """
    keys = [info.key for info in store.list(failures_prefix(flow, run), limit=LOOKED_AT)]
    texts = zip(keys, store.get_many(keys), strict=True) if keys else ()
    marks = [decode_checksummed(text, key, fields=FAILURE_FIELDS) for key, text in texts if text is not None]
    if not marks:
        return None
    commits = read_tasks(store, flow, run, [(mark["step"], mark["task"]) for mark in marks])
    for mark, commit in zip(marks, commits, strict=True):
        if commit is None:
            return f"{mark['step']}/{mark['task']}", str(mark.get("reason") or "no reason given")
    return None
