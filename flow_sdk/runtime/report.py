"""How a task's process reports to the one that started it: JSON lines on a pipe that the user's code never meets.

The pipe's descriptor isn't inherited by what the step starts, has a high number, and is looked at before each line: a
step that closes all descriptors and opens files would otherwise find our lines in one of them.
"""

import fcntl
import functools
import json
import os
import resource
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "FAILED",
    "FATAL",
    "LONGEST_REPORT",
    "OK",
    "REPORT_FD",
    "Claimed",
    "Finished",
    "PipeReport",
    "Report",
    "Running",
    "lowest_number",
    "open_report",
    "read_report",
]

REPORT_FD = "FLOW_SDK_REPORT_FD"
"""Environment variable with the descriptor's number, where a process is started by exec."""

LONGEST_REPORT = 1 << 20
"""Bytes of a line, at most."""

HIGH = 1024
"""Descriptors are numbered from the lowest free one; other code doesn't meet one near this number."""

MOST_SECONDS = 1e9

_encode = json.JSONEncoder(separators=(",", ":")).encode

OK, FAILED, FATAL = 0, 1, 2
"""Exit codes of a task's process: committed; failed; failed, and trying again can't help."""

Report = Callable[[dict[str, Any]], None]


class PipeReport:
    """Writes reports for one process; a process that it forks writes none.

    Parameters
    ----------
    fd : int
        The pipe's descriptor, which is moved.
    """

    def __init__(self, fd: int) -> None:
        self._fd = _out_of_the_way(fd)
        found = os.fstat(self._fd)
        self._pipe = (found.st_dev, found.st_ino)
        self._owner = os.getpid()

    def __call__(self, fields: dict[str, Any]) -> None:
        if os.getpid() != self._owner:
            return
        line = memoryview(_encode(fields).encode() + b"\n")
        try:
            found = os.fstat(self._fd)
            if (found.st_dev, found.st_ino) != self._pipe:
                return  # the step has closed it and opened something else
            while line:
                line = line[os.write(self._fd, line) :]
        except OSError:
            pass  # the process that started this one is gone, or the step has closed it; the commit says the same

    def release_descriptor(self) -> int:
        """Return the pipe's descriptor for the program that this process is about to execute instead of itself."""
        os.set_inheritable(self._fd, True)
        return self._fd


@functools.cache
def lowest_number() -> int:
    """Return the number that a pipe for reports has at least; a fork server asks once for all tasks."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = HIGH if soft == resource.RLIM_INFINITY else min(soft, HIGH)
    return max(most - 32, most // 2)


def _out_of_the_way(fd: int) -> int:
    """Move a descriptor to a high number, closed when the process starts another program."""
    try:
        moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest_number())
    except OSError:
        os.set_inheritable(fd, False)
        return fd
    os.close(fd)
    return moved


def open_report(fd: int | None) -> Report:
    """Make the function that a task's process reports with.

    Parameters
    ----------
    fd : int or None
        The pipe's descriptor, which is moved; None to report nothing.

    Returns
    -------
    callable
        Takes the fields of one report. It never fails: what counts is in the store.
    """
    return PipeReport(fd) if fd is not None else lambda fields: None


@dataclass(frozen=True, slots=True)
class Claimed:
    """The process has claimed the attempt with this number."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Running:
    """The user's code began to run under a time limit of so many seconds; None when it has ended."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The attempt has ended; ``outcome`` is as :func:`flow_sdk.runtime.task.runner.run_and_report` reports them."""

    outcome: dict[str, Any]


def read_report(line: str) -> Claimed | Running | Finished | None:
    """Read a line of a report.

    Returns
    -------
    Claimed, Running, Finished or None
        None for a line that isn't one of the runner's: something else has written to the pipe.
    """
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    if fields.keys() == {"running"}:
        return _parse_running(fields["running"])
    if fields.keys() == {"attempt"}:
        return Claimed(fields["attempt"]) if _is_count(fields["attempt"]) else None
    return Finished(fields) if _is_outcome(fields) else None


def _parse_running(seconds: Any) -> Running | None:
    if seconds is None:
        return Running(None)
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    return Running(float(seconds)) if is_number and 0 <= seconds < MOST_SECONDS else None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def _is_outcome(fields: dict[str, Any]) -> bool:
    """Return whether fields have the types of an outcome: every value that is there, and what its kind needs."""
    targets = fields.get("next", [])
    return (
        fields.keys() <= {"ok", "next", "caught", "count", "already", "error"}
        and ("error" in fields or {"ok", "next"} <= fields.keys())
        and all(isinstance(fields.get(name, False), bool) for name in ("ok", "caught", "already"))
        and isinstance(targets, list)
        and all(isinstance(target, str) for target in targets)
        and (fields.get("count") is None or _is_count(fields["count"]))
        and isinstance(fields.get("error", ""), str)
    )
