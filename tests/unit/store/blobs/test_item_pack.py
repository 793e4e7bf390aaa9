"""The items of a foreach: packed in one blob, each read and verified by itself."""

import threading

import numpy as np
import pytest

from flow_sdk.errors import IntegrityError, SerializationError, StoreError
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.records.layout import blob_key


@pytest.fixture
def artifacts() -> Artifacts:
    return Artifacts(MemoryStore())


def test_items_load_one_by_one(artifacts: Artifacts) -> None:
    values = [1, "a", b"b", None, {"k": [1]}, np.arange(50_000.0), "", b"", lambda: 3]
    items = artifacts.save_items(values, where="artifact xs")
    assert items.count == len(values)
    for index, value in enumerate(values):
        found = artifacts.load_item(items, index, where="artifact xs")
        if callable(value):
            assert found() == 3
        else:
            assert np.array_equal(found, value) and type(found) is type(value)
    assert artifacts.save_items(values, where="x") == items
    assert artifacts.load_item(items, 5, where="x").flags.writeable


class Counting(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.reads: list[int] = []

    def get_range(self, key: str, start: int, length: int) -> bytes:
        data = super().get_range(key, start, length)
        self.reads.append(len(data))
        return data


@pytest.mark.parametrize(("count", "size", "reads"), [(10, 10, 1), (100, 100, 1), (5000, 10, 2), (20, 50_000, 2)])
def test_a_child_reads_little(count: int, size: int, reads: int) -> None:
    store = Counting()
    artifacts = Artifacts(store)
    items = artifacts.save_items([bytes([n % 250]) * size for n in range(count)], where="x")
    assert artifacts.load_item(items, count - 1, where="x") == bytes([(count - 1) % 250]) * size
    assert len(store.reads) == reads and sum(store.reads) < size + (70 << 10)


@pytest.mark.parametrize(("count", "size"), [(3, 10), (300, 20_000)])
def test_damaged_items_are_mended_by_who_stores_the_same(count: int, size: int) -> None:
    store = Counting()
    values = [bytes([n % 250]) * size for n in range(count)]
    key = blob_key(Artifacts(store).save_items(values, where="x").hash)
    good = store.get(key)
    for at in (0, 30, 100, len(good) // 2, len(good) - 70):
        store.put(key, good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        Artifacts(store).save_items(values, where="x")
        assert store.get(key) == good
    written = store.head(key)
    store.reads.clear()
    Artifacts(store).save_items(values, where="x")
    assert store.head(key) == written
    assert len(store.reads) <= 2 + len(good) // (4 << 20)  # in large pieces


def test_items_out_of_range_and_none_at_all(artifacts: Artifacts) -> None:
    items = artifacts.save_items([1, 2], where="x")
    for index in (-1, 2):
        with pytest.raises(StoreError, match="no such item"):
            artifacts.load_item(items, index, where="x")
    with pytest.raises(StoreError):
        artifacts.save_items([], where="x")


def test_an_item_that_cannot_be_stored_is_named(artifacts: Artifacts) -> None:
    with pytest.raises(SerializationError) as caught:
        artifacts.save_items([1, threading.Lock()], where="artifact xs")
    assert caught.value.where == "artifact xs[1]"


def test_damaged_items_are_found(artifacts: Artifacts) -> None:
    store = artifacts.store
    values = ["first", "second", "third"]
    items = artifacts.save_items(values, where="x")
    other = artifacts.save_items(["1st", "2nd", "3rd"], where="x")
    key = blob_key(items.hash)
    good = store.get(key)
    touched = 0
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 0x41
        store.put(key, bad)
        for index, value in enumerate(values):
            try:
                assert artifacts.load_item(items, index, where="x") == value
            except IntegrityError:
                touched += 1
    assert touched >= 3 * 72 + len("".join(values))
    for bad_pack in (good[:50], good[:100], good[:-70], b"", store.get(blob_key(other.hash))):
        store.put(key, bad_pack)
        with pytest.raises(IntegrityError):
            artifacts.load_item(items, 2, where="x")
    entries = bytearray(good)
    entries[24:96], entries[96:168] = entries[96:168], entries[24:96]
    store.put(key, entries)
    with pytest.raises(IntegrityError):
        artifacts.load_item(items, 0, where="x")


def test_a_damaged_pack_is_mended_by_who_stores_the_same(artifacts: Artifacts) -> None:
    values = ["first", "x" * 1000]
    items = artifacts.save_items(values, where="x")
    good = artifacts.store.get(blob_key(items.hash))
    for bad in (b"", good[:-64], good[:40] + b"?" + good[41:]):
        artifacts.store.put(blob_key(items.hash), bad)
        assert artifacts.save_items(values, where="x") == items
        assert artifacts.store.get(blob_key(items.hash)) == good
