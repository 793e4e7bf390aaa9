"""The flow of the soak: tasks that sleep, print, keep values, and now and then fail, kill themselves or are killed."""

import os
import random
import signal
import time

from flow_sdk import FlowSpec, Parameter, catch, current, retry, step


class SoakFlow(FlowSpec):
    items = Parameter("items", default=4)
    seconds = Parameter("seconds", default=0.0)
    trouble = Parameter("trouble", default=0.0, help="share of the first three attempts that fail")

    @step
    def start(self):
        self.numbers = list(range(self.items))
        self.next(self.work, foreach="numbers")

    @retry(times=5, minutes_between_retries=0)
    @step
    def work(self):
        print("item", self.input, "attempt", current.retry_count)
        time.sleep(self.seconds)
        if current.retry_count < 3 and random.random() < self.trouble:
            if self.input % 2:
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("the first attempt fails")
        self.payload = os.urandom(20_000)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.count = len(list(inputs))
        self.next(self.shaky)

    @catch(var="failure", print_exception=False)
    @step
    def shaky(self):
        self.before = "kept"
        raise ValueError("caught")
        self.next(self.end)

    @step
    def end(self):
        print("done", self.count)


if __name__ == "__main__":
    SoakFlow()
