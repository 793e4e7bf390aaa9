"""What mutators can do to a flow, and what they are refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from flow_sdk import (
    Config,
    FlowMutator,
    FlowSpec,
    IncludeFile,
    MutableFlow,
    MutableStep,
    Parameter,
    StepMutator,
    UserStepDecorator,
    catch,
    project,
    resources,
    retry,
    schedule,
    step,
    timeout,
    user_step_decorator,
)
from flow_sdk.authoring.decospec import parse_many, parse_with
from flow_sdk.authoring.mutable import _Decorated
from flow_sdk.authoring.resolved_flow import ResolvedFlow, resolve_declarations
from flow_sdk.errors import UsageError

Change = Callable[[Any], None]


@user_step_decorator
def quick(step_name: str, flow: Any, inputs: Any = None, attributes: Any = None) -> Any:
    yield


class Both(UserStepDecorator, StepMutator):
    def init(self, times: int = 1) -> None:
        self.times = times

    def mutate(self, mutable_step: MutableStep) -> None:
        mutable_step.add_decorator(retry, deco_kwargs={"times": self.times})


class OnFlow(FlowMutator):
    pass


def mutated(early: Change | None = None, late: Change | None = None, extra: str = "") -> ResolvedFlow:
    """A flow settled with a mutator that makes the changes."""

    class Changing(FlowMutator):
        def pre_mutate(self, mutable_flow: MutableFlow) -> None:
            if early:
                early(mutable_flow)

        def mutate(self, mutable_flow: MutableFlow) -> None:
            if late:
                late(mutable_flow)

    @Changing
    @schedule(daily=True)
    class Flow(FlowSpec):
        alpha = Parameter("alpha-rate", default=1)
        SIZE = 3

        @retry(times=1)
        @quick(a=1)
        @step
        def start(self) -> None:
            self.next(self.end)

        @step
        def end(self) -> None:
            pass

    return resolve_declarations(Flow).with_extra(parse_many(extra, __name__))


def decorators(found: ResolvedFlow, name: str = "start") -> dict[str, Any]:
    return {decorator.name: decorator.attributes() for decorator in found.steps[name].decorators}


def wrappers(found: ResolvedFlow, name: str = "start") -> list[tuple[str, dict[str, Any]]]:
    return [(applied.name, applied.kwargs) for applied in found.steps[name].wrappers]


@pytest.mark.parametrize(
    ("added", "attributes"),
    [
        ((timeout, None, {"minutes": 1}), {"seconds": 60}),
        (("timeout", None, {"minutes": 1}), {"seconds": 60}),
        (("timeout:minutes=1",), {"seconds": 60}),
    ],
)
@pytest.mark.parametrize("when", ["early", "late"])
def test_a_built_in_decorator_is_added_to_a_step(added: Any, attributes: Any, when: str) -> None:
    found = mutated(**{when: lambda flow: flow.start.add_decorator(*added)})
    assert decorators(found)["timeout"] == attributes
    assert "timeout" not in decorators(found, "end")


@pytest.mark.parametrize(
    ("added", "wanted"),
    [
        ((quick,), ("quick", {})),
        ((quick, None, {"b": 2}), ("quick", {"b": 2})),
        (("quick:b=2",), ("quick", {"b": 2})),
        ((f"{__name__}.quick",), ("quick", {})),
        (("Both:times=4",), ("Both", {"times": 4})),
    ],
)
def test_a_custom_decorator_is_added_to_a_step(added: Any, wanted: Any) -> None:
    found = mutated(lambda flow: flow.end.add_decorator(*added))
    assert wrappers(found, "end") == [wanted]
    assert ("retry" in decorators(found, "end")) == (wanted[0] == "Both")


@pytest.mark.parametrize(
    ("duplicates", "times"), [(_Decorated.IGNORE, 1), (_Decorated.OVERRIDE, 5), (_Decorated.ERROR, None)]
)
def test_a_decorator_that_is_there_already(duplicates: int, times: int | None) -> None:
    def change(flow: MutableFlow) -> None:
        flow.start.add_decorator(retry, deco_kwargs={"times": 5}, duplicates=duplicates)

    if times is None:
        with pytest.raises(UsageError, match="has the decorator 'retry' already"):
            mutated(change)
    else:
        assert decorators(mutated(change))["retry"]["times"] == times


def test_a_derived_flow_has_the_mutators_of_its_base_which_come_first() -> None:
    class First(FlowMutator):
        def pre_mutate(self, mutable_flow: MutableFlow) -> None:
            mutable_flow.start.add_decorator(retry, deco_kwargs={"times": 1})

    class Second(FlowMutator):
        def pre_mutate(self, mutable_flow: MutableFlow) -> None:
            assert mutable_flow.start.has_decorator("retry")
            mutable_flow.add_decorator(schedule)

    @First
    class Base(FlowSpec):
        @step
        def start(self) -> None:
            pass

    @Second
    class Derived(Base):
        pass

    assert (
        decorators(resolve_declarations(Derived))["retry"]["times"] == 1
        and "schedule" in resolve_declarations(Derived).decorators
    )
    assert "schedule" not in resolve_declarations(Base).decorators


def test_decorators_are_seen_and_removed() -> None:
    def change(flow: MutableFlow) -> None:
        assert flow.start.name == "start" and flow.start.flow is flow
        assert {spec[0] for spec in flow.start.decorator_specs} == {"retry", "quick"}
        assert flow.start.get_decorator_specs("quick") == [("quick", f"{__name__}.quick", [], {"a": 1})]
        assert flow.start.has_decorator(f"{__name__}.quick") and not flow.end.has_decorator("quick")
        assert flow.start.has_decorator("flow_sdk.authoring.decorators.retry.RetryDecorator")
        assert flow.start.has_decorator("flow_sdk.spec.kinds.Retry")
        assert not flow.start.remove_decorator("quick", deco_kwargs={"a": 2})
        assert flow.start.remove_decorator("quick", deco_kwargs={"a": 1})
        assert flow.start.remove_decorator("retry")
        assert not flow.start.remove_decorator("retry")
        assert flow.remove_decorator("schedule") and not flow.has_decorator("schedule")
        flow.add_decorator(project, deco_kwargs={"name": "sales"})
        flow.add_decorator("schedule:hourly=true")

    found = mutated(change)
    assert (decorators(found), wrappers(found)) == ({}, [])
    assert found.decorators["schedule"].cron == "0 * * * *" and found.decorators["project"].name == "project"


def test_a_flow_shows_its_steps_and_parameters() -> None:
    def change(flow: MutableFlow) -> None:
        assert [name for name, _ in flow.steps] == ["start", "end"]
        assert [(name, parameter.name) for name, parameter in flow.parameters] == [("alpha", "alpha-rate")]
        assert flow.alpha.default == 1 and list(flow.configs) == []
        flow.add_parameter("beta", Parameter("beta", default=2))
        flow.add_parameter("alpha", IncludeFile("alpha", required=True), overwrite=True)
        assert "beta" in dict(flow.parameters)

    found = mutated(change)
    assert [(name, p.attribute, p.is_file) for name, p in found.parameters.items()] == [
        ("alpha", "alpha", True),
        ("beta", "beta", False),
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda flow: flow.add_parameter("alpha", Parameter("x")), "overwrite=True"),
        (lambda flow: flow.add_parameter("start", Parameter("x"), overwrite=True), "an attribute 'start' already"),
        (lambda flow: flow.add_parameter("SIZE", Parameter("x")), "an attribute 'SIZE' already"),
        (lambda flow: flow.add_parameter("next", Parameter("x"), overwrite=True), "can't have this attribute"),
        (lambda flow: flow.add_parameter("b", 3), "isn't a parameter"),
        (lambda flow: flow.add_parameter("b", Config("b")), "isn't a parameter"),
        (lambda flow: flow.strat.add_decorator(retry), "Did you mean 'start'"),
        (lambda flow: flow.start.add_decorator("retr"), "no decorator 'retr'"),
        (lambda flow: flow.start.add_decorator("no_such_module.deco"), "can't be imported"),
        (lambda flow: flow.start.add_decorator("timeout:minutes=1", deco_kwargs={"minutes": 1}), "given twice"),
        (lambda flow: flow.start.add_decorator(catch, deco_args=["x"]), "by name"),
        (lambda flow: flow.start.add_decorator(print), "isn't a decorator"),
        (lambda flow: flow.start.add_decorator(schedule), "for flow classes"),
        (lambda flow: flow.start.add_decorator(OnFlow), "for flow classes"),
        (lambda flow: flow.add_decorator(retry), "for steps"),
        (lambda flow: flow.add_decorator(quick), "for steps"),
        (lambda flow: flow.remove_decorator("Changing"), "can't be removed"),
        (lambda flow: flow.start.add_decorator(resources, deco_kwargs={"cpu": "many"}), "cpu='many'"),
        (lambda flow: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_what_a_mutator_can_not_do(change: Change, says: str) -> None:
    with pytest.raises(UsageError) as error:
        mutated(change)
    assert says in str(error.value)
    assert "test_mutable.py:" in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda flow: flow.add_parameter("b", Parameter("b")),
        lambda flow: flow.remove_parameter("alpha-rate"),
        lambda flow: flow.add_decorator(project, deco_kwargs={"name": "x"}),
        lambda flow: flow.remove_decorator("schedule"),
        lambda flow: flow.start.add_decorator(Both),
    ],
)
def test_what_is_for_pre_mutate_only(change: Change) -> None:
    with pytest.raises(UsageError, match="in pre_mutate only"):
        mutated(late=change)


def test_mutators_see_decorators_of_the_command_line_in_mutate_only() -> None:
    seen = {}
    mutated(
        lambda flow: seen.update(early=flow.end.has_decorator("timeout")),
        lambda flow: seen.update(late=flow.end.has_decorator("timeout")),
        "timeout:minutes=1",
    )
    assert seen == {"early": False, "late": True}


def test_decorators_of_the_command_line_are_outermost_and_only_where_there_is_none() -> None:
    found = mutated(extra="quick:a=9 Both:times=7 retry:times=9")
    assert wrappers(found) == [("quick", {"a": 1}), ("Both", {"times": 7})]
    assert wrappers(found, "end") == [("quick", {"a": 9}), ("Both", {"times": 7})]
    assert decorators(found)["retry"]["times"] == 1 and decorators(found, "end")["retry"]["times"] == 9


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no_such.deco", "can't be imported"),
        ("json.loads", "no decorator 'json.loads'"),
        (f"{__name__}.qick", "Did you mean"),
        (f"{__name__}.OnFlow", "is for flow classes"),
        ("quick:a", "has no value"),
    ],
)
def test_what_with_can_not_add(text: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_with(text, __name__)
    assert says in str(error.value) and f"--with {text}" in str(error.value)


@pytest.mark.parametrize(
    "use",
    [
        lambda: quick(FlowSpec),
        lambda: quick(3),
        lambda: OnFlow(1, 2),
        lambda: OnFlow()(print),
        lambda: Both("x")(FlowSpec),
        lambda: user_step_decorator(lambda step_name, flow, inputs: None),
        lambda: user_step_decorator(print),
        lambda: user_step_decorator(level=1),
        lambda: step(Both()),
    ],
)
def test_decorators_in_the_wrong_place_are_refused_there(use: Callable[[], Any]) -> None:
    with pytest.raises(UsageError) as error:
        use()
    assert "test_mutable.py:" in str(error.value)


def module_of(name: str, monkeypatch: pytest.MonkeyPatch, **contents: Any) -> ModuleType:
    """Put a module with these names into ``sys.modules``."""
    module = ModuleType(name)
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, name, module)
    return module


def marked(name: str, module: str) -> Any:
    """A step decorator that is defined in a module."""

    def function(step_name: str, flow: Any, inputs: Any = None) -> Any:
        yield

    function.__name__ = function.__qualname__ = name
    function.__module__ = module
    return user_step_decorator(function)


def added_by(mutator: type[FlowMutator]) -> list[str]:
    """The full names of what a mutator has put on the step ``start``."""

    @mutator
    class Marked(FlowSpec):
        @step
        def start(self) -> None:
            self.next(self.end)

        @step
        def end(self) -> None:
            pass

    return [applied.full_name for applied in resolve_declarations(Marked).steps["start"].wrappers]


def mutator_in(module: str, name: str, base: type[FlowMutator] = FlowMutator) -> type[FlowMutator]:
    def pre_mutate(self: Any, mutable_flow: MutableFlow) -> None:
        for _, mutable_step in mutable_flow.steps:
            mutable_step.add_decorator(name)

    return type("Marking", (base,), {"__module__": module, "pre_mutate": pre_mutate})


@pytest.mark.parametrize("name", ["noted", "helpers.noted", "libraries.marks_a.noted"])
def test_a_name_is_looked_up_in_the_module_of_the_mutator(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = marked("noted", "libraries.marks_a")
    marked("noted", "libraries.marks_b")  # so that the end of the name alone doesn't tell
    module_of("libraries.marks_a", monkeypatch, noted=noted, helpers=SimpleNamespace(noted=noted))
    mutator = mutator_in("libraries.marks_a", name)
    assert added_by(mutator) == ["libraries.marks_a.noted"]


def test_a_name_is_looked_up_in_the_modules_of_base_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    module_of("libraries.marks_c", monkeypatch, only_here=marked("only_here", "libraries.marks_c"))
    base = mutator_in("libraries.marks_c", "only_here")
    derived = type("Derived", (base,), {"__module__": __name__})
    assert added_by(derived) == ["libraries.marks_c.only_here"]


def test_the_end_of_one_name_is_enough_and_of_two_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    marked("ending", "libraries.marks_d")
    assert added_by(mutator_in(__name__, "ending")) == ["libraries.marks_d.ending"]
    assert added_by(mutator_in(__name__, "marks_d.ending")) == ["libraries.marks_d.ending"]
    assert parse_with("ending").full_name == "libraries.marks_d.ending"
    marked("ending", "libraries.marks_e")
    with pytest.raises(UsageError, match="Several decorators are called 'ending'"):
        added_by(mutator_in(__name__, "ending"))


def test_a_mutators_own_decorator_comes_before_a_built_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    module_of("libraries.marks_f", monkeypatch, retry=marked("retry", "libraries.marks_f"))
    assert added_by(mutator_in("libraries.marks_f", "retry")) == ["libraries.marks_f.retry"]
    assert added_by(mutator_in(__name__, "retry")) == []  # the built-in one, which runs round no step
