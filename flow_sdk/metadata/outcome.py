"""How a run stands: by its last step's commit, by what was noted of it, by its tasks that failed, by signs of life."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from flow_sdk.metadata.listing import ListedRunState
from flow_sdk.metadata.port import FAILED, RUNNING, SUCCEEDED, RunOutcome
from flow_sdk.metadata.run_heartbeat import LOCAL, is_process_gone
from flow_sdk.metadata.task_heartbeat import find_lost_task, list_heartbeats, silent_since
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records import layout
from flow_sdk.store.records.checksummed_json import decode_checksummed
from flow_sdk.store.records.codec import END_FIELDS, FAILURE_FIELDS
from flow_sdk.store.records.commits import read_tasks
from flow_sdk.store.records.model import Manifest, RunRecord

__all__ = ["GONE", "SILENT", "OpenRun", "outcome_of_end"]

GONE = "the process that ran it is gone"
"""Why a local run has failed that nobody saw the end of."""

SILENT = "nothing has come from it since: its orchestrator has given it up, or has held it back for more than a day"
"""Why an orchestrated run counts as failed of which nobody knows the end."""

_MARKS = 20
"""How many failure marks are looked at; one that a later attempt made good may stand before one that counts."""


def outcome_of_end(end: Manifest) -> RunOutcome:
    """Tell how a run stands whose last step is committed."""
    if end.successful:
        return RunOutcome(SUCCEEDED, None, end.finished, end)
    return RunOutcome(FAILED, f"The last step, {end.step!r}, failed; @catch took its exception.", end.finished, end)


class OpenRun:
    """How a run stands, as one looks, whose last step isn't committed.

    Parameters
    ----------
    store : ObjectStore
        Its store.
    record : RunRecord
        What it started with.
    listed : Listed, optional
        How it was listed just now: what isn't there then needn't be looked for.
    """

    def __init__(self, store: ObjectStore, record: RunRecord, listed: ListedRunState | None = None) -> None:
        self.store, self.record = store, record
        self.place = record.flow, record.run
        self.listed = listed

    @cached_property
    def outcome(self) -> RunOutcome:
        """How it stands, and why."""
        if self.record.orchestrator.get("kind") == LOCAL:
            return self._noted() or self._failure() or self._driven()
        # A task that failed says more than the orchestrator.
        return self._failure() or self._noted() or self._orchestrated()

    def _noted(self) -> RunOutcome | None:
        """What was noted by who saw the run end."""
        if self.listed is not None and not self.listed.has_recorded_end:
            return None
        mark = self._mark()
        return None if mark is None else self._given_up(_outcome(mark)) if "by" in mark else _outcome(mark)

    def _driven(self) -> RunOutcome:
        """How a run of this machine, or of another one, stands whose driver has noted nothing."""
        if not is_process_gone(self.store, self.record):
            return RunOutcome(RUNNING)
        # It may have ended properly since the first look.
        mark = self._mark()
        return RunOutcome(FAILED, GONE) if mark is None else _outcome(mark)

    def _mark(self) -> dict[str, Any] | None:
        """What somebody has noted who saw the run end."""
        key = layout.run_end_key(*self.place)
        (text,) = self.store.get_many([key])
        return None if text is None else decode_checksummed(text, key, fields=END_FIELDS)

    def _failure(self) -> RunOutcome | None:
        """Look for a task that failed for good and wasn't made good since."""
        if self.listed is None:
            keys = [info.key for info in self.store.list(layout.failures_prefix(*self.place), limit=_MARKS)]
            return self._lost(keys) if keys else None
        # The first one mostly tells.
        keys = [layout.failure_key(*self.place, step, task) for step, task in self.listed.failed[:_MARKS]]
        return next((lost for key in keys if (lost := self._lost([key])) is not None), None)

    def _lost(self, keys: Sequence[str]) -> RunOutcome | None:
        """What the first of some failure marks says whose task isn't committed."""
        texts = zip(keys, self.store.get_many(keys), strict=True)
        marks = [decode_checksummed(text, key, fields=FAILURE_FIELDS) for key, text in texts if text is not None]
        commits = read_tasks(self.store, *self.place, [(mark["step"], mark["task"]) for mark in marks]) if marks else []
        for mark, commit in zip(marks, commits, strict=True):
            if commit is None:
                reason = f"Task {mark['step']}/{mark['task']} failed: {mark.get('reason') or 'no reason given'}"
                return RunOutcome(FAILED, reason, mark.get("time"))
        return None

    def _given_up(self, noted: RunOutcome) -> RunOutcome:
        """What an orchestrator said, unless a task has given a sign of life since: it goes on with the run then."""
        signs = list_heartbeats(self.store, *self.place)
        on = any(sign.is_fresh and sign.time > (noted.time or 0.0) for sign in signs)
        return RunOutcome(RUNNING) if on else noted

    def _orchestrated(self) -> RunOutcome:
        """How a run stands of which its orchestrator has said nothing, and of which no task has failed for good."""
        signs = list_heartbeats(self.store, *self.place)
        lost = find_lost_task(self.store, *self.place, signs)
        if lost is None:
            fresh = any(sign.is_fresh for sign in signs)
            since = None if fresh else silent_since(self.store, self.record)
            return RunOutcome(RUNNING) if since is None else RunOutcome(FAILED, SILENT, since)
        how = "was ended from outside" if lost.is_stopped else "was last heard of then: it was killed from outside"
        return RunOutcome(FAILED, f"Task {lost.step}/{lost.task} {how}, and wasn't tried again so far", lost.time)


def _outcome(mark: dict[str, Any]) -> RunOutcome:
    return RunOutcome(mark["state"], mark.get("reason"), mark.get("time"))
