"""Collectors among themselves: one at a time, overtaken ones give up, killed ones can be followed."""

from collections.abc import Iterable

import pytest

from flow_sdk.errors import ObjectExists, StoreError
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.port import Buffers
from flow_sdk.store.records import layout
from flow_sdk.upkeep.collector import DEAD, Collector
from flow_sdk.upkeep.garbage_collection import GRACE
from tests.support.aged_stores import DAY, Clock
from tests.support.finished_run import finished_run
from tests.support.garbage_collection import collect, keys, store_payload, whole


def test_one_collector_at_a_time(clock: Clock) -> None:
    store = MemoryStore()
    first = Collector(store, {"user": "anne"})
    first.begin()
    with pytest.raises(StoreError, match="under way") as caught:
        Collector(store, {}).begin()
    assert "anne" in str(caught.value)
    first.end()
    second = Collector(store, {"user": "ben"})
    second.begin()
    for _ in range(4):
        clock.now += 20 * 60
        second.continue_collecting()
        with pytest.raises(StoreError, match="under way"):
            Collector(store, {}).begin()
    clock.now += DEAD + 1
    third = Collector(store, {})
    third.begin()
    with pytest.raises(StoreError, match="stopped for too long"):
        second.continue_collecting()
    third.continue_collecting()


def test_a_collector_that_was_overtaken_gives_up_though_its_clock_stood_still(clock: Clock) -> None:
    store = MemoryStore()
    paused = Collector(store, {})
    paused.begin()
    clock.now += DEAD + 1
    Collector(store, {}).begin()
    clock.now -= DEAD + 1 - 120
    with pytest.raises(StoreError, match="stopped for too long"):
        paused.continue_collecting()


def test_of_two_that_take_over_one_is_refused(clock: Clock) -> None:
    class Racing(MemoryStore):
        def put_if_absent(self, key: str, data: Buffers, *, durable: bool = True) -> None:
            if key == layout.collection_key(1):
                super().put(key, b"{}")
                raise ObjectExists("another one was faster")
            super().put_if_absent(key, data, durable=durable)

    with pytest.raises(StoreError, match="under way"):
        Collector(Racing(), {}).begin()


class Killed(BaseException):
    pass


class Killing(MemoryStore):
    """Kills whoever writes, at the n-th write: before it, or just after it."""

    left = -1

    def _count(self) -> None:
        if self.left == 0:
            raise Killed
        self.left -= 1

    def put(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        self._count()
        super().put(key, data, durable=durable)

    def put_if_absent(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        self._count()
        super().put_if_absent(key, data, durable=durable)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._count()
            super().delete([key])


def test_a_collector_killed_at_any_write_leaves_runs_whole_and_can_be_followed(clock: Clock) -> None:
    first = Killing()
    for number in range(1, 4):
        finished_run(first, str(number), seed=number, started=clock.now, items=1, tags=("t",))
        clock.now += DAY
    store_payload(first, b"loose" * 1000)
    clock.now += GRACE + 60
    start, objects = clock.now, dict(first._objects)
    clean = Killing()
    clean._objects = dict(objects)
    collect(clean, clock, last=1)
    wanted = {key for key in keys(clean) if not key.startswith("gc/")}
    kills = 0
    while True:
        store = Killing()
        store._objects, clock.now = dict(objects), start
        store.left = kills
        try:
            collect(store, clock, last=1)
            break
        except Killed:
            kills += 1
        store.left = -1
        whole(store)
        clock.now += DEAD + 60
        collect(store, clock, last=1)
        whole(store)
        assert {key for key in keys(store) if not key.startswith("gc/")} == wanted
        assert not list(store.list(layout.doomed_prefix()))
        assert store.head(layout.sweep_key()) is None
    assert kills > 40
