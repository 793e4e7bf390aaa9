"""``--output json``: the result of a command, or its error, as one JSON document on stdout."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = ["asks_for_json", "print_json"]


def print_json(document: Mapping[str, Any]) -> None:
    """Print a command's result. Its keys are documented, and stay."""
    import json

    print(json.dumps(document, indent=2, default=str))


def asks_for_json(argv: Sequence[str]) -> bool:
    """Return whether a command line that may not be parsed yet asks for JSON.

    Parameters
    ----------
    argv : sequence of str
        The arguments without the program.
    """
    options = argv[: argv.index("--")] if "--" in argv else argv
    if "--output=json" in options or "--json" in options:
        return True
    return any(options[n] == "--output" and options[n + 1] == "json" for n in range(len(options) - 1))
