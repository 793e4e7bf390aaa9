"""Errors as users read them: on stderr, tidy, in colour on a terminal, never with a traceback of ours."""

from __future__ import annotations

import errno
import os
import sys

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.cli.terminal import text_for_stream
from flow_sdk.errors import CheckFailed, FlowSDKError

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["exhausted_resource", "print_bug", "print_error", "wants_colour"]

RED, YELLOW, CYAN, BOLD, DIM, RESET = "\x1b[31m", "\x1b[33m", "\x1b[36m", "\x1b[1m", "\x1b[2m", "\x1b[0m"


def wants_colour(stream: TextIO) -> bool:
    """Return whether colour may be written to a stream: a terminal that isn't dumb, and no ``NO_COLOR`` is set."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()


def print_error(error: FlowSDKError, stream: TextIO | None = None) -> None:
    """Print an error of the tree."""
    out = stream or sys.stderr
    colour = wants_colour(out)
    if isinstance(error, CheckFailed):
        text = text_for_stream(str(error), out)
    else:
        head, *rest = text_for_stream(str(error), out).split("\n")
        mark, plain = (f"{RED}{BOLD}error:{RESET} {BOLD}", RESET) if colour else ("error: ", "")
        lines = [f"{mark}{head}{plain}"]
        for line in rest:
            label, colon, tail = line.partition(":")
            if colour and colon and label.strip() in ("seen", "wanted", "where", "help"):
                line = f"{CYAN}{label}:{RESET}{tail}"
            lines.append(line)
        text = "\n".join(lines)
    print(text, file=out, flush=True)


def exhausted_resource(error: BaseException) -> FlowSDKError | None:
    """Return the error to show for an exception that says what the system has none left of; None for any other."""
    if not isinstance(error, OSError):
        return None
    seen = f"{error.strerror} (errno {error.errno})"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return FlowSDKError(
            "This process can't open more files.",
            seen=seen,
            help="Allow more with ulimit -n, or have fewer tasks at a time with --max-workers.",
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FlowSDKError("There's no space left to write to.", seen=seen, where=error.filename or "the output")
    return None


def print_bug(error: BaseException, stream: TextIO | None = None) -> None:
    """Print an exception that no one foresaw: it is our mistake, and the traceback helps to fix it."""
    import traceback

    from flow_sdk.cli.commands.version import describe_versions

    out = stream or sys.stderr
    traceback.print_exception(error, file=out)
    print(
        f"\nThis is a bug in Flow SDK, not in your flow ({describe_versions()}).\n"
        "Please report it with the traceback above.",
        file=out,
        flush=True,
    )
