"""A flow file for the tests, and how they call it."""

import os
import subprocess
import sys
from pathlib import Path

FLOW = '''
from flow_sdk import FlowSpec, Parameter, JSONType, step


class TrainFlow(FlowSpec):
    """Trains a model.

    And more.
    """

    alpha = Parameter("alpha", default=0.5, help="How fast.")
    folds = Parameter("folds", type=int, required=True, help="How many.")
    shuffle = Parameter("shuffle", default=True)
    grid = Parameter("grid", type=JSONType, default='{"a": 1}')
    names = Parameter("names", default="a,b", separator=",")

    @step
    def start(self):
        self.parts = list(range(self.folds))
        print("alpha is", repr(self.alpha), "names", self.names)
        self.next(self.fit, foreach="parts")

    @step
    def fit(self):
        import sys
        self.score = self.input * 10
        self._hidden = 1
        print("fitting", self.input)
        print("careful", file=sys.stderr)
        if self.alpha == 13:
            raise ValueError("an unlucky number")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.scores = [i.score for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        print("done", self.scores)


if __name__ == "__main__":
    TrainFlow()
'''


def write(folder: Path, text: str = FLOW, name: str = "train.py") -> Path:
    """Write a flow file into a folder."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def call(
    folder: Path, *arguments: str, environment: dict[str, str] | None = None, file: str = "train.py"
) -> subprocess.CompletedProcess[str]:
    """Call the flow file as a user does."""
    return subprocess.run(
        [sys.executable, file, *arguments],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def files(folder: Path) -> set[str]:
    """All files below a folder but what Python leaves, and the marks of a store."""
    found = (path for path in folder.rglob("*") if path.name != "~lasting")
    return {path.relative_to(folder).as_posix() for path in found if "__pycache__" not in path.parts}
