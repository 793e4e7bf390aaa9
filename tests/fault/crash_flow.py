"""A small flow with a split, a foreach, joins and retries; each run of it makes the same artifacts."""

import random
import time

from flow_sdk import FlowSpec, current, retry, step


class CrashFlow(FlowSpec):
    @step
    def start(self):
        self.noise = random.Random(1).randbytes(200_000)
        self.next(self.many, self.one)

    @step
    def many(self):
        self.items = ["a" * 3000, "b", "c"]
        self.next(self.work, foreach="items")

    @retry(times=4, minutes_between_retries=0)
    @step
    def work(self):
        if self.index == 1 and current.retry_count == 0:
            raise ValueError("the first try of this one always fails")
        time.sleep(0.02)
        self.own = self.input + self.noise.hex()
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.lengths = [len(each.own) for each in inputs]
        self.next(self.both)

    @retry(times=4, minutes_between_retries=0)
    @step
    def one(self):
        time.sleep(0.03)
        self.text = "compressible " * 20_000
        self.next(self.both)

    @step
    def both(self, inputs):
        self.total = sum(inputs.gather.lengths)
        self.text = inputs.one.text.upper()
        self.next(self.end)

    @step
    def end(self):
        self.done = self.total


if __name__ == "__main__":
    CrashFlow()
