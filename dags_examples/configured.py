"""A flow whose settings, decorators and files go with it wherever it runs: nothing of them has to be on a worker."""

import os

from flow_sdk import (
    S3,
    Config,
    FlowMutator,
    FlowSpec,
    IncludeFile,
    Parameter,
    config_expr,
    current,
    environment,
    retry,
    step,
    user_step_decorator,
)


@user_step_decorator
def counted(step_name, flow, inputs=None, attributes=None):
    """Note what the step was given, and that it went through."""
    flow.given = [step_name, attributes["unit"]]
    yield
    flow.counted = True


class Bounded(FlowMutator):
    """Give the flow a parameter whose default is in its settings."""

    def pre_mutate(self, mutable_flow):
        longest = mutable_flow.settings.longest
        mutable_flow.add_parameter("longest", Parameter("longest", default=longest))


@Bounded
class ConfiguredFlow(FlowSpec):
    """Measure words, each in a task of its own, and put what was found beside the run."""

    settings = Config("settings", default_value={"unit": "letters", "longest": 9, "tries": 2})
    words = IncludeFile("words", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "words.txt"))

    @step
    def start(self):
        self.chosen = [word for word in self.words.split() if len(word) <= self.longest]
        self.next(self.measure, foreach="chosen")

    @counted(unit=settings.unit)
    @retry(times=config_expr("settings.tries"), minutes_between_retries=0)
    @environment(vars={"UNIT": config_expr("settings.unit")})
    @step
    def measure(self):
        if self.index == 1 and current.retry_count == 0:
            raise RuntimeError("the first try of the second word fails")
        self.text = f"{self.input}: {len(self.input)} {os.environ['UNIT']}"
        with S3(run=self) as s3:
            s3.put(f"{self.input}.txt", self.text)
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.attempted = sum(1 for each in inputs if each.counted)
        with S3(run=self) as s3:
            self.lines = sorted(found.text for found in s3.get_all())
        self.next(self.end)

    @step
    def end(self):
        print("\n".join(self.lines))


if __name__ == "__main__":
    ConfiguredFlow()
