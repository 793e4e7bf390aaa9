"""Flows with every shape, for the runtime's tests."""

from flow_sdk import FlowSpec, Parameter, catch, environment, retry, step, timeout


class Shapes(FlowSpec):
    """Split with a foreach in one branch, nested foreach, switch in a foreach with a case straight to the join."""

    n = Parameter("n", default=3)
    FACTOR = 10

    @step
    def start(self):
        self.base = 1
        self.next(self.left, self.right)

    @step
    def left(self):
        self.items = list(range(self.n))
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.doubled = self.input * 2
        self.even = self.input % 2 == 0
        self.next({True: self.extra, False: self.gather}, condition="even")

    @step
    def extra(self):
        self.doubled += 100
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.gathered = [i.doubled for i in inputs]
        self.next(self.meet)

    @step
    def right(self):
        self.letters = {"a": 1, "b": 2}
        self.next(self.outer, foreach="letters")

    @step
    def outer(self):
        self.letter, self.count = self.input
        self.numbers = list(range(self.count))
        self.next(self.inner, foreach="numbers")

    @step
    def inner(self):
        self.stack = self.foreach_stack()
        self.name_ = f"{self.letter}{self.input}{self.index}"
        self.next(self.inner_join)

    @step
    def inner_join(self, inputs):
        self.names = [i.name_ for i in inputs]
        self.next(self.outer_join)

    @step
    def outer_join(self, inputs):
        self.all_names = [i.names for i in inputs]
        self.next(self.meet)

    @step
    def meet(self, inputs):
        self.result = (
            inputs.gather.gathered,
            inputs.outer_join.all_names,
            inputs[0].gathered == inputs.gather.gathered,
        )
        self.merge_artifacts(inputs, exclude=["items", "letters"])
        self.next(self.end)

    @step
    def end(self):
        self.total = sum(self.gathered) * self.FACTOR


class Loops(FlowSpec):
    """A loop inside a loop inside a foreach, a foreach inside a loop, and a step reached from inside."""

    @step
    def start(self):
        self.rows = [1, 2]
        self.next(self.row, foreach="rows")

    @step
    def row(self):
        self.trace = []
        self.outer_count = 0
        self.next(self.head)

    @step
    def head(self):
        self.outer_count += 1
        self.inner_count = 0
        self.next(self.tick)

    @step
    def tick(self):
        self.inner_count += 1
        self.trace = [*self.trace, (self.outer_count, self.inner_count)]
        self.again = "more" if self.inner_count < self.input else "done"
        self.next({"more": self.tick, "done": self.fan}, condition="again")

    @step
    def fan(self):
        self.parts = [10, 20]
        self.next(self.part, foreach="parts")

    @step
    def part(self):
        self.piece = self.input + self.outer_count
        self.next(self.fan_in)

    @step
    def fan_in(self, inputs):
        self.pieces = [i.piece for i in inputs]
        self.merge_artifacts(inputs, include=["trace", "outer_count"])
        self.go = self.outer_count < 3
        self.next({True: self.head, False: self.leave}, condition="go")

    @step
    def leave(self):
        self.next(self.collect)

    @step
    def collect(self, inputs):
        self.traces = [i.trace for i in inputs]
        self.last_pieces = [i.pieces for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


class Failing(FlowSpec):
    """Retries, catch and timeout, steered by class attributes that the tests set."""

    fail = Parameter("fail", default=0)

    @retry(times=2, minutes_between_retries=1)
    @step
    def start(self):
        from flow_sdk import current

        self.seen = current.retry_count
        if current.retry_count < self.fail:
            raise ValueError(f"try {current.retry_count}")
        self.next(self.caught)

    @catch(var="failure", print_exception=False)
    @environment(vars={"FLOW_SDK_TEST_VALUE": "set"})
    @step
    def caught(self):
        import os

        self.kept = os.environ["FLOW_SDK_TEST_VALUE"]
        raise KeyError("always")
        self.next(self.end)

    @timeout(seconds=1)
    @step
    def end(self):
        self.kind = self.failure.type


class Slow(FlowSpec):
    """Never ends by itself."""

    @timeout(seconds=0.2)
    @step
    def start(self):
        while True:
            pass
        self.next(self.end)

    @step
    def end(self):
        pass
