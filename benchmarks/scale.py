"""How the cost of a task grows with their number: ``python -m benchmarks.scale`` prints a table.

Only Flow SDK is measured, against itself: the cost per task of a large run over that of one of 100 tasks. Commands are
run as a user would, with 16 workers and a store in a local folder. What a run of a single one takes is the start-up: it
has a row of its own and is taken off the others.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ARTIFACTS", "FOREACH", "Measured", "costs", "join_of", "long_flow", "measure", "rows", "table"]

AGAIN = 5
PROMISED = 1.3
"""How many times that of 100 tasks a task may cost in a foreach of 10,000."""

FOREACH = """
from flow_sdk import FlowSpec, step


class Wide(FlowSpec):
    @step
    def start(self):
        self.numbers = list(range(COUNT))
        self.next(self.square, foreach="numbers")

    @step
    def square(self):
        self.result = self.input**2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(task.result for task in inputs)
        self.next(self.end)

    @step
    def end(self):
        assert self.total == sum(n**2 for n in range(COUNT))


if __name__ == "__main__":
    Wide()
"""

ARTIFACTS = """
from flow_sdk import FlowSpec, step


class Many(FlowSpec):
    @step
    def start(self):
        for number in range(COUNT):
            setattr(self, f"value_{number}", number)
        self.next(self.end)

    @step
    def end(self):
        assert self.value_0 == 0 and getattr(self, f"value_{COUNT - 1}") == COUNT - 1


if __name__ == "__main__":
    Many()
"""


def long_flow(count: int) -> str:
    """A flow of that many steps, one after another."""
    names = ["start", *(f"step_{number}" for number in range(count - 2)), "end"]
    lines = ["from flow_sdk import FlowSpec, step", "", "", "class Long(FlowSpec):"]
    for name, following in zip(names, [*names[1:], ""], strict=True):
        body = f"self.next(self.{following})" if following else "pass"
        lines += ["    @step", f"    def {name}(self):", f"        {body}", ""]
    return "\n".join([*lines, "", 'if __name__ == "__main__":', "    Long()", ""])


@dataclass(frozen=True)
class Measured:
    """One run.

    Parameters
    ----------
    what : str
        What was run.
    count : int
        How many tasks (or artifacts, or steps) it has.
    seconds : float
        Wall time of the whole command.
    cpu : float
        Processor seconds of all its processes; 0 for what is no run.
    memory : int
        Most memory of the process that schedules, in bytes; 0 for what is no run.
    """

    what: str
    count: int
    seconds: float
    cpu: float
    memory: int


JOIN = "inputs of a join"
"""What the rows of a join are called: it runs in a single task, whose time alone is taken."""


def _peak(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def measure(what: str, count: int, source: str, folder: Path) -> Measured:
    """Run a flow and watch the memory of its scheduler.

    Raises
    ------
    SystemExit
        If the run fails.
    """
    folder.mkdir()
    (folder / "flow.py").write_text(source.replace("COUNT", str(count)), encoding="utf-8")
    command = [sys.executable, "flow.py", "--quiet", "run", "--max-workers", "16", "--max-num-splits", str(count)]
    began, peak = time.perf_counter(), 0
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        over = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not over.wait(0.1):
                peak = max(peak, _peak(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = code = os.waitstatus_to_exitcode(status)
        over.set()
        watcher.join()
    if code != 0:
        raise SystemExit(f"{what} of {count} failed\n{(folder / 'log').read_text()[-2000:]}")
    return Measured(what, count, time.perf_counter() - began, used.ru_utime + used.ru_stime, peak)


def join_of(foreach: Measured, folder: Path) -> Measured:
    """How long the join of a measured foreach took, by the record of its task."""
    from flow_sdk.metadata.runs import Runs
    from flow_sdk.store.open_store import open_store
    from flow_sdk.store.records.commits import read_task

    store = open_store(str(folder / ".flow_sdk"))
    (run,) = Runs(store).newest("Wide")
    joined = read_task(store, "Wide", run, "join", "2")
    if joined is None:
        raise SystemExit(f"the join over {foreach.count} isn't there")
    return Measured(JOIN, foreach.count, joined.finished - joined.started, 0, 0)


def rows(largest: int) -> list[Measured]:
    """Measure everything up to a number of tasks (at least 100), after one run that warms the caches."""
    runs, joins = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measure("warm", 10, FOREACH, folder / "warm")

        def take(what: str, count: int, source: str) -> Path:
            print(f"measuring: {count} {what}", file=sys.stderr, flush=True)
            # What takes less than a second is measured several times: its quickest is the least disturbed.
            times = [folder / f"{what} {count} {number}" for number in range(AGAIN if count <= 100 else 1)]
            found = [measure(what, count, source, place) for place in times]
            quickest = min(range(len(found)), key=lambda number: found[number].seconds)
            runs.append(found[quickest])
            return times[quickest]

        counts = [count for count in (1, 100, 1_000, 10_000) if count <= largest]
        for count in counts:
            place = take("tasks of a foreach", count, FOREACH)
            joins.append(join_of(runs[-1], place))
        for count in counts:
            take("artifacts of a step", count, ARTIFACTS)
        for count in (2, *counts[1:3]):  # a run has a start and an end
            take("steps of a run", count, long_flow(count))
    return [*runs[: len(counts)], *joins, *runs[len(counts) :]]


def costs(measured: list[Measured]) -> list[tuple[float, float]]:
    """Seconds, and processor seconds, that each one of a row costs beyond the start-up.

    The start-up is the first row of its kind, with the smallest number; its own costs are NaN.
    """
    first: dict[str, Measured] = {}
    found = []
    for row in measured:
        least = first.setdefault(row.what, row)
        more = row.count - least.count or math.nan
        found.append(((row.seconds - least.seconds) / more, (row.cpu - least.cpu) / more))
    return found


def table(measured: list[Measured]) -> str:
    """The measurements as a Markdown table; costs are beyond the start-up, and relative to the row of 100."""
    lines = [
        "| what | number | seconds | ms each | times that at 100 | processor ms each | times that at 100 | scheduler |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    each = costs(measured)
    hundred = {row.what: cost for row, cost in zip(measured, each, strict=True) if row.count == 100}
    for row, cost in zip(measured, each, strict=True):
        cells = []
        for mine, base in zip(cost, hundred.get(row.what, cost), strict=True):
            cells += [f"{1000 * mine:.2f}", f"{mine / base:.2f}"] if mine > 0 < base else ["", ""]
        memory = f"{row.memory / 1e6:.0f} MB" if row.memory else ""
        lines.append(f"| {row.what} | {row.count:,} | {row.seconds:.2f} | {' | '.join(cells)} | {memory} |")
    return "\n".join(lines)


def main() -> int:
    """Measure, print, and tell by the exit code whether the promise is kept."""
    parser = argparse.ArgumentParser(prog="benchmarks.scale", description=__doc__)
    parser.add_argument("--largest", type=int, default=10_000, help="largest number of tasks")
    found = rows(parser.parse_args().largest)
    print(table(found))
    each = {row.count: cost[0] for row, cost in zip(found, costs(found), strict=True) if row.what == found[0].what}
    broken = 10_000 in each and each[10_000] > PROMISED * each[100]
    if 10_000 in each:
        said = f"a task of 10,000 costs {each[10_000] / each[100]:.2f} times one of 100; promised: {PROMISED} at most"
        print(f"\n{'not kept' if broken else 'kept'}: {said}")
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
