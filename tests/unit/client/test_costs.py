"""What finding runs costs with 10,000 of them, in object requests: on a laptop's folder and over HTTP in S3."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from flow_sdk import client
from flow_sdk.client import Flow, Metaflow, context, reader
from flow_sdk.metadata.index import RunIndex
from flow_sdk.metadata.runs import Runs
from flow_sdk.plan.codec import to_json
from flow_sdk.store import attempts, open_store
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.memory import MemoryStore
from flow_sdk.store.records import Manifest, RunRecord
from tests.rig.counting import CountingS3, CountingStore
from tests.unit.client.builder import PLAN

RUNS = 10_000
OPEN = 1
"""Requests that opening the store takes, once in a process."""


def fill(store: MemoryStore, *, failed: int) -> None:
    """Write the records of many runs: user bob's, half anne's; the newest ``failed`` ones didn't succeed."""
    runs, index = Runs(store), RunIndex(store, "Shapes")
    plan = Artifacts(store).put_bytes(to_json(PLAN))
    for number in range(1, RUNS + 1):
        tags = (f"user:{'anne' if number % 2 else 'bob'}", "runtime:local")
        record = RunRecord("Shapes", str(number), plan, None, {}, (), "x", float(number), tags, end="end")
        runs.create(record)
        if number <= RUNS - failed:
            for tag in (None, *tags):
                index.add_ended(tag, record.run, record.started, "end")
            attempts.commit(store, Manifest("Shapes", str(number), "end", "0", 0, ok=True, successful=True))


@pytest.fixture(scope="module", params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """The URL of a store with 10,000 runs, of which the newest 300 failed; and what counts there."""
    model = MemoryStore("model")
    open_store.initialise(model)
    fill(model, failed=300)
    objects = ((info.key, model.get(info.key)) for info in model.list(""))
    if request.param == "folder":
        folder = tmp_path_factory.mktemp("store")
        store = open_store.open_store(folder)
        for key, data in objects:
            store.put(key, data, durable=False)
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
        before = open_store._backend

        def counting(*arguments: Any) -> CountingStore:
            self.stores.append(CountingStore(before(*arguments)))
            return self.stores[-1]

        monkeypatch.setattr(open_store, "_backend", counting)
        monkeypatch.setenv("FLOW_SDK_STORE", url)
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a fresh process would."""
        reader._reader.cache_clear()
        self.stores.clear()
        if self.server is not None:
            self.server.seen.clear()

    @property
    def total(self) -> int:
        asked = sum(store.total for store in self.stores)
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
    yield Counter(url, server, monkeypatch)
    reader._reader.cache_clear()


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
    assert Metaflow().flows == [Flow("Shapes")]
    assert requests.total <= OPEN + 3


def test_the_newest_twenty(requests: Counter) -> None:
    newest = [run.id for run in islice(Flow("Shapes"), 20)]
    assert newest == [str(number) for number in range(9999, 9959, -2)]
    assert requests.total <= OPEN + 2
    requests.forget()
    shown = [(run.id, run.created_at, run.successful, run.finished_at) for run in islice(Flow("Shapes"), 20)]
    assert len(shown) == 20 and not any(successful for _, _, successful, _ in shown)
    assert requests.total <= 65
    requests.forget()
    shown = [(run.id, run.created_at, run.successful) for run in islice(Flow("Shapes"), 20)]  # type: ignore[misc]
    assert requests.total <= 45
    requests.forget()
    client.namespace("user:bob")
    assert [run.successful for run in islice(Flow("Shapes").runs("runtime:local"), 149, 151)] == [False, True]
    assert requests.total <= OPEN + 3 + 4


def test_a_killed_success_is_passed_over() -> None:
    """Runs that were killed between being entered and the commit are no successes, and hide none."""
    store = MemoryStore("killed")
    runs = Runs(store)
    record = RunRecord("F", "1", "0" * 64, None, {}, (), "anne", 1.0, ("user:anne",), end="last")
    for number in range(1, 6):
        made = runs.create(replace(record, run=str(number), started=float(number)))
        runs.expect_success(made)
    attempts.commit(store, Manifest("F", "2", "last", "0", 0, ok=True, successful=True))
    attempts.commit(store, Manifest("F", "4", "last", "0", 0, ok=True, successful=False))
    assert runs.latest_successful("F") == runs.latest_successful("F", "user:anne") == "2"
    assert runs.latest_successful("F", "user:bob") is None
