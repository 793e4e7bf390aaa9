"""Capturing a task's output: splitting it into lines and storing it in chunks next to the attempt.

A log is worth less than its task. So it is stored by threads beside the one that looks after tasks: a store that is
slow or fails holds nothing up and ends nothing. What it doesn't take is tried again, within bounds of time and memory.
"""

import fcntl
import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable

from flow_sdk.runtime.tracebacks import describe_exception, summarize_exception
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.layout import log_key

__all__ = ["END_TIMEOUT", "LineSplitter", "LogSender", "LogWriter", "drain_pipe", "log_entry"]

FLUSH_BYTES = 256 * 1024
FLUSH_SECONDS = 5.0
"""Seconds after which lines are stored, and after which a put that failed is tried again."""
MOST_HELD = 32 << 20
"""Bytes of all logs of a process that wait at most to be stored; lines that come when there are so many aren't kept."""
MOST_THREADS = 4
"""Puts at a time: to a store far away, small logs of many tasks would otherwise take longer than the tasks."""
END_TIMEOUT = 30.0
"""Seconds for which the end of a run or task waits at most while the store takes nothing of the log."""
LAST_TRIES = 3
"""How often a log is refused at the end before it is dropped; a store that is only slow has the time above."""
LONGEST_LINE = 64 * 1024
LARGEST_PIPE = 1024 * 1024
"""What a pipe can hold at most where the system doesn't say, unless an administrator allows more."""


def drain_pipe(fd: int, take: Callable[[bytes], None]) -> None:
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
        Receives each line.
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


class LogSender:
    """Stores the logs of a process's attempts, from threads that are started when there is something to store.

    Parameters
    ----------
    store : ObjectStore
        Where to.
    report_loss : callable
        Receives one line at the end if something couldn't be stored.
    """

    def __init__(self, store: ObjectStore, report_loss: Callable[[str], None]) -> None:
        self._store, self._report_loss = store, report_loss
        self._lock = threading.Lock()
        self._work_to_do, self._one_less = threading.Condition(self._lock), threading.Condition(self._lock)
        self._numbers = itertools.count()
        self._due: list[tuple[float, int, LogWriter]] = []
        self._waiting: dict[LogWriter, None] = {}
        self._threads = self._idle = 0
        self._held = 0
        self._progress = 0.0
        self._closing = self._over = False
        self._missing, self._holed = 0, ""
        self._error: Exception | None = None

    def close(self, timeout: float = END_TIMEOUT) -> None:
        """Wait until all is stored, and report what isn't.

        Parameters
        ----------
        timeout : float
            Seconds (>= 0) after which the rest is dropped if the store takes nothing in them.
        """
        try:
            with self._lock:
                self._closing = True
                self._progress = time.monotonic()
                for log in self._waiting:
                    log._not_before, log._refused = 0.0, 0
                    self._schedule_log(log, 0.0)
                while self._waiting and (left := self._progress + timeout - time.monotonic()) > 0:
                    self._one_less.wait(left)
        finally:
            self._stop_threads()

    def _stop_threads(self) -> None:
        """End the threads, and report what wasn't stored."""
        with self._lock:
            self._over = True
            self._work_to_do.notify_all()
            for log in self._waiting:
                self._count_lost(log, log._waiting_lines())
            self._waiting.clear()
            missing, self._missing = self._missing, 0
        if missing:
            lines = "1 line wasn't" if missing == 1 else f"{missing:,} lines weren't"
            why = "" if self._error is None else f" {summarize_exception(describe_exception(self._error))}"
            self._report_loss(f"The log isn't whole: {lines} stored, from {self._holed} on.{why}")

    def _count_lost(self, log: "LogWriter", lines: int) -> None:
        self._holed = self._holed or log.name
        self._missing += lines

    def _schedule_log(self, log: "LogWriter", due: float) -> None:
        """Schedule a log for when it is due; the lock is held, here and in all that follows."""
        self._waiting[log] = None
        due = max(due, log._not_before)
        if log._sending or (log._due is not None and log._due <= due):
            return
        log._due = due
        entry = (due, next(self._numbers), log)
        heapq.heappush(self._due, entry)
        if self._due[0] is entry:
            self._wake_thread()

    def _wake_thread(self) -> None:
        """Wake or start a thread for what is due first."""
        if self._idle:
            self._work_to_do.notify()
        elif self._threads < MOST_THREADS:
            try:
                threading.Thread(target=self._run_thread, name="flow-sdk-log", daemon=True).start()
                self._threads += 1
            except RuntimeError:
                pass  # no thread is to be had now: the next line, or the end, tries again

    def _run_thread(self) -> None:
        while (log := self._next_due()) is not None:
            error: Exception | None = None
            try:
                self._store.put(log._chunk_key(), log._chunk, durable=False)
            except Exception as failed:  # noqa: BLE001 - whatever it is, no task may end of it
                error = failed
            with self._lock:
                self._handle_put(log, error)

    def _next_due(self) -> "LogWriter | None":
        """Wait for a log that is due and take what it has; None when there will be none."""
        with self._lock:
            while not self._over:
                now = time.monotonic()
                if not self._due or self._due[0][0] > now:
                    self._idle += 1
                    self._work_to_do.wait(self._due[0][0] - now if self._due else None)
                    self._idle -= 1
                    continue
                due, _, log = heapq.heappop(self._due)
                if log._due != due:
                    continue  # it was handled earlier than was planned then
                log._due, log._sending = None, True
                log._fill_chunk()
                if self._due and self._due[0][0] <= now:
                    self._wake_thread()
                return log
            return None

    def _handle_put(self, log: "LogWriter", error: Exception | None) -> None:
        """Handle the end of a put."""
        log._sending = False
        now = time.monotonic()
        if error is None:
            self._progress = now
            self._held -= log._finish_chunk(now)
            if not log._waiting_lines():
                self._waiting.pop(log, None)
            else:
                self._schedule_log(log, 0.0 if self._closing or log._is_full() else now + FLUSH_SECONDS)
        else:
            self._error = error
            log._refused += 1
            if self._closing and log._refused >= LAST_TRIES:
                self._count_lost(log, log._waiting_lines())
                self._waiting.pop(log, None)
                self._one_less.notify_all()
                return
            log._not_before = now + (min(FLUSH_SECONDS, 1.0) if self._closing else FLUSH_SECONDS)
            self._schedule_log(log, 0.0)
        self._one_less.notify_all()


class LogWriter:
    """Collects an attempt's log while it runs.

    Parameters
    ----------
    sender : LogSender
        Stores it.
    limit : int, optional
        Bytes kept at most (> 0); what comes after is counted and dropped.
    """

    def __init__(self, sender: LogSender, limit: int | None = None) -> None:
        self._sender = sender
        self._limit = limit
        self._attempt_key: tuple[str, str, str, str, int] | None = None
        self._buffer: list[bytes] = []
        self._size = self._total = 0
        self._dropped = self._missing = 0
        self._chunk: list[bytes] = []
        self._number = 0
        self._flushed = time.monotonic()
        self._not_before, self._refused = 0.0, 0
        self._due: float | None = None
        self._sending = self._closed = False

    @property
    def name(self) -> str:
        """The task and attempt, for messages."""
        return "" if self._attempt_key is None else "{2}/{3}, attempt {4}".format(*self._attempt_key)

    def assign_attempt(self, flow: str, run: str, step: str, task: str, attempt: int) -> None:
        """Set the attempt that the log belongs to; until then it is held back."""
        with self._sender._lock:
            self._attempt_key = (flow, run, step, task, attempt)
            self._schedule_storing()

    def write(self, stream: str, line: str) -> None:
        """Add a line of ``stdout`` or ``stderr``."""
        data = log_entry(stream, line)
        if self._limit is not None and (self._dropped or self._total + len(data) > self._limit):
            self._dropped += 1
            return
        self._total += len(data)
        sender = self._sender
        with sender._lock:
            if self._missing or sender._held + len(data) > MOST_HELD:
                self._missing += 1
            else:
                self._buffer.append(data)
                self._size += len(data)
                sender._held += len(data)
            self._schedule_storing()

    def close(self) -> None:
        """Schedule the rest to be stored; closing the sender waits for that."""
        if self._dropped:
            self._limit, dropped, self._dropped = None, self._dropped, 0
            self.write("stderr", f"[{dropped} more lines were over the log's size limit and aren't kept]")
        with self._sender._lock:
            self._closed = True
            if self._attempt_key is None:  # no attempt, no log
                self._sender._held -= self._size
                self._buffer, self._size = [], 0
            self._schedule_storing()

    # What follows is the sender's, who holds the lock.

    def _schedule_storing(self) -> None:
        if self._attempt_key is None or not self._waiting_lines():
            return
        self._sender._schedule_log(self, 0.0 if self._is_full() else self._flushed + FLUSH_SECONDS)

    def _is_full(self) -> bool:
        return self._closed or self._size >= FLUSH_BYTES

    def _waiting_lines(self) -> int:
        """Return how many lines wait."""
        return len(self._chunk) + len(self._buffer) + self._missing

    def _chunk_key(self) -> str:
        assert self._attempt_key is not None
        return log_key(*self._attempt_key, self._number)

    def _fill_chunk(self) -> None:
        """Make a chunk of what waits, unless one is to be tried again: a reader may have begun to read that."""
        if self._chunk:
            return
        self._chunk, self._buffer, self._size = self._buffer, [], 0
        if self._missing:
            self._sender._count_lost(self, self._missing)
            gap = log_entry(
                "stderr", f"[{self._missing} lines are missing here: the store didn't take the log in time]"
            )
            self._chunk.append(gap)
            self._sender._held += len(gap)
            self._missing = 0

    def _finish_chunk(self, now: float) -> int:
        """Drop the stored chunk; returns its size in bytes."""
        size = sum(map(len, self._chunk))
        self._chunk, self._flushed = [], now
        self._number += 1
        return size


def log_entry(stream: str, line: str) -> bytes:
    """Return a line of ``stdout`` or ``stderr`` as it is stored, written now."""
    mark = "o" if stream == "stdout" else "e"
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"
    return f"{stamp} {mark} {line}\n".encode("utf-8", "replace")
