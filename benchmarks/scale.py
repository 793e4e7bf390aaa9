"""How the cost of a task grows with their number: ``python -m benchmarks.scale`` prints a table.

Only Flow SDK is measured, against itself: the cost per task of a large run over that of one of 100 tasks. Commands are
run as a user would, with 16 workers and a store in a local folder.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ARTIFACTS", "FOREACH", "Measured", "long_flow", "measure", "rows", "table"]

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
    memory : int
        Most memory of the process that schedules, in bytes.
    """

    what: str
    count: int
    seconds: float
    memory: int


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
        code = process.wait()
        over.set()
        watcher.join()
    if code != 0:
        raise SystemExit(f"{what} of {count} failed\n{(folder / 'log').read_text()[-2000:]}")
    return Measured(what, count, time.perf_counter() - began, peak)


def rows(largest: int) -> list[Measured]:
    """Measure everything up to a number of tasks (at least 100), after one run that warms the caches."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measure("warm", 10, FOREACH, folder / "warm")
        for count in (10, 100, 1_000, 10_000):
            if count <= largest:
                print(f"measuring: a foreach of {count} tasks", file=sys.stderr, flush=True)
                found.append(measure("foreach", count, FOREACH, folder / f"foreach{count}"))
        for count in (100, 1_000, 10_000):
            if count <= largest:
                found.append(measure("artifacts of a step", count, ARTIFACTS, folder / f"artifacts{count}"))
        for count in (10, 100, 1_000):
            if count <= largest:
                found.append(measure("steps of a run", count, long_flow(count), folder / f"steps{count}"))
    return found


def table(measured: list[Measured]) -> str:
    """The measurements as a Markdown table; costs are relative to the row of 100."""
    lines = [
        "| what | number | seconds | ms each | times that at 100 | scheduler's memory |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    hundred = {row.what: row.seconds / row.count for row in measured if row.count == 100}
    for row in measured:
        each = row.seconds / row.count
        lines.append(
            f"| {row.what} | {row.count:,} | {row.seconds:.2f} | {1000 * each:.2f} | {each / hundred[row.what]:.2f} | "
            f"{row.memory / 1e6:.0f} MB |"
        )
    return "\n".join(lines)


def main() -> int:
    """Measure, print, and tell by the exit code whether the promise is kept."""
    parser = argparse.ArgumentParser(prog="benchmarks.scale", description=__doc__)
    parser.add_argument("--largest", type=int, default=10_000, help="largest number of tasks")
    found = rows(parser.parse_args().largest)
    print(table(found))
    each = {row.count: row.seconds / row.count for row in found if row.what == "foreach"}
    broken = 10_000 in each and each[10_000] > PROMISED * each[100]
    if broken:
        print(f"not kept: a task of 10,000 costs more than {PROMISED} times one of 100", file=sys.stderr)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
