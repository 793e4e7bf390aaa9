"""Capturing a task's output: splitting it into lines and storing it in chunks next to the attempt."""

import fcntl
import os
import time
from collections.abc import Callable

from flow_sdk.store.layout import log_key
from flow_sdk.store.port import ObjectStore

__all__ = ["LineSplitter", "LogWriter", "drain"]

FLUSH_BYTES = 256 * 1024
FLUSH_SECONDS = 5.0
LONGEST_LINE = 64 * 1024
LARGEST_PIPE = 1024 * 1024
"""What a pipe can hold at most where the system doesn't say, unless an administrator allows more."""


def drain(fd: int, take: Callable[[bytes], None]) -> None:
    """Read what an ended process left in a pipe; no more than that, as a grandchild may write into it for ever."""
    left = fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) if hasattr(fcntl, "F_GETPIPE_SZ") else LARGEST_PIPE
    while left > 0:
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            return
        if not data:
            return
        take(data)
        left -= len(data)


class LineSplitter:
    """Turns chunks of bytes into lines of text, damaged characters replaced.

    Parameters
    ----------
    emit : callable
        Is given each line.
    longest : int
        Bytes after which a line is given out in parts (> 0).
    """

    def __init__(self, emit: Callable[[str], None], longest: int = LONGEST_LINE) -> None:
        self._emit = emit
        self._longest = longest
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take in more bytes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._emit(line.rstrip(b"\r").decode("utf-8", "replace"))
        if len(self._rest) > self._longest:
            self.close()

    def close(self) -> None:
        """Emit what is left as a last line."""
        if self._rest:
            rest, self._rest = self._rest, b""
            self._emit(rest.decode("utf-8", "replace"))


class LogWriter:
    """Stores an attempt's log while it runs.

    Parameters
    ----------
    store : ObjectStore
        Where to.
    limit : int, optional
        Bytes kept at most (> 0); what comes after is counted and dropped.
    """

    def __init__(self, store: ObjectStore, limit: int | None = None) -> None:
        self._store = store
        self._limit = limit
        self._place: tuple[str, str, str, str, int] | None = None
        self._buffer: list[bytes] = []
        self._size = 0
        self._total = 0
        self._dropped = 0
        self._chunk = 0
        self._flushed = time.monotonic()

    def place(self, flow: str, run: str, step: str, task: str, attempt: int) -> None:
        """Say which attempt the log belongs to; until then it is held back."""
        self._place = (flow, run, step, task, attempt)

    def write(self, stream: str, line: str) -> None:
        """Add a line of ``stdout`` or ``stderr``."""
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"
        data = f"{stamp} {'o' if stream == 'stdout' else 'e'} {line}\n".encode("utf-8", "replace")
        if self._limit is not None and (self._dropped or self._total + len(data) > self._limit):
            self._dropped += 1
            return
        self._total += len(data)
        self._size += len(data)
        self._buffer.append(data)
        if self._size >= FLUSH_BYTES:
            self.flush()

    def tick(self) -> None:
        """Store what has waited long enough; to be called now and then."""
        if self._buffer and time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Store what is held back."""
        if self._place is None or not self._buffer:
            return
        self._store.put(log_key(*self._place, self._chunk), self._buffer, durable=False)
        self._buffer, self._size = [], 0
        self._chunk += 1
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Store the rest."""
        if self._dropped:
            self._limit, dropped = None, self._dropped
            self.write("stderr", f"[{dropped} more lines were over the log's size limit and aren't kept]")
        self.flush()
