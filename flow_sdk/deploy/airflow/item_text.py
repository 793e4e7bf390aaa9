"""Short texts of a foreach's items, for people who look at its tasks. No code of the items' own classes runs."""

import contextlib
from collections.abc import Iterable
from typing import Any

__all__ = ["item_texts"]

LONGEST = 40
"""Most characters of a text."""
MOST = 3
"""Most elements of a container that are shown."""
READABLE = ("datetime", "decimal", "fractions", "pathlib", "pathlib._local", "uuid")
"""Modules whose objects are shown as the text that they are."""


def item_texts(values: Iterable[Any]) -> list[str]:
    """Return a short text on one line for each item: text and numbers as they are, else the type's name."""
    return [_one_line(_item_text(value, 2)) for value in values]


def _item_text(value: Any, depth: int) -> str:
    if isinstance(value, str):
        return str.__str__(value)[: 4 * LONGEST]
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return int.__repr__(value) if abs(int.__int__(value)).bit_length() < 4 * LONGEST else "int"
    if isinstance(value, float):
        return float.__repr__(value)
    if depth and type(value) in (list, tuple, set, frozenset):
        shown = [_item_text(one, depth - 1) for _, one in zip(range(MOST), value, strict=False)]
        return ", ".join(shown) + (", ..." if len(value) > MOST else "")
    if depth and type(value) is dict:
        pairs = zip(range(MOST), dict.items(value), strict=False)
        shown = [f"{_item_text(key, 0)}={_item_text(one, depth - 1)}" for _, (key, one) in pairs]
        return ", ".join(shown) + (", ..." if len(value) > MOST else "")
    kind = type(value)
    if kind.__module__ in READABLE or (kind.__module__ == "numpy" and getattr(value, "ndim", 1) == 0):
        with contextlib.suppress(Exception):
            return str(value)
    return kind.__name__


def _one_line(text: str) -> str:
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
