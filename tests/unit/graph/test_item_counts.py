"""How many items a foreach can have, read from the source."""

from pathlib import Path

import pytest

from flow_sdk.graph.item_counts import item_counts
from tests.strategies.loading import load_flow

FLOW = """
from flow_sdk import FlowSpec, Parameter, step

NAMES = ["a", "b"]


class Counted(FlowSpec):
    few = ["a", "b", "c"]
    changed = (1, 2)
    text = Parameter("text", default="a,b", separator=",")

    @step
    def start(self):
        {before}
        self.next(self.middle)

    @step
    def middle(self):
        {body}
        self.next(self.item, foreach="{name}")

    @step
    def item(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def count(folder: Path, body: str = "pass", name: str = "xs", before: str = "pass") -> int | None:
    text = FLOW.format(body=body.replace("\n", "\n        "), name=name, before=before)
    return item_counts(load_flow(text, folder)).get("middle")


@pytest.mark.parametrize(
    ("value", "most"),
    [
        ("[1, 2, 3]", 3),
        ("()", 0),
        ("{1, 2}", 2),
        ("{'a': 1, 'b': 2}", 2),
        ("'abc'", 3),
        ("[0] * 120", 120),
        ("3 * ['a', 'b'] + [1]", 7),
        ("range(20)", 20),
        ("list(range(2, 20, 5))", 4),
        ("range(10, 0, -3)", 4),
        ("range(5, 1)", 0),
        ("[x * 2 for x in range(8) if x % 2]", 8),
        ("[(a, b) for a in range(3) for b in [1, 2]]", 6),
        ("{x: 1 for x in 'abcd'}", 4),
        ("sorted([3, 1])", 2),
        ("list(enumerate([3, 1]))", 2),
        ("list(zip(range(5), open('file')))", 5),
        ("[0] * -1", 0),
    ],
)
def test_a_list_whose_length_the_source_says(value: str, most: int, tmp_path: Path) -> None:
    assert count(tmp_path, f"self.xs = {value}") == most
    if not value.startswith("list(zip"):
        assert len(eval(value)) <= most


@pytest.mark.parametrize(
    "body",
    [
        "self.xs = NAMES",
        "self.xs = [1, *NAMES]",
        "self.xs = {'a': 1, **{}}",
        "self.xs = list(map(str, [1]))",
        "self.xs = range(int('3'))",
        "self.xs = range(1, 2, 0)",
        "self.xs = [1] * 2_000_000",
        "self.xs = [a for a in NAMES]",
        "self.xs = [1]\nself.xs.append(2)",
        "self.xs = [1]\nself.xs += [2]",
        "self.xs = [1]\nself.xs = NAMES",
        "self.xs = ys = [1]",
        "if NAMES:\n    self.xs = [1]",
        "for self.xs in ([1],):\n    pass",
        "self.xs, self.ys = [1], 2",
        "setattr(self, 'xs', [1] * 50)",
        "self.xs = range(True)",
    ],
)
def test_a_list_whose_length_it_does_not_say(body: str, tmp_path: Path) -> None:
    assert count(tmp_path, body) is None


def test_class_constants(tmp_path: Path) -> None:
    assert count(tmp_path, name="few") == 3
    assert count(tmp_path, name="changed", before="self.changed = NAMES * 50") is None
    assert count(tmp_path, name="text") is None


def test_a_list_of_an_earlier_step_is_unknown(tmp_path: Path) -> None:
    assert count(tmp_path, before="self.xs = [1]") is None


def test_an_annotated_list(tmp_path: Path) -> None:
    assert count(tmp_path, "self.xs: list[int] = [1, 2]") == 2
