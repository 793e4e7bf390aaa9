"""What flow files of Metaflow's users do, run as a whole on a laptop."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.flow_file import call

FLOWS = {
    "environment": """
import os
from flow_sdk import FlowSpec, environment, step

class F(FlowSpec):
    @environment(vars={"UNSET": os.environ.get("NO_SUCH_VARIABLE"), "COUNT": 3, "PART": 0.5, "YES": True, "TEXT": "t"})
    @step
    def start(self):
        self.seen = [os.environ.get(name) for name in ("UNSET", "COUNT", "PART", "YES", "TEXT")]
        self.next(self.end)

    @step
    def end(self):
        assert self.seen == [None, "3", "0.5", "True", "t"], self.seen
""",
    "early end": """
from flow_sdk import FlowSpec, Parameter, step

class F(FlowSpec):
    skip = Parameter("skip", default=True)

    @step
    def start(self):
        self.x = [0, 0]
        if self.skip:
            self.next(self.each, foreach="x")
            return
        self.x = [1]
        self.next(self.each, foreach="x")

    @step
    def each(self):
        match self.input:
            case 0:
                self.y = "zero"
                self.next(self.join)
            case _:
                self.next(self.join)

    @step
    def join(self, inputs):
        self.all = [task.y for task in inputs]
        self.next(self.end)

    @step
    def end(self):
        assert self.all == ["zero", "zero"]
""",
    "tags": """
from flow_sdk import FlowSpec, current, step

class F(FlowSpec):
    @step
    def start(self):
        assert isinstance(current.tags, set)
        self.tags_seen = current.tags
        self.tags_seen.update(["mine"])
        assert "mine" not in current.tags
        self.next(self.end)

    @step
    def end(self):
        assert "mine" in self.tags_seen
""",
}

FAILING = {
    "a join": (
        """
from flow_sdk import FlowSpec, step

class F(FlowSpec):
    @step
    def start(self):
        self.next(self.a, self.b)

    @step
    def a(self):
        self.model = 1
        self.next(self.join)

    @step
    def b(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        print(self.model)
        self.next(self.end)

    @step
    def end(self):
        pass
""",
        "Step 'join' has no artifact 'model'. A join inherits parameters, constants and configs only; its input a/",
    ),
    "a foreach": (
        """
from flow_sdk import FlowSpec, step

class F(FlowSpec):
    @step
    def start(self):
        self.items = [1]
        self.next(self.one, foreach="itmes")

    @step
    def one(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass
""",
        "Did you mean 'items'?",
    ),
    "an artifact set in the step": (
        """
from flow_sdk import FlowSpec, step

class F(FlowSpec):
    @step
    def start(self):
        self.weights = 1
        self.next(self.end)

    @step
    def end(self):
        self.heights = 2
        print(self.hieghts)
""",
        "Step 'end' has no artifact 'hieghts'. Did you mean 'heights'?",
    ),
}


def write(folder: Path, text: str) -> str:
    path = folder / "flow.py"
    path.write_text(text + "\nif __name__ == '__main__':\n    F()\n")
    return str(path)


@pytest.mark.parametrize("name", FLOWS)
def test_the_flow_succeeds(name: str, tmp_path: Path) -> None:
    done = call(tmp_path, "run", file=write(tmp_path, FLOWS[name]))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", FAILING)
def test_the_message_says_what_to_do(name: str, tmp_path: Path) -> None:
    text, message = FAILING[name]
    done = call(tmp_path, "run", file=write(tmp_path, text))
    assert done.returncode == 1
    assert message in done.stdout + done.stderr


ORDER = """
from flow_sdk import Config, FlowSpec, JSONType, Parameter, step

class F(FlowSpec):
    stages = Config("stages", default_value={"zeta": 1, "alpha": {"y": 1, "x": 2}})
    weights = Parameter("weights", type=JSONType, default='{"zeta": 1, "alpha": 2}')
    made = Parameter("made", type=JSONType, default=lambda context: {"n": 1, "b": 2})
    words = Parameter("words", multiple=True)
    slow = Parameter("slow", is_flag=True, default=True)

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        print("seen", [list(self.stages), list(self.weights), list(self.made), self.words, self.slow])
"""


def test_keys_keep_their_order_however_they_are_given(tmp_path: Path) -> None:
    file = write(tmp_path, ORDER)
    done = call(tmp_path, "run", file=file)
    assert "seen [['zeta', 'alpha'], ['zeta', 'alpha'], ['n', 'b'], (), True]" in done.stdout, done.stderr
    (tmp_path / "stages.json").write_text('{"two": 2, "one": 1}')
    words = ["--config", "stages", "stages.json", "run", "--weights", '{"y": 1, "c": 2}']
    done = call(tmp_path, *words, "--words", "b", "--words", "a", "--slow", file=file)
    assert "seen [['two', 'one'], ['y', 'c'], ['n', 'b'], ('b', 'a'), False]" in done.stdout, done.stderr
    done = call(tmp_path, "resume", "end", file=file)
    assert "seen [['two', 'one'], ['y', 'c'], ['n', 'b'], ('b', 'a'), False]" in done.stdout, done.stderr
