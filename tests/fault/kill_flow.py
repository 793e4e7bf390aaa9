"""A flow that takes about half a second and makes artifacts of several sizes."""

import time

from flow_sdk import FlowSpec, retry, step


class KillFlow(FlowSpec):
    @step
    def start(self):
        self.items = list(range(6))
        self.blob = bytes(range(256)) * 4000
        self.next(self.work, foreach="items")

    @retry(times=3, minutes_between_retries=0)
    @step
    def work(self):
        time.sleep(0.1)
        self.own = self.blob * (1 + self.input)
        self.value = self.input**2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(i.value for i in inputs)
        self.size = sum(len(i.own) for i in inputs)
        self.next(self.end)

    @step
    def end(self):
        time.sleep(0.05)


if __name__ == "__main__":
    KillFlow()
