"""Metadata kept in the object store itself: no service needed, on a laptop or on S3."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from flow_sdk.errors import NotFound, ObjectExists, ObjectMissing, UsageError, nearest
from flow_sdk.ids import is_flow_name, is_run_id, task_id
from flow_sdk.metadata.alive import life_signs, lost_task, silent_since
from flow_sdk.metadata.heartbeat import is_gone
from flow_sdk.metadata.index import RunIndex
from flow_sdk.metadata.listing import RunListing
from flow_sdk.metadata.port import CANCELLED, FAILED, RUNNING, SUCCEEDED, RunOutcome
from flow_sdk.metadata.tagging import UserTags, check_count, tag_key
from flow_sdk.metadata.tags import check_tags, encode_tag, refuse_reserved
from flow_sdk.plan.model import FlowPlan
from flow_sdk.store import layout
from flow_sdk.store.attempts import read_task, read_tasks
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records import Manifest, RunRecord, decode, encode
from flow_sdk.store.sealed import seal, unseal

__all__ = ["Runs", "outcome_of_end"]

GONE = "the process that ran it is gone"
"""Why a local run has failed that nobody saw the end of."""

SILENT = "nothing has come from it since: its orchestrator has given it up, or has held it back for more than a day"
"""Why an orchestrated run counts as failed of which nobody knows the end."""

_MARKS = 20
"""How many failure marks are looked at; one that a later attempt made good may stand before one that counts."""


class Runs:
    """The runs in a store (see :class:`flow_sdk.metadata.port.Metadata`).

    ``run.json`` is the run: it is written first and create-only, so it is also the claim on the id. Tags and index
    entries follow, the entry among all runs last: where that one is, everything is.

    Parameters
    ----------
    store : ObjectStore
        The store.
    """

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self._plans: dict[str, FlowPlan] = {}

    def flows(self) -> list[str]:
        return self.store.folders(layout.flows_prefix())

    def allocate(self, flow: str, make: Callable[[str], RunRecord]) -> RunRecord:
        number = RunIndex(self.store, flow).highest_number()
        while True:
            number += 1
            record = make(str(number))
            _check(record)
            try:
                key = layout.run_key(flow, record.run)
                self.store.put_if_absent(key, encode(record, key))
            except ObjectExists:
                continue
            self._publish(record)
            return record

    def create(self, record: RunRecord) -> RunRecord:
        _check(record)
        key = layout.run_key(record.flow, record.run)
        try:
            self.store.put_if_absent(key, encode(record, key))
        except ObjectExists:
            record = self.read(record.flow, record.run)
            self.store.keep(layout.run_key(record.flow, record.run))
            # Publishing again would bring back tags that were removed since.
            if RunIndex(self.store, record.flow).holds(None, record.run, record.started):
                return record
        self._publish(record)
        return record

    def _publish(self, record: RunRecord) -> None:
        index = RunIndex(self.store, record.flow)
        index.note_number(record.run)
        user_tags = [tag for tag in dict.fromkeys(record.tags) if tag not in record.system_tags]
        for tag in user_tags:
            self.store.put(tag_key(record.flow, record.run, tag), tag.encode("utf-8"))
        for tag in dict.fromkeys(record.system_tags):
            index.add(tag, record.run, record.started)
        for tag in user_tags:
            index.add_user_tag(tag, record.run, record.started)
        index.add(None, record.run, record.started)

    def read(self, flow: str, run: str) -> RunRecord:
        if is_flow_name(flow) and is_run_id(run):
            key = layout.run_key(flow, run)
            try:
                return decode(RunRecord, self.store.get(key), key)
            except ObjectMissing:
                pass
        known = list(self.newest(flow, limit=12)) if is_flow_name(flow) else []
        if known:
            raise NotFound(
                f"Flow {flow!r} has no run {run!r}.", where=self.store.url, help=f"Its newest runs: {', '.join(known)}."
            )
        help = nearest(flow, self.flows()) or "The store holds no flow yet."
        raise NotFound(f"There is no run {flow + '/' + run!r}.", where=self.store.url, help=help)

    def read_plan(self, record: RunRecord) -> FlowPlan:
        plan = self._plans.get(record.plan)
        if plan is None:
            from flow_sdk.plan.codec import from_json
            from flow_sdk.store.artifacts import Artifacts

            text = Artifacts(self.store).get_bytes(record.plan, where=f"plan of {record.flow}/{record.run}")
            plan = self._plans[record.plan] = from_json(text)
        return plan

    def finish(self, flow: str, run: str, state: str, reason: str | None = None) -> None:
        if state not in (SUCCEEDED, FAILED, CANCELLED):
            raise ValueError(f"A run ends {SUCCEEDED}, {FAILED} or {CANCELLED}, not {state!r}")
        mark: dict[str, Any] = {"state": state, "reason": reason, "time": time.time()}
        end = self.read(flow, run).end if state != SUCCEEDED else None
        if end is not None:
            mark["open"] = read_task(self.store, flow, run, end, task_id((), ())) is None
        key = layout.run_end_key(flow, run)
        self.store.put(key, seal(mark, key))

    def note_given_up(self, flow: str, run: str, by: str, reason: str, when: float | None = None) -> bool:
        (text,) = self.store.get_many([layout.run_key(flow, run)])
        if text is None:
            return False
        end = self._end(decode(RunRecord, text, layout.run_key(flow, run)))
        if read_task(self.store, flow, run, end, task_id((), ())) is not None:
            return False
        mark = {"state": FAILED, "reason": reason, "time": when or time.time(), "by": by}
        key = layout.run_end_key(flow, run)
        try:
            self.store.put_if_absent(key, seal(mark, key))
        except ObjectExists:
            return False
        return True

    def take_back_end(self, flow: str, run: str) -> None:
        self.store.delete([layout.run_end_key(flow, run)])

    def outcome(self, flow: str, run: str, plan: FlowPlan) -> RunOutcome:
        end = read_task(self.store, flow, run, plan.end.name, task_id((), ()))
        return self.open_outcome(flow, run) if end is None else outcome_of_end(end)

    def given_up(self, flow: str, runs: Sequence[str]) -> list[RunOutcome | None]:
        """Tell of runs how those ended whose scheduler saw them end before their last step did; None for any other."""
        keys = [layout.run_end_key(flow, run) for run in runs]
        texts = zip(keys, self.store.get_many(keys), strict=True) if keys else ()
        marks = [None if text is None else unseal(text, key) for key, text in texts]
        return [_outcome(mark) if mark is not None and mark.get("open") else None for mark in marks]

    def open_outcome(self, flow: str, run: str) -> RunOutcome:
        """Tell how a run stands whose last step isn't committed."""
        key = layout.run_end_key(flow, run)
        (text,) = self.store.get_many([key])
        mark = None if text is None else unseal(text, key)
        if mark is not None and "by" not in mark:
            return _outcome(mark)
        failure = self._failure(flow, run)
        if failure is not None:
            return failure
        if mark is not None:
            return self._given_up(flow, run, _outcome(mark))
        gone = is_gone(self.store, flow, run)
        if gone:
            # It may have ended properly since the first look.
            return self._noted(flow, run) or RunOutcome(FAILED, GONE)
        if gone is False:
            return RunOutcome(RUNNING)
        signs = life_signs(self.store, flow, run)
        lost = lost_task(self.store, flow, run, signs)
        if lost is None:
            fresh = any(sign.is_fresh for sign in signs)
            since = None if fresh else silent_since(self.store, flow, run)
            return RunOutcome(RUNNING) if since is None else RunOutcome(FAILED, SILENT, since)
        how = "was ended from outside" if lost.ended else "was last heard of then: it was killed from outside"
        return RunOutcome(FAILED, f"Task {lost.step}/{lost.task} {how}, and wasn't tried again so far", lost.time)

    def _noted(self, flow: str, run: str) -> RunOutcome | None:
        """What the scheduler that saw the run end has noted."""
        key = layout.run_end_key(flow, run)
        (mark,) = self.store.get_many([key])
        return None if mark is None else _outcome(unseal(mark, key))

    def _given_up(self, flow: str, run: str, noted: RunOutcome) -> RunOutcome:
        """What an orchestrator said, unless a task has given a sign of life since: it goes on with the run then."""
        signs = life_signs(self.store, flow, run)
        on = any(sign.is_fresh and sign.time > (noted.time or 0.0) for sign in signs)
        return RunOutcome(RUNNING) if on else noted

    def _failure(self, flow: str, run: str) -> RunOutcome | None:
        """Look for a task that failed for good and wasn't made good since."""
        keys = [info.key for info in self.store.list(layout.failures_prefix(flow, run), limit=_MARKS)]
        texts = zip(keys, self.store.get_many(keys), strict=True) if keys else ()
        marks = [unseal(text, key) for key, text in texts if text is not None]
        commits = read_tasks(self.store, flow, run, [(mark["step"], mark["task"]) for mark in marks]) if marks else []
        for mark, commit in zip(marks, commits, strict=True):
            if commit is None:
                reason = f"Task {mark['step']}/{mark['task']} failed: {mark.get('reason') or 'no reason given'}"
                return RunOutcome(FAILED, reason, mark.get("time"))
        return None

    def state(self, flow: str, run: str, plan: FlowPlan) -> str:
        return self.outcome(flow, run, plan).state

    def newest(self, flow: str, tag: str | None = None, limit: int | None = None) -> Iterator[str]:
        return RunIndex(self.store, flow).newest(() if tag is None else (tag,), limit)

    def newest_with(self, flow: str, tags: Sequence[str], limit: int | None = None) -> Iterator[str]:
        return RunIndex(self.store, flow).newest(tags, limit)

    def listing(self, flow: str, tag: str | None = None) -> RunListing:
        """Give what is asked of the runs with a tag (None: of all) from listings, for those who look at many."""
        return RunListing(self.store, flow, tag)

    def expect_success(self, record: RunRecord) -> None:
        index, end = RunIndex(self.store, record.flow), self._end(record)
        index.add_ended(None, record.run, record.started, end)
        # Whoever adds a tag looks for the entry above after writing the tag: so one of the two sees the other's.
        for tag in dict.fromkeys((*record.system_tags, *self.user_tags(record.flow, record.run))):
            index.add_ended(tag, record.run, record.started, end)

    def latest_successful(self, flow: str, tag: str | None = None) -> str | None:
        for run, end in RunIndex(self.store, flow).ended(tag):
            manifest = read_task(self.store, flow, run, end, task_id((), ()))
            if manifest is not None and manifest.successful:
                return run
        return None

    def _end(self, record: RunRecord) -> str:
        return record.end or self.read_plan(record).end.name

    def user_tags(self, flow: str, run: str) -> list[str]:
        return UserTags(self.store, flow, run).read()

    def add_tags(self, flow: str, run: str, tags: Iterable[str]) -> None:
        self.replace_tags(flow, run, (), tags)

    def remove_tags(self, flow: str, run: str, tags: Iterable[str]) -> None:
        self.replace_tags(flow, run, tags, ())

    def replace_tags(self, flow: str, run: str, remove: Iterable[str], add: Iterable[str]) -> None:
        record = self.read(flow, run)
        added, removed = check_tags(add, reserved=True), check_tags(remove, reserved=True)
        refuse_reserved(tag for tag in added if tag not in record.system_tags)
        UserTags(self.store, flow, run).replace(record, self._end(record), removed, added)


def outcome_of_end(end: Manifest) -> RunOutcome:
    """Tell how a run stands whose last step is committed."""
    if end.successful:
        return RunOutcome(SUCCEEDED, None, end.finished, end)
    return RunOutcome(FAILED, f"The last step, {end.step!r}, failed; @catch took its exception.", end.finished, end)


def _outcome(mark: dict[str, Any]) -> RunOutcome:
    return RunOutcome(mark["state"], mark.get("reason"), mark.get("time"))


def _check(record: RunRecord) -> None:
    """Refuse a record before anything is written."""
    if not is_flow_name(record.flow) or not is_run_id(record.run):
        raise UsageError("A run can't have this name.", seen=f"{record.flow}/{record.run}", wanted="FlowName/run-id")
    where = f"{record.flow}/{record.run}"
    for tag in (*record.system_tags, *((record.namespace,) if record.namespace else ())):
        encode_tag(tag)
    check_count(len(check_tags(record.tags)), where)
