"""A switch: the value of an artifact chooses which step comes next."""

from flow_sdk import FlowSpec, Parameter, step


class SwitchFlow(FlowSpec):
    """Handle an order by its size."""

    amount = Parameter("amount", default=250, help="what the order is worth")

    @step
    def start(self):
        """Decide how the order is handled."""
        self.size = "large" if self.amount >= 1000 else "medium" if self.amount >= 100 else "small"
        self.next({"large": self.review, "medium": self.check, "small": self.accept}, condition="size")

    @step
    def review(self):
        """Large orders are looked at by a person."""
        self.outcome = "waits for a review"
        self.next(self.end)

    @step
    def check(self):
        """Medium orders are checked."""
        self.outcome = "passed the check"
        self.next(self.accept)

    @step
    def accept(self):
        """Small orders, and those that passed, are accepted."""
        self.outcome = getattr(self, "outcome", "needed no check") + ", accepted"
        self.next(self.end)

    @step
    def end(self):
        """Say what became of the order."""
        print(f"order of {self.amount} ({self.size}): {self.outcome}")


if __name__ == "__main__":
    SwitchFlow()
