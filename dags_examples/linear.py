"""The smallest useful flow: three steps in a row, two parameters, artifacts from step to step."""

from flow_sdk import FlowSpec, Parameter, step


class HelloFlow(FlowSpec):
    """Greet somebody a few times."""

    name_of_guest = Parameter("name", default="world", help="who is greeted")
    times = Parameter("times", default=2, help="how often")

    @step
    def start(self):
        """Make the greeting."""
        self.greeting = f"Hello, {self.name_of_guest}!"
        self.next(self.repeat)

    @step
    def repeat(self):
        """Repeat it."""
        self.lines = [self.greeting] * self.times
        self.next(self.end)

    @step
    def end(self):
        """Print what came out."""
        print("\n".join(self.lines))


if __name__ == "__main__":
    HelloFlow()
