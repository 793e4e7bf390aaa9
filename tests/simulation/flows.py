"""The flows of the simulation: small, of every shape, with artifacts that depend on nothing but the flow.

A step may raise because the world wants it to; what it then made doesn't count.
"""

from collections.abc import Callable

from flow_sdk import FlowSpec, catch, retry, step

__all__ = ["FLOWS", "NOISY", "Trial", "weather"]


class Trial:
    """What the steps ask whether they may go on."""

    ask: Callable[[], None] = staticmethod(lambda: None)


def weather() -> None:
    """Raise if the world wants so."""
    Trial.ask()


class Line(FlowSpec):
    base = 7

    @step
    def start(self):
        weather()
        self.n = self.base
        self.large = bytes(range(256)) * 12
        self.next(self.middle)

    @retry(times=2, minutes_between_retries=1)
    @step
    def middle(self):
        self.n += len(self.large)
        weather()
        self.next(self.end)

    @step
    def end(self):
        self.done = self.n * 2


class Fan(FlowSpec):
    @step
    def start(self):
        self.parts = ["a", "b", "c"]
        self.next(self.work, foreach="parts")

    @retry(times=3, minutes_between_retries=0)
    @step
    def work(self):
        self.shared = b"the same in all " * 200
        self.name = self.input * 2
        weather()
        self.next(self.join)

    @step
    def join(self, inputs):
        self.names = [each.name for each in inputs]
        self.merge_artifacts(inputs, include=["shared"])
        self.next(self.end)

    @step
    def end(self):
        weather()
        self.size = len(self.shared) + len(self.names)


class Nest(FlowSpec):
    @retry(times=1, minutes_between_retries=0)
    @step
    def start(self):
        weather()
        self.n = 1
        self.next(self.left, self.right)

    @step
    def left(self):
        self.rows = [10, 20]
        self.next(self.row, foreach="rows")

    @step
    def row(self):
        self.cells = [self.input + k for k in range(self.index + 1)]
        self.next(self.cell, foreach="cells")

    @retry(times=2, minutes_between_retries=0)
    @step
    def cell(self):
        self.value = self.input * 3
        weather()
        self.next(self.cells_done)

    @step
    def cells_done(self, inputs):
        self.total = sum(each.value for each in inputs)
        self.next(self.rows_done)

    @step
    def rows_done(self, inputs):
        self.total = sum(each.total for each in inputs)
        self.next(self.both)

    @step
    def right(self):
        self.total = self.n
        self.next(self.both)

    @step
    def both(self, inputs):
        self.total = inputs.rows_done.total - inputs.right.total
        self.next(self.end)

    @step
    def end(self):
        pass


class Round(FlowSpec):
    @step
    def start(self):
        self.n = 0
        self.next(self.once)

    @retry(times=1, minutes_between_retries=0)
    @step
    def once(self):
        weather()
        self.n += 1
        self.way = "again" if self.n < 3 else "even" if self.n % 2 == 0 else "odd"
        self.next({"again": self.once, "even": self.even, "odd": self.odd}, condition="way")

    @step
    def even(self):
        self.seen = "even"
        self.next(self.end)

    @step
    def odd(self):
        self.seen = "odd"
        self.next(self.end)

    @step
    def end(self):
        self.last = (self.seen, self.n)


class Caught(FlowSpec):
    @step
    def start(self):
        self.numbers = [0, 1]
        self.next(self.risky, foreach="numbers")

    @catch(var="failure", print_exception=False)
    @retry(times=1, minutes_between_retries=0)
    @step
    def risky(self):
        self.share = 10 // self.input
        self.next(self.after)

    @step
    def after(self):
        self.fine = self.failure is None
        self.next(self.join)

    @step
    def join(self, inputs):
        self.fine = [each.fine for each in inputs][:1]
        self.next(self.end)

    @step
    def end(self):
        pass


FLOWS = (Line, Fan, Nest, Round, Caught)
NOISY = {"Caught": frozenset(("risky", "after"))}
"""Steps of which the artifacts aren't compared: what @catch leaves tells whether a step was killed or has failed."""
