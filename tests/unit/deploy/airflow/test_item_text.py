"""Short texts of a foreach's items: no code of theirs runs, and no text moves a terminal's cursor."""

import datetime
import decimal
import enum
import pathlib

import numpy
import pytest

from flow_sdk.deploy.airflow.item_text import LONGEST, item_texts


class Hostile(str):
    """Text whose own methods fail."""

    def __str__(self):
        raise RuntimeError

    __repr__ = __format__ = __len__ = __getitem__ = __str__


class Number(int):
    def __repr__(self):
        raise RuntimeError

    __str__ = __repr__


class Color(enum.IntEnum):
    RED = 1


class Raising:
    def __repr__(self):
        raise RuntimeError

    __str__ = __repr__


ITEMS = [
    ("anne", "anne"),
    ("", ""),
    (" a\n\tb\x1b[31m\u202e", "a b [31m"),
    ("{{ 7*7 }}<b>", "{{ 7*7 }}<b>"),
    ("x" * 10**7, "x" * (LONGEST - 3) + "..."),
    (3, "3"),
    (10**5000, "int"),
    (True, "True"),
    (None, "None"),
    (0.1, "0.1"),
    (float("nan"), "nan"),
    (b"abc", "bytes"),
    (Number(7), "7"),
    (Color.RED, "1"),
    (Raising(), "Raising"),
    (Raising, "type"),
    ((1, "a"), "1, a"),
    ([1, 2, 3, 4], "1, 2, 3, ..."),
    ({"lr": 0.1, "deep": [Raising(), [1]]}, "lr=0.1, deep=Raising, list"),
    ([[[1]]], "list"),
    (datetime.date(2026, 1, 31), "2026-01-31"),
    (pathlib.PurePosixPath("a/b"), "a/b"),
    (decimal.Decimal("0.10"), "0.10"),
    (numpy.int64(3), "3"),
    (numpy.arange(3), "ndarray"),
]


@pytest.mark.parametrize(("item", "text"), ITEMS, ids=range(len(ITEMS)))
def test_an_item(item, text):
    assert item_texts([item]) == [text]


def test_text_of_a_class_of_its_own():
    assert item_texts([Hostile("anne")]) == ["anne"]


def test_a_container_that_holds_itself():
    loop: list[object] = []
    loop.append(loop)
    assert item_texts([loop]) == ["list"]


def test_every_text_is_short():
    for text in item_texts(item for item, _ in ITEMS):
        assert len(text) <= LONGEST and (text.isprintable() or not text)
