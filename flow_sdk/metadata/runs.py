"""Metadata kept in the object store itself: no service needed, on a laptop or on S3."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from flow_sdk.errors import NotFound, ObjectExists, ObjectMissing, UsageError
from flow_sdk.ids import is_flow_name, is_run_id
from flow_sdk.metadata.index import RunIndex
from flow_sdk.metadata.listing import CAUGHT, END_RECORDED, RunListing
from flow_sdk.metadata.outcome import OpenRun, outcome_of_end
from flow_sdk.metadata.port import CANCELLED, FAILED, SUCCEEDED, RunOutcome
from flow_sdk.metadata.tags import check_tags, encode_tag, refuse_reserved
from flow_sdk.metadata.user_tags import UserTags, check_tag_count, tag_key
from flow_sdk.plan.model import FlowPlan
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records import layout
from flow_sdk.store.records.checksummed_json import encode_checksummed
from flow_sdk.store.records.codec import decode_record, encode_record
from flow_sdk.store.records.commits import read_task, record_task_failure
from flow_sdk.store.records.model import RunRecord
from flow_sdk.text import suggest_name

__all__ = ["Runs"]


class Runs:
    """The runs in a store (see :class:`flow_sdk.metadata.port.MetadataProvider`).

    ``run.json`` is the run: it is written first and create-only, so it also reserves the id. Tags and index entries
    follow, the entry among all runs last: if that one exists, everything does.

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
            _check_record(record)
            try:
                key = layout.run_key(flow, record.run)
                self.store.put_if_absent(key, encode_record(record, key))
            except ObjectExists:
                continue
            self._publish(record)
            return record

    def create(self, record: RunRecord) -> RunRecord:
        _check_record(record)
        key = layout.run_key(record.flow, record.run)
        try:
            self.store.put_if_absent(key, encode_record(record, key))
        except ObjectExists:
            record = self.read(record.flow, record.run)
            self.store.make_durable(layout.run_key(record.flow, record.run))
            # Publishing again would bring back tags that were removed since.
            if RunIndex(self.store, record.flow).has_durable_entry(None, record.run, record.started):
                return record
        self._publish(record)
        return record

    def _publish(self, record: RunRecord) -> None:
        index = RunIndex(self.store, record.flow)
        index.record_number(record.run)
        user_tags = [tag for tag in dict.fromkeys(record.tags) if tag not in record.system_tags]
        for tag in user_tags:
            self.store.put(tag_key(record.flow, record.run, tag), tag.encode("utf-8"))
        for tag in dict.fromkeys(record.system_tags):
            index.add_run(tag, record.run, record.started)
        for tag in user_tags:
            index.add_user_tag(tag, record.run, record.started)
        index.add_run(None, record.run, record.started)

    def read(self, flow: str, run: str) -> RunRecord:
        if is_flow_name(flow) and is_run_id(run):
            key = layout.run_key(flow, run)
            try:
                return decode_record(RunRecord, self.store.get(key), key)
            except ObjectMissing:
                pass
        known = list(self.newest(flow, limit=12)) if is_flow_name(flow) else []
        if known:
            raise NotFound(
                f"Flow {flow!r} has no run {run!r}.", where=self.store.url, help=f"Its newest runs: {', '.join(known)}."
            )
        help = suggest_name(flow, self.flows()) or "The store holds no flow yet."
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
        if state != SUCCEEDED:
            self._enter_problem(self.read(flow, run), END_RECORDED)
        key = layout.run_end_key(flow, run)
        self.store.put(key, encode_checksummed({"state": state, "reason": reason, "time": time.time()}, key))

    def record_abandonment(self, flow: str, run: str, by: str, reason: str, when: float | None = None) -> bool:
        (text,) = self.store.get_many([layout.run_key(flow, run)])
        if text is None:
            return False
        record = decode_record(RunRecord, text, layout.run_key(flow, run))
        if read_task(self.store, flow, run, *self.end_of(record)) is not None:
            return False
        self._enter_problem(record, END_RECORDED)
        mark = {"state": FAILED, "reason": reason, "time": when or time.time(), "by": by}
        key = layout.run_end_key(flow, run)
        try:
            self.store.put_if_absent(key, encode_checksummed(mark, key))
        except ObjectExists:
            return False
        return True

    def clear_end(self, flow: str, run: str) -> None:
        self.store.delete([layout.run_end_key(flow, run)])

    def outcome(self, flow: str, run: str, plan: FlowPlan) -> RunOutcome:
        end = read_task(self.store, flow, run, plan.end.name, plan.end_task)
        return OpenRun(self.store, self.read(flow, run)).outcome if end is None else outcome_of_end(end)

    def state(self, flow: str, run: str, plan: FlowPlan) -> str:
        return self.outcome(flow, run, plan).state

    def newest(self, flow: str, tag: str | None = None, limit: int | None = None) -> Iterator[str]:
        return RunIndex(self.store, flow).newest(() if tag is None else (tag,), limit)

    def newest_with(self, flow: str, tags: Sequence[str], limit: int | None = None) -> Iterator[str]:
        return RunIndex(self.store, flow).newest(tags, limit)

    def listing(self, flow: str, tag: str | None = None) -> RunListing:
        """Return a listing of the runs with a tag (None: of all), for callers that show many runs."""
        return RunListing(self.store, flow, tag)

    def expect_success(self, record: RunRecord) -> None:
        index, end = RunIndex(self.store, record.flow), self.end_of(record)
        index.add_success(None, record.run, record.started, end)
        # A process that adds a tag reads the entry above after writing the tag: so one of the two sees the other's.
        for tag in dict.fromkeys((*record.system_tags, *self.user_tags(record.flow, record.run))):
            index.add_success(tag, record.run, record.started, end)

    def expect_caught(self, record: RunRecord) -> None:
        self._enter_problem(record, CAUGHT)

    def record_failure(self, record: RunRecord, step: str, task: str, attempt: int, reason: str) -> None:
        self._enter_problem(record, f"{step}={task}")
        record_task_failure(self.store, record.flow, record.run, step, task, attempt, reason)

    def _enter_problem(self, record: RunRecord, what: str) -> None:
        """Enter a problem before it is recorded: what isn't entered isn't recorded either."""
        RunIndex(self.store, record.flow).add_problem(record.run, record.started, what)

    def latest_successful(self, flow: str, tag: str | None = None) -> str | None:
        for run, end in RunIndex(self.store, flow).list_successes(tag):
            manifest = read_task(self.store, flow, run, *end)
            if manifest is not None and manifest.successful:
                return run
        return None

    def end_of(self, record: RunRecord) -> tuple[str, str]:
        """Return the last step's name, and the id of its task."""
        if record.last_task is None:
            plan = self.read_plan(record)
            return plan.end.name, plan.end_task
        return record.last_task

    def user_tags(self, flow: str, run: str) -> list[str]:
        return UserTags(self.store, flow, run).read_tags()

    def add_tags(self, flow: str, run: str, tags: Iterable[str]) -> None:
        self.replace_tags(flow, run, (), tags)

    def remove_tags(self, flow: str, run: str, tags: Iterable[str]) -> None:
        self.replace_tags(flow, run, tags, ())

    def replace_tags(self, flow: str, run: str, remove: Iterable[str], add: Iterable[str]) -> None:
        record = self.read(flow, run)
        added, removed = check_tags(add, reserved=True), check_tags(remove, reserved=True)
        refuse_reserved(tag for tag in added if tag not in record.system_tags)
        UserTags(self.store, flow, run).replace_tags(record, self.end_of(record), removed, added)


def _check_record(record: RunRecord) -> None:
    """Refuse a record before anything is written."""
    if not is_flow_name(record.flow) or not is_run_id(record.run):
        raise UsageError("A run can't have this name.", seen=f"{record.flow}/{record.run}", wanted="FlowName/run-id")
    where = f"{record.flow}/{record.run}"
    for tag in (*record.system_tags, *((record.namespace,) if record.namespace else ())):
        encode_tag(tag)
    check_tag_count(len(check_tags(record.tags)), where)
