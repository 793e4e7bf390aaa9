"""A loop: a switch that leads back to its own step until something holds, at most so many times."""

from flow_sdk import FlowSpec, Parameter, step


class LoopFlow(FlowSpec):
    """Work out a square root by Newton's method, each pass being a task of its own."""

    number = Parameter("number", default=2.0, help="whose root, > 0")
    tolerance = Parameter("tolerance", default=1e-9, help="how near the square must come")
    most = Parameter("most", default=20, help="most passes")

    @step
    def start(self):
        """Begin with a guess."""
        self.root = self.number
        self.passes = 0
        self.next(self.improve)

    @step
    def improve(self):
        """Improve the guess; go round again unless it's good or there were enough passes."""
        self.root = (self.root + self.number / self.root) / 2
        self.passes += 1
        print(f"pass {self.passes}: {self.root}")
        near = abs(self.root**2 - self.number) <= self.tolerance
        self.outcome = "found" if near else "again" if self.passes < self.most else "given up"
        self.next({"again": self.improve, "found": self.end, "given up": self.end}, condition="outcome")

    @step
    def end(self):
        """Print the root."""
        print(f"{self.outcome} after {self.passes} passes: {self.root}")


if __name__ == "__main__":
    LoopFlow()
