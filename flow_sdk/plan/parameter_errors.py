"""The errors for values that a parameter can't take."""

from __future__ import annotations

from typing import Any

from flow_sdk.errors import ParameterError
from flow_sdk.plan.model import ParameterPlan

__all__ = ["WANTED", "check_text", "help_of", "value_error"]

WANTED = {
    "str": "text",
    "int": "a whole number, such as 3",
    "float": "a number, such as 0.5",
    "bool": "true or false (1, 0, yes, no, on, off count too)",
    "json": 'JSON, such as {"a": [1, 2]}',
    "file": "a file's contents",
}
"""What each type of parameter takes, for people."""


def check_text(parameter: ParameterPlan, text: str) -> None:
    """Refuse text that has no UTF-8 form, such as a command line's bytes in another encoding."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise value_error(parameter, text, "text that is valid UTF-8") from None


def help_of(parameter: ParameterPlan) -> str | None:
    """Return the parameter's own help as a help line."""
    return f"--{parameter.name}: {parameter.help}" if parameter.help else None


def value_error(
    parameter: ParameterPlan, raw: Any, wanted: str | None = None, help: str | None = None
) -> ParameterError:
    """Return the error for a value that a parameter can't take; ``wanted`` is its type unless given."""
    shown = ascii(raw) if isinstance(raw, str) and not raw.isprintable() else repr(raw)
    return ParameterError(
        f"The parameter {parameter.name!r} can't take this value.",
        seen=shown if len(shown) <= 160 else shown[:160] + "...",
        wanted=wanted or WANTED[parameter.type],
        help=help or help_of(parameter),
    )
