"""Finding the run to resume."""

import uuid

from flow_sdk.errors import NotFound, UsageError
from flow_sdk.metadata.runs import Runs
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.layout import resume_marks_prefix, run_key
from flow_sdk.store.records.model import RunRecord
from flow_sdk.text import suggest_name

__all__ = ["find_origin", "hold_origin"]


def find_origin(runs: Runs, flow: str, user: str, named: str | None) -> tuple[RunRecord, str]:
    """Find the run to resume: the one that is named, or else the user's last run that isn't itself a resume.

    Parameters
    ----------
    runs : Runs
        The runs of the store.
    flow : str
        The flow's name.
    user : str
        The user who resumes.
    named : str or None
        The run, as its id or as ``Flow/id``.

    Returns
    -------
    (RunRecord, str)
        The run, and why it is this one.

    Raises
    ------
    UsageError
        If it is a run of another flow.
    NotFound
        If there is none.
    """
    if named is None:
        return _find_last_run(runs, flow, user)
    if "/" in named:
        other, _, named = named.partition("/")
        if other != flow:
            raise UsageError(
                f"This flow can't resume a run of {other!r}.", seen=f"{other}/{named}", wanted=f"{flow}/..."
            )
    return _read_run(runs, flow, named), "it was named"


def _find_last_run(runs: Runs, flow: str, user: str) -> tuple[RunRecord, str]:
    """Find what a user's last ``run`` has started, and why it is this one.

    Resumes don't count: however often a run is resumed, the next resume is one of the same run.
    """
    owner, resumed = f"user:{user}", None
    for run in runs.newest(flow, owner):
        record = runs.read(flow, run)
        # Another user's run with a tag of that text isn't the user's, and neither is one that an orchestrator started.
        if owner not in record.system_tags or _is_orchestrated(record):
            continue
        if record.origin_run is None:
            why = f"it is the last run of {user!r}"
            if resumed is not None:
                why += f"; to continue from the newest resume, give --origin-run-id {resumed}"
            return record, why
        resumed = resumed or run
    known = ", ".join(runs.newest(flow, limit=5))
    help = f"Name another user's with --origin-run-id, such as one of {known}." if known else "Start one with: run"
    if resumed is not None:
        help = f"Resumes don't count. To continue from the newest one, give --origin-run-id {resumed}."
    raise NotFound(f"There is no run of {flow!r} by {user!r} to resume.", where=runs.store.url, help=help)


def _is_orchestrated(record: RunRecord) -> bool:
    return any(tag.startswith("runtime:") and tag != "runtime:local" for tag in record.system_tags)


def hold_origin(store: ObjectStore, flow: str, run: str) -> None:
    """Prevent the garbage collector from removing a run that is going to be resumed (see upkeep/run_removal.py).

    Raises
    ------
    NotFound
        If it is being removed just now.
    """
    store.put(resume_marks_prefix(flow, run) + uuid.uuid4().hex, b"", durable=False)
    if store.head(run_key(flow, run)) is None:
        raise NotFound(f"The run {flow}/{run} was removed from the store just now.", where=store.url)


def _read_run(runs: Runs, flow: str, run: str) -> RunRecord:
    try:
        return runs.read(flow, run)
    except NotFound as error:
        # Of a number no other one is a misspelling: the error names the newest runs.
        close = "" if run.isdecimal() else suggest_name(run, list(runs.newest(flow, limit=100)))
        if close.startswith("Did"):
            error.help = close
        raise
