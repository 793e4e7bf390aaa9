"""Methods that look like steps, and other uses of the names of steps."""

import ast
from pathlib import Path

from flow_sdk.graph.methods import assigned_names, find_methods, names_replaced, steps_overwritten
from flow_sdk.graph.source import Sources
from tests.strategies.loading import load_flow

SOURCE = """
from flow_sdk import *

class Base(FlowSpec):
    def helper(self):
        return 1

    def hidden(self):
        return 2

class Small(Base):
    hidden = 3

    def _private(self):
        pass

    def touch(this):
        this.end = 1
        del this.start
        this.other = 2

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass
"""

SET = 1 + SOURCE[: SOURCE.index("this.end = 1")].count("\n")


def test_methods_are_those_that_the_flow_has_and_that_could_be_steps(tmp_path: Path) -> None:
    flow = load_flow(SOURCE, tmp_path)
    assert sorted(find_methods(flow, {"start", "end"})) == ["helper", "touch"]


def test_an_attribute_of_a_steps_name_is_found_where_it_is_set_or_deleted(tmp_path: Path) -> None:
    flow = load_flow(SOURCE, tmp_path)
    sources = Sources()
    functions = [sources.find_function(flow.touch), sources.find_function(flow.start)]
    found = steps_overwritten([one for one in functions if one is not None], {"start": 1, "end": 1}.keys())
    assert [(name, span.line) for name, span in found] == [("end", SET), ("start", SET + 1)]


def test_plain_names_alone_are_assigned() -> None:
    assigned = ast.parse("a = b.c = 1\nd: int = 2\ne += 1\nf.g = 3").body
    assert [[name.id for name in assigned_names(one)] for one in assigned] == [["a"], ["d"], ["e"], []]


def test_what_a_step_replaces_has_its_kind() -> None:
    text = "class F:\n    a = Parameter('a')\n    b = x.Config('b')\n    c = 1\n    d: int\n"
    text += "".join(f"    def {name}(self): pass\n" for name in "abcd")
    (body,) = ast.parse(text).body
    assert isinstance(body, ast.ClassDef)
    assert dict(names_replaced(body, {"a", "b", "c", "d"})) == {"a": "parameter", "b": "config", "c": "attribute"}
