"""Custom decorators round a running step."""

from __future__ import annotations

from typing import Any

import pytest

from flow_sdk import USER_SKIP_STEP, FlowSpec, UserStepDecorator, catch, retry, step, user_step_decorator
from flow_sdk.authoring.flow import Transition
from flow_sdk.authoring.step_extension import StepContext
from flow_sdk.plan.codec import from_json, to_json
from flow_sdk.plan.compile import compile_plan
from flow_sdk.runtime.task.transition import check_transition
from flow_sdk.runtime.task.user_decorators import UserDecorators
from tests.support.in_process_runs import InProcessRun

TOLD: list[str] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    TOLD.clear()


@user_step_decorator
def told(step_name: str, flow: Any, inputs: Any = None, attributes: Any = None) -> Any:
    name = (attributes or {}).get("name", "told")
    TOLD.append(f"{name} before {step_name}")
    try:
        yield
    except ValueError as error:
        TOLD.append(f"{name} saw {error}")
        raise
    finally:
        TOLD.append(f"{name} after")


@user_step_decorator
def swallowing(step_name: str, flow: Any, inputs: Any = None) -> Any:
    try:
        yield
    except ValueError as error:
        flow.swallowed = str(error)


@user_step_decorator
def yielding(step_name: str, flow: Any, inputs: Any = None, attributes: Any = None) -> Any:
    yield attributes["what"] if attributes else USER_SKIP_STEP
    flow.after = True


@user_step_decorator
def nothing(step_name: str, flow: Any, inputs: Any = None) -> Any:
    if step_name == "never":
        yield


@user_step_decorator
def twice(step_name: str, flow: Any, inputs: Any = None) -> Any:
    yield
    yield


@user_step_decorator
def early(step_name: str, flow: Any, inputs: Any = None) -> Any:
    raise ValueError("too early")
    yield


@user_step_decorator
def late(step_name: str, flow: Any, inputs: Any = None) -> Any:
    yield
    raise ValueError("too late")


@user_step_decorator
def instead(step_name: str, flow: Any, inputs: Any = None, attributes: Any = None) -> Any:
    def other(flow: Any, inputs: Any = None) -> Any:
        flow.by = "another"
        flow.more = ["x", "y"]
        if attributes["answer"] is None:
            flow.next(flow.body, foreach="items")
        return attributes["answer"]

    flow.items = [1]
    yield other


class Telling(UserStepDecorator):
    def init(self, skip: Any = False, answer: str = "") -> None:
        self.skip, self.answer = skip, answer

    def pre_step(self, step_name: str, flow: Any, inputs: Any = None) -> Any:
        TOLD.append(f"pre {step_name} {inputs}")
        self.skip_step = self.skip

    def post_step(self, step_name: str, flow: Any, exception: Exception | None = None) -> Any:
        TOLD.append(f"post {exception}")
        flow.more = ["p", "q", "r"]
        return {"": (exception, None), "none": None, "more": (None, {"foreach": "more"}), "odd": 7}[self.answer]


def flow_with(*decorators: Any, raises: BaseException | None = None) -> type[FlowSpec]:
    """A flow whose first step, a foreach, has decorators; the outermost first."""

    class Wrapped(FlowSpec):
        @step
        def start(self) -> None:
            TOLD.append("step")
            self.items = [1, 2]
            if raises is not None:
                raise raises
            self.next(self.body, foreach="items")

        @step
        def body(self) -> None:
            self.item = self.input
            self.next(self.join)

        @step
        def join(self, inputs: Any) -> None:
            self.found = [i.item for i in inputs]
            self.next(self.end)

        @step
        def end(self) -> None:
            pass

    for decorator in reversed(decorators):
        decorator(Wrapped.start)
    return Wrapped


def play(flow: type[FlowSpec]) -> tuple[Any, Transition | None]:
    """Run the first step's code with its decorators, as the plan says; returns the flow's object and transition."""
    plan = from_json(to_json(compile_plan(flow, file="f.py")))
    made = flow(use_cli=False)
    context = StepContext(plan.start, made, None, None, 0, lambda _: None)
    decorators = UserDecorators()
    decorators.before_step(context)
    decorators.around_step(context, made.start)  # type: ignore[attr-defined]
    transition = made.__flow_transition__
    if transition is not None and not transition.by_decorator:
        check_transition(plan.start, transition)
    return made, transition


def test_code_before_and_after_in_order() -> None:
    _, transition = play(flow_with(told(name="outer"), Telling, told(name="inner")))
    assert transition is not None and transition.foreach == "items"
    assert TOLD == [
        "outer before start",
        "pre start None",
        "inner before start",
        "step",
        "inner after",
        "post None",
        "outer after",
    ]


def test_an_exception_comes_to_the_yield_and_is_the_steps() -> None:
    with pytest.raises(ValueError, match="no luck"):
        play(flow_with(told(name="outer"), told(name="inner"), raises=ValueError("no luck")))
    assert TOLD[-4:] == ["inner saw no luck", "inner after", "outer saw no luck", "outer after"]


@pytest.mark.parametrize("decorator", [swallowing, Telling(answer="none")])
def test_a_swallowed_exception_is_success_and_the_step_hands_on_as_written(decorator: Any) -> None:
    made, transition = play(flow_with(told, decorator, raises=ValueError("no luck")))
    assert transition is not None and transition.foreach == "items" and made.items == [1, 2]
    assert TOLD[-1] == "told after" and "told saw no luck" not in TOLD


def test_the_code_can_be_run_and_next_changed_after_it() -> None:
    _, transition = play(flow_with(told, Telling(answer="more")))
    assert "step" in TOLD
    assert transition is not None and transition.foreach == "more"


@pytest.mark.parametrize(
    ("decorator", "foreach"),
    [
        (yielding, "items"),
        (yielding(what={}), "items"),
        (yielding(what={"foreach": "more"}), "more"),
        (nothing, "items"),
        (Telling(skip=True), "items"),
        (Telling(skip={"foreach": "more"}), "more"),
    ],
)
def test_skipping_and_what_next_is_then(decorator: Any, foreach: str) -> None:
    _, transition = play(flow_with(told, decorator, told(name="inner")))
    assert transition is not None and transition.foreach == foreach
    assert TOLD[0] == "told before start" and "step" not in TOLD and "inner before start" not in TOLD


@pytest.mark.parametrize(("answer", "foreach"), [(None, "items"), (True, "items"), ({"foreach": "more"}, "more")])
def test_a_function_in_the_steps_place(answer: Any, foreach: str) -> None:
    made, transition = play(flow_with(instead(answer=answer), told))
    assert made.by == "another" and TOLD == []
    assert transition is not None and transition.foreach == foreach


@pytest.mark.parametrize(
    ("decorator", "says"),
    [
        (twice, "yielded twice"),
        (early, "too early"),
        (late, "too late"),
        (yielding(what=5), "yielded what it can't"),
        (yielding(what={"forech": "x"}), "unknown argument"),
        (Telling(answer="odd"), "ended with what it can't"),
    ],
)
def test_a_decorators_own_failure_is_the_steps(decorator: Any, says: str) -> None:
    with pytest.raises(Exception, match=says):
        play(flow_with(told, decorator))
    assert TOLD[0] == "told before start" and TOLD[-1] == "told after", "one further out sees it"


def test_a_step_that_exits_lets_the_after_part_clean_up() -> None:
    with pytest.raises(SystemExit):
        play(flow_with(told, raises=SystemExit(3)))
    assert TOLD[-1] == "told after"


def test_a_whole_run_goes_over_what_a_decorator_chose() -> None:
    flow = flow_with(Telling(answer="more"))
    run = InProcessRun(flow)
    run.run()
    assert run.value("end", "found") == ["p", "q", "r"]


def test_retry_and_catch_see_the_failure_of_a_decorator() -> None:
    class Caught(FlowSpec):
        @catch(var="failure")
        @retry(times=1, minutes_between_retries=0)
        @told
        @late
        @step
        def start(self) -> None:
            TOLD.append("step")
            self.next(self.end)

        @step
        def end(self) -> None:
            pass

    run = InProcessRun(Caught)
    run.run()
    assert TOLD.count("step") == 2 and TOLD.count("told after") == 2
    assert "too late" in run.value("end", "failure").exception


def test_a_join_gets_its_inputs() -> None:
    class Joined(FlowSpec):
        @step
        def start(self) -> None:
            self.next(self.a, self.b)

        @step
        def a(self) -> None:
            self.next(self.join)

        @step
        def b(self) -> None:
            self.next(self.join)

        @Telling
        @step
        def join(self, inputs: Any) -> None:
            self.count = len(list(inputs))
            self.next(self.end)

        @step
        def end(self) -> None:
            pass

    run = InProcessRun(Joined)
    run.run()
    assert run.value("end", "count") == 2
    assert "None" not in TOLD[0]
