"""The state of a run, from its last step's commit, its recorded end, its failed tasks and its heartbeats."""

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
"""Reason of a local run that failed without a recorded end."""

SILENT = "nothing has come from it since: its orchestrator has given it up, or has held it back for more than a day"
"""Reason of an orchestrated run that failed without a recorded end."""

_MOST_FAILURES = 20
"""How many recorded failures are read; one whose task was committed later may be before one that counts."""


def outcome_of_end(end: Manifest) -> RunOutcome:
    """Return the outcome of a run whose last step is committed."""
    if end.successful:
        return RunOutcome(SUCCEEDED, None, end.finished, end)
    return RunOutcome(FAILED, f"The last step, {end.step!r}, failed; @catch took its exception.", end.finished, end)


class OpenRun:
    """The present outcome of a run whose last step isn't committed.

    Parameters
    ----------
    store : ObjectStore
        The run's store.
    record : RunRecord
        The run's record.
    listed : Listed, optional
        Its state in a fresh listing, which saves requests.
    """

    def __init__(self, store: ObjectStore, record: RunRecord, listed: ListedRunState | None = None) -> None:
        self.store, self.record = store, record
        self.names = record.flow, record.run
        self.listed = listed

    @cached_property
    def outcome(self) -> RunOutcome:
        """The run's state, and the reason."""
        if self.record.orchestrator.get("kind") == LOCAL:
            return self._recorded_end() or self._find_failure() or self._local_state()
        # A failed task has a better reason than the orchestrator.
        return self._find_failure() or self._recorded_end() or self._orchestrated_state()

    def _recorded_end(self) -> RunOutcome | None:
        """Return the outcome that was recorded when the run ended."""
        if self.listed is not None and not self.listed.has_recorded_end:
            return None
        mark = self._read_end()
        return None if mark is None else self._check_abandonment(_parse_end(mark)) if "by" in mark else _parse_end(mark)

    def _local_state(self) -> RunOutcome:
        """Return the outcome of a local run whose driver recorded no end."""
        if not is_process_gone(self.store, self.record):
            return RunOutcome(RUNNING)
        # It may have ended since the first read.
        mark = self._read_end()
        return RunOutcome(FAILED, GONE) if mark is None else _parse_end(mark)

    def _read_end(self) -> dict[str, Any] | None:
        """Return the record of the run's end; None if there is none."""
        key = layout.run_end_key(*self.names)
        (text,) = self.store.get_many([key])
        return None if text is None else decode_checksummed(text, key, fields=END_FIELDS)

    def _find_failure(self) -> RunOutcome | None:
        """Find a task that failed for good and wasn't committed since."""
        if self.listed is None:
            keys = [info.key for info in self.store.list(layout.failures_prefix(*self.names), limit=_MOST_FAILURES)]
            return self._find_uncommitted(keys) if keys else None
        # The first one is mostly enough.
        keys = [layout.failure_key(*self.names, step, task) for step, task in self.listed.failed[:_MOST_FAILURES]]
        return next((lost for key in keys if (lost := self._find_uncommitted([key])) is not None), None)

    def _find_uncommitted(self, keys: Sequence[str]) -> RunOutcome | None:
        """Return the outcome of the first recorded failure whose task isn't committed."""
        texts = zip(keys, self.store.get_many(keys), strict=True)
        failures = [decode_checksummed(text, key, fields=FAILURE_FIELDS) for key, text in texts if text is not None]
        tasks = [(failure["step"], failure["task"]) for failure in failures]
        commits = read_tasks(self.store, *self.names, tasks) if tasks else []
        for failure, (step, task), commit in zip(failures, tasks, commits, strict=True):
            if commit is None:
                reason = f"Task {step}/{task} failed: {failure.get('reason') or 'no reason given'}"
                return RunOutcome(FAILED, reason, failure.get("time"))
        return None

    def _check_abandonment(self, recorded: RunOutcome) -> RunOutcome:
        """Return the end that an orchestrator recorded, unless a task's heartbeat shows that the run continues."""
        heartbeats = list_heartbeats(self.store, *self.names)
        continues = any(beat.is_fresh and beat.time > (recorded.time or 0.0) for beat in heartbeats)
        return RunOutcome(RUNNING) if continues else recorded

    def _orchestrated_state(self) -> RunOutcome:
        """Return the outcome of an orchestrated run without a recorded end or a failed task."""
        heartbeats = list_heartbeats(self.store, *self.names)
        lost = find_lost_task(self.store, *self.names, heartbeats)
        if lost is None:
            fresh = any(beat.is_fresh for beat in heartbeats)
            since = None if fresh else silent_since(self.store, self.record)
            return RunOutcome(RUNNING) if since is None else RunOutcome(FAILED, SILENT, since)
        how = "was ended from outside" if lost.is_stopped else "was last heard of then: it was killed from outside"
        return RunOutcome(FAILED, f"Task {lost.step}/{lost.task} {how}, and wasn't tried again so far", lost.time)


def _parse_end(mark: dict[str, Any]) -> RunOutcome:
    return RunOutcome(mark["state"], mark.get("reason"), mark.get("time"))
