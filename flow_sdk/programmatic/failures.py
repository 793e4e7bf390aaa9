"""The errors of a command that was started, as errors here."""

import json

from flow_sdk.cli.caller import ERROR
from flow_sdk.errors import CheckFailed, FlowSDKError, RunFailed, UsageError, error_from_data
from flow_sdk.programmatic.process import Process

__all__ = ["command_error", "run_error"]

_MOST_LINES = 40
"""Lines of stderr that are shown of a command that left no error."""


def command_error(process: Process, kind: type[FlowSDKError], what: str) -> FlowSDKError:
    """Return the error that a command ended with.

    Parameters
    ----------
    process : Process
        The command; it has ended.
    kind : type
        The class of an error that the command didn't report, such as one of a killed process.
    what : str
        What has failed, for such an error.
    """
    try:
        with open(process.file_path(ERROR), encoding="utf-8") as file:
            return error_from_data(json.load(file))
    except (OSError, ValueError):
        text = "\n".join(process.read_text("stderr").rstrip().split("\n")[-_MOST_LINES:]).strip()
        wrong = UsageError if process.returncode == 2 else kind
        return wrong(f"{what} (exit code {process.returncode}).", seen=text or None)


def run_error(process: Process) -> FlowSDKError:
    """Return the error of a command that ended before its run began.

    Returns
    -------
    UsageError or RunFailed
        A wrong use as it is. Anything else as a :class:`RunFailed` that the command's own error is the cause of.
    """
    error = command_error(process, RunFailed, "The run didn't begin")
    if isinstance(error, UsageError | RunFailed):
        return error
    if isinstance(error, CheckFailed):
        failed = RunFailed("The run didn't begin.", seen=error.headline)
    else:
        failed = RunFailed(error.headline, seen=error.seen, wanted=error.wanted, where=error.where, help=error.help)
    failed.__cause__ = error
    return failed
