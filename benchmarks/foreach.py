"""A foreach of 100 tasks that do next to nothing: what running a task costs."""

from benchmarks.side import Row, Side, median_seconds

__all__ = ["foreach_rows"]

FLOW = """
from PACKAGE import FlowSpec, step


class Wide(FlowSpec):
    @step
    def start(self):
        self.numbers = list(range(100))
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
        assert self.total == 328350


if __name__ == "__main__":
    Wide()
"""


def foreach_rows(ours: Side, peer: Side) -> list[Row]:
    """Measure a whole run with 16 workers.

    Parameters
    ----------
    ours, peer : Side
        The two sides.
    """
    for side in (ours, peer):
        side.flow("wide.py", FLOW)
    arguments = ["wide.py", "run", "--max-workers", "16", "--max-num-splits", "100"]
    return [Row("run a foreach of 100 tasks", *median_seconds(ours, peer, arguments, times=3), 30)]
