"""What the inputs of a join have, seen through whole runs in one process."""

from typing import Any

import pytest

from flow_sdk import FlowSpec, step
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.records.model import SplitItems
from tests.support.in_process_runs import InProcessRun


class Base(FlowSpec):
    def describe(self):
        return f"{self.name}:{self.letter}"


class OfInputs(Base):
    """Joins that ask their inputs for more than artifacts."""

    rate = 3

    @step
    def start(self):
        self.letters = {"a": 2, "b": 1}
        self.next(self.outer, foreach="letters")

    @step
    def outer(self):
        self.letter, self.count = self.input
        self.next(self.left, self.right)

    @step
    def left(self):
        self.numbers = list(range(10, 10 + self.count))
        self.next(self.inner, foreach="numbers")

    @step
    def inner(self):
        self.found = self.input * self.rate
        self.next(self.inner_join)

    @step
    def inner_join(self, inputs):
        self.letter = inputs[0].letter
        self.table = {i.input: (i.index, i.found, i.half, i.plus(1)) for i in inputs}
        self.stacks = [i.foreach_stack() for i in inputs]
        self.next(self.both)

    @step
    def right(self):
        self.next(self.both)

    @step
    def both(self, inputs):
        self.table, self.stacks = inputs.inner_join.table, inputs.inner_join.stacks
        self.items = [(i.input, i.index, len(i.foreach_stack())) for i in inputs]
        self.letter = inputs.right.letter
        self.next(self.outer_join)

    @step
    def outer_join(self, inputs):
        self.items = [i.items for i in inputs]
        self.stacks = [i.stacks for i in inputs]
        self.tables = {i.input[0]: i.table for i in inputs}
        self.texts = [i.describe() for i in inputs]
        self.names = [(i.name, i.script_name, i.double(i.rate), i.twice(4), isinstance(i, OfInputs)) for i in inputs]
        self.next(self.aside, self.beside)

    @step
    def aside(self):
        self.next(self.last)

    @step
    def beside(self):
        self.next(self.last)

    @step
    def last(self, inputs):
        self.outside = [(i.input, i.index, i.foreach_stack()) for i in inputs]
        self.merge_artifacts(inputs)
        self.next(self.end)

    @step
    def end(self):
        self.own_script = self.script_name

    @property
    def half(self):
        return self.found / 2

    def plus(self, more):
        return self.found + more

    def describe(self):
        return super().describe().upper()

    @staticmethod
    def double(value):
        return 2 * value

    @classmethod
    def twice(cls, value):
        return cls.double(value)


def test_an_input_of_a_join_has_what_its_task_had() -> None:
    run = InProcessRun(OfInputs).run()

    def value(name: str) -> object:
        return run.value("end", name)

    assert value("tables") == {
        "a": {10: (0, 30, 15.0, 31), 11: (1, 33, 16.5, 34)},
        "b": {10: (0, 30, 15.0, 31)},
    }
    assert value("stacks") == [
        [[(0, 2, ("a", 2)), (0, 2, 10)], [(0, 2, ("a", 2)), (1, 2, 11)]],
        [[(1, 2, ("b", 1)), (0, 1, 10)]],
    ]
    assert value("items") == [[(("a", 2), 0, 1)] * 2, [(("b", 1), 1, 1)] * 2]
    assert value("texts") == ["OFINPUTS:A", "OFINPUTS:B"]
    assert value("names") == [("OfInputs", "test_inputs.py", 6, 8, True)] * 2
    assert value("outside") == [(None, None, [])] * 2
    assert value("own_script") == "test_inputs.py"


class ItemsOfInputs(FlowSpec):
    @step
    def start(self):
        self.letters = "abc"
        self.next(self.work, foreach="letters")

    @step
    def work(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        try:
            inputs[0].lettrs  # noqa: B018
        except AttributeError as error:
            self.missing = str(error)
        try:
            inputs[0].set_twice()
        except AttributeError as error:
            self.refused = str(error)
        self.seen = [inputs[2].input, inputs[2].input]
        self.next(self.end)

    def set_twice(self):
        self.twice = 2

    @step
    def end(self):
        pass


def test_the_items_of_inputs_are_read_when_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    load = Artifacts.load_item

    def load_item(self: Artifacts, items: SplitItems, index: int, *, where: str) -> Any:
        asked.append(index)
        return load(self, items, index, where=where)

    monkeypatch.setattr(Artifacts, "load_item", load_item)
    run = InProcessRun(ItemsOfInputs).run()
    assert (run.value("end", "seen"), asked) == (["c", "c"], [2])


def test_an_input_says_what_it_does_not_have_and_does_not_allow() -> None:
    run = InProcessRun(ItemsOfInputs).run()
    assert "has no artifact 'lettrs'" in run.value("end", "missing") and "letters" in run.value("end", "missing")
    assert "An input of a join can't be changed (tried to set 'twice')" in run.value("end", "refused")
