"""Attempts of one task side by side, and somebody who reads, in every order of their steps at the store."""

import itertools
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from flow_sdk import FlowSpec, step
from flow_sdk.client import Run, Task, metadata, namespace
from flow_sdk.errors import NotFound, ObjectExists
from flow_sdk.metadata.runs import Runs
from flow_sdk.runtime.local.scheduler import TaskKey
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.task import current
from flow_sdk.runtime.task.attempt import Outcome, run_attempt
from flow_sdk.runtime.task.parents import RunView
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.backends import memory
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.open_store import initialise_store
from flow_sdk.store.records.commits import read_task
from flow_sdk.store.records.model import Manifest
from tests.simulation.orders import every_order
from tests.support.fault_counts import count
from tests.support.in_process_runs import InProcessRun
from tests.support.stepped_processes import Actor, SteppedStore, World

_urls = itertools.count()
_marks = itertools.count(1)
BEGINNINGS = range(1_000_000)
Shares = Callable[[range], range]


class Overlap(FlowSpec):
    size = 10

    @step
    def start(self):
        self.next(self.work)

    @step
    def work(self):
        # Each execution leaves another mark: who mixes two of them is seen.
        self.first = next(_marks)
        self.last = str(self.first) * self.size
        self.next(self.end)

    @step
    def end(self):
        pass


class Large(Overlap):
    size = 3000


@dataclass
class Place:
    """A run whose start is committed, made anew for each order.

    Parameters
    ----------
    flow : type
        The flow.
    """

    flow: type[FlowSpec]
    world: World = field(init=False)
    base: MemoryStore = field(init=False)
    actors: list[Actor] = field(init=False)
    outcomes: dict[int, Outcome] = field(init=False)
    seen: Manifest | None = field(init=False)

    def __post_init__(self) -> None:
        store = MemoryStore("before")
        initialise_store(store)
        self.begun = InProcessRun(self.flow, store=store)
        Runs(store).create(self.begun.record)
        self.begun.attempt(TaskKey("start", (0,) * len(self.begun.plan.start.kinds)), 0)
        self.objects = dict(store._objects)

    def fresh(self, *work: Callable[[SteppedStore, int], Any]) -> list[Actor]:
        """Begin again, with these processes."""
        self.world, self.base = World(), MemoryStore(f"overlap-{next(_urls)}")
        self.base._objects.update(self.objects)
        # What the client opens under this name stops before each step, as all others do.
        shown = memory._stores[self.base.name] = SteppedStore(self.base)
        shown.name = self.base.name
        self.seen, self.outcomes = None, {}
        self.actors = [
            self.world.start(str(number), lambda store, do=do, number=number: do(store, number), self.base)
            for number, do in enumerate(work)
        ]
        return self.actors

    def attempt(self, store: SteppedStore, number: int, generation: int = 0) -> None:
        """Run an attempt of the task, as a process that an orchestrator started."""
        view = RunView(store, self.begun.plan, self.begun.plan.flow, "1")
        request = TaskRequest("", view.flow, "1", "work", "1", "", generation=generation)
        self.outcomes[number] = run_attempt(view, self.begun.record, self.flow, request, lambda facts: None)

    @property
    def committed(self) -> Manifest | None:
        """The task as anybody can read it now."""
        return read_task(self.base, self.begun.plan.flow, "1", "work", "1")

    def values(self, manifest: Manifest) -> tuple[int, str]:
        artifacts = Artifacts(self.base)
        return tuple(artifacts.load(manifest.artifacts[name], where=name) for name in ("first", "last"))  # type: ignore[return-value]

    def look(self) -> None:
        """What can be read is whole, and stays."""
        now = self.committed
        if self.seen is not None:
            assert now == self.seen, "what was committed has changed"
        elif now is not None:
            first, last = self.values(now)
            assert last == str(first) * self.flow.size  # type: ignore[attr-defined]
            self.seen = now

    @property
    def end(self) -> tuple[Any, ...]:
        """How it ended: who won, and who claimed which number."""
        winner = [number for number, outcome in self.outcomes.items() if not outcome.already]
        numbers = [key for key in sorted(self.base._objects) if key.endswith(("start.json", "manifest.json"))]
        return (tuple(winner), tuple(numbers), self.committed.attempt if self.committed else None)

    def one_won(self) -> None:
        """One attempt is committed, and all ended as a success that says so."""
        assert self.seen is not None and self.seen.ok
        assert [actor.error for actor in self.actors] == [None] * len(self.actors)
        assert {number: outcome.manifest for number, outcome in self.outcomes.items()} == dict.fromkeys(
            range(len(self.outcomes)), self.seen
        )
        assert sum(not outcome.already for outcome in self.outcomes.values()) == 1


@pytest.fixture(autouse=True)
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # A process each has its own in truth.
    monkeypatch.setattr(current, "set_current", lambda *_: None)
    monkeypatch.setattr(memory, "_stores", {})
    yield
    namespace(None)


@pytest.mark.parametrize(("flow", "orders"), [(Overlap, 6), (Large, 6)])
def test_two_attempts_in_every_order(flow: type[FlowSpec], orders: int) -> None:
    place = Place(flow)
    played = []
    for order in every_order(lambda: place.fresh(place.attempt, place.attempt), place.look):
        place.one_won()
        played.append(order.steps)
    assert len(played) >= orders  # one after the other, and each of claim and commit by either: two and four
    count(seeds=len(played))


def test_orders_that_are_alike_end_alike() -> None:
    # Without the reduction of orders: that it leaves nothing out is seen here.
    place = Place(Overlap)
    ends = set()
    played = 0
    for _ in every_order(lambda: place.fresh(place.attempt, place.attempt), place.look, alike=True):
        place.one_won()
        ends.add(place.end)
        played += 1
    reduced = set()
    for _ in every_order(lambda: place.fresh(place.attempt, place.attempt)):
        reduced.add(place.end)
    assert ends == reduced
    count(seeds=played)


def test_shares_of_the_orders_are_all_of_them() -> None:
    def work(store: SteppedStore) -> None:
        for number in range(7):
            store.put("both" if number % 2 else f"own/{threading.get_ident()}", b"")

    def begin() -> list[Actor]:
        world, base = World(), MemoryStore("shares")
        return [world.start(who, work, base) for who in ("one", "other")]

    def played(share: range) -> list[tuple[str, ...]]:
        return [tuple(step[:6] for step in order.steps) for order in every_order(begin, share=share)]

    every, parts = played(BEGINNINGS), [played(BEGINNINGS[first::3]) for first in range(3)]
    assert len(every) == 20  # each puts three times where the other does, too
    assert all(parts) and sorted(every) == sorted(itertools.chain(*parts))


def test_three_attempts_in_every_order(share: Shares) -> None:
    place = Place(Overlap)
    played = 0
    for _ in every_order(lambda: place.fresh(*3 * [place.attempt]), place.look, share=share(BEGINNINGS)):
        place.one_won()
        played += 1
    assert played > 10
    count(seeds=played)


@pytest.mark.seeds(150)
def test_three_attempts_that_may_be_killed(seed: int) -> None:
    rng = random.Random(seed)
    place = Place(Large)
    waiting = place.fresh(*3 * [place.attempt])
    killed = 0
    while waiting := [actor for actor in waiting if not actor.is_over]:
        actor = rng.choice(waiting)
        if killed < 2 and rng.random() < 0.06:
            actor.kill()
            killed += 1
        else:
            actor.step()
        place.look()
    assert place.seen is not None
    assert all(outcome.manifest == place.seen for outcome in place.outcomes.values())
    count(seeds=1, faults=killed)


def test_attempts_of_two_generations_in_every_order(share: Shares) -> None:
    # The user cleared the task while an attempt of before, and one of the clearing before, are still at work.
    place = Place(Overlap)

    def cleared(generation: int) -> Callable[[SteppedStore, int], None]:
        return lambda store, number: place.attempt(store, number, generation)

    highest = 0

    def look() -> None:
        nonlocal highest
        now = place.committed
        if now is not None:
            assert now.generation >= highest, "an earlier generation is back"
            highest = now.generation
            first, last = place.values(now)
            assert last == str(first) * 10

    def begin() -> list[Actor]:
        nonlocal highest
        highest = 0
        actors = place.fresh(place.attempt, cleared(1), cleared(2))
        return actors

    played = 0
    for order in every_order(begin, look, share=share(BEGINNINGS)):
        now = place.committed
        assert now is not None, order
        assert now.generation == 2, order
        assert place.outcomes[2].manifest == now, order
        assert all(isinstance(actor.error, ObjectExists | None) for actor in place.actors), order
        played += 1
    assert played > 36
    count(seeds=played)


def readings(place: Place, found: list[Any]) -> Callable[[SteppedStore, int], None]:
    """A reader with the client, who looks twice at all there is to see."""

    def read(store: SteppedStore, number: int) -> None:
        flow = place.begun.plan.flow
        metadata(place.base.url)
        namespace(None)
        for _ in range(2):
            try:
                task = Task(f"{flow}/1/work/1")
            except NotFound:
                found.append(None)
                continue
            if not task.finished:
                found.append(None)
                continue
            assert task.data.last == str(task.data.first) * place.flow.size  # type: ignore[attr-defined]
            assert task.successful and Run(f"{flow}/1")["work"].task["first"].data == task.data.first
            found.append(task.data.first)

    return read


@pytest.mark.parametrize("flow", [Overlap, Large])
def test_a_reader_while_a_task_commits_in_every_order(flow: type[FlowSpec]) -> None:
    place = Place(flow)
    found: list[Any] = []
    seen: set[tuple[bool, ...]] = set()

    def begin() -> list[Actor]:
        found.clear()
        return place.fresh(place.attempt, readings(place, found))

    played = 0
    for order in every_order(begin, place.look):
        assert place.actors[-1].error is None, order
        seen.add(told(place, found))
        played += 1
    assert seen == {(True, True), (True, False), (False, False)}
    count(seeds=played)


def told(place: Place, found: list[Any]) -> tuple[bool, ...]:
    """Whether a reader found nothing, each time it looked; what it found is the winner's."""
    assert place.seen is not None
    winner = place.values(place.seen)[0]
    assert found in ([None, None], [None, winner], [winner, winner])
    return tuple(value is None for value in found)


@pytest.mark.seeds(400, at_once=100)
def test_a_reader_while_two_attempts_race(part: Iterable[int]) -> None:
    place = Place(Overlap)
    found: list[Any] = []
    for seed in part:
        rng = random.Random(seed)
        found.clear()
        waiting = place.fresh(place.attempt, place.attempt, readings(place, found))
        weights = {actor.kind: rng.choice((1, 1, 6)) for actor in waiting}
        while waiting := [actor for actor in waiting if not actor.is_over]:
            rng.choices(waiting, [weights[actor.kind] for actor in waiting])[0].step()
            place.look()
        assert place.actors[-1].error is None, seed
        told(place, found)
        count(seeds=1)


def test_a_slow_reader_does_not_take_the_loser_for_the_task() -> None:
    # The reader looks, in vain; one attempt wins, the other leaves what it made beside; the reader looks for attempts.
    place = Place(Overlap)
    found: list[Any] = []

    def read(store: SteppedStore, number: int) -> None:
        metadata(place.base.url)
        namespace(None)
        found.append(getattr(Task("Overlap/1/work/1").data, "first", None))

    for steps in range(60):
        found.clear()
        *racers, reader = place.fresh(place.attempt, place.attempt, read)
        while any("commit.json" not in actor.next or "put" not in actor.next for actor in racers):
            for actor in racers:
                if "put_if_absent" not in actor.next or "commit.json" not in actor.next:
                    actor.step()
        for _ in range(steps):
            reader.step()
        was_over = reader.is_over
        for actor in (*racers, reader):
            while not actor.is_over:
                actor.step()
        assert reader.error is None and place.committed is not None
        assert found[0] in (None, place.values(place.committed)[0]), steps
        if was_over:
            break
    assert steps > 4
