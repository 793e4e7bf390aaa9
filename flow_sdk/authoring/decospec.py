"""Step decorators as text, as ``--with`` and environment variables hold them."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.builtin_decorators import builtin_decorator_names, find_decorator
from flow_sdk.authoring.flow import uses_no_dynamic_features
from flow_sdk.errors import UsageError
from flow_sdk.text import suggest_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["VARIABLES", "parse_attributes", "parse_many", "parse_with"]

VARIABLES = ("FLOW_SDK_DECOSPECS", "METAFLOW_DECOSPECS", "METAFLOW_DEFAULT_DECOSPECS")
"""Environment variables that hold decorators for every step; the first one that is set counts."""


def parse_with(text: str, module: str = "__main__") -> Any:
    """Read one step decorator from text.

    Parameters
    ----------
    text : str
        ``name`` or ``name:attribute=value,...``; a value is JSON, or text as it stands. A custom decorator's name has
        its module before it, unless it is defined in the flow's file.
    module : str
        The flow's module.

    Returns
    -------
    Decorator or AppliedDecorator
        The decorator; ``AppliedDecorator`` for a custom one.

    Raises
    ------
    UsageError
        If the name or an attribute isn't known, or a value can't be used.
    """
    kind = find_decorator(text.strip().partition(":")[0])
    try:
        found = kind if kind is not None and not kind.on_step else parse_decorator(text, module)
    except UsageError as error:
        error.where = f"--with {text}"
        raise
    if not found.on_step:
        raise UsageError(
            f"@{found.name} is for flow classes; --with adds step decorators.",
            where=f"--with {text}",
            help=f"Write @{found.name} above the class.",
        )
    return found


def parse_decorator(text: str, module: str) -> Any:
    """Read one decorator of a step or a flow from text; as :func:`parse_with` does."""
    name, colon, rest = text.strip().partition(":")
    kind = find_decorator(name)
    if kind is not None:
        return kind(**parse_attributes(rest, text)) if colon else kind()
    if "." in name or not uses_no_dynamic_features():
        from flow_sdk.authoring.user_decorators import AppliedDecorator, find_custom, is_custom

        if is_custom(name, module):
            return AppliedDecorator(find_custom(name, module), (), parse_attributes(rest, text) if colon else {})
    from flow_sdk.authoring.inactive_decorators import INACTIVE

    if name in INACTIVE:
        raise UsageError(f"@{name} has no effect in this release of Flow SDK.", help="Leave it out.")
    raise UsageError(f"There is no decorator {name!r}.", help=suggest_name(name, _step_decorator_names()))


def _step_decorator_names() -> list[str]:
    found = {name: find_decorator(name) for name in builtin_decorator_names()}
    return [name for name, kind in found.items() if kind is not None and kind.on_step]


def parse_many(text: str, module: str = "__main__") -> list[Any]:
    """Read decorators with white space between them, as an environment variable holds them."""
    return [parse_with(part, module) for part in _split_outside_quotes(text, str.isspace) if part]


def parse_attributes(rest: str, text: str) -> dict[str, Any]:
    """Read what follows the colon in a decorator's text: attributes by name.

    Raises
    ------
    UsageError
        If an attribute has no value, or has two.
    """
    parts: list[str] = []
    for chunk in _split_outside_quotes(rest, ",".__eq__):
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
        found[key.strip()] = _parse_value(value)
    return found


def _parse_value(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False, "None": None}.get(text.strip(), text)


def _split_outside_quotes(text: str, separates: Callable[[str], bool]) -> list[str]:
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
