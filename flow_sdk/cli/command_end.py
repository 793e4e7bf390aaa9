"""How a command line ends: with an exit code, and with its error reported to everybody who waits for it."""

from __future__ import annotations

import os
import sys

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.errors import FlowSDKError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from flow_sdk.cli.parser import Parsed

__all__ = ["ErrorReporter", "run_guarded"]


class ErrorReporter:
    """Reports the error that a command line ends with.

    Users read it on stderr. ``--output json`` prints it as ``{"error": {...}}`` on stdout, too, and a program that
    started the command, such as ``Runner``, finds it in the folder that it named.

    Parameters
    ----------
    argv : sequence of str
        The arguments without the program.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = argv
        self._parsed: Parsed | None = None

    def use_parsed(self, parsed: Parsed) -> None:
        """Take the options from the parsed command line from now on, where a parameter can't be mistaken for one."""
        self._parsed = parsed

    def report(self, error: FlowSDKError) -> None:
        """Report an error of the tree."""
        from flow_sdk.cli.errors import print_error

        print_error(error)
        self.report_data(error)

    def report_data(self, error: FlowSDKError) -> None:
        """Report an error whose text has been printed to the programs that asked for it."""
        if self._prints_json():
            import json

            print(json.dumps({"error": error.as_data()}), flush=True)
        folder = next((word.partition("=")[2] for word in self._argv if word.startswith("--caller=")), None)
        if folder is not None:
            from flow_sdk.cli.caller import write_error

            write_error(folder, error)

    def _prints_json(self) -> bool:
        if self._parsed is None:
            from flow_sdk.cli.json_output import asks_for_json

            return asks_for_json(self._argv)
        return self._parsed.values.get("output") == "json"


def run_guarded(command: Callable[[], int], reporter: ErrorReporter) -> int:
    """Call a command and turn whatever it raises into a message and an exit code.

    Parameters
    ----------
    command : callable
        The command; returns its exit code.
    reporter : ErrorReporter
        Where its error is reported.
    """
    if sys.stdout is None or sys.stderr is None:  # closed by the process that started us
        from flow_sdk.runtime.local.fork_server import open_standard

        open_standard()
    try:
        code = int(command() or 0)
        sys.stdout.flush()
        return code
    except FlowSDKError as error:
        return _end_with_error(error, reporter.report)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: an error message would have no reader.
        _drop_output(sys.stdout)
        return 141
    except Exception as error:  # noqa: BLE001 - the last handler, where a mistake of ours is reported as one
        from flow_sdk.cli.errors import exhausted_resource, print_bug
        from flow_sdk.cli.shadowing import find_shadowed

        known = exhausted_resource(error) or find_shadowed()
        if known is not None:
            return _end_with_error(known, reporter.report)
        print_bug(error)
        bug = FlowSDKError(f"{type(error).__name__}: {error}", help="This is a bug in Flow SDK.")
        return _end_with_error(bug, reporter.report_data)


def _end_with_error(error: FlowSDKError, report: Callable[[FlowSDKError], None]) -> int:
    """Report an error as far as the streams take it; returns its exit code."""
    try:
        report(error)
        sys.stdout.flush()
    except OSError:  # the reader has gone, or there's no space for it
        _drop_output(sys.stdout)
        _drop_output(sys.stderr)
    return error.exit_code


def _drop_output(stream: Any) -> None:
    """Discard what a stream still holds; Python would report at its end that it can't be written."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError):
        pass  # it isn't a file
