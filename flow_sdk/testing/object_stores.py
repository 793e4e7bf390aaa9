"""The conformance suite of object stores: what every store does, whatever it is made of.

A distribution with a store inherits from :class:`ObjectStoreSuite` and opens its store in a fixture::

    class TestMyStore(ObjectStoreSuite):
        @pytest.fixture
        def new_store(self):
            url = f"mystore://bucket/{uuid.uuid4().hex}"
            return lambda: open_store(url)
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from flow_sdk.errors import ObjectExists, ObjectMissing, StoreError, StoreUnavailable
from flow_sdk.store.open_store import open_store
from flow_sdk.store.port import ObjectStore

__all__ = ["ObjectStoreSuite"]

_ILLEGAL_KEYS = [
    "",
    "/",
    "a/",
    "/a",
    "a//b",
    ".",
    "..",
    "a/..",
    "../a",
    "a/./b",
    "a b",
    "a\nb",
    "ä",
    "a~",
    "a%2Fb",
    "a\\b",
    "a\0b",
    "a*",
    "x" * 256,
    "/".join(["abc"] * 257),
]
_LEGAL_KEYS = ["a", "A-Z_a.z:0+9=", "...", "..a", "a..", ".hidden/x", "a/b/c/d/e", "x" * 255, "/".join(["abcd"] * 200)]


def _list_keys(store: ObjectStore, prefix: str = "", limit: int | None = None) -> list[str]:
    """Return the keys of a listing without those of the store's own objects."""
    return [info.key for info in store.list(prefix, limit=limit) if not info.key.startswith("store.")]


class ObjectStoreSuite:
    """What every object store does. Subclasses define the fixture ``new_store``."""

    @pytest.fixture
    def new_store(self) -> Callable[[], ObjectStore]:
        """Return a way to open one store, which is empty before the test, again and again."""
        raise NotImplementedError(f"{type(self).__name__} needs a fixture new_store")

    @pytest.fixture
    def store(self, new_store: Callable[[], ObjectStore]) -> ObjectStore:
        """Return an empty store."""
        return new_store()

    def test_what_is_put_is_got(self, store: ObjectStore) -> None:
        store.put("a/b", b"one")
        assert store.get("a/b") == b"one"
        store.put("a/b", b"two", durable=False)
        store.make_durable("a/b")
        assert store.get("a/b") == b"two"

    @pytest.mark.parametrize("key", _LEGAL_KEYS)
    def test_legal_keys(self, store: ObjectStore, key: str) -> None:
        store.put(key, b"x")
        assert store.get(key) == b"x"
        assert _list_keys(store) == [key]

    @pytest.mark.parametrize("key", _ILLEGAL_KEYS)
    def test_illegal_keys_are_refused_by_every_operation(self, store: ObjectStore, key: str) -> None:
        operations: list[Callable[[], object]] = [
            lambda: store.get(key),
            lambda: store.get_range(key, 0, 1),
            lambda: list(store.get_many([key])),
            lambda: store.put(key, b""),
            lambda: store.put_if_absent(key, b""),
            lambda: store.make_durable(key),
            lambda: store.head(key),
            lambda: store.delete([key]),
        ]
        for operation in operations:
            with pytest.raises(StoreError, match="isn't a key"):
                operation()

    @pytest.mark.parametrize("prefix", ["/", "a", "a//", "../", "./", "ä/", "a/../", "//"])
    def test_illegal_prefixes_are_refused(self, store: ObjectStore, prefix: str) -> None:
        with pytest.raises(StoreError, match="isn't a folder"):
            store.list(prefix)
            list(store.list(prefix))
        with pytest.raises(StoreError, match="isn't a folder"):
            store.folders(prefix)

    @pytest.mark.parametrize(
        ("data", "wanted"),
        [
            (b"", b""),
            (bytearray(b"abc"), b"abc"),
            (memoryview(b"abcdef")[2:4], b"cd"),
            ([], b""),
            ([b"a", bytearray(b"b"), memoryview(b"c"), b""], b"abc"),
            (lambda: (part for part in (b"x", b"y")), b"xy"),
        ],
        ids=["empty", "bytearray", "memoryview", "no-parts", "parts", "generator"],
    )
    def test_kinds_of_data(self, store: ObjectStore, data: Any, wanted: bytes) -> None:
        store.put("a", data() if callable(data) else data)
        assert store.get("a") == wanted

    def test_a_large_object_in_parts(self, store: ObjectStore) -> None:
        parts = [bytes([n]) * (3 << 20) for n in range(8)]
        store.put("large", iter(parts))
        info = store.head("large")
        assert info is not None and info.size == 24 << 20
        assert store.get("large") == b"".join(parts)
        assert store.get_range("large", (6 << 20) - 2, 4) == b"\1\1\2\2"
        store.put("large", memoryview(b"".join(parts[::-1])))
        assert store.get("large") == b"".join(parts[::-1])

    def test_a_large_object_only_once(self, store: ObjectStore) -> None:
        store.put_if_absent("large", iter([b"a" * (5 << 20), b"b"]))
        with pytest.raises(ObjectExists):
            store.put_if_absent("large", b"")
        assert store.get_range("large", (5 << 20) - 1, 9) == b"ab"

    def test_missing_objects(self, store: ObjectStore) -> None:
        store.put("a/b", b"x")
        for key in ("c", "a", "a/c", "a/b/c"):
            with pytest.raises(ObjectMissing):
                store.get(key)
            with pytest.raises(ObjectMissing):
                store.get_range(key, 0, 1)
            with pytest.raises(ObjectMissing):
                store.get_range(key, 0, 0)
            assert store.head(key) is None
        assert list(store.get_many(["c", "a", "a/b", "a/b/c"])) == [None, None, b"x", None]

    @pytest.mark.parametrize(("start", "length"), [(0, 3), (2, 4), (4, 100), (6, 1), (7, 5), (100, 2), (0, 0), (3, 0)])
    def test_ranges(self, store: ObjectStore, start: int, length: int) -> None:
        store.put("a", b"012345")
        assert store.get_range("a", start, length) == b"012345"[start : start + length]

    def test_many_come_in_order(self, store: ObjectStore) -> None:
        for number in range(40):
            store.put(f"n/{number}", str(number).encode(), durable=False)
        wanted = [f"n/{number}" for number in (39, 3, 99, 0, *range(40))]
        found = list(store.get_many(wanted))
        assert found == [b"39", b"3", None, b"0", *(str(n).encode() for n in range(40))]
        assert list(store.get_many([])) == []

    def test_create_only(self, store: ObjectStore) -> None:
        store.put_if_absent("a/b", b"one")
        with pytest.raises(ObjectExists):
            store.put_if_absent("a/b", b"two")
        with pytest.raises(ObjectExists):
            store.put_if_absent("a/b", b"one")
        assert store.get("a/b") == b"one"
        store.delete(["a/b"])
        store.put_if_absent("a/b", [b"th", b"ree"], durable=False)
        assert store.get("a/b") == b"three"

    @pytest.mark.parametrize("same", [True, False])
    def test_one_of_many_racing_callers_wins(self, new_store: Callable[[], ObjectStore], same: bool) -> None:
        stores = [new_store() for _ in range(4)]
        for round_ in range(5):
            won: list[int] = []
            start = threading.Barrier(8)

            def race(number: int, round_: int = round_, start: threading.Barrier = start, won: list[int] = won) -> None:
                start.wait()
                try:
                    stores[number % 4].put_if_absent(f"race/{round_}", b"x" if same else str(number).encode())
                except ObjectExists:
                    return
                won.append(number)

            threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(won) == 1
            assert stores[0].get(f"race/{round_}") == (b"x" if same else str(won[0]).encode())

    def test_head(self, store: ObjectStore) -> None:
        store.put("a", b"abc")
        info = store.head("a")
        assert info is not None
        assert (info.key, info.size) == ("a", 3)
        assert abs(info.modified - time.time()) < 60

    def test_list_is_sorted_by_key(self, store: ObjectStore) -> None:
        # "/" sorts after "-" and "." and before digits: a walk folder by folder would get this wrong.
        wanted = ["a-b/x", "a.b", "a/b", "a/c/d", "a/c-d", "a0", "b"]
        for key in wanted:
            store.put(key, key.encode(), durable=False)
        assert _list_keys(store) == sorted(wanted)
        assert _list_keys(store, "a/") == ["a/b", "a/c-d", "a/c/d"]
        assert _list_keys(store, "a/c/") == ["a/c/d"]
        assert _list_keys(store, "b/") == []
        assert _list_keys(store, "nothing/at/all/") == []
        assert _list_keys(store, "a/", 2) == ["a/b", "a/c-d"]
        assert _list_keys(store, "a/", 1) == ["a/b"]
        assert [info.size for info in store.list("a/")] == [3, 5, 5]

    def test_list_of_more_than_a_page(self, store: ObjectStore) -> None:
        wanted = [f"many/{number:05d}" for number in range(1100)]
        for key in wanted:
            store.put(key, b"", durable=False)
        assert _list_keys(store, "many/") == wanted
        assert _list_keys(store, "many/", 1050) == wanted[:1050]
        store.delete(wanted)
        assert _list_keys(store, "many/") == []

    def test_folders(self, store: ObjectStore) -> None:
        for key in ("a/x/1", "a/x/2", "a/y/z/1", "a/file", "b"):
            store.put(key, b"", durable=False)
        assert store.folders("a/") == ["x", "y"]
        assert store.folders("") == ["a"]
        assert store.folders("a/x/") == []
        assert store.folders("none/") == []
        store.delete(["a/x/1", "a/x/2"])
        assert store.folders("a/") == ["y"]

    def test_delete(self, store: ObjectStore) -> None:
        store.put("a/b", b"")
        store.put("a/c", b"")
        store.delete(["a/b", "none", "a", "a/b/c"])
        assert _list_keys(store) == ["a/c"]
        store.delete(iter(["a/c"]))
        store.delete([])
        assert _list_keys(store) == []

    def test_objects_are_seen_by_another_instance(self, new_store: Callable[[], ObjectStore]) -> None:
        new_store().put("a", b"x")
        again = new_store()
        assert again.get("a") == b"x"
        assert open_store(again.url).get("a") == b"x"

    def test_writing_and_reading_at_once_never_shows_a_part(self, store: ObjectStore) -> None:
        values = {bytes([letter]) * 50_000 for letter in b"abc"}
        store.put("a", b"a" * 50_000)
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                for value in values:
                    store.put("a", value, durable=False)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            assert all(store.get("a") in values for _ in range(40))
        finally:
            stop.set()
            thread.join()

    def test_opening_makes_a_marker_once(self, new_store: Callable[[], ObjectStore]) -> None:
        store = new_store()
        marker = store.get("store.json")
        assert marker == b'{"format":1,"hash":"blake3"}\n'
        new_store()
        assert store.get("store.json") == marker

    def test_a_newer_store_is_refused(self, new_store: Callable[[], ObjectStore]) -> None:
        new_store().put("store.json", b'{"format":2,"hash":"blake3"}')
        with pytest.raises(StoreError, match="newer release"):
            new_store()

    @pytest.mark.parametrize("marker", [b"", b"{}", b"[]", b"\xff", b'{"format":"x","hash":"blake3"}'])
    def test_a_damaged_marker_is_refused(self, new_store: Callable[[], ObjectStore], marker: bytes) -> None:
        new_store().put("store.json", marker)
        with pytest.raises(StoreError, match="marker can't be read"):
            new_store()

    def test_without_create_there_must_be_a_store(self, new_store: Callable[[], ObjectStore]) -> None:
        store = new_store()
        store.delete(["store.json"])
        with pytest.raises(StoreUnavailable, match="There is no"):
            open_store(store.url, create=False)
        assert store.head("store.json") is None
