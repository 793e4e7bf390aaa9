"""The user's text on a terminal: colours stay, nothing in it moves the cursor, renames the window or rings."""

from __future__ import annotations

import sys

from flow_sdk.errors import visible

TYPE_CHECKING = False  # what type checkers look for; importing typing for it would cost 4 ms
if TYPE_CHECKING:
    from typing import Any, TextIO

__all__ = ["LenientStream", "harmless", "note", "shown"]

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


class LenientStream:
    """A text stream whose reader matters less than what is done meanwhile.

    A full disk, or a reader that goes away (head, less), ends what it shows, and no more.

    Parameters
    ----------
    stream : text stream
        Where to write to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write text, or drop it once writing has failed."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Write to nowhere from now on; what is buffered has to go somewhere, too, or the end of Python would fail."""
        import os

        self.failure = self.failure or error
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())
        os.close(null)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def note(text: str) -> None:
    """Print to stderr, what a terminal would obey written out."""
    # Nobody can be told on a full disk or through a closed pipe; what was asked for is done all the same.
    stream = LenientStream(sys.stderr)
    stream.write(visible(text) + "\n")
    stream.flush()
