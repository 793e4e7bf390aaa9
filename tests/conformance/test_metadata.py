"""What every implementation of the metadata port must do, over every store."""

import dataclasses
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flow_sdk.errors import NotFound, ObjectExists, PlanError, UsageError
from flow_sdk.metadata.port import MetadataProvider
from flow_sdk.metadata.runs import Runs
from flow_sdk.plan.codec import to_json
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.open_store import open_store
from flow_sdk.store.port import ObjectInfo, ObjectStore
from flow_sdk.store.records import commits, layout
from flow_sdk.store.records.model import Manifest, RunRecord
from tests.support.moto import MotoServer

PLAN = FlowPlan(
    "F", "f.py", "", (StepPlan("start", "linear", next=("end",)), StepPlan("end", "end", parents=("start",)))
)


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer("metadata") as server:
        yield server


@pytest.fixture(params=["memory", "local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    if request.param == "memory":
        return MemoryStore()
    if request.param == "local":
        return open_store(tmp_path)
    for name, value in request.getfixturevalue("moto").env().items():
        monkeypatch.setenv(name, value)
    return open_store(f"s3://metadata/{tmp_path.name}-{time.time_ns()}")


@pytest.fixture
def runs(store: ObjectStore) -> MetadataProvider:
    return Runs(store)


def record(run: str = "1", started: float = 1_700_000_000.25, **more: object) -> RunRecord:
    fields = {"system_tags": ("user:anne",), "end": "end", **more}
    return RunRecord("F", run, "0" * 64, None, {}, (), "anne", started, **fields)  # type: ignore[arg-type]


def test_a_run_reads_back_as_it_was_created(runs: MetadataProvider) -> None:
    made = record("airflow-x", tags=("a",), origin_run="7", namespace="user:anne", orchestrator={"kind": "local"})
    assert runs.create(made) == made
    assert runs.read("F", "airflow-x") == made
    assert runs.flows() == ["F"]


def test_creating_again_changes_nothing(runs: MetadataProvider) -> None:
    first = runs.create(record("x", started=10.0, tags=("a", "b")))
    runs.remove_tags("F", "x", ["a"])
    assert runs.create(record("x", started=20.0, tags=("a", "c"))) == first
    assert runs.user_tags("F", "x") == ["b"]
    assert list(runs.newest("F")) == ["x"]
    assert list(runs.newest("F", "c")) == []


def test_allocated_ids_count_from_one(runs: MetadataProvider) -> None:
    assert [runs.allocate("F", record).run for _ in range(3)] == ["1", "2", "3"]
    runs.create(record("7"))
    runs.create(record("airflow-9"))
    assert runs.allocate("F", record).run == "8"


def test_ids_over_many_runs(runs: MetadataProvider, store: ObjectStore) -> None:
    for number in (99, 100, 199, 200, 300):
        runs.create(record(str(number)))
    assert runs.allocate("F", record).run == "301"
    assert len(list(store.list(layout.number_prefix("F")))) < 10


def test_racing_starters_get_different_ids(runs: MetadataProvider) -> None:
    starters = 50
    found: list[str] = []
    barrier = threading.Barrier(starters)

    def start() -> None:
        barrier.wait()
        found.append(runs.allocate("F", record).run)

    threads = [threading.Thread(target=start) for _ in range(starters)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(int, found)) == list(range(1, starters + 1))
    assert len(list(runs.newest("F"))) == starters


def test_newest_first_by_start_time(runs: MetadataProvider) -> None:
    for run, started in (("1", 5.0), ("2", 7.0), ("3", 6.0), ("4", 7.000001)):
        runs.create(record(run, started))
    assert list(runs.newest("F")) == ["4", "2", "3", "1"]
    assert list(runs.newest("F", limit=2)) == ["4", "2"]
    assert list(runs.newest("F", "user:anne", 1)) == ["4"]
    assert list(runs.newest("F", "user:bob")) == []
    assert list(runs.newest("G")) == []


def test_runs_that_carry_several_tags(runs: MetadataProvider) -> None:
    runs.create(record("1", 1.0, tags=("a", "b")))
    runs.create(record("2", 2.0, tags=("b",)))
    runs.create(record("3", 3.0, tags=("a",)))
    runs.create(record("4", 4.0, tags=("c", "b", "a")))
    runs.create(record("5", 5.0, system_tags=("user:bob",), tags=("a", "b")))
    assert list(runs.newest_with("F", ["a", "b"])) == ["5", "4", "1"]
    assert list(runs.newest_with("F", ["a", "b", "user:anne"])) == ["4", "1"]
    assert list(runs.newest_with("F", ["b", "a"], 2)) == ["5", "4"]
    assert list(runs.newest_with("F", ["b", "b"])) == ["5", "4", "2", "1"]
    assert list(runs.newest_with("F", ["a", "nothing"])) == []
    assert list(runs.newest_with("F", [])) == ["5", "4", "3", "2", "1"]


def test_long_run_ids_are_listed_too(runs: MetadataProvider) -> None:
    long = "airflow-" + "x" * 240
    runs.create(record(long))
    assert list(runs.newest("F")) == list(runs.newest("F", "user:anne")) == [long]


HOSTILE = [
    "../../x",
    "..",
    ".",
    "a/b",
    "Ä ö",
    "🙂",
    "A",
    "a",
    "$(id)",
    "x" * 500,
    "🙂" * 500,
    "all",
    "=all",
    "%2F",
    "\n",
]


def test_tags_come_back_as_they_went_in(runs: MetadataProvider) -> None:
    runs.create(record("1", tags=tuple(HOSTILE[:5])))
    runs.add_tags("F", "1", HOSTILE)
    assert runs.user_tags("F", "1") == sorted(HOSTILE)
    for tag in HOSTILE:
        assert list(runs.newest("F", tag)) == ["1"]
    runs.remove_tags("F", "1", HOSTILE)
    assert runs.user_tags("F", "1") == []
    for tag in HOSTILE:
        assert list(runs.newest("F", tag)) == []
    assert list(runs.newest("F")) == ["1"]


def test_concurrent_taggers_lose_nothing(runs: MetadataProvider) -> None:
    runs.create(record("1", tags=("old-0", "old-1", "old-2", "old-3")))
    threads = [threading.Thread(target=runs.add_tags, args=("F", "1", [f"t{n}", "shared"])) for n in range(12)]
    threads += [threading.Thread(target=runs.remove_tags, args=("F", "1", [f"old-{n}"])) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert runs.user_tags("F", "1") == sorted(["shared", *(f"t{n}" for n in range(12))])
    assert list(runs.newest("F", "t7")) == list(runs.newest("F", "shared")) == ["1"]
    assert list(runs.newest("F", "old-2")) == []


def test_tags_and_index_agree_after_a_tug_of_war(runs: MetadataProvider) -> None:
    runs.create(record("1"))
    threads = [
        threading.Thread(target=change, args=("F", "1", ["t"]))
        for _ in range(10)
        for change in (runs.add_tags, runs.remove_tags)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Whatever won: one more change of either kind must leave both in line.
    runs.add_tags("F", "1", ["t", "u"])
    runs.remove_tags("F", "1", ["u"])
    assert runs.user_tags("F", "1") == ["t"]


def test_tags_are_replaced(runs: MetadataProvider) -> None:
    runs.create(record("1", tags=("a", "b")))
    runs.replace_tags("F", "1", ["a", "b", "none"], ["b", "c"])
    assert runs.user_tags("F", "1") == ["b", "c"]
    assert list(runs.newest("F", "b")) == list(runs.newest("F", "c")) == ["1"]


def test_system_tags_stay(runs: MetadataProvider) -> None:
    runs.create(record("1", tags=("a",)))
    with pytest.raises(UsageError, match="can't be removed"):
        runs.remove_tags("F", "1", ["a", "user:anne"])
    assert runs.user_tags("F", "1") == ["a"]
    runs.add_tags("F", "1", ["user:anne"])
    assert runs.user_tags("F", "1") == ["a"]
    runs.remove_tags("F", "1", ["missing"])
    assert list(runs.newest("F", "user:anne")) == ["1"]


def test_at_most_fifty_tags(runs: MetadataProvider) -> None:
    many = [f"t{n:02d}" for n in range(50)]
    with pytest.raises(UsageError, match="that many"):
        runs.create(record("1", tags=(*many, "more")))
    assert list(runs.newest("F")) == []
    runs.create(record("1", tags=tuple(many)))
    with pytest.raises(UsageError, match="that many") as caught:
        runs.add_tags("F", "1", ["more"])
    assert "51 tags" in str(caught.value) and "at most 50" in str(caught.value)
    assert runs.user_tags("F", "1") == many
    runs.add_tags("F", "1", many[:3])
    runs.replace_tags("F", "1", ["t00"], ["more"])
    assert len(runs.user_tags("F", "1")) == 50


@pytest.mark.parametrize("bad", ["", "x" * 501, "\ud800"])
def test_a_bad_tag_changes_nothing(runs: MetadataProvider, bad: str) -> None:
    with pytest.raises(UsageError):
        runs.allocate("F", lambda run: record(run, tags=("good", bad)))
    assert runs.flows() == []
    runs.create(record("1"))
    with pytest.raises(UsageError):
        runs.add_tags("F", "1", ["good", bad])
    with pytest.raises(UsageError):
        runs.replace_tags("F", "1", [], [bad])
    assert runs.user_tags("F", "1") == []


@pytest.mark.parametrize("run", ["", "a/b", "..", "x" * 251, "a\n"])
def test_a_bad_run_id_is_refused(runs: MetadataProvider, run: str) -> None:
    with pytest.raises(UsageError):
        runs.create(record(run))
    with pytest.raises(NotFound):
        runs.read("F", run)
    assert runs.flows() == []


def test_unknown_runs_and_flows_come_with_known_ones(runs: MetadataProvider) -> None:
    with pytest.raises(NotFound, match="no flow yet"):
        runs.read("F", "1")
    runs.create(record("1"))
    with pytest.raises(NotFound, match="newest runs: 1"):
        runs.read("F", "2")
    with pytest.raises(NotFound, match="Known: F"):
        runs.read("Other", "1")
    with pytest.raises(NotFound):
        runs.add_tags("F", "2", ["a"])


def test_a_run_is_pinned_to_its_plan(runs: MetadataProvider, store: ObjectStore) -> None:
    made = dataclasses.replace(record(), plan=Artifacts(store).put_bytes(to_json(PLAN)))
    runs.create(made)
    assert runs.read_plan(made) == PLAN
    broken = dataclasses.replace(made, plan=Artifacts(store).put_bytes(b"{}"))
    with pytest.raises(PlanError):
        runs.read_plan(broken)


def commit(store: ObjectStore, step: str, *, successful: bool = True) -> None:
    commits.commit_attempt(store, Manifest("F", "1", step, "0", 0, ok=True, successful=successful, finished=99.0))


def test_states(runs: MetadataProvider, store: ObjectStore) -> None:
    runs.create(record("1"))
    assert runs.outcome("F", "1", PLAN).state == runs.state("F", "1", PLAN) == "running"

    commits.record_task_failure(store, "F", "1", "start", "0", 2, "ValueError: x")
    failed = runs.outcome("F", "1", PLAN)
    assert (failed.state, failed.reason) == ("failed", "Task start/0 failed: ValueError: x")
    assert failed.time == pytest.approx(time.time(), abs=60)

    commit(store, "start")  # the orchestrator's user cleared the failed task, and it went well
    assert runs.state("F", "1", PLAN) == "running"

    runs.finish("F", "1", "cancelled", "Ctrl-C")
    ended = runs.outcome("F", "1", PLAN)
    assert (ended.state, ended.reason, ended.end) == ("cancelled", "Ctrl-C", None)
    runs.finish("F", "1", "failed", "two tasks failed")
    assert runs.state("F", "1", PLAN) == "failed"

    commit(store, "end")
    done = runs.outcome("F", "1", PLAN)
    assert (done.state, done.reason, done.time) == ("succeeded", None, 99.0)
    assert done.end is not None and done.end.step == "end"


def test_the_end_that_an_orchestrator_tells(runs: MetadataProvider, store: ObjectStore) -> None:
    runs.create(record("1"))
    assert runs.record_abandonment("F", "1", "airflow", "stopped", 5.0) and not runs.record_abandonment(
        "F", "1", "airflow", "x"
    )
    told = runs.outcome("F", "1", PLAN)
    assert (told.state, told.reason, told.time) == ("failed", "stopped", 5.0)
    runs.clear_end("F", "1")
    assert runs.state("F", "1", PLAN) == "running"
    assert not runs.record_abandonment("F", "2", "airflow", "x")
    commit(store, "end")
    assert not runs.record_abandonment("F", "1", "airflow", "late")


def test_a_caught_end_is_no_success(runs: MetadataProvider, store: ObjectStore) -> None:
    runs.create(record("1"))
    commit(store, "end", successful=False)
    runs.finish("F", "1", "succeeded")
    assert runs.state("F", "1", PLAN) == "failed"


def test_a_cleared_end_counts_again_once_it_is_done(runs: MetadataProvider, store: ObjectStore) -> None:
    runs.create(record("1"))
    commit(store, "end")
    old = commits.read_task(store, "F", "1", "end", "0")
    assert old is not None
    commits.reopen_task(store, old, 1)
    assert runs.state("F", "1", PLAN) == "running"
    commits.commit_attempt(store, dataclasses.replace(old, attempt=1, generation=1))
    assert runs.state("F", "1", PLAN) == "succeeded"


def test_a_run_ends_in_a_known_state(runs: MetadataProvider) -> None:
    runs.create(record("1"))
    with pytest.raises(ValueError, match="running"):
        runs.finish("F", "1", "running")


def test_the_latest_success_in_each_namespace(runs: MetadataProvider, store: ObjectStore) -> None:
    long = "airflow-" + "x" * 240
    for number, (run, tags) in enumerate({"1": ("a",), "2": (), "3": ("b",), long: ("a",)}.items()):
        made = runs.create(record(run, float(number), tags=tags))
        if run != "2":
            runs.expect_success(made)
            commits.commit_attempt(store, Manifest("F", run, "end", "0", 0, ok=True, successful=run != "3"))
    assert runs.latest_successful("F") == runs.latest_successful("F", "a") == long
    assert runs.latest_successful("F", "b") is runs.latest_successful("F", "c") is None
    runs.remove_tags("F", long, ["a"])
    assert runs.latest_successful("F", "a") == "1"
    runs.add_tags("F", "1", ["c"])  # tagged after its end
    runs.replace_tags("F", "1", ["a"], ["d"])
    assert runs.latest_successful("F", "c") == runs.latest_successful("F", "d") == "1"
    assert runs.latest_successful("F", "a") is None
    assert runs.latest_successful("G") is None


def test_a_tag_added_while_the_run_ends_is_a_namespace_of_its_success(store: ObjectStore) -> None:
    for number in range(12):
        run, runs = str(number), Runs(store)
        made = runs.create(record(run))
        tagger = threading.Thread(target=runs.add_tags, args=("F", run, [f"t{number}"]))
        tagger.start()
        time.sleep(0.0005 * number)
        Runs(store).expect_success(made)
        commits.commit_attempt(store, Manifest("F", run, "end", "0", 0, ok=True, successful=True))
        tagger.join()
        assert runs.latest_successful("F", f"t{number}") == run


class Killed(BaseException):
    pass


class Mortal:
    """A store whose user is killed before its nth change; counts requests too."""

    def __init__(self, inner: ObjectStore, life: int | None = None) -> None:
        self.inner = inner
        self.life = life
        self.requests = 0

    def __getattr__(self, name: str) -> object:
        method = getattr(self.inner, name)
        if not callable(method):
            return method

        def call(*args: object, **kwargs: object) -> object:
            self.requests += 1
            if name in ("put", "put_if_absent", "delete") and self.life is not None:
                if self.life == 0:
                    raise Killed
                self.life -= 1
            return method(*args, **kwargs)

        return call


def test_killed_while_creating_the_run_is_whole_or_made_whole(store: ObjectStore) -> None:
    for life in range(12):
        run = f"r{life}"
        made = record(run, tags=("a", "b"))
        try:
            Runs(Mortal(store, life)).create(made)  # type: ignore[arg-type]
        except Killed:
            if life:
                assert Runs(store).read("F", run) == made
            else:
                with pytest.raises(NotFound):
                    Runs(store).read("F", run)
            Runs(store).create(made)
        for tag in (None, "a", "b", "user:anne"):
            assert run in list(Runs(store).newest("F", tag))
        assert Runs(store).user_tags("F", run) == ["a", "b"]
        if life == 11:
            return
    pytest.fail("creating a run took more changes than were tried")


def test_killed_while_allocating_leaves_the_next_id_free_or_taken_never_shared(store: ObjectStore) -> None:
    taken = set()
    for life in range(6):
        try:
            Runs(Mortal(store, life)).allocate("F", record)  # type: ignore[arg-type]
        except Killed:
            pass
        made = Runs(store).allocate("F", record)
        assert made.run not in taken
        taken.add(made.run)
    assert len(taken) == 6


def test_the_outcome_of_a_wide_run_costs_few_requests(store: ObjectStore) -> None:
    runs = Runs(store)
    runs.create(record("1"))
    for number in range(30):
        commits.record_task_failure(store, "F", "1", "start", str(number), 0, "x")
        commits.commit_attempt(store, Manifest("F", "1", "start", str(number), 0, ok=True, successful=True))
    counted = Mortal(store)
    assert Runs(counted).state("F", "1", PLAN) == "running"  # type: ignore[arg-type]
    assert counted.requests <= 8
    counted = Mortal(store)
    assert next(Runs(counted).newest("F", "user:anne", 1)) == "1"  # type: ignore[arg-type]
    assert counted.requests == 1


def test_the_store_itself_keeps_a_taken_id(store: ObjectStore) -> None:
    Runs(store).create(record("1"))
    with pytest.raises(ObjectExists):
        store.put_if_absent(layout.run_key("F", "1"), b"")
    assert isinstance(store.head(layout.run_key("F", "1")), ObjectInfo)
