"""A flow with steps on AWS Batch beside steps on the worker, in every shape; for the tests on Airflow."""

FLOW = """
import os
import time

from flow_sdk import FlowSpec, Parameter, batch, catch, current, retry, step
from flow_sdk.authoring.decorator import StepDecorator, declare_step_decorator


class NotedDecorator(StepDecorator):
    name = "noted"

    def before_step(self, context):
        context.add_metadata("note", f"{self.text} {context.attempt}")


@declare_step_decorator(NotedDecorator)
def noted(*, text: str) -> None:
    "Store a text with each task."


class MixedFlow(FlowSpec):
    text = Parameter("text", default="plain")
    seconds = Parameter("seconds", default=0.0)

    @batch
    @step
    def start(self):
        self.parts = ["a", "b"]
        self.next(self.fit, foreach="parts")

    @noted(text="on Batch")
    @retry(times=1, minutes_between_retries=0)
    @batch(cpu=2, aws_batch_tags={"team": "search"})
    @step
    def fit(self):
        print("fitting", self.input, self.text, flush=True)
        if self.input == "b" and current.retry_count == 0:
            raise ValueError("the first try fails")
        self.words = [f"{self.input}{n}" for n in range(2)]
        self.next(self.inner, foreach="words")

    @noted(text="on the worker")
    @step
    def inner(self):
        assert "AWS_BATCH_JOB_ID" not in os.environ
        self.word = self.input * 2
        self.next(self.gather)

    @batch
    @step
    def gather(self, inputs):
        self.words = [i.word for i in inputs]
        self.next(self.join)

    @step
    def join(self, inputs):
        self.words = [word for i in inputs for word in i.words]
        self.passes = 0
        self.next(self.again)

    @batch
    @step
    def again(self):
        self.passes += 1
        self.more = self.passes < 2
        self.next({True: self.again, False: self.long}, condition="more")

    @batch
    @step
    def long(self):
        time.sleep(self.seconds)
        print("slept enough", flush=True)
        self.way = "taken"
        self.next({"taken": self.risky, "other": self.other}, condition="way")

    @batch
    @step
    def other(self):
        raise AssertionError("not chosen")
        self.next(self.end)

    @catch(var="failure")
    @batch
    @step
    def risky(self):
        1 / 0
        self.next(self.end)

    @step
    def end(self):
        self.kind = self.failure.type


if __name__ == "__main__":
    MixedFlow()
"""
