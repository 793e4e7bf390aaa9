"""A foreach inside a foreach: each outer task starts its own inner ones, and each level has its join."""

from flow_sdk import FlowSpec, step


class NestedForeachFlow(FlowSpec):
    """Add up the sales of some shops in some regions."""

    @step
    def start(self):
        """Begin with the regions."""
        self.regions = ["north", "south", "west"]
        self.next(self.region, foreach="regions")

    @step
    def region(self):
        """Find the shops of one region."""
        self.area = self.input
        self.shops = [f"{self.area} {number}" for number in range(1, 3 + self.index)]
        self.next(self.shop, foreach="shops")

    @step
    def shop(self):
        """Work out one shop's sales; ``foreach_stack`` tells where this task is in all levels."""
        (outer, regions, area), (inner, shops, shop) = self.foreach_stack()
        print(f"region {outer + 1} of {regions} ({area}), shop {inner + 1} of {shops} ({shop})")
        self.sales = 100 * (outer + 1) + inner
        self.next(self.region_total)

    @step
    def region_total(self, inputs):
        """Join the shops of one region."""
        self.merge_artifacts(inputs, include=["area"])
        self.total = sum(task.sales for task in inputs)
        self.next(self.grand_total)

    @step
    def grand_total(self, inputs):
        """Join the regions."""
        self.totals = {task.area: task.total for task in inputs}
        self.next(self.end)

    @step
    def end(self):
        """Print what each region sold."""
        for area, total in self.totals.items():
            print(f"{area:>6} {total:5}")


if __name__ == "__main__":
    NestedForeachFlow()
