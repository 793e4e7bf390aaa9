"""A task's log: lines in the order written, read whole or followed while they come."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from flow_sdk.errors import ObjectMissing, UsageError
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records import layout

__all__ = ["LogLine", "LogTail", "TaskPath", "check_stream", "follow_lines", "task_lines"]

TaskPath = tuple[str, str, str, str]
"""Flow, run, step and task."""

_STREAMS = {b"o": "stdout", b"e": "stderr"}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log.

    Parameters
    ----------
    time : datetime
        When it was written: UTC, without a zone.
    stream : {"stdout", "stderr"}
        Where to.
    text : str
        The line without its end.
    """

    time: datetime
    stream: str
    text: str


def check_stream(stream: str) -> None:
    """Refuse a name that is no stream's."""
    if stream not in _STREAMS.values():
        raise UsageError("A task has no such output.", seen=repr(stream), wanted="'stdout' or 'stderr'")


class LogTail:
    """Reads an attempt's log bit by bit: each call gives the lines that have come since the last one.

    Parameters
    ----------
    store : ObjectStore
        Where the log is.
    place : tuple of str
        Flow, run, step and task.
    attempt : int
        Number of the attempt (>= 0).
    """

    def __init__(self, store: ObjectStore, place: TaskPath, attempt: int) -> None:
        self._store = store
        self._prefix = layout.log_prefix(*place, attempt)
        self._chunk = ""
        self._offset = 0
        self._rest = b""
        self._last = LogLine(datetime.fromtimestamp(0), "stdout", "")

    def read(self) -> Iterator[LogLine]:
        """Yield the lines that are complete by now and weren't given before."""
        for info in self._store.list(self._prefix):
            if info.key < self._chunk:
                continue
            if info.key > self._chunk:
                self._chunk, self._offset = info.key, 0
            if info.size <= self._offset:
                continue
            try:
                data = self._store.get_range(info.key, self._offset, info.size - self._offset)
            except ObjectMissing:
                continue
            self._offset += len(data)
            lines = (self._rest + data).split(b"\n")
            self._rest = lines.pop()
            yield from map(self._line, lines)

    def read_rest(self) -> Iterator[LogLine]:
        """Yield the last line if it has no end: what a killed process had begun to write."""
        if self._rest:
            line, self._rest = self._rest, b""
            yield self._line(line)

    def _line(self, raw: bytes) -> LogLine:
        stamp, _, tail = raw.partition(b" ")
        mark, _, text = tail.partition(b" ")
        try:
            written = datetime.fromisoformat(stamp.decode("ascii").removesuffix("Z"))
            stream = _STREAMS[mark]
        except (ValueError, KeyError):
            # Not in the form of a log line: better shown as it is, where it is, than lost.
            return LogLine(self._last.time, self._last.stream, raw.decode("utf-8", "replace"))
        self._last = LogLine(written, stream, text.decode("utf-8", "replace"))
        return self._last


def task_lines(store: ObjectStore, place: TaskPath, attempt: int) -> Iterator[LogLine]:
    """Yield the lines of an attempt's log so far."""
    tail = LogTail(store, place, attempt)
    yield from tail.read()
    yield from tail.read_rest()


def follow_lines(
    store: ObjectStore,
    place: TaskPath,
    attempt: int,
    is_over: Callable[[], bool],
    *,
    interval: float = 0.5,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[LogLine]:
    """Yield the lines of an attempt's log as they come.

    Parameters
    ----------
    store : ObjectStore
        Where the log is.
    place : tuple of str
        Flow, run, step and task.
    attempt : int
        Number of the attempt (>= 0).
    is_over : callable
        Returns whether no more will come, such as ``lambda: task.finished_at is not None``.
    interval : float
        Seconds between two looks (> 0).
    sleep : callable
        Waits that long.
    """
    tail = LogTail(store, place, attempt)
    while True:
        over = is_over()  # asked before reading: what was written until then is read below
        yield from tail.read()
        if over:
            yield from tail.read_rest()
            return
        sleep(interval)
