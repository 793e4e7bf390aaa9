"""Reading JSON from untrusted sources: what Python can't hold is a ``ValueError`` like any other bad text."""

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["TEXT_OR_NONE", "Time", "check_fields", "parse_json", "parse_object"]

TEXT_OR_NONE = (str, type(None))
"""The types of a text field that may be left out."""

LATEST_TIME = 253402214400.0
"""Seconds since the epoch that ``datetime`` can't hold in every time zone any more: 9999-12-31 (UTC)."""


class Time(float):
    """The type of a field that holds a time: a number of seconds since the epoch, >= 0 and < :data:`LATEST_TIME`."""


_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false", list: "a list"}
_NAMES |= {dict: "an object", type(None): "null", Time: "a time"}


def parse_json(text: str | bytes) -> Any:
    """Parse JSON.

    Parameters
    ----------
    text : str or bytes
        The JSON; bytes are UTF-8, UTF-16 or UTF-32.

    Raises
    ------
    ValueError
        If it isn't JSON, or is nested more deeply than Python's parser goes.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parse_object(text: str | bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises
    ------
    ValueError
        As :func:`parse_json` does.
    TypeError
        If the text is JSON of another type.
    """
    value = parse_json(text)
    if not isinstance(value, dict):
        raise TypeError(f"it is {_type_name(value)}, not an object")
    return value


def check_fields(data: Mapping[str, Any], fields: Mapping[str, tuple[type, ...]]) -> None:
    """Check the types of an object's fields.

    Parameters
    ----------
    data : mapping
        The object. Fields that ``fields`` doesn't name aren't looked at.
    fields : mapping of str to tuple of type
        The types that each field may have. ``float`` includes whole numbers, and a field may be missing where
        ``NoneType`` is among them. :class:`Time` includes all numbers in its range.

    Raises
    ------
    TypeError
        If a field is missing or has another type.
    ValueError
        If a time is out of range, or no number.
    """
    for name, types in fields.items():
        value = data.get(name)
        found = type(value)
        if found in types or (found is int and float in types):
            continue
        if Time in types and isinstance(value, int | float) and found is not bool:
            if 0.0 <= value < LATEST_TIME:  # neither does NaN lie there
                continue
            raise ValueError(f"the field {name!r} is out of the range of times")
        if name not in data:
            raise TypeError(f"the field {name!r} is missing")
        raise TypeError(f"the field {name!r} is {_type_name(value)}, not {' or '.join(map(_NAMES.__getitem__, types))}")


def _type_name(value: Any) -> str:
    return _NAMES.get(type(value), type(value).__name__)
