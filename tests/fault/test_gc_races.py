"""Garbage collection against writers: whatever the order of their operations, no committed run loses a blob."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from flow_sdk.errors import NotFound
from flow_sdk.metadata import removal
from flow_sdk.metadata.collection import collect_garbage
from flow_sdk.metadata.removal import Rules
from flow_sdk.metadata.runs import Runs
from flow_sdk.runtime.resume import hold_origin
from flow_sdk.store import blobs, gc, layout, sweep
from flow_sdk.store.blobs import digest_of, write_blob
from flow_sdk.store.layout import blob_key
from flow_sdk.store.memory import MemoryStore
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records import RunRecord, decode
from flow_sdk.store.sweep import LEAST_GRACE, OVERDUE, RELIED
from tests.rig.stepped import Actor, SteppedStore, World

DAY = 86400.0
PAYLOADS = 3
_MARGIN = 60.0


def payload(number: int) -> bytes:
    return b"payload %d " % number * 300


def record(run: str, plan: str, started: float, origin: str | None = None) -> RunRecord:
    return RunRecord("F", run, plan, None, {}, (), "tester", started, origin_run=origin)


def store_payload(store: ObjectStore, number: int) -> str:
    digest = digest_of((payload(number),))
    write_blob(store, (payload(number),), digest)
    return digest.hex()


def writer(world: World, run: str, number: int) -> Callable[[SteppedStore], None]:
    """A process that stores a payload and then commits a record that refers to it."""

    def work(store: SteppedStore) -> None:
        plan = store_payload(store, number)
        Runs(store).create(record(run, plan, world.now))

    return work


def resumer(world: World, run: str, origin: str) -> Callable[[SteppedStore], None]:
    """A process that copies a reference from another run's record."""

    def work(store: SteppedStore) -> None:
        runs = Runs(store)
        try:
            found = runs.read("F", origin)
            hold_origin(store, "F", origin)
        except NotFound:
            return
        runs.create(record(run, found.plan, world.now, origin))

    return work


def collector(world: World, last: int | None) -> Callable[[SteppedStore], None]:
    def work(store: SteppedStore) -> None:
        collect_garbage(store, Rules(last=last), now=world.now, grace=LEAST_GRACE, delete=True, threads=1)

    return work


def lost(base: MemoryStore) -> list[str]:
    """Runs that can be read and whose blob isn't there."""
    found = []
    for key, (text, _) in list(base._objects.items()):
        if key.endswith("/run.json"):
            plan = decode(RunRecord, text, key).plan
            if blob_key(plan) not in base._objects:
                found.append(key)
    return found


@contextmanager
def shared() -> Iterator[tuple[World, MemoryStore]]:
    with pytest.MonkeyPatch.context() as patch:
        world = World().install(patch)
        try:
            yield world, MemoryStore("shared")
        finally:
            world.end()


class Races(RuleBasedStateMachine):
    """Any number of writers and resumers, and collectors one of which may be killed, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self._context = shared()
        self.world, self.base = self._context.__enter__()
        self.numbers = itertools.count(1)
        for number in range(PAYLOADS):  # old blobs that nobody needs, and one old run
            store_payload(self.base, number)
        Runs(self.base).create(record("1000", store_payload(self.base, 0), self.world.now))
        self.world.now += 9 * DAY

    @property
    def active(self) -> list[Actor]:
        return [actor for actor in self.world.actors if not actor.is_over]

    def _start(self, kind: str, work: Callable[[SteppedStore], None]) -> None:
        actor = self.world.start(kind, work, self.base)
        if kind != "collector":
            actor.deadline = self.world.now + LEAST_GRACE - RELIED - _MARGIN

    def _latest(self) -> float:
        """How far the clock may go on: less than what the protocol takes for granted."""
        latest = min((actor.deadline for actor in self.active), default=float("inf"))
        if any(actor.kind == "collector" for actor in self.active):
            listed = [at for key, (_, at) in self.base._objects.items() if key.startswith(layout.doomed_prefix())]
            latest = min([latest, *(at + OVERDUE - _MARGIN for at in listed)])
        return latest

    @precondition(lambda self: len(self.active) < 4)
    @rule(number=st.integers(0, PAYLOADS - 1))
    def write(self, number: int) -> None:
        self._start("writer", writer(self.world, str(next(self.numbers)), number))

    @precondition(lambda self: len(self.active) < 4)
    @rule(choice=st.integers(0, 9))
    def resume(self, choice: int) -> None:
        origins = sorted(key.split("/")[3] for key in self.base._objects if key.endswith("/run.json"))
        if origins:
            origin = origins[choice % len(origins)]
            self._start("resumer", resumer(self.world, str(next(self.numbers)), origin))

    @precondition(lambda self: len(self.active) < 4)
    @rule(last=st.sampled_from([None, 0, 1]))
    def collect(self, last: int | None) -> None:
        self._start("collector", collector(self.world, last))

    def _step(self, actor: Actor, most: int, until: str = "\0") -> None:
        for number in range(most):
            if actor.is_over or actor.wakes > self._latest() or (number and actor.next.startswith(until)):
                return
            self.world.step(actor)
            assert not lost(self.base)

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
        assert not lost(self.base)

    def teardown(self) -> None:
        try:
            while self.active:
                for actor in self.active:
                    self.world.step(actor)
                    assert not lost(self.base)
            broken = [actor.error for actor in self.world.actors if actor.error and actor.kind != "collector"]
            assert not broken
        finally:
            self._context.__exit__(None, None, None)


TestRaces = Races.TestCase
TestRaces.settings = settings(
    max_examples=120, stateful_step_count=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def _count(
    start: Callable[[World], Callable[[SteppedStore], None]], prepare: Callable[[World, MemoryStore], None]
) -> int:
    """How many operations a process does when it is alone."""
    with shared() as (world, base):
        prepare(world, base)
        actor = world.start("alone", start(world), base)
        count = 0
        while not actor.is_over:
            world.step(actor)
            count += 1
        return count


def _old_blob(world: World, base: MemoryStore) -> None:
    store_payload(base, 0)
    world.now += 9 * DAY


def _old_run(world: World, base: MemoryStore) -> None:
    Runs(base).create(record("1", store_payload(base, 0), world.now))
    world.now += 9 * DAY


def _every_order(
    prepare: Callable[[World, MemoryStore], None],
    first: Callable[[World], Callable[[SteppedStore], None]],
    second: Callable[[World], Callable[[SteppedStore], None]],
    more: tuple[int, ...] = (1, 2, 3, 5, 1000),
    in_turns: bool = True,
) -> tuple[int, int]:
    """The first does i operations, the second j, the first k more, then they take turns, or the second ends.

    Returns
    -------
    (int, int)
        How many orders were tried, and after how many of them a run was there with its blob.
    """
    tried = whole = 0
    most, others = _count(first, prepare), _count(second, prepare)
    for i in range(most + 1):
        for j in range(1, others + 4):
            for k in more:
                with shared() as (world, base):
                    prepare(world, base)
                    one = world.start("first", first(world), base)
                    two = world.start("second", second(world), base)
                    for actor, steps in ((one, i), (two, j), (one, k)):
                        for _ in range(steps):
                            if not actor.is_over:
                                world.step(actor)
                    while not (in_turns or two.is_over):
                        world.step(two)
                    while not (one.is_over and two.is_over):
                        for actor in (two, one):
                            if not actor.is_over:
                                world.step(actor)
                                assert not lost(base), (i, j, k)
                    assert not lost(base), (i, j, k)
                    assert one.error is None or one.error.headline, one.error  # type: ignore[attr-defined]
                    tried += 1
                    whole += any(key.endswith("/run.json") for key in base._objects)
    return tried, whole


def _writer_and_collector() -> None:
    one, two = (lambda world: collector(world, None)), (lambda world: writer(world, "1", 0))
    for first, second in ((one, two), (two, one)):
        tried, whole = _every_order(_old_blob, first, second)
        assert tried > 1000
        assert whole == tried


def _resumer_and_collector() -> None:
    one, two = (lambda world: collector(world, 0)), (lambda world: resumer(world, "2", "1"))
    for first, second in ((one, two), (two, one)):
        tried, whole = _every_order(_old_run, first, second, (1, 2, 3), in_turns=False)
        assert tried > 1000
        assert 0 < whole < tried  # sometimes the resume came too late, and said so


def test_a_writer_turns_to_a_blob_while_it_is_being_deleted() -> None:
    _writer_and_collector()


def test_a_run_is_resumed_while_it_is_being_removed() -> None:
    _resumer_and_collector()


@pytest.mark.parametrize(
    ("place", "name", "broken"),
    [
        (blobs, "is_recent", lambda info: info is not None),
        (sweep, "_saw_none", lambda store: True),
        (sweep, "_outlast", lambda store, key: None),
        (gc, "NOTICE", 0.0),
    ],
)
def test_a_broken_protocol_is_seen(place: Any, name: str, broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, name, broken)
    with pytest.raises(AssertionError, match=r"run\.json"):
        _writer_and_collector()


@pytest.mark.parametrize("broken", ["no mark", "no second look"])
def test_a_broken_resume_is_seen(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if broken == "no mark":
        monkeypatch.setitem(globals(), "hold_origin", lambda *_: None)
    else:
        real = removal.is_active

        def look_once(store: MemoryStore, flow: str, run: str, before: float) -> bool:
            return layout.run_key(flow, run) in store._objects and real(store, flow, run, before)

        monkeypatch.setattr(removal, "is_active", look_once)
    with pytest.raises(AssertionError, match=r"run\.json"):
        _resumer_and_collector()
