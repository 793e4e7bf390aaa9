"""Extensions of a step: their order, what they see, and what becomes of their failures."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import pytest

from flow_sdk import FlowSpec, catch, current, environment, retry, step, timeout, user_step_decorator
from flow_sdk.authoring.decorator import DECLARED, StepDecorator, declare_flow_decorator, declare_step_decorator
from flow_sdk.authoring.step_extension import RESERVED_METADATA, StepContext
from flow_sdk.errors import UsageError
from flow_sdk.plan.compile import compile_plan
from flow_sdk.runtime.task.step_extensions import ExtensionStack, find_extensions
from flow_sdk.store.records.model import Manifest
from tests.support.in_process_runs import InProcessRun

CALLS: list[str] = []


@pytest.fixture(autouse=True)
def _no_calls() -> Iterator[None]:
    CALLS.clear()
    yield
    current._clear_task()


class OuterDecorator(StepDecorator):
    name = "outer"
    order = 50

    def before_step(self, context: StepContext) -> None:
        CALLS.append("outer before")

    def around_step(self, context: StepContext, run_inner: Any) -> None:
        CALLS.append("outer around")
        try:
            run_inner()
        finally:
            CALLS.append("outer around end")

    def after_step(self, context: StepContext, failure: BaseException | None) -> None:
        CALLS.append(f"outer after {failure}")


@declare_step_decorator(OuterDecorator)
def outer() -> None:
    """Begin first."""


class NotedDecorator(StepDecorator):
    name = "noted"

    def before_step(self, context: StepContext) -> None:
        CALLS.append(f"noted before {current.step_name}")
        if self.when == "before":
            raise ValueError("before")
        context.add_metadata("note", self.text)
        context.set_current("note", [self.text])

    def around_step(self, context: StepContext, run_inner: Any) -> None:
        CALLS.append("noted around")
        run_inner()

    def after_step(self, context: StepContext, failure: BaseException | None) -> None:
        CALLS.append(f"noted after {failure}")
        if self.when == "after":
            raise ValueError("after")
        context.add_metadata("note", " ".join([*current.note, str(getattr(context.flow, "x", None))]))


@declare_step_decorator(NotedDecorator)
def noted(*, text: str, when: str = "") -> None:
    """Store a text."""


@user_step_decorator
def wrapping(step_name: str, flow: Any, inputs: Any = None, attributes: Any = None) -> Any:
    CALLS.append("user's before")
    yield
    CALLS.append("user's after")


def flow_with(*decorators: Any, fails: str = "") -> type[FlowSpec]:
    class Extended(FlowSpec):
        @step
        def start(self) -> None:
            CALLS.append(f"step {getattr(current, 'note', None)}")
            self.x = 1
            if getattr(current, "note", None) is not None:
                current.note.append("from the step")
            if fails:
                raise RuntimeError(fails)
            self.next(self.end)

        @step
        def end(self) -> None:
            pass

    for decorator in decorators:
        decorator(Extended.start)
    return Extended


def run(flow: type[FlowSpec]) -> tuple[InProcessRun, str]:
    errors = io.StringIO()
    started = InProcessRun(flow)
    with contextlib.redirect_stderr(errors):
        started.run()
    return started, errors.getvalue()


def failed_manifest(started: InProcessRun) -> Manifest:
    manifest = started.outcomes[-1].manifest
    assert not manifest.ok and manifest.step == "start"
    return manifest


def test_extensions_begin_in_their_order_and_end_in_the_reverse() -> None:
    started, _ = run(flow_with(noted(text="a"), wrapping, outer))
    assert started.committed("end")
    assert CALLS == [
        "outer before",
        "noted before start",
        "outer around",
        "noted around",
        "user's before",
        "step ['a']",
        "user's after",
        "outer around end",
        "noted after None",
        "outer after None",
    ]


def test_the_order_of_the_extensions_of_this_release() -> None:
    flow = flow_with(catch, timeout(seconds=9), noted(text="a"), environment(vars={"A": "b"}), wrapping, retry)
    names = [type(one).__name__ for one in find_extensions(compile_plan(flow, file="f.py").start)]
    assert names[:3] == ["EnvironmentDecorator", "CurrentExtension", "TimeoutDecorator"]
    assert names[-1] == "UserDecorators" and {"CatchDecorator", "NotedDecorator", "RetryDecorator"} <= set(names)


def test_what_an_extension_adds_is_in_the_metadata_of_the_attempt() -> None:
    started, _ = run(flow_with(noted(text="a")))
    assert started.task("start").environment["note"] == "a from the step 1"
    assert "note" not in started.task("end").environment


def test_a_failed_attempt_has_it_too_and_the_extension_sees_the_failure() -> None:
    started, _ = run(flow_with(noted(text="a"), fails="bad day"))
    assert not started.committed("start")
    assert CALLS[-1] == "noted after bad day"
    assert failed_manifest(started).environment["note"] == "a from the step 1"


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_failure_of_an_extension_is_the_steps(when: str) -> None:
    started, errors = run(flow_with(noted(text="a", when=when), outer))
    assert not started.committed("start") and f"ValueError: {when}" in errors
    assert CALLS[-1] == f"outer after {when}" and ("step ['a']" in CALLS) == (when == "after")


def test_after_a_failed_step_the_failure_of_an_extension_is_printed_only() -> None:
    started, errors = run(flow_with(noted(text="a", when="after"), outer, fails="bad day"))
    assert "ValueError: after" in errors and "RuntimeError: bad day" in errors
    exception = failed_manifest(started).exception
    assert exception is not None and exception["message"] == "bad day"
    assert CALLS[-1] == "outer after bad day"


def test_a_caught_failure_of_an_extension() -> None:
    started, _ = run(flow_with(noted(text="a", when="before"), catch(var="failure")))
    assert started.value("start", "failure").exception == "before"
    run(flow_with(noted(text="a"), catch(var="failure")))
    assert CALLS[-1] == "noted after None"


def test_a_decorator_that_this_release_does_not_have_is_left_out() -> None:
    plan = compile_plan(flow_with(outer), file="f.py")
    del DECLARED["outer"]
    try:
        assert [type(one).__name__ for one in find_extensions(plan.start)] == ["CurrentExtension"]
        assert ExtensionStack(plan.start).recovery is None
    finally:
        DECLARED["outer"] = OuterDecorator


@pytest.mark.parametrize("name", [*sorted(RESERVED_METADATA), "", "batch"])
def test_names_that_flow_sdk_uses_are_refused(name: str) -> None:
    class Request:
        environment = {"batch": {}}  # noqa: RUF012

    context = StepContext(None, flow_with()(use_cli=False), None, Request, 0, lambda _: None)
    with pytest.raises(UsageError):
        context.add_metadata(name, "text")
    with pytest.raises(UsageError, match="a name and a text"):
        context.add_metadata("fine", 3)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["run_id", "_fields", "get", "not a name", "tags"])
def test_names_that_current_has_are_refused(name: str) -> None:
    context = StepContext(None, flow_with()(use_cli=False), None, None, 0, lambda _: None)
    with pytest.raises(ValueError, match="can't be set"):
        context.set_current(name, 1)


def test_a_decorator_of_users_cannot_have_the_name_of_one_of_the_sdk() -> None:
    class Mine(StepDecorator):
        name = "retry"

    with pytest.raises(UsageError, match="There is a decorator @retry in Flow SDK"):

        @declare_step_decorator(Mine)
        def retry() -> None:
            """Do something else."""


class Unnamed(StepDecorator):
    pass


class Mine(StepDecorator):
    name = "mine"


def mine() -> None:
    """Do something else."""


def other() -> None:
    """Do something else."""


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (lambda: declare_flow_decorator(Mine)(mine), "@mine is a decorator of steps"),  # type: ignore[type-var]
        (lambda: declare_step_decorator(Mine)(other), "The function of @mine is called 'other'"),
        (lambda: declare_step_decorator(Unnamed)(other), "Unnamed has no name"),
    ],
)
def test_a_wrong_declaration_is_refused(declare: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        declare()
