"""Flow files that the tests run from Python."""

from pathlib import Path

FLOW = """
import os
import time
from flow_sdk import FlowSpec, IncludeFile, JSONType, Parameter, step


class Talk(FlowSpec):
    text = Parameter("my-text", default="x")
    count = Parameter("count", default=1)
    rate = Parameter("rate", default=0.5)
    loud = Parameter("loud", default=False)
    grid = Parameter("grid", type=JSONType, default="{}")
    names = Parameter("names", default="a,b", separator=",")
    file = IncludeFile("file", required=False, is_text=False)

    @step
    def start(self):
        import sys
        print("out", self.count)
        print("ünd err", file=sys.stderr)
        self.seen = [self.text, self.count, self.rate, self.loud, self.grid, self.names, self.file]
        self.variable = os.environ.get("TALK")
        self.next(self.work)

    @step
    def work(self):
        if os.environ.get("FAIL"):
            raise ValueError("asked to")
        if self.text == "sleep":
            time.sleep(60)
        for number in range(self.count):
            print("line", number, flush=True)
            time.sleep(0.01)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Talk()
"""


def write(folder: Path, text: str = FLOW, name: str = "talk.py") -> str:
    """Write a flow file into a folder; returns its path."""
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)
