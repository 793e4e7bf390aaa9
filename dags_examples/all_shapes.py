"""One flow with every shape: a foreach with a split, a foreach and a switch in its body, joins, a merge, a loop."""

from flow_sdk import FlowSpec, Parameter, step


class AllShapesFlow(FlowSpec):
    """Put a few numbers through every kind of transition."""

    scale = Parameter("scale", default=10, help="what numbers are multiplied by")

    @step
    def start(self):
        """Start a task for each number."""
        self.numbers = [2, 5]
        self.note = "the same in all tasks"
        self.next(self.prepare, foreach="numbers")

    @step
    def prepare(self):
        """Body of the foreach, first step: split in two."""
        self.number = self.input
        self.next(self.double, self.square)

    @step
    def double(self):
        """One branch of the split inside the foreach."""
        self.doubled = 2 * self.number
        self.next(self.combine)

    @step
    def square(self):
        """The other branch."""
        self.squared = self.number**2
        self.next(self.combine)

    @step
    def combine(self, inputs):
        """Join the split, then start an inner foreach."""
        self.merge_artifacts(inputs)
        self.values = [self.doubled, self.squared]
        self.next(self.multiply, foreach="values")

    @step
    def multiply(self):
        """Body of the inner foreach."""
        self.product = self.input * self.scale
        self.path = [index for index, _, _ in self.foreach_stack()]
        self.next(self.add)

    @step
    def add(self, inputs):
        """Join the inner foreach, then switch inside the outer one."""
        self.merge_artifacts(inputs, include=["number", "note"])
        self.total = sum(task.product for task in inputs)
        self.paths = [task.path for task in inputs]
        self.kind = "even" if self.number % 2 == 0 else "odd"
        self.next({"even": self.halve, "odd": self.keep}, condition="kind")

    @step
    def halve(self):
        """The case of even numbers."""
        self.result = self.total // 2
        self.next(self.settle)

    @step
    def keep(self):
        """The case of odd numbers."""
        self.result = self.total
        self.next(self.settle)

    @step
    def settle(self):
        """Both cases come together here, still inside the foreach."""
        self.summary = f"{self.number}: {self.kind}, {self.result}"
        self.next(self.gather)

    @step
    def gather(self, inputs):
        """Join the outer foreach."""
        self.merge_artifacts(inputs, include=["note"])
        self.summaries = [task.summary for task in inputs]
        self.paths = [path for task in inputs for path in task.paths]
        self.left = sum(task.result for task in inputs)
        self.passes = 0
        self.next(self.reduce)

    @step
    def reduce(self):
        """A loop: halve what is left until it is small, at most ten times."""
        self.left //= 4
        self.passes += 1
        self.more = self.left > 5 and self.passes < 10
        self.next({True: self.reduce, False: self.end}, condition="more")

    @step
    def end(self):
        """Print what came out."""
        print("\n".join(self.summaries))
        print(f"{self.left} left after {self.passes} passes; {self.note}")


if __name__ == "__main__":
    AllShapesFlow()
