"""Attempts that are claimed by name, and tasks that are cleared and run again."""

import sys
import time

import pytest

from flow_sdk import FlowSpec, Parameter, catch, retry, step
from flow_sdk.errors import IntegrityError
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.records.codec import encode_record
from flow_sdk.store.records.commits import claim_attempt, commit_attempt, read_task, reopen_task
from flow_sdk.store.records.layout import commit_key
from flow_sdk.store.records.model import Manifest
from tests.support.in_process_runs import InProcessRun


class Leaves(FlowSpec):
    """Ends by what isn't an Exception, or without the transition that its source has."""

    by_exit = Parameter("by_exit", default=True)

    @catch(var="failure", print_exception=False)
    @retry(times=2, minutes_between_retries=0)
    @step
    def start(self):
        if not self.by_exit:
            return
        sys.exit(2)
        self.next(self.end)

    @step
    def end(self):
        pass


def test_an_exit_is_a_failure_like_any_other() -> None:
    run = InProcessRun(Leaves).run()
    assert [outcome.manifest.attempt for outcome in run.outcomes] == [0, 1, 2, 0]
    assert run.value("end", "failure").type == "builtins.SystemExit"


def test_catch_takes_over_at_once_where_trying_again_cannot_help() -> None:
    run = InProcessRun(Leaves, parameters={"by_exit": False}).run()
    assert run.scheduler.finished and run.task("start").attempt == 0
    assert run.value("end", "failure").type.endswith("TransitionError")


def test_a_result_from_before_the_task_was_cleared_again_does_not_count() -> None:
    store = MemoryStore("memory://generations")
    where = {"flow": "F", "run": "1", "step": "s", "task": "0"}

    def manifest(generation: int) -> Manifest:
        attempt = claim_attempt(store, **where, start={"time": time.time()})
        return Manifest(**where, attempt=attempt, ok=True, successful=True, generation=generation)

    first = commit_attempt(store, manifest(0))
    reopen_task(store, first, 1)
    late = manifest(1)
    reopen_task(store, first, 2)
    wanted = manifest(2)
    assert commit_attempt(store, wanted) is wanted
    assert commit_attempt(store, late).generation == 2
    assert read_task(store, **where) == wanted


def test_a_clearing_that_comes_late_takes_no_newer_commit_back() -> None:
    store = MemoryStore("memory://late-clearing")
    where = {"flow": "F", "run": "1", "step": "s", "task": "0"}

    def manifest(generation: int) -> Manifest:
        attempt = claim_attempt(store, **where, start={"time": time.time()})
        return Manifest(**where, attempt=attempt, ok=True, successful=True, generation=generation)

    first = commit_attempt(store, manifest(0))
    reopen_task(store, first, 2)
    newest = commit_attempt(store, manifest(2))
    reopen_task(store, first, 1)  # by an attempt that saw the first commit, and was slow
    assert read_task(store, **where) == newest
    assert commit_attempt(store, manifest(1)) == newest
    # An attempt of before a clearing may still commit before the one that the clearing was for: that one counts then.
    reopen_task(store, newest, 3)
    key = commit_key(**where).replace(".json", ".2.json")
    store.put(key, encode_record(manifest(2), key))
    last = commit_attempt(store, manifest(4))
    assert last.generation == 4 and read_task(store, **where) == last


def test_a_commit_that_leads_back_to_itself_is_damaged() -> None:
    store = MemoryStore("memory://around")
    where = {"flow": "F", "run": "1", "step": "s", "task": "0"}
    store.put(commit_key(**where), b'{"redirect":1}')
    store.put(commit_key(**where).replace(".json", ".1.json"), b'{"redirect":1}')
    with pytest.raises(IntegrityError, match="leads back to itself"):
        read_task(store, **where)
