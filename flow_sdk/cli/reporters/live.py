"""A local run on a terminal: one live line for each step, while the steps' own output scrolls above.

Written by hand with a few escape codes: importing a library for it would cost more than a small run.
"""

import math
import os
import signal
import sys
import time
from typing import Any, TextIO

from flow_sdk.cli.errors import CYAN, DIM, RED, RESET, YELLOW, wants_colour
from flow_sdk.cli.reporters.plain import Failures, ending_text, failure_text, seconds_text
from flow_sdk.plan.model import FlowPlan
from flow_sdk.text import quote_unprintable, strip_control_sequences

__all__ = ["LiveReporter", "can_be_live"]

GREEN = "\x1b[32m"
FRAME = 1 / 12
"""Least seconds between two drawings of the block."""
BEAT = 0.25
"""Seconds after which the block is drawn again although nothing has happened."""
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
FIXED = 3
"""Parts of a line that are always there: mark, name and count."""
LEAST_NAME = 7
"""Characters that stay of a step's name where the terminal is narrow."""


def can_be_live(out: TextIO, err: TextIO) -> bool:
    """Return whether both streams are one terminal that understands cursor movements."""
    if os.environ.get("TERM", "dumb") == "dumb" or not (out.isatty() and err.isatty()):
        return False
    return os.fstat(out.fileno()).st_rdev == os.fstat(err.fileno()).st_rdev


class StepLine:
    """What the live line of one step shows."""

    __slots__ = (
        *("caught", "done", "expected", "failed", "finished_at", "retried", "reused", "running", "started_at"),
        "retry_at",
    )

    def __init__(self) -> None:
        self.running = self.done = self.failed = self.caught = self.retried = self.reused = self.expected = 0
        self.started_at = time.monotonic()
        self.finished_at = 0.0
        self.retry_at: dict[str, float] = {}
        """For each task that waits for its next attempt, when that starts, as of time.monotonic()."""

    @property
    def total(self) -> int:
        """Tasks that are known to belong to the step so far."""
        return max(self.expected, self.done + self.failed + self.running)

    @property
    def busy(self) -> bool:
        """Whether tasks run, or are known to come."""
        return self.running > 0 or self.done + self.failed < self.total

    def seconds(self) -> float:
        """Return how many seconds the step has been running, or took."""
        return (time.monotonic() if self.running else self.finished_at or time.monotonic()) - self.started_at

    def waiting(self) -> str:
        """Return how many tasks wait for their next attempt, and how long the first of them still does; "" if none."""
        if not self.retry_at:
            return ""
        left = math.ceil(min(self.retry_at.values()) - time.monotonic())
        text = f"{len(self.retry_at)} waiting"
        return f"{text}, retry in {f'{left} s' if left < 100 else seconds_text(left)}" if left > 0 else text


def certain_bodies(plan: FlowPlan) -> dict[str, tuple[str, ...]]:
    """For each foreach the steps that run once for each of its items whatever a switch decides."""
    from flow_sdk.plan.tree import ForEach, Loop

    bodies = {node.step.name: node.body for node in plan.tree.root.walk() if isinstance(node, ForEach)}
    return {
        name: tuple(
            visit.node.step.name
            for visit in body.visit()
            if visit.is_certain and not visit.enclosing and not isinstance(visit.node, Loop)
        )
        for name, body in bodies.items()
    }


class LiveReporter:
    """Draws the steps' lines at the bottom of a terminal.

    Parameters
    ----------
    plan : FlowPlan
        The plan that runs.
    command : str
        How the flow file is called, for the hint at the logs of a failed task.
    quiet : bool
        Whether to leave out the framework's own messages (not the live lines).
    out : text stream
        The terminal.
    """

    def __init__(
        self, plan: FlowPlan, command: str = "python flow.py", *, quiet: bool = False, out: TextIO | None = None
    ) -> None:
        self._out = out or sys.stdout
        self._quiet = quiet
        self._colour = wants_colour(self._out)
        self._unicode = "utf" in (self._out.encoding or "").lower()
        self._bodies: dict[str, tuple[str, ...]] | None = None
        self._plan = plan
        self._width = max((len(step.name) for step in plan.steps), default=4)
        self._expected: dict[str, int] = {}
        self._steps: dict[str, StepLine] = {}
        self._failures = Failures(command)
        self.state: str | None = None
        self._run = ""
        self._drawn = 0
        self._last = 0.0
        self._frame = 0
        self._writing = False
        self._handler: Any = None

    # The block

    def _erase_block(self) -> str:
        drawn, self._drawn = self._drawn, 0
        return f"\r\x1b[{drawn}A\x1b[J" if drawn else ""

    def _block_text(self, *, final: bool = False) -> str:
        try:
            columns, rows = os.get_terminal_size(self._out.fileno())
        except (OSError, ValueError):
            columns, rows = 80, 24
        names = list(self._steps)
        room = len(names) if final else max(rows - 2, 1)
        hidden = len(names) - room
        if hidden > 0:
            # Too many for the screen: what still works stays, and of the rest the latest.
            keep = [name for name in names if self._steps[name].busy][:room]
            for name in reversed(names):
                if len(keep) < room and name not in keep:
                    keep.append(name)
            names = [name for name in names if name in keep]
        # One column stays free: a terminal may wrap a line that is full.
        columns = max(columns - 1, 10)
        parts = {name: self._line_parts(self._steps[name], final) for name in names}
        longest = max((sum(len(part) for _, part in found) for found in parts.values()), default=0)
        width = min(self._width, max(columns - longest - len("  "), LEAST_NAME))
        lines = [self._line_text(name, parts[name], width, columns) for name in names]
        self._drawn = 0 if final else len(lines)
        return "".join(line + "\n" for line in lines)

    def _line_parts(self, step: StepLine, final: bool) -> list[tuple[str, str]]:
        """Return the parts of a step's line after the name, each with its colour: mark, count, time and remarks."""
        if step.running and not final:
            mark, colour = (SPINNER[self._frame % len(SPINNER)] if self._unicode else "|/-\\"[self._frame % 4]), CYAN
        elif step.failed:
            mark, colour = ("✗" if self._unicode else "x"), RED
        elif step.busy:
            mark, colour = ("·" if self._unicode else "."), DIM
        else:
            mark, colour = ("✓" if self._unicode else "+"), GREEN
        remarks = [
            (CYAN, step.running and f"{step.running} " + ("stopped" if final else "running")),
            (YELLOW, not final and step.waiting()),
            (DIM, step.reused and f"{step.reused} reused"),
            (YELLOW, step.retried and f"{step.retried} retried"),
            (YELLOW, step.caught and f"{step.caught} caught"),
            (RED, step.failed and f"{step.failed} failed"),
        ]
        count = f"{step.done}/{step.total}"
        shown = [(colour, mark), ("", f"{count:>9}"), (DIM, f" {self._elapsed_text(step)}")]
        return shown + [(colour, f"  {text}") for colour, text in remarks if text]

    def _line_text(self, name: str, parts: list[tuple[str, str]], width: int, columns: int) -> str:
        if len(name) > width:
            name = name[: width - 1] + ("…" if self._unicode else "~")
        mark, *others = parts
        parts = [mark, ("", f" {name:<{width}} "), *others]
        # A number without its word says nothing: the time goes first, then whole remarks, the failures last of all.
        while len(parts) > FIXED and sum(len(part) for _, part in parts) > columns:
            del parts[FIXED]
        text = ""
        for code, part in parts:
            part = part[:columns]
            columns -= len(part)
            text += f"{code}{part}{RESET}" if code and part and self._colour else part
        return text

    @staticmethod
    def _elapsed_text(step: StepLine) -> str:
        return f"{seconds_text(step.seconds()):>9}"

    def _draw_block(self, text: str = "", *, final: bool = False) -> None:
        """Print text above the block, and the block."""
        self._writing = True
        self._out.write(self._erase_block() + text + self._block_text(final=final))
        self._out.flush()
        self._writing = False

    def _print_above(self, text: str) -> None:
        self._draw_block(text + "\n")

    def _print_message(self, text: str, colour: str = DIM) -> None:
        self._print_above(self._colored_text(text, colour))

    def _colored_text(self, text: str, colour: str) -> str:
        text = "\n".join(map(strip_control_sequences, text.split("\n")))
        return f"{colour}{text}{RESET}" if self._colour else text

    def _redraw_due(self) -> None:
        """Draw the block again if the last drawing is old enough."""
        now = time.monotonic()
        if now - self._last >= FRAME:
            self._last = now
            self._frame += 1
            self._draw_block()

    def _start_clock(self) -> None:
        """Start a timer of this process that draws the passing time; a thread would need a lock for drawing."""
        try:
            self._handler = signal.signal(signal.SIGALRM, lambda *_: None if self._writing else self._redraw_due())
            signal.setitimer(signal.ITIMER_REAL, BEAT, BEAT)
        except ValueError:
            pass  # not the main thread: the lines change when something happens

    def _stop_clock(self) -> None:
        if self._handler is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._handler)
            self._handler = None

    # Events

    def _step_line(self, name: str) -> StepLine:
        if name not in self._steps:
            self._steps[name] = step = StepLine()
            self._width = max(self._width, len(name))
            step.expected = self._expected.get(name, 0)
        return self._steps[name]

    def run_started(self, flow: str, run: str, tags: tuple[str, ...]) -> None:
        self._run = run
        self._start_clock()
        if not self._quiet:
            self._print_message(
                f"Run {flow}/{run}" + (f", tags {', '.join(map(quote_unprintable, tags))}" if tags else "")
            )

    def task_started(self, step: str, task: str, attempt: int, pid: int, *, takes_over: bool = False) -> None:
        line = self._step_line(step)
        line.running += 1
        line.retry_at.pop(task, None)
        self._redraw_due()

    def task_output(self, step: str, task: str, attempt: int, stream: str, line: str) -> None:
        where = f"[{self._run}/{step}/{task}]"
        if self._colour:
            where = f"{RED if stream == 'stderr' else DIM}{where}{RESET}"
        self._print_above(f"{where} {strip_control_sequences(line)}")

    def _end_task(self, name: str) -> StepLine:
        step = self._step_line(name)
        step.running = max(step.running - 1, 0)
        step.finished_at = time.monotonic()
        return step

    def task_finished(self, step: str, task: str, attempt: int, seconds: float, *, caught: bool) -> None:
        line = self._end_task(step)
        line.done += 1
        line.caught += caught
        self._redraw_due()

    def task_failed(
        self, step: str, task: str, attempt: int, reason: str, *, retry_in: float | None, takes_over: bool = False
    ) -> None:
        line = self._end_task(step)
        if retry_in is None:
            line.failed += 1
            self._failures.add_failure(step, task, attempt, reason)
        else:
            line.retried += not takes_over
            if retry_in > 0:
                line.retry_at[task] = time.monotonic() + retry_in
            line.expected = max(line.expected, line.done + line.failed + line.running + 1)
        self._print_message(
            f"[{self._run}/{step}/{task}] {failure_text(attempt, reason, retry_in, takes_over)}",
            RED if retry_in is None else YELLOW,
        )

    def split(self, step: str, task: str, count: int) -> None:
        if self._bodies is None:  # most runs have no foreach
            self._bodies = certain_bodies(self._plan)
        for name in self._bodies.get(step, ()):
            self._expected[name] = self._expected.get(name, 0) + count
            if name in self._steps:
                self._steps[name].expected = self._expected[name]

    def reused(self, step: str, count: int, left: int, origin: str) -> None:
        line = self._step_line(step)
        line.done += count
        line.reused += count
        line.expected = max(line.expected, count + left)
        line.finished_at = time.monotonic()
        self._redraw_due()

    def message(self, text: str) -> None:
        if not self._quiet:
            self._print_message(text)

    def run_finished(self, flow: str, run: str, seconds: float, state: str, reason: str | None) -> None:
        self.state = state
        self._stop_clock()
        self._draw_block(final=True)
        colour = GREEN if state == "succeeded" else RED
        for line in (
            *self._failures.summary_lines(run, state),
            ending_text(run, seconds, state, self._failures.reason_left(reason)),
        ):
            self._out.write(self._colored_text(line, colour) + "\n")
        self._out.flush()
