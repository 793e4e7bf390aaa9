"""The user's text on a terminal: colours stay, nothing in it moves the cursor, renames the window or rings."""

from __future__ import annotations

import sys

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.text import escape_invisible, strip_control_sequences

if TYPE_CHECKING:
    from typing import Any, TextIO

__all__ = ["LenientStream", "print_message", "text_for_stream"]


def text_for_stream(text: str, stream: TextIO | None = None) -> str:
    """Return text as it may be written to a stream (stdout by default): as it is unless that is a terminal.

    A file or a pipe gets every byte, as who reads it may want it whole.
    """
    if text.isprintable() or not (stream or sys.stdout).isatty():
        return text
    return "\n".join(map(strip_control_sequences, text.split("\n")))


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


def print_message(text: str) -> None:
    """Print to stderr, with control characters written out."""
    # A full disk or a closed pipe doesn't stop the command.
    stream = LenientStream(sys.stderr)
    stream.write(escape_invisible(text) + "\n")
    stream.flush()
