"""Garbage collection against writers: whatever the order of their operations, no committed run loses a blob."""

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from flow_sdk.errors import FlowSDKError, ObjectExists, ObjectMissing
from flow_sdk.metadata.runs import Runs
from flow_sdk.runtime.batch import submit
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.blobs import blob, write_protocol
from flow_sdk.store.blobs.write_protocol import DELETION_TIMEOUT, RELIANCE_PERIOD, SHORTEST_GRACE
from flow_sdk.store.records import layout
from flow_sdk.upkeep import mark_sweep, run_removal
from tests.support import collection_actors
from tests.support.collection_actors import (
    DAY,
    PAYLOADS,
    Work,
    clearer,
    collector,
    deployer,
    lost,
    record,
    resumer,
    shared,
    store_payload,
    submitter,
    task,
    writer,
)
from tests.support.fault_counts import count
from tests.support.stepped_processes import Actor, World

RECORD = "/run.json"
_MARGIN = 60.0
_ALL = 1_000_000


class Races(RuleBasedStateMachine):
    """Any number of processes that write, and collectors one of which may be killed, in any order."""

    local = False

    def __init__(self) -> None:
        super().__init__()
        self._context = shared(self.local)
        self.world, self.base = self._context.__enter__()
        self.numbers = itertools.count(1)
        self.saved: list[tuple[str, str]] = []
        for number in range(PAYLOADS):  # old blobs that nobody needs, and one old run
            store_payload(self.base, number)
        task(self.world, "1000", 0)(self.base)
        self.world.now += 9 * DAY

    @property
    def active(self) -> list[Actor]:
        return [actor for actor in self.world.actors if not actor.is_over]

    def _start(self, kind: str, work: Work) -> None:
        actor = self.world.start(kind, work, self.base)
        if kind != "collector":
            actor.deadline = self.world.now + SHORTEST_GRACE - RELIANCE_PERIOD - _MARGIN

    def _latest(self) -> float:
        """How far the clock may go on: less than what the protocol takes for granted."""
        latest = min((actor.deadline for actor in self.active), default=float("inf"))
        if any(actor.kind == "collector" for actor in self.active):
            listed = self.base.list(layout.doomed_prefix())
            latest = min([latest, *(info.modified + DELETION_TIMEOUT - _MARGIN for info in listed)])
        return latest

    def _run(self, choice: int) -> str:
        """One of the runs that are there."""
        runs = sorted(info.key.split("/")[3] for info in self.base.list("flows/F/runs/") if RECORD in info.key)
        return runs[choice % len(runs)] if runs else "1000"

    @precondition(lambda self: len(self.active) < 4)
    @rule(number=st.integers(0, PAYLOADS - 1), work=st.sampled_from([writer, task]))
    def write(self, number: int, work: Callable[[World, str, int], Work]) -> None:
        self._start("writer", work(self.world, str(next(self.numbers)), number))

    @precondition(lambda self: len(self.active) < 4)
    @rule(choice=st.integers(0, 9))
    def resume(self, choice: int) -> None:
        self._start("resumer", resumer(self.world, str(next(self.numbers)), self._run(choice)))

    @precondition(lambda self: len(self.active) < 4)
    @rule(choice=st.integers(0, 9), number=st.integers(0, PAYLOADS - 1))
    def clear(self, choice: int, number: int) -> None:
        self._start("clearer", clearer(self._run(choice), number))

    @precondition(lambda self: len(self.active) < 4)
    @rule(number=st.integers(0, PAYLOADS - 1))
    def deploy(self, number: int) -> None:
        self._start("deployer", deployer(number))

    @precondition(lambda self: len(self.active) < 4)
    @rule(choice=st.integers(0, 9), tries_left=st.integers(0, 1))
    def submit(self, choice: int, tries_left: int) -> None:
        self._start("submitter", submitter(self._run(choice), tries_left, self.saved))

    @precondition(lambda self: len(self.active) < 4)
    @rule(last=st.sampled_from([None, 0, 1]))
    def collect(self, last: int | None) -> None:
        self._start("collector", collector(self.world, last))

    def _step(self, actor: Actor, most: int, until: str = "\0") -> None:
        for number in range(most):
            if actor.is_over or actor.wakes > self._latest() or (number and actor.next.startswith(until)):
                return
            changes = actor.changes
            self.world.step(actor)
            if changes and not self.local:  # there all files would be read each time
                self.nothing_is_lost()

    @precondition(lambda self: self.active)
    @rule(choice=st.integers(0, 3), steps=st.integers(1, 6))
    def step(self, choice: int, steps: int) -> None:
        self._step(self.active[choice % len(self.active)], steps)

    @precondition(lambda self: self.active)
    @rule(choice=st.integers(0, 3), until=st.sampled_from(["put", "delete", "delete blobs/", "head", "list blobs/"]))
    def go_on_until(self, choice: int, until: str) -> None:
        self._step(self.active[choice % len(self.active)], 1000, until)

    @precondition(lambda self: self.active)
    @rule(choice=st.integers(0, 3))
    def finish(self, choice: int) -> None:
        self._step(self.active[choice % len(self.active)], 1000)

    @rule(seconds=st.sampled_from([1.0, 6.0, 20.0, 500.0, 4000.0, 0.6 * DAY, 3 * DAY]))
    def wait(self, seconds: float) -> None:
        self.world.now = max(self.world.now, min(self.world.now + seconds, self._latest()))

    @precondition(lambda self: self.active)
    @rule(choice=st.integers(0, 31))
    def kill(self, choice: int) -> None:
        if choice < len(self.active):
            self.active[choice].kill()

    @invariant()
    def nothing_is_lost(self) -> None:
        assert not lost(self.base, self.saved)

    def teardown(self) -> None:
        try:
            while self.active:
                for actor in self.active:
                    self.world.step(actor)
                self.nothing_is_lost()
            for actor in self.world.actors:
                # Who clears a task may be overtaken by another who does, or by the removal of the run.
                expected = {"collector": FlowSDKError, "clearer": (ObjectExists, ObjectMissing)}.get(actor.kind, ())
                assert actor.error is None or isinstance(actor.error, expected)  # type: ignore[arg-type]
        finally:
            self._context.__exit__(None, None, None)


class LocalRaces(Races):
    """The same in a local store."""

    local = True


def play(machine: type[Races], examples: int, number: int) -> None:
    """Play orders: for number 0 the same each time, for another one those of its seed."""
    chosen = type(machine.__name__, (machine,), {})
    run_state_machine_as_test(
        seed(number)(chosen) if number else chosen,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            derandomize=not number,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    count(seeds=1)


@pytest.mark.parametrize(("machine", "examples"), [(Races, 70), (LocalRaces, 4)])
def test_any_order(
    machine: type[Races], examples: int, seeds: Callable[[int], range], request: pytest.FixtureRequest
) -> None:
    replayed = request.config.getoption("--replay")
    for number in seeds(1) if replayed is None else [replayed]:
        print(f"seed {number}; play it alone with --replay {number}")
        play(machine, examples, number)


@pytest.mark.parametrize(
    ("place", "name", "broken", "gone"),
    [
        (mark_sweep, "_REFERRING", mark_sweep._REFERRING, None),
        (mark_sweep, "_REFERRING", ("run", "manifest", "release"), "commit.json"),
        (mark_sweep, "_REFERRING", ("run", "commit", "manifest"), "deployments/"),
        (submit, "request_key", lambda flow, run, digest: layout.blob_key(digest), "request"),
    ],
    ids=["nothing broken", "commits", "releases", "requests"],
)
def test_records_that_are_not_looked_at_are_seen(
    place: Any, name: str, broken: Any, gone: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, name, broken)
    with shared() as (world, base):
        saved: list[tuple[str, str]] = []
        for work in (task(world, "1", 0), deployer(1), submitter("1", 0, saved)):
            work(base)
        for _ in range(3):
            world.now += DAY
            base.put(layout.run_heartbeat_key("F", "1"), b"{}")
        world.step(world.start("collector", collector(world, 0), base), _ALL)
        found = lost(base, saved)
        assert len(found) == (gone is not None)
        assert gone is None or gone in found[0]


Prepare = Callable[[World, MemoryStore], None]
Begin = Callable[[World], Work]
Steps = tuple[int, int, int]
Shares = Callable[[Sequence[Steps]], Sequence[Steps]]


def _count(start: Begin, prepare: Prepare) -> int:
    """How many operations a process does when it is alone."""
    with shared() as (world, base):
        prepare(world, base)
        return world.step(world.start("alone", start(world), base), _ALL)


def _old_blob(world: World, base: MemoryStore) -> None:
    store_payload(base, 0)
    world.now += 9 * DAY


def _old_run(world: World, base: MemoryStore) -> None:
    Runs(base).create(record("1", store_payload(base, 0), world.now))
    world.now += 9 * DAY


@dataclass
class Orders:
    """Orders of two processes: the first does i operations, the second j, the first k more, then they take turns.

    Parameters
    ----------
    prepare, first, second : callable
        Make the store, and the processes.
    more : tuple of int
        Each k.
    in_turns : bool
        Whether they take turns at the end; else the second goes on alone, and then the first.
    """

    prepare: Prepare
    first: Begin
    second: Begin
    more: tuple[int, ...] = (1, 2, 3, 5, 1000)
    in_turns: bool = True
    ends: dict[Steps, bool] = field(default_factory=dict)

    def all(self) -> list[Steps]:
        """Each i, j and k."""
        most, others = _count(self.first, self.prepare), _count(self.second, self.prepare)
        return [(i, j, k) for i in range(most + 1) for j in range(1, others + 4) for k in self.more]

    def play(self, order: Steps) -> bool:
        """Play one; tell whether a run is there in the end."""
        with shared() as (world, base):
            self.prepare(world, base)
            one = world.start("first", self.first(world), base)
            two = world.start("second", self.second(world), base)
            i, j, k = order
            # Who is over sooner than that did what it does in another order, too.
            done = (i and world.step(one, i), world.step(two, j), world.step(one, k))
            if done not in self.ends:
                self._end(world, base, one, two, order)
                self.ends[done] = any(key.endswith(RECORD) for key in base._objects)
            return self.ends[done]

    def _end(self, world: World, base: MemoryStore, one: Actor, two: Actor, order: Steps) -> None:
        if not self.in_turns:
            world.step(two, _ALL)
        assert not lost(base), order
        while not (one.is_over and two.is_over):
            for actor in (two, one):
                changes = actor.changes or not self.in_turns
                world.step(actor, 1 if self.in_turns else _ALL, until_changed=True)
                assert not (changes and lost(base)), order
        assert one.error is None or one.error.headline, one.error  # type: ignore[attr-defined]


WRITER = (lambda world: collector(world, None)), (lambda world: writer(world, "1", 0))
RESUMER = (lambda world: collector(world, 0)), (lambda world: resumer(world, "2", "1"))


def _writer_and_collector() -> list[Orders]:
    return [Orders(_old_blob, *pair) for pair in (WRITER, WRITER[::-1])]


def _resumer_and_collector() -> list[Orders]:
    return [Orders(_old_run, *pair, (1, 2, 3), in_turns=False) for pair in (RESUMER, RESUMER[::-1])]


def _until_seen(of: list[Orders]) -> None:
    """Play all, in an order in which one of each kind comes early."""
    every = [(orders, order) for orders in of for order in orders.all()]
    for orders, order in random.Random(0).sample(every, len(every)):
        orders.play(order)


def test_a_writer_turns_to_a_blob_while_it_is_being_deleted(share: Shares) -> None:
    for orders in _writer_and_collector():
        assert len(orders.all()) > 1000
        assert {orders.play(order) for order in share(orders.all())} == {True}


def test_a_run_is_resumed_while_it_is_being_removed(share: Shares) -> None:
    for orders in _resumer_and_collector():
        assert len(orders.all()) > 1000
        # Sometimes the resume came too late, and said so.
        assert {orders.play(order) for order in share(orders.all())} == {True, False}


@pytest.mark.parametrize(
    ("place", "name", "broken"),
    [
        (blob, "is_recent", lambda info: info is not None),
        (write_protocol, "_saw_no_sweep", lambda store: True),
        (write_protocol, "_wait_for_deletion", lambda store, key: None),
        (mark_sweep, "NOTICE", 0.0),
    ],
)
def test_a_broken_protocol_is_seen(place: Any, name: str, broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, name, broken)
    with pytest.raises(AssertionError, match=r"run\.json"):
        _until_seen(_writer_and_collector())


@pytest.mark.parametrize("broken", ["no mark", "no second look"])
def test_a_broken_resume_is_seen(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if broken == "no mark":
        monkeypatch.setattr(collection_actors, "hold_origin", lambda *_: None)
    else:
        real = run_removal.is_active

        def look_once(store: MemoryStore, flow: str, run: str, before: float) -> bool:
            return layout.run_key(flow, run) in store._objects and real(store, flow, run, before)

        monkeypatch.setattr(run_removal, "is_active", look_once)
    with pytest.raises(AssertionError, match=r"run\.json"):
        _until_seen(_resumer_and_collector())
