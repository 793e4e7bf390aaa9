"""Step decorators as text, as ``--with`` and environment variables hold them."""

from __future__ import annotations

from flow_sdk.errors import UsageError, nearest
from flow_sdk.spec.kinds import DECORATORS

TYPE_CHECKING = False  # what type checkers look for; importing typing for it would cost 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from flow_sdk.spec.attributes import Decorator

__all__ = ["VARIABLES", "parse_many", "parse_with"]

VARIABLES = ("FLOW_SDK_DECOSPECS", "METAFLOW_DECOSPECS")
"""Environment variables that hold decorators for every step; the first one that is set counts."""


def parse_with(text: str) -> Decorator:
    """Read one step decorator from text.

    Parameters
    ----------
    text : str
        ``name`` or ``name:attribute=value,...``; a value is JSON, or text as it stands.

    Returns
    -------
    Decorator
        The decorator.

    Raises
    ------
    UsageError
        If the name or an attribute isn't known, or a value can't be used.
    """
    from flow_sdk.spec import later

    name, colon, rest = text.strip().partition(":")
    kind = DECORATORS.get(name)
    if kind is None:
        steps = [known for known, found in DECORATORS.items() if found.on_step]
        headline = later.message(name) if name in later.NAMES else f"There is no decorator {name!r}."
        raise UsageError(headline, where=f"--with {text}", help=nearest(name, steps))
    if not kind.on_step:
        raise UsageError(
            f"@{name} is for flow classes; --with adds step decorators.",
            where=f"--with {text}",
            help=f"Write @{name} above the class.",
        )
    try:
        return kind(**_attributes(rest, text)) if colon else kind()
    except UsageError as error:
        error.where = f"--with {text}"
        raise


def parse_many(text: str) -> list[Decorator]:
    """Read decorators with white space between them, as an environment variable holds them."""
    return [parse_with(part) for part in _split(text, str.isspace) if part]


def _attributes(rest: str, text: str) -> dict[str, Any]:
    parts: list[str] = []
    for chunk in _split(rest, ",".__eq__):
        key, equals, _ = chunk.partition("=")
        if (equals and key.strip().isidentifier()) or not parts:
            parts.append(chunk)
        else:
            parts[-1] += "," + chunk  # a comma inside a value that isn't JSON
    found: dict[str, Any] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise UsageError("A decorator's attribute has no value.", seen=part, wanted="name:attribute=value,...")
        if key.strip() in found:
            raise UsageError(f"The attribute {key.strip()!r} is given twice.", seen=text)
        found[key.strip()] = _value(value)
    return found


def _value(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False, "None": None}.get(text.strip(), text)


def _split(text: str, separates: Callable[[str], bool]) -> list[str]:
    """Split text where ``separates(character)`` holds outside brackets and double quotes."""
    parts, depth, quoted, escaped = [""], 0, False, False
    for character in text:
        if quoted:
            quoted = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character in "{[":
            depth += 1
        elif character in "}]":
            depth -= 1
        elif depth <= 0 and separates(character):
            parts.append("")
            continue
        parts[-1] += character
    return parts
