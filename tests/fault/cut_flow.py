"""A flow with artifacts of several kinds, whose tasks are cut off."""

import random

from flow_sdk import FlowSpec, step


class Cut(FlowSpec):
    @step
    def start(self):
        self.small = "a few letters"
        self.large = random.Random(7).randbytes(300_000)
        self.text = "compressible " * 9000
        self.parts = ["x" * 3000, "y" * 3000]
        self.next(self.each, foreach="parts")

    @step
    def each(self):
        self.size = len(self.input)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(each.size for each in inputs)
        self.next(self.end)

    @step
    def end(self):
        self.done = self.total
