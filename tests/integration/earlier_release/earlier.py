"""A flow in every shape that changes the ids of tasks: run by a release whose plans had format 1, and resumed since."""

import os

from flow_sdk import FlowSpec, step


class EarlierFlow(FlowSpec):
    @step
    def start(self):
        self.words = ["a", "b"]
        self.next(self.outer, foreach="words")

    @step
    def outer(self):
        print("outer", self.input)
        self.numbers = [1, 2]
        self.next(self.inner, foreach="numbers")

    @step
    def inner(self):
        self.made = self.input * 10
        self.next(self.inner_join)

    @step
    def inner_join(self, inputs):
        self.made = [i.made for i in inputs]
        self.next(self.outer_join)

    @step
    def outer_join(self, inputs):
        self.made = [i.made for i in inputs]
        self.passes = 0
        self.next(self.again)

    @step
    def again(self):
        self.passes += 1
        self.more = self.passes < 3
        self.next({True: self.again, False: self.late}, condition="more")

    @step
    def late(self):
        if "STOP" in os.environ:
            raise ValueError("not yet")
        self.next(self.end)

    @step
    def end(self):
        print("made", self.made, self.passes)


if __name__ == "__main__":
    EarlierFlow()
