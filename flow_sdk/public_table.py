"""Reading the table of public names, :mod:`flow_sdk.public_names`, without executing it.

Executing it would import all of the SDK. Its lines have one form, so that reading it is cheaper than any parser.
"""

from __future__ import annotations

__all__ = ["DECORATORS", "read_public_names"]

DECORATORS = "flow_sdk.authoring.decorators."
"""How the names of the modules begin that have a decorator each."""

_names: dict[str, str] = {}


def read_public_names() -> dict[str, str]:
    """Return the module of each public name."""
    if not _names:
        _names.update(_parse_table() or _import_table())
    return _names


def _parse_table() -> dict[str, str]:
    """Return the table from the text of the module; an empty one where only its byte code is installed."""
    try:
        with open(__file__.replace("public_table.py", "public_names.py"), encoding="utf-8") as file:
            lines = [line.split() for line in file]
    except (OSError, ValueError):
        return {}
    return {words[5]: words[1] for words in lines if words[:1] == ["from"] and words[4:5] == ["as"]}


def _import_table() -> dict[str, str]:
    """Return the table by importing all that is public."""
    import importlib

    module = importlib.import_module("flow_sdk.public_names")
    return {name: module.__name__ for name in vars(module) if not name.startswith("_")}
