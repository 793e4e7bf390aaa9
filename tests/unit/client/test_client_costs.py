"""What finding runs costs with 10,000 of them, in object requests: on a laptop's folder and over HTTP in S3."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from flow_sdk import client
from flow_sdk.client import Flow, Metaflow, Run, Step, context, reader
from flow_sdk.metadata import listing
from flow_sdk.metadata.index import RunIndex
from flow_sdk.metadata.run_heartbeat import describe_process
from flow_sdk.metadata.runs import Runs
from flow_sdk.plan.codec import to_json
from flow_sdk.store import open_store
from flow_sdk.store.address import StoreAddress
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.records import commits
from flow_sdk.store.records.model import Manifest, RunRecord
from tests.support.request_counts import PAGE, CountingS3, CountingStore
from tests.support.run_builder import PLAN, Builder

pytestmark = pytest.mark.slow  # starts processes or servers

RUNS = 10_000
OPEN = 1
"""Requests that opening the store takes, once in a process."""


def fill(store: MemoryStore, *, failed: int) -> None:
    """Write the records of many runs: user bob's, half anne's; the newest ``failed`` ones didn't succeed.

    The newest 500 have tags; one in 400 has the tag rare.
    """
    runs, index = Runs(store), RunIndex(store, "Shapes")
    plan = Artifacts(store).put_bytes(to_json(PLAN))
    for number in range(1, RUNS + 1):
        tags = (f"user:{'anne' if number % 2 else 'bob'}", "runtime:local")
        own = (*(["rare"] if number % 400 == 0 else []), *(["a", f"t{number}"] if number > RUNS - 500 else []))
        local = {"kind": "local", "host": "elsewhere"}
        record = RunRecord(
            "Shapes", str(number), plan, None, {}, (), "x", float(number), tags, own, orchestrator=local, end="end"
        )
        runs.create(record)
        if number > RUNS - failed:
            runs.finish("Shapes", record.run, "failed", "so it was")
        if number <= RUNS - failed:
            for tag in (None, *tags, *own):
                index.add_success(tag, record.run, record.started, ("end", "0"))
            commits.commit_attempt(store, Manifest("Shapes", str(number), "end", "0", 0, ok=True, successful=True))


AIRFLOW = {"kind": "airflow"}
LOCAL = {"kind": "local", **describe_process()}

STANDINGS: dict[str, tuple[dict[str, Any], str, int]] = {
    "waits for its next task": (AIRFLOW, "running", 45),
    "has a driver": (LOCAL, "running", 45),
    "had a task that failed": (AIRFLOW, "failed", 65),
    "was given up": (AIRFLOW, "failed", 65),
}
"""By a tag: who runs them, how they stand, and the most requests that asking 20 of them takes."""


def fill_unfinished(store: MemoryStore) -> None:
    """Write 25 runs of each kind that has no end, none of them with a task that is at work."""
    runs, plan = Runs(store), Artifacts(store).put_bytes(to_json(PLAN))
    now = time.time()
    for number in range(25):
        for kind, (orchestrator, _, _) in STANDINGS.items():
            run = f"{kind.replace(' ', '-')}-{number}"
            record = RunRecord(
                "Open", run, plan, None, {}, (), "x", now - number, tags=(kind,), orchestrator=orchestrator, end="end"
            )
            runs.create(record)
            if kind == "had a task that failed":
                runs.record_failure(record, "start", "0", 0, "ValueError: bad")
            if kind in ("had a task that failed", "was given up"):
                runs.record_abandonment("Open", run, "airflow", "given up", now)


@pytest.fixture(scope="module")
def objects() -> list[tuple[str, bytes]]:
    """What is in a store with 10,000 runs of Shapes, of which the newest 300 failed, and some of Open."""
    model = MemoryStore("model")
    open_store.initialise_store(model)
    fill(model, failed=300)
    fill_unfinished(model)
    return [(info.key, model.get(info.key)) for info in model.list("")]


@pytest.fixture(scope="module", params=["folder", "s3"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, objects: list[tuple[str, bytes]]
) -> Iterator[tuple[str, Any]]:
    """The URL of a store that is filled, and what counts there."""
    if request.param == "folder":
        folder = tmp_path_factory.mktemp("store")
        open_store.open_store(folder)
        for key, data in objects:  # as a local store lays them, but quicker
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        yield str(folder), None
        return
    with CountingS3("flows") as server:
        server.fill((f"deep/{key}", data) for key, data in objects)
        yield "s3://flows/deep", server


class Counter:
    """Counts the requests of the client from its first on."""

    def __init__(self, url: str, server: CountingS3 | None, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stores: list[CountingStore] = []
        self.server = server
        before = StoreAddress.open_backend

        def counting(*arguments: Any) -> CountingStore:
            self.stores.append(CountingStore(before(*arguments)))
            return self.stores[-1]

        monkeypatch.setattr(StoreAddress, "open_backend", counting)
        monkeypatch.setenv("FLOW_SDK_STORE", url)
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a fresh process would."""
        reader._cached_reader.cache_clear()
        self._before = sum(store.total for store in self.stores)  # objects of before still ask their own
        if self.server is not None:
            self.server.seen.clear()

    @property
    def total(self) -> int:
        asked = sum(store.total for store in self.stores) - self._before
        if self.server is not None:
            # The wrapper's count is what HTTP sees: so the folder's figure means the same.
            assert len(self.server.seen) == asked, self.server.seen
        return asked


@pytest.fixture
def requests(place: tuple[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter]:
    url, server = place
    for name, value in (server.env() if server else {}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLOW_SDK_USER", "anne")
    monkeypatch.setattr(context, "_choice", context._Choice())
    monkeypatch.setattr(listing, "FRESH_FOR", 1e9)  # seconds, however busy this machine is
    yield Counter(url, server, monkeypatch)
    reader._cached_reader.cache_clear()


def test_the_latest_run(requests: Counter) -> None:
    run = Flow("Shapes").latest_run
    assert run is not None and run.id == "9999"
    assert requests.total <= 3


def test_the_latest_successful_run_whatever_became_of_the_newer_ones(requests: Counter) -> None:
    run = Flow("Shapes").latest_successful_run
    assert run is not None and run.id == "9699"
    assert requests.total <= OPEN + 3


def test_both_in_the_global_namespace(requests: Counter) -> None:
    client.namespace(None)
    flow = Flow("Shapes")
    assert (flow.latest_run.id, flow.latest_successful_run.id) == ("10000", "9700")  # type: ignore[union-attr]
    assert requests.total <= OPEN + 4


def test_all_flows(requests: Counter) -> None:
    assert Metaflow().flows == [Flow("Shapes")]  # none of Open is anne's
    assert requests.total <= OPEN + 4


def newest() -> list[Run]:
    return list(islice(Flow("Shapes"), 20))


def test_the_newest_twenty(requests: Counter) -> None:
    assert [run.id for run in newest()] == [str(number) for number in range(9999, 9959, -2)]
    assert requests.total <= OPEN + 2
    requests.forget()
    client.namespace("user:bob")
    assert [run.successful for run in islice(Flow("Shapes").runs("runtime:local"), 149, 151)] == [False, True]
    assert requests.total <= OPEN + 4 + 4


@pytest.mark.parametrize("tag", [None, "user:anne", "a"])
def test_what_is_asked_of_the_newest_twenty(requests: Counter, tag: str | None) -> None:
    for names in ("state finished_at", "finished_at successful state reason user_tags created_at"):
        client.namespace(tag)
        requests.forget()
        shown = [{name: getattr(run, name) for name in names.split()} for run in islice(Flow("Shapes"), 20)]
        assert requests.total <= 45
        assert [(run["state"], run["finished_at"]) for run in shown] == [("failed", None)] * 20
    assert all("a" in run["user_tags"] and len(run["user_tags"]) in (2, 3) for run in shown)


def test_what_is_asked_of_twenty_that_went_well(requests: Counter) -> None:
    older = list(islice(Flow("Shapes").runs("a"), 155, 175))
    requests.forget()
    shown = [(run.state, run.finished_at is None, run.successful, "a" in run.user_tags) for run in older]
    assert shown == [("succeeded", False, True, True)] * 20
    assert requests.total <= 45


@pytest.mark.parametrize("kind", STANDINGS)
def test_what_is_asked_of_twenty_without_an_end(requests: Counter, kind: str) -> None:
    client.namespace(None)
    _, state, most = STANDINGS[kind]
    shown = [
        (run.state, run.finished_at, run.successful, run.reason is None) for run in islice(Flow("Open").runs(kind), 20)
    ]
    assert shown == [(state, None, False, state == "running")] * 20
    assert requests.total <= most
    first = next(Flow("Open").runs(kind))
    assert (first.state, first.reason) == (Run(first.pathspec).state, Run(first.pathspec).reason)


def test_the_view_of_a_flow(requests: Counter) -> None:
    page = Flow("Shapes")._repr_html_()
    assert page.count(">failed<") == 20 and "t9999" in page
    assert requests.total <= 45
    requests.forget()
    client.namespace("user:bob")
    page = Flow("Shapes")._repr_html_()
    assert page.count(">failed<") == 20 and "Shapes/10000" in page
    assert requests.total <= 45
    requests.forget()
    Metaflow()._repr_html_()
    assert requests.total <= OPEN + 4


def test_runs_with_two_tags_of_which_one_is_rare(requests: Counter) -> None:
    client.namespace(None)
    found = [run.id for run in Flow("Shapes").runs("runtime:local", "rare")]
    assert found == [str(number) for number in range(10_000, 0, -400)]
    assert requests.total <= OPEN + 1 + RUNS // PAGE + 1


def test_what_was_listed_is_asked_once_and_not_believed_after_a_change(requests: Counter) -> None:
    first, second, third = islice(Flow("Shapes"), 3)
    assert "more" not in first.user_tags | second.user_tags
    for run in (first, Run(second.pathspec), third):
        run.add_tag("more")
    try:
        assert all("more" in run.user_tags for run in (first, second, third))
    finally:
        for run in (first, second, third):
            run.remove_tag("more")
    assert all("more" not in run.user_tags for run in (first, second, third))


def test_a_listing_grows_old(flow: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's process tags and ends runs while this one looks at them."""
    monkeypatch.setattr(listing, "FRESH_FOR", 0.0)
    flow.run("1", started=1.0, orchestrator={"kind": "local"})
    flow.run("2", started=2.0, orchestrator={"kind": "local"})
    second, first = Flow("Shapes")
    assert (second.user_tags, second.finished) == (frozenset(), False)
    index = RunIndex(flow.store, "Shapes")
    for run, started in (("1", 1.0), ("2", 2.0)):
        flow.store.put(f"flows/Shapes/runs/{run}/tags/late", b"late")
        index.add_user_tag("late", run, started)
        flow.runs.finish("Shapes", run, "failed")
        flow.commit(run, "end")
    assert [(run.user_tags, run.state) for run in (second, first)] == [({"late"}, "succeeded")] * 2


def test_a_run_given_up_while_its_last_step_was_caught(flow: Builder) -> None:
    flow.run("1", orchestrator={"kind": "local"})
    flow.commit("1", "end", successful=False)
    flow.runs.finish("Shapes", "1", "cancelled")
    (run,) = Flow("Shapes")
    assert (run.finished, run.successful, run.state) == (True, False, "failed")


def test_a_tag_too_long_for_the_listing(flow: Builder) -> None:
    long = "x" * 400
    for number, tags in enumerate([["a"], [long, "b"], ["A" * 100], []]):
        flow.run(str(number), started=float(number), tags=tags)
    assert [run.user_tags for run in Flow("Shapes")] == [frozenset(), {"A" * 100}, {long, "b"}, {"a"}]


def test_a_wide_step(flow: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    flow.run()
    for number in range(4000):
        commits.commit_attempt(flow.store, flow.manifest("1", "done", str(number)))
    flow.fail("1", "done", "0", for_good=True)
    requests = Counter(os.environ["FLOW_SDK_STORE"], None, monkeypatch)
    page = Step("Shapes/1/done")._repr_html_()
    assert "4,000, of which the first 20 are shown" in page and page.count("Shapes/1/done/") == 20
    assert requests.total <= 20 + 10
    requests.forget()
    assert ">4,000<" in Run("Shapes/1")._repr_html_()
    assert requests.total <= 30


def test_a_killed_success_is_passed_over() -> None:
    """Runs that were killed between being entered and the commit are no successes, and hide none."""
    store = MemoryStore("killed")
    runs = Runs(store)
    record = RunRecord("F", "1", "0" * 64, None, {}, (), "anne", 1.0, ("user:anne",), end="last")
    for number in range(1, 6):
        made = runs.create(replace(record, run=str(number), started=float(number)))
        runs.expect_success(made)
    commits.commit_attempt(store, Manifest("F", "2", "last", "0", 0, ok=True, successful=True))
    commits.commit_attempt(store, Manifest("F", "4", "last", "0", 0, ok=True, successful=False))
    assert runs.latest_successful("F") == runs.latest_successful("F", "user:anne") == "2"
    assert runs.latest_successful("F", "user:bob") is None
