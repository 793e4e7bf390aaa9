"""A flow that prints for longer than its log is held back; how long that is, the test says."""

import os
import time

from flow_sdk import FlowSpec, step
from flow_sdk.runtime import logs
from flow_sdk.runtime.local import driver

logs.FLUSH_SECONDS = float(os.environ["FLUSHED_EVERY"])
driver.END_TIMEOUT = 20 * logs.FLUSH_SECONDS


class PrintingFlow(FlowSpec):
    @step
    def start(self):
        for number in range(30):
            print(f"line {number}", flush=True)
            time.sleep(logs.FLUSH_SECONDS / 3)
        self.printed = 30
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    PrintingFlow()
