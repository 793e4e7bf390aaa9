"""What a local run shows: plain lines, or one JSON object a line.

What the steps print to stdout goes to stdout, everything else (their stderr, the framework's own messages) to stderr.
"""

import sys
import time
from typing import Any, Protocol, TextIO

from flow_sdk.cli.terminal import text_for_stream
from flow_sdk.runtime.local.reporter import Reporter
from flow_sdk.text import escape_invisible, quote_unprintable, strip_control_sequences

__all__ = ["Ending", "Failures", "JsonReporter", "PlainReporter", "seconds_text"]

SHOWN_FAILURES = 10


def seconds_text(seconds: float) -> str:
    """Return a duration as text: ``0.12 s``, ``12.3 s``, ``4 min 05 s``, ``2 h 07 min``."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


class Ending(Reporter, Protocol):
    """A reporter that remembers how the run ended: None until then."""

    state: str | None


class Failures:
    """The failed tasks of a run, and how its end shows them.

    Parameters
    ----------
    command : str
        How the flow file is called, with the options that name its store (``python flow.py``).
    notebook_flow : str, optional
        Name of a flow that is written in a notebook: its logs are read with Python code.
    """

    def __init__(self, command: str, notebook_flow: str | None = None) -> None:
        self._command = command
        self._notebook_flow = notebook_flow
        self._failed: list[tuple[str, str, int, str]] = []
        self._reasons: set[tuple[str, str, str]] = set()

    def add_failure(self, step: str, task: str, attempt: int, reason: str) -> None:
        """Add a task that isn't tried again; ``attempt`` counts from 0."""
        self._failed.append((step, task, attempt, first_line(reason)))
        self._reasons.add((step, task, reason))

    def reason_left(self, reason: str | None) -> str | None:
        """Return the reason of a run's end, unless it is that of a task that failed."""
        is_shown = any(reason == f"{step}/{task}: {whole}" for step, task, whole in self._reasons)
        return None if is_shown else reason

    def summary_lines(self, run: str, state: str = "failed") -> list[str]:
        """Return which tasks failed, after how many attempts, how to read their logs, and how to resume the run."""
        lines = []
        for step, task, attempt, reason in self._failed[:SHOWN_FAILURES]:
            lines.append(f"{run}/{step}/{task} {failed_text(attempt)}: {reason}")
            lines.append(f"  {self._log_hint(f'{run}/{step}/{task}')}")
        if len(self._failed) > SHOWN_FAILURES:
            lines.append(f"and {len(self._failed) - SHOWN_FAILURES} more tasks failed")
        if state != "succeeded" and self._notebook_flow is None:
            lines.append(f"To run what is left: {self._command} resume --origin-run-id {run}")
        return lines

    def _log_hint(self, path: str) -> str:
        """Return how to read the log of a task."""
        if self._notebook_flow is None:
            return f"{self._command} logs {path}"
        return f'from flow_sdk import Task; print(Task("{self._notebook_flow}/{path}").stderr)'


def failed_text(attempt: int) -> str:
    """Return how the last attempt of a task is shown; ``attempt`` counts from 0."""
    return "failed after 1 attempt" if attempt == 0 else f"failed after {attempt + 1} attempts"


def first_line(text: str) -> str:
    """Return the first line of a reason; the whole of it is in the task's log."""
    head, _, rest = text.strip().partition("\n")
    return strip_control_sequences(f"{head} ..." if rest else head)


def ending_text(run: str, seconds: float, state: str, reason: str | None) -> str:
    """Return the last line of a run; ``reason`` is None where the lines of its failed tasks show it."""
    text = f"Run {run} {state} after {seconds_text(seconds)}"
    return text + (f": {first_line(reason)}" if reason else "")


def failure_text(attempt: int, reason: str, retry_in: float | None, takes_over: bool = False) -> str:
    """Return how a failed attempt is shown. The reason of a task's last one is shown at the end of the run."""
    if retry_in is None:
        return failed_text(attempt)
    reason = first_line(reason)
    if not reason.endswith("..."):
        reason = reason.removesuffix(".")
    if takes_over:
        return f"attempt {attempt} failed: {reason}; @catch handles the failure"
    when = f" in {seconds_text(retry_in)}" if retry_in > 0 else ""
    return f"attempt {attempt} failed: {reason}; trying again{when}"


def reused_text(count: int, left: int, origin: str) -> str:
    """Return how the reused tasks of a step are shown."""
    text = f"{count} task{'' if count == 1 else 's'} reused from run {origin}"
    return text + (f", {left} to run" if left else "")


class PlainReporter:
    """One line for each thing that happens: ``<time> [run/step/task] text``.

    Parameters
    ----------
    command : str
        How the flow file is called, for the hint at the logs of a failed task.
    quiet : bool
        Whether to show the steps' own output and failures only.
    notebook_flow : str, optional
        Name of a flow that is written in a notebook.
    out, err : text streams
        Where to write; stdout and stderr.
    """

    def __init__(
        self,
        command: str = "python flow.py",
        *,
        quiet: bool = False,
        notebook_flow: str | None = None,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._quiet = quiet
        self._run = ""
        self._failures = Failures(command, notebook_flow)
        self.state: str | None = None
        self._second = 0
        self._clock = ""

    def _time_text(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._second:
            # strftime is what costs most in a line; one a second is enough.
            self._second, self._clock = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return f"{self._clock}.{int((now - second) * 1000):03}"

    def _write_message(self, text: str, task: str = "") -> None:
        where, text = f"{self._run}/{task}" if task else self._run, escape_invisible(text)
        self._err.write(f"{self._time_text()} [{where}] {text}\n" if where else f"{self._time_text()} {text}\n")
        self._err.flush()

    def run_started(self, flow: str, run: str, tags: tuple[str, ...]) -> None:
        self._run = run
        if not self._quiet:
            self._write_message(
                f"Run {flow}/{run} started" + (f", tags {', '.join(map(quote_unprintable, tags))}" if tags else "")
            )

    def task_started(self, step: str, task: str, attempt: int, pid: int, *, takes_over: bool = False) -> None:
        if not self._quiet:
            then = ", to store the failure" if takes_over else f", attempt {attempt}" if attempt else ""
            self._write_message(f"started (pid {pid}){then}", f"{step}/{task}")

    def task_output(self, step: str, task: str, attempt: int, stream: str, line: str) -> None:
        out = self._err if stream == "stderr" else self._out
        out.write(f"{self._time_text()} [{self._run}/{step}/{task}] {text_for_stream(line, out)}\n")
        out.flush()

    def task_finished(self, step: str, task: str, attempt: int, seconds: float, *, caught: bool) -> None:
        if not self._quiet:
            how = "failed and was caught" if caught else "finished"
            self._write_message(f"{how} after {seconds_text(seconds)}", f"{step}/{task}")

    def task_failed(
        self, step: str, task: str, attempt: int, reason: str, *, retry_in: float | None, takes_over: bool = False
    ) -> None:
        self._write_message(failure_text(attempt, reason, retry_in, takes_over), f"{step}/{task}")
        if retry_in is None:
            self._failures.add_failure(step, task, attempt, reason)

    def split(self, step: str, task: str, count: int) -> None:
        if not self._quiet:
            self._write_message(f"foreach starts {count} task{'' if count == 1 else 's'}", f"{step}/{task}")

    def reused(self, step: str, count: int, left: int, origin: str) -> None:
        if not self._quiet:
            self._write_message(reused_text(count, left, origin), step)

    def message(self, text: str) -> None:
        if not self._quiet:
            for line in text.split("\n"):
                self._write_message(line)

    def run_finished(self, flow: str, run: str, seconds: float, state: str, reason: str | None) -> None:
        self.state = state
        for line in self._failures.summary_lines(run, state):
            self._write_message(line)
        if not self._quiet or state != "succeeded":
            self._write_message(ending_text(run, seconds, state, self._failures.reason_left(reason)))


class JsonReporter:
    """One JSON object a line on stdout, for programs: ``{"event": ..., "time": ..., ...}``."""

    def __init__(self, out: TextIO | None = None) -> None:
        import json

        self._out = out or sys.stdout
        self.state: str | None = None
        self._encode = json.JSONEncoder(separators=(",", ":")).encode
        self._run = ""

    def _write_event(self, event: str, **fields: Any) -> None:
        self._out.write(self._encode({"event": event, "time": round(time.time(), 3), **fields}) + "\n")
        self._out.flush()

    def run_started(self, flow: str, run: str, tags: tuple[str, ...]) -> None:
        self._run = run
        self._write_event("run_started", flow=flow, run=run, tags=tags)

    def task_started(self, step: str, task: str, attempt: int, pid: int, *, takes_over: bool = False) -> None:
        self._write_event(
            "task_started", run=self._run, step=step, task=task, attempt=attempt, pid=pid, takes_over=takes_over
        )

    def task_output(self, step: str, task: str, attempt: int, stream: str, line: str) -> None:
        self._write_event("task_output", run=self._run, step=step, task=task, attempt=attempt, stream=stream, line=line)

    def task_finished(self, step: str, task: str, attempt: int, seconds: float, *, caught: bool) -> None:
        self._write_event(
            "task_finished", run=self._run, step=step, task=task, attempt=attempt, seconds=seconds, caught=caught
        )

    def task_failed(
        self, step: str, task: str, attempt: int, reason: str, *, retry_in: float | None, takes_over: bool = False
    ) -> None:
        self._write_event(
            "task_failed",
            run=self._run,
            step=step,
            task=task,
            attempt=attempt,
            reason=reason,
            retry_in=retry_in,
            takes_over=takes_over,
        )

    def split(self, step: str, task: str, count: int) -> None:
        self._write_event("split", run=self._run, step=step, task=task, count=count)

    def reused(self, step: str, count: int, left: int, origin: str) -> None:
        self._write_event("reused", run=self._run, step=step, count=count, left=left, origin=origin)

    def message(self, text: str) -> None:
        self._write_event("message", run=self._run, text=text)

    def run_finished(self, flow: str, run: str, seconds: float, state: str, reason: str | None) -> None:
        self.state = state
        self._write_event("run_finished", flow=flow, run=run, seconds=seconds, state=state, reason=reason)
