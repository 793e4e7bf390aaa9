"""Values that were only read are told from those that were changed, however they are pickled."""

import collections
import enum
from collections.abc import Callable
from typing import Any

import pytest

from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.backends.memory import MemoryStore

WORDS = [f"word {number}" for number in range(40)]


class Node:
    """An object with attributes of every kind."""

    def __init__(self) -> None:
        self.words = frozenset(WORDS)
        self.me = self
        self.table = {"b": [1, 2.5, None], "a": {b"x", ("t", 1)}}
        self.function = len


class Label(str):
    """Text with attributes."""


class Colour(enum.IntEnum):
    RED = 1


def pandas_index() -> Any:
    return pytest.importorskip("pandas").date_range("2020", periods=50, name="day")


def pandas_frame() -> Any:
    frame = pytest.importorskip("pandas").DataFrame({"a": range(50), "b": list("ab") * 25}, index=pandas_index())
    return frame.astype({"b": "category"})


def look_into_frame(value: Any) -> None:
    value.groupby("b", observed=True).sum(numeric_only=True)
    value.loc["2020-01-03"]
    repr(value)
    assert value.index.is_unique and value.index[3] in value.index


def data() -> tuple[Any, Any]:
    numpy = pytest.importorskip("numpy")
    x = numpy.random.default_rng(0).normal(size=(100, 3))
    return x, (x[:, 0] > 0).astype(int)


def neighbours() -> Any:
    return pytest.importorskip("sklearn.neighbors").KNeighborsClassifier().fit(*data())


def forest() -> Any:
    return pytest.importorskip("sklearn.ensemble").RandomForestClassifier(5, random_state=0).fit(*data())


def words_to_numbers() -> Any:
    text = pytest.importorskip("sklearn.feature_extraction.text")
    return text.TfidfVectorizer(stop_words="english").fit(["one tree", "one house"])


def network() -> Any:
    torch = pytest.importorskip("torch")
    return {"net": torch.nn.Linear(3, 2), "sums": torch.arange(1000.0)[2:]}


Change = Callable[[Any], Any]
CASES: dict[str, tuple[Callable[[], Any], Change, Change]] = {
    "set": (lambda: set(WORDS), lambda v: "x" in v, lambda v: v.add("x")),
    "set of the same size": (lambda: set(WORDS), len, lambda v: (v.discard(WORDS[0]), v.add("x"))),
    "object": (Node, lambda v: v.me.words, lambda v: v.table["b"].append(3)),
    "text in a set of an object": (Node, lambda v: v.table, lambda v: v.table["a"].add("y")),
    "order of keys": (Node, repr, lambda v: v.table.update(b=v.table.pop("b"))),
    "deque": (lambda: collections.deque(WORDS, 50), len, lambda v: v.rotate()),
    "array": (lambda: data()[0], lambda v: v.sum(), lambda v: v.__setitem__(3, 7)),
    "array of objects": (lambda: data()[0].astype(object), lambda v: v.sum(), lambda v: v.__setitem__(3, 7)),
    "index of times": (pandas_index, lambda v: (v.get_loc(v[3]), v.year), lambda v: setattr(v, "name", "other")),
    "frame": (pandas_frame, look_into_frame, lambda v: v.__setitem__("c", 1)),
    "cell of a frame": (pandas_frame, look_into_frame, lambda v: v.iloc.__setitem__((3, 0), 70)),
    "neighbours": (neighbours, lambda v: v.predict(data()[0]), lambda v: setattr(v, "n_neighbors", 4)),
    "forest": (forest, lambda v: v.predict(data()[0]), lambda v: v.estimators_.pop()),
    "words to numbers": (
        words_to_numbers, lambda v: v.transform(["a tree"]), lambda v: v.vocabulary_.__setitem__("x", 9),
    ),
    "tensors": (network, lambda v: v["sums"].sum(), lambda v: v["sums"].__setitem__(3, 7.5)),
    "a weight": (network, lambda v: v["net"], lambda v: v["net"].weight.data.__setitem__((0, 0), 7.5)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_only_what_was_changed_is_stored_anew(name: str) -> None:
    make, read, change = CASES[name]
    artifacts = Artifacts(MemoryStore())
    ref = artifacts.save(make(), where="it")
    read_only, changed = artifacts.load(ref, where="it"), artifacts.load(ref, where="it")
    read(read_only)
    assert artifacts.save_again(read_only, ref, where="it") is ref
    change(changed)
    again = artifacts.save_again(changed, ref, where="it")
    assert again.hash != ref.hash
    assert not artifacts.are_equal(ref, again, where="it")
    assert artifacts.are_equal(ref, artifacts.save(read_only, where="it"), where="it")


def test_a_set_is_equal_whatever_the_order_it_was_filled_in() -> None:
    artifacts = Artifacts(MemoryStore())
    # Equal hashes modulo the table's size: the order is that of filling.
    one, other = (artifacts.save(set(values), where="it") for values in ([0, 64, 128], [128, 64, 0]))
    assert one.hash != other.hash and artifacts.are_equal(one, other, where="it")
    nested = [artifacts.save({"a": [set(values)]}, where="it") for values in ([0, 64, 128], [128, 64, 0])]
    assert artifacts.are_equal(*nested, where="it")


@pytest.mark.parametrize(
    ("one", "other"),
    [({1}, {True}), ({1}, {1.0}), ({"1"}, {1}), ([{1}], ({1},)), ({"a"}, frozenset("a")), ("1", 1), (b"a", "a")],
)
def test_values_of_other_types_are_not_equal(one: Any, other: Any) -> None:
    artifacts = Artifacts(MemoryStore())
    refs = [artifacts.save(value, where="it") for value in (one, other)]
    assert not artifacts.are_equal(*refs, where="it")


def test_what_takes_too_long_to_compare_counts_as_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flow_sdk.store.pickling.comparison.MOST_OBJECTS", 20)
    artifacts = Artifacts(MemoryStore())
    one, other = (artifacts.save(set(values), where="it") for values in ([*range(30), 1000], [1000, *range(30)]))
    assert one.hash == other.hash or not artifacts.are_equal(one, other, where="it")


def test_an_attribute_called_like_a_cache_is_the_users_own() -> None:
    artifacts = Artifacts(MemoryStore())
    value = Node()
    value._cache = {"a": set(WORDS)}  # type: ignore[attr-defined]
    ref = artifacts.save(value, where="it")
    loaded = artifacts.load(ref, where="it")
    loaded._cache["b"] = 1
    assert artifacts.save_again(loaded, ref, where="it").hash != ref.hash


@pytest.mark.parametrize("value", [Label("x"), Colour.RED, frozenset({1})])
def test_subclasses_of_what_cannot_change_are_compared_as_any_value(value: Any) -> None:
    artifacts = Artifacts(MemoryStore())
    ref = artifacts.save(value, where="it")
    assert artifacts.save_again(artifacts.load(ref, where="it"), ref, where="it") is ref
