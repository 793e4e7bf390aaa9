"""What a flow object keeps, hides, forgets and refuses, seen through whole runs in one process."""

import pickle
import threading
from dataclasses import replace
from typing import Any

import pytest

from flow_sdk import FlowSpec, Parameter, catch, step
from flow_sdk.runtime.local.scheduler import Scheduler
from flow_sdk.runtime.tracebacks import summarize_exception
from flow_sdk.store.records.commits import read_attempt
from tests.support.in_process_runs import InProcessRun


class Names(FlowSpec):
    """Artifacts named as what the class has, and one that is deleted."""

    _state: Any = None
    STAMP = 0

    def helper(self) -> int:
        return 1

    @step
    def start(self):
        self._state = {"a": 1}
        self.name = "bob"
        self.gone = [1]
        self.kept = 1
        self.next(self.middle)

    @step
    def middle(self):
        self.seen = (self._state, self.name, self.STAMP)
        del self.gone
        self.next(self.end)

    @step
    def end(self):
        self.last = (hasattr(self, "gone"), self.kept, self._state, self.name)


def test_an_artifact_is_not_hidden_by_an_attribute_of_the_class() -> None:
    run = InProcessRun(Names).run()
    assert run.value("middle", "seen") == ({"a": 1}, "bob", 0)
    assert run.value("end", "last") == (False, 1, {"a": 1}, "bob")


def test_a_deleted_artifact_is_gone_downstream_and_where_it_was_made_it_stays() -> None:
    run = InProcessRun(Names).run()
    assert "gone" in run.task("start").artifacts and "gone" not in run.task("middle").artifacts


def test_what_is_not_there_or_fixed_cannot_be_deleted() -> None:
    with pytest.raises(AttributeError):
        del Names(use_cli=False).nothing


def test_a_constant_is_the_one_captured_when_the_run_began(monkeypatch: pytest.MonkeyPatch) -> None:
    run = InProcessRun(Names)
    monkeypatch.setattr(Names, "STAMP", 5)  # as in a process that executes the flow file anew
    assert run.run().value("middle", "seen")[2] == 0


class Joined(FlowSpec):
    """A join with everything one may do to its inputs."""

    given = Parameter("given", default=1)
    mode = Parameter("mode", default="")

    @step
    def start(self):
        self.next(self.count, self.other)

    @step
    def count(self):
        self.left = 1
        self.next(self.join)

    @step
    def other(self):
        self.right = 2
        self.next(self.join)

    @catch(var="failure", print_exception=False)
    @step
    def join(self, inputs):
        self.by_name = inputs.count.left
        self.merge_artifacts(inputs, include=["left", "given"])
        if self.mode == "fail":
            raise ValueError("after the merge")
        if self.mode == "keep":
            self.kept = list(inputs)
        if self.mode == "all":
            self.kept = (inputs,)
        if self.mode == "self":
            self.kept = {"me": self}
        self.next(self.end)

    @step
    def end(self):
        pass


def joined(mode: str) -> InProcessRun:
    return InProcessRun(Joined, parameters={"mode": mode}).run()


def test_a_branch_may_be_called_as_a_method_of_a_sequence() -> None:
    assert joined("").value("join", "by_name") == 1


def test_a_parameter_may_be_among_those_to_merge() -> None:
    run = joined("")
    assert run.value("end", "left") == 1 and run.value("end", "failure") is None


def test_a_caught_join_keeps_what_it_merged_and_set() -> None:
    run = joined("fail")
    assert set(run.task("join").artifacts) == {"failure", "left", "by_name"}
    assert run.value("end", "left") == 1 and run.value("end", "failure").exception == "after the merge"


@pytest.mark.parametrize(("mode", "what"), [("keep", "input of a join"), ("all", "input of a join"), ("self", "flow")])
def test_inputs_and_flow_inside_a_value_are_refused(mode: str, what: str) -> None:
    failure = joined(mode).task("join").exception
    assert failure is not None and failure["type"].endswith("SerializationError") and what in failure["message"]


def test_a_flow_is_iterated_over_its_steps() -> None:
    assert [found.name for found in Names(use_cli=False)] == ["start", "middle", "end"]
    with pytest.raises(TypeError, match="can't be stored"):
        pickle.dumps(Names(use_cli=False))


class Tag(str):
    """Text with attributes."""


class Held:
    """What a frozenset may hold, and change."""

    count = 0


class ChangedInPlace(FlowSpec):
    """Values that look as if nothing could change them."""

    @step
    def start(self):
        self.tag = Tag("tree")
        self.tag.seen = 1
        self.held = frozenset({Held()})
        self.text = "a"
        self.only_read = {f"word {number}" for number in range(40)}
        self.next(self.middle)

    @step
    def middle(self):
        self.tag.seen = 2
        for held in self.held:
            held.count = 7
        self.text = b"a"
        assert "word 3" in self.only_read
        self.next(self.end)

    @step
    def end(self):
        self.found = (self.tag.seen, [held.count for held in self.held], self.text)


def test_what_is_changed_in_place_is_stored_whatever_its_class_is_made_from() -> None:
    run = InProcessRun(ChangedInPlace).run()
    assert run.value("end", "found") == (2, [7], b"a")
    assert run.task("middle").own == ("held", "tag", "text")


class Partly(FlowSpec):
    """Fails, and leaves what can't be stored beside what can."""

    caught = Parameter("caught", default=False)

    @step
    def start(self):
        self.list = [1]
        self.lock_later = "text"
        self.shared = "old"
        self.next(self.work)

    @catch(var="failure", print_exception=False)
    @step
    def work(self):
        self.good = 41
        self.list.append(2)
        self.shared = "new"
        self.bad = {"a": [threading.Lock()]}
        self.lock_later = threading.Lock()
        self.me = self
        if self.caught:
            raise ValueError("on its own")
        self.next(self.end)

    @step
    def end(self):
        pass


@pytest.mark.parametrize("caught", [True, False])
def test_a_caught_task_keeps_what_can_be_stored(caught: bool, capsys: pytest.CaptureFixture[str]) -> None:
    run = InProcessRun(Partly, parameters={"caught": caught}).run()
    task = run.task("work")
    assert task.ok and not task.successful and run.task("end").successful
    assert set(task.artifacts) == {"failure", "good", "list", "shared"}
    assert [run.value("end", name) for name in ("good", "list", "shared")] == [41, [1, 2], "new"]
    assert run.value("end", "failure").type.endswith("ValueError" if caught else "SerializationError")
    said = capsys.readouterr().err
    assert "@catch can't keep self.bad: " in said and "_thread.lock in the attribute ['a'][0]" in said
    assert "self.me is the flow itself" in said


def test_a_failed_attempt_keeps_what_can_be_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    run = InProcessRun(Partly)
    steps = [replace(s, decorators=()) for s in run.plan.steps]
    run.plan = replace(run.plan, steps=tuple(steps))
    run.view = replace(run.view, plan=run.plan)
    run.scheduler = Scheduler(run.plan, 1)
    run.run()
    failed = read_attempt(run.store, "Partly", "1", "work", run.id("work"), 0)
    assert failed is not None and not failed.ok and failed.exception is not None
    message = failed.exception["message"]
    assert message.startswith("self.bad, self.lock_later and self.me can't be stored.\n")
    assert "seen:   self.bad: _thread.lock in the attribute ['a'][0]: " in message
    assert "; self.lock_later: _thread.lock: " in message and "; self.me: the flow itself\n" in message
    assert "before the step ends: del self.bad, self.lock_later, self.me" in message
    assert summarize_exception(failed.exception).startswith(
        "SerializationError: self.bad, self.lock_later and self.me can't be s"
    )
    assert set(failed.artifacts) == {"good", "list", "shared"}


class Merging(FlowSpec):
    """Branches that make equal values in their own ways."""

    differ = Parameter("differ", default=False)

    @step
    def start(self):
        self.words = {f"word {number}" for number in range(40)}
        self.next(self.left, self.right)

    @step
    def left(self):
        self.count = len(self.words)
        self.numbers = set(dict.fromkeys((0, 64, 128)))
        self.next(self.join)

    @step
    def right(self):
        self.numbers = set(dict.fromkeys((128, 64, 0)))
        self.numbers.add(5) if self.differ else None
        self.next(self.join)

    @catch(var="failure", print_exception=False)
    @step
    def join(self, inputs):
        self.merge_artifacts(inputs)
        self.next(self.end)

    @step
    def end(self):
        pass


def test_equal_values_are_merged_whatever_bytes_they_are_stored_as() -> None:
    run = InProcessRun(Merging).run()
    assert run.value("end", "failure") is None
    assert run.value("end", "numbers") == {0, 64, 128} and len(run.value("end", "words")) == 40
    assert run.task("left").artifacts["numbers"].hash != run.task("right").artifacts["numbers"].hash


def test_values_that_differ_are_not_merged() -> None:
    failure = InProcessRun(Merging, parameters={"differ": True}).run().value("end", "failure")
    assert "the inputs differ in numbers" in failure.exception


class OneGenerator(FlowSpec):
    @step
    def start(self):
        self.gen = (number for number in range(3))
        self.next(self.end)

    @step
    def end(self):
        pass


def test_the_artifact_that_cannot_be_stored_is_named_first() -> None:
    run = InProcessRun(OneGenerator).run()
    failed = read_attempt(run.store, "OneGenerator", "1", "start", run.id("start"), 0)
    assert failed is not None and failed.exception is not None
    assert summarize_exception(failed.exception).startswith(
        "SerializationError: self.gen can't be stored. (builtins.generator: "
    )
    assert failed.exception["message"].endswith("Or delete it before the step ends: del self.gen")
