"""The user's text on a terminal: colours stay, nothing in it moves the cursor, renames the window or rings."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # what type checkers look for; importing typing for it would cost 4 ms
if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["harmless", "shown"]

_RESET = "\x1b[0m"
# CSI, then OSC and what is written like it, then other escapes. Half of one isn't printable, or harmless text.
_SEQUENCES = (
    r"((?:\x1b\[|\x9b)[0-9;:?]*[ -/]*[@-~]"
    r"|(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~])"
)
_COLOURS = r"\x1b\[[0-9;:]*m"


def harmless(line: str) -> str:
    """Return one line as a terminal may show it: what a carriage return would have overwritten is left out."""
    if line.isprintable():
        return line
    import re

    last = line.rstrip("\r").rsplit("\r", 1)[-1].expandtabs()
    text = ""
    for i, part in enumerate(re.split(_SEQUENCES, last)):
        if i % 2:
            text += part if re.fullmatch(_COLOURS, part) else ""
        else:
            text += "".join(c for c in part if c.isprintable())
    return text + _RESET if "\x1b" in text else text


def shown(text: str, stream: TextIO | None = None) -> str:
    """Return text as it may be written to a stream (stdout by default): as it is unless that is a terminal.

    A file or a pipe gets every byte, as who reads it may want it whole.
    """
    if text.isprintable() or not (stream or sys.stdout).isatty():
        return text
    return "\n".join(map(harmless, text.split("\n")))
