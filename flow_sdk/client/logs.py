"""A task's log: lines in the order written, read whole or while they are written."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from flow_sdk.errors import ObjectMissing, UsageError
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records import layout

__all__ = ["LogLine", "LogTail", "TaskPath", "check_stream", "task_lines"]

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
    """Reads an attempt's log in steps: each call yields the lines that were written since the last one.

    Parameters
    ----------
    store : ObjectStore
        Where the log is.
    task : tuple of str
        Flow, run, step and task.
    attempt : int
        Number of the attempt (>= 0).
    """

    def __init__(self, store: ObjectStore, task: TaskPath, attempt: int) -> None:
        self._store = store
        self._prefix = layout.log_prefix(*task, attempt)
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
            yield from map(self._parse_line, lines)

    def read_rest(self) -> Iterator[LogLine]:
        """Yield the last line if it has no end: what a killed process had begun to write."""
        if self._rest:
            line, self._rest = self._rest, b""
            yield self._parse_line(line)

    def _parse_line(self, raw: bytes) -> LogLine:
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


def task_lines(store: ObjectStore, task: TaskPath, attempt: int) -> Iterator[LogLine]:
    """Yield the lines of an attempt's log so far."""
    tail = LogTail(store, task, attempt)
    yield from tail.read()
    yield from tail.read_rest()
