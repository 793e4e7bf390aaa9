"""A flow with a foreach, a join, and artifacts of every size, for a store that fails."""

from flow_sdk import FlowSpec, step


class HostileFlow(FlowSpec):
    @step
    def start(self):
        self.items = ["a", "b", "c"]
        self.text = "some text " * 1000
        self.large = bytes(range(256)) * 6000
        self.next(self.work, foreach="items")

    @step
    def work(self):
        print("working on", self.input)
        self.own = self.input * 5000
        self.next(self.join)

    @step
    def join(self, inputs):
        self.all = [task.own for task in inputs]
        self.merge_artifacts(inputs, include=["large"])
        self.next(self.end)

    @step
    def end(self):
        assert len(self.large) == 256 * 6000


if __name__ == "__main__":
    HostileFlow()
