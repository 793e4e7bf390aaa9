"""The simulation finds what is broken: each test here breaks one thing on purpose, and few seeds see it."""

import functools
import json
from collections.abc import Callable
from typing import Any

import pytest

from flow_sdk.errors import ObjectExists, StoreUnavailable
from flow_sdk.runtime.local.driver import Driver
from flow_sdk.runtime.local.scheduler import Scheduler
from flow_sdk.runtime.resume.reuse import Reuse
from flow_sdk.store import artifacts
from flow_sdk.store.records import commits
from flow_sdk.store.records.layout import commit_key
from flow_sdk.store.records.model import Manifest
from tests.simulation.bucket import Store
from tests.simulation.simulate import play

MOST_SEEDS = 600


def commits_by_a_plain_put(patch: pytest.MonkeyPatch) -> None:
    create = Store.put_if_absent

    def put(self: Store, key: str, data: Any, **more: Any) -> None:
        (self.put if "/commit" in key else create.__get__(self))(key, data, **more)

    patch.setattr(Store, "put_if_absent", put)


def claims_by_a_look_and_a_put(patch: pytest.MonkeyPatch) -> None:
    create = Store.put_if_absent

    def put(self: Store, key: str, data: Any, **more: Any) -> None:
        if not key.endswith("/start.json"):
            create(self, key, data, **more)
        elif self.head(key) is not None:
            raise ObjectExists("It is there.")
        else:
            self.put(key, data, **more)

    patch.setattr(Store, "put_if_absent", put)


def takes_an_unknown_put_for_applied(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Store, "settle", lambda self, key: self.writer)


def takes_an_unknown_put_for_refused(patch: pytest.MonkeyPatch) -> None:
    def commit(store: Store, manifest: Manifest) -> Manifest:
        try:
            return real(store, manifest)
        except StoreUnavailable:
            return manifest

    real = commits.commit_attempt
    patch.setattr(commits, "commit_attempt", commit)


def resumes_without_a_look_at_the_parents(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Reuse, "_explain_rerun", lambda self, manifest, step: "" if manifest and manifest.successful else "missing"
    )


def redirects_to_the_place_of_a_generation(patch: pytest.MonkeyPatch) -> None:
    def cleared(store: Store, key: str, number: int, generation: int) -> int | None:
        text = store.get(key)
        there = int(json.loads(text).get("redirect", 0))
        return there if 0 < there <= generation else None

    def reopen(store: Store, manifest: Manifest, generation: int) -> None:
        commits.record_failed_attempt(store, manifest)
        key = commit_key(manifest.flow, manifest.run, manifest.step, manifest.task)
        store.put(key, b'{"redirect":%d}' % generation)

    patch.setattr(commits, "_clear_commit", cleared)
    patch.setattr(commits, "reopen_task", reopen)


def counts_an_end_twice(patch: pytest.MonkeyPatch) -> None:
    real = Driver._handle_end

    def ended(self: Driver, worker: Any, status: int) -> None:
        self.by_name[worker.name] = worker
        real(self, worker, status)

    patch.setattr(Driver, "_handle_end", ended)


def a_loser_takes_itself_for_the_winner(patch: pytest.MonkeyPatch) -> None:
    real = commits.commit_attempt

    def commit(store: Store, manifest: Manifest) -> Manifest:
        real(store, manifest)
        return manifest

    patch.setattr(commits, "commit_attempt", commit)


def an_artifact_that_could_not_be_stored_is_let_go(patch: pytest.MonkeyPatch) -> None:
    real = artifacts.write_blob

    def write(*parts: Any, **more: Any) -> None:
        try:
            real(*parts, **more)
        except StoreUnavailable:
            pass

    patch.setattr(artifacts, "write_blob", write)


def a_join_waits_for_one_input_less(patch: pytest.MonkeyPatch) -> None:
    real = Scheduler._open_join

    def opened(self: Scheduler, step: Any, key: Any, count: int) -> None:
        real(self, step, key, max(1, count - 1))

    patch.setattr(Scheduler, "_open_join", opened)


def a_run_that_failed_says_it_succeeded(patch: pytest.MonkeyPatch) -> None:
    real = Driver._record_end
    patch.setattr(Driver, "_record_end", lambda self, state, seconds: real(self, "succeeded", seconds))


BREAKS: list[Callable[[pytest.MonkeyPatch], None]] = [
    commits_by_a_plain_put,
    claims_by_a_look_and_a_put,
    takes_an_unknown_put_for_applied,
    takes_an_unknown_put_for_refused,
    resumes_without_a_look_at_the_parents,
    redirects_to_the_place_of_a_generation,
    counts_an_end_twice,
    a_loser_takes_itself_for_the_winner,
    an_artifact_that_could_not_be_stored_is_let_go,
    a_join_waits_for_one_input_less,
    a_run_that_failed_says_it_succeeded,
]


CLEARING = {redirects_to_the_place_of_a_generation}
"""Those that take a task cleared three times, of which few other worlds are full."""


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.__name__)
def test_a_break_is_found(
    broken: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch, record_property: Callable[..., None]
) -> None:
    play(0)  # the clean runs are known before anything is broken
    broken(monkeypatch)
    again = functools.partial(play, clearing=broken in CLEARING)
    found = next((played for played in map(again, range(MOST_SEEDS)) if played.violation), None)
    assert found is not None, f"{MOST_SEEDS} seeds didn't see it"
    record_property("seed", found.seed)
    assert again(found.seed) == found
    print(f"{broken.__name__}: {found}")
