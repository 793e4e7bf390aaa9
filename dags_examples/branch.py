"""Two branches that run at the same time and come together in a join."""

from flow_sdk import FlowSpec, step


class BranchFlow(FlowSpec):
    """Work out the mean and the spread of some numbers side by side."""

    @step
    def start(self):
        """Make the numbers that both branches use."""
        self.numbers = [4, 8, 15, 16, 23, 42]
        self.next(self.mean, self.spread)

    @step
    def mean(self):
        """One branch."""
        self.average = sum(self.numbers) / len(self.numbers)
        self.next(self.join)

    @step
    def spread(self):
        """The other branch."""
        self.width = max(self.numbers) - min(self.numbers)
        self.next(self.join)

    @step
    def join(self, inputs):
        """Take over what both branches made; what they have in common is the same in both."""
        self.merge_artifacts(inputs)
        self.next(self.end)

    @step
    def end(self):
        """Print both results."""
        print(f"mean {self.average}, spread {self.width}")


if __name__ == "__main__":
    BranchFlow()
