"""Configs and custom decorators in the plan."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flow_sdk import (
    Config,
    ConfigValue,
    FlowMutator,
    FlowSpec,
    Parameter,
    StepMutator,
    UserStepDecorator,
    config_expr,
    environment,
    project,
    retry,
    schedule,
    step,
    user_step_decorator,
)
from flow_sdk.authoring.parameters import DeployContext
from flow_sdk.authoring.resolved_flow import provide_configs, resolve_declarations
from flow_sdk.errors import ParameterError, PlanError, UsageError
from flow_sdk.plan.codec import from_json, to_json
from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.configs import read_configs
from flow_sdk.plan.model import ConfigPlan, FlowPlan
from flow_sdk.plan.parameters import plan_parameters

CONTEXT = DeployContext("F", "anne")
VALUES = {
    "times": 4,
    "name": "forecast",
    "nested": {"vars": {"A": "1"}, "list": [{"deep": "x"}]},
    "retry": {"times": 2, "minutes_between_retries": 0},
}


@user_step_decorator
def noted(step_name: str, flow: Any, inputs: Any = None, attributes: Any = None) -> Any:
    yield


@user_step_decorator
def bare(step_name: str, flow: Any, inputs: Any = None) -> Any:
    yield


class Doubling(StepMutator):
    def init(self, factor: int = 2) -> None:
        self.factor = factor

    def mutate(self, mutable_step: Any) -> None:
        spec = mutable_step.get_decorator_specs("retry")[0]
        mutable_step.add_decorator(
            retry, deco_kwargs={"times": self.factor * spec[3]["times"]}, duplicates=mutable_step.OVERRIDE
        )


class Everywhere(FlowMutator):
    def init(self, **attributes: Any) -> None:
        self.attributes = attributes

    def pre_mutate(self, mutable_flow: Any) -> None:
        for name, config in mutable_flow.configs:
            assert (name, config.nested.vars.A) == ("settings", "1")
        mutable_flow.add_parameter("beta", Parameter("beta", default=mutable_flow.settings.times))
        assert mutable_flow.remove_parameter("alpha")
        assert not mutable_flow.remove_parameter("alpha")
        mutable_flow.add_decorator(schedule, deco_kwargs={"cron": "0 4 * * *"})
        for _, mutable_step in mutable_flow.steps:
            mutable_step.add_decorator(noted, deco_kwargs=self.attributes)


@project(name=config_expr("settings").name)
class Whole(FlowSpec):
    cfg = Config("settings", default_value=VALUES)
    alpha = Parameter("alpha", default=cfg.times)

    @noted(label=cfg.nested.list[0].deep, n=config_expr("[len(k) for k in settings.nested.vars]"))
    @bare
    @environment(vars={"TIMES": config_expr("str(settings.times)"), "A": cfg["nested"]["vars"]["A"]})
    @retry(times=cfg.times)
    @step
    def start(self) -> None:
        self.next(self.end)

    @Doubling(factor=cfg.times)
    @retry(**cfg.retry)
    @step
    def end(self) -> None:
        pass


@Everywhere(label="all")
class Changed(Whole):
    pass


def compiled(flow: type[FlowSpec], given: dict[str, Any] | None = None, extra: Any = ()) -> FlowPlan:
    provide_configs(flow, lambda: read_configs(flow, given or {}, CONTEXT))
    context = DeployContext("F", "anne", configs=ConfigValue(resolve_declarations(flow).configs))
    return compile_plan(flow, file="f.py", parameters=plan_parameters(flow, context), extra=extra)


def test_values_of_a_config_are_in_the_plan() -> None:
    plan = compiled(Whole)
    assert plan.configs == (ConfigPlan("settings", VALUES, "cfg"),)
    assert plan.decorator("project") == {"name": "forecast", "branch": None, "production": None}
    assert plan["start"].decorator("retry") == {"times": 4, "minutes_between_retries": 2}
    assert plan["start"].decorator("environment") == {"vars": {"TIMES": "4", "A": "1"}}
    assert plan["start"].wrappers == (("noted", {"label": "x", "n": [1]}), ("bare", {}))
    assert plan["end"].decorator("retry") == {"times": 8, "minutes_between_retries": 2}
    assert [(p.name, p.type, p.default) for p in plan.parameters] == [("alpha", "int", 4)]
    assert from_json(to_json(plan)) == plan


def test_a_plain_config_is_any_data() -> None:
    class F(Whole):
        other = Config("other", plain=True, parser=json.loads, default_value="[1, [2, {}]]")

    plan = compiled(F)
    assert plan.configs[1] == ConfigPlan("other", [1, [2, {}]], plain=True)
    assert from_json(to_json(plan)).configs == plan.configs
    assert (
        type(resolve_declarations(F).configs["other"][1][1]) is dict
        and resolve_declarations(F).configs["settings"].nested.vars.A == "1"
    )


def test_what_is_given_takes_the_place_of_the_default() -> None:
    plan = compiled(Whole, {"settings": ("value", '{"times": 0, "name": "x", "nested": {"vars": {"A": "9"}, '
                                                  '"list": [{"deep": null}]}, "retry": {"times": 1}}')})  # fmt: skip
    assert plan["start"].decorator("retry") == {"times": 0, "minutes_between_retries": 2}
    assert compiled(Whole)["start"].decorator("retry") == {"times": 4, "minutes_between_retries": 2}


def test_a_flow_mutator_changes_parameters_decorators_and_steps() -> None:
    plan = compiled(Changed)
    assert [(p.name, p.default) for p in plan.parameters] == [("beta", 4)]
    assert plan.decorator("schedule") == {"cron": "0 4 * * *", "timezone": None}
    assert plan["start"].wrappers == (("noted", {"label": "x", "n": [1]}), ("bare", {}))
    assert plan["end"].wrappers == (("noted", {"label": "all"}),)
    assert [p.name for p in compiled(Whole).parameters] == ["alpha"], "the base class stays as it was"
    assert compiled(Whole).decorator("schedule") is None


def test_an_attribute_that_is_no_data_is_refused() -> None:
    class F(FlowSpec):
        @noted(what=object())
        @step
        def start(self) -> None:
            self.next(self.end)

        @step
        def end(self) -> None:
            pass

    with pytest.raises(PlanError, match="@noted of step 'start'") as error:
        compile_plan(F, file="f.py")
    assert "test_configs.py" in str(error.value)


def test_reading_is_needed_first() -> None:
    class F(Whole):
        pass

    with pytest.raises(UsageError, match="haven't been read"):
        compile_plan(F, file="f.py")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"setings": ("value", "{}")}, "Did you mean 'settings'"),
        ({"settings": ("path", "no-such-file.json")}, "can't be read"),
        ({"settings": ("value", '{"a" 1}')}, "line 1, column 6"),
        ({"settings": ("value", '{"a": NaN}')}, "JSON has no NaN"),
        ({"settings": ("value", "[1]")}, "isn't a set of keys and values"),
    ],
)
def test_what_can_not_be_a_config_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ParameterError) as error:
        compiled(Whole, given)
    assert says in str(error.value)


def test_a_wrong_key_is_told_with_the_nearest_and_its_line() -> None:
    class F(FlowSpec):
        cfg = Config("cfg", default_value={"times": 3})

        @retry(times=cfg.tims)
        @step
        def start(self) -> None:
            self.next(self.end)

        @step
        def end(self) -> None:
            pass

    line = F.start.__code__.co_firstlineno
    with pytest.raises(UsageError, match="The config 'cfg' has no key 'tims'") as error:
        compiled(F)
    assert "Did you mean 'times'" in str(error.value)
    assert f"test_configs.py:{line}" in str(error.value)


def test_a_step_decorator_class_takes_what_its_init_takes() -> None:
    class Quiet(UserStepDecorator):
        pass

    with pytest.raises(UsageError, match="takes no attributes"):
        Quiet(level=1)
    with pytest.raises(UsageError, match="takes no attributes"):
        bare(level=1)


class OrderedMark(UserStepDecorator):
    def init(self, section: Any) -> None:
        pass


def test_keys_of_configs_and_of_custom_attributes_keep_their_order() -> None:
    given = {"zeta": 1, "alpha": {"y": 1, "x": 2}, "list": [{"b": 1, "a": 2}]}

    class Ordered(FlowSpec):
        stages = Config("stages", default_value=given)

        @OrderedMark(section=stages.alpha)
        @step
        def start(self) -> None:
            pass

    provide_configs(Ordered, lambda: read_configs(Ordered, {}, CONTEXT))
    plan = compile_plan(Ordered, file="f.py")
    stored = from_json(to_json(plan))
    assert to_json(stored) == to_json(plan)
    assert json.dumps(stored.configs[0].value) == json.dumps(given)
    assert list(stored.steps[0].wrappers[0][1]["section"]) == ["y", "x"]
