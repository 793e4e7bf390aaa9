"""The input of an execution: the forms that hold parameters, and those that are refused."""

from typing import Any

import pytest

from flow_sdk.deploy.step_functions.execution_input import parse_parameters
from flow_sdk.errors import ParameterError
from flow_sdk.plan.model import FlowPlan, ParameterPlan

WITH_ALPHA = ParameterPlan(name="alpha", type="float", default=0.1)
CALLED_PARAMETERS = ParameterPlan(name="Parameters", type="json", default={})


def plan_with(*parameters: ParameterPlan) -> FlowPlan:
    return FlowPlan(flow="Small", file="flow.py", doc="", steps=(), loops=(), parameters=parameters, constants=())


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"alpha": 0.5}, {"alpha": 0.5}),
        ({"Parameters": '{"alpha": 0.5}'}, {"alpha": 0.5}),
        ({"Parameters": '{"alpha": "0.5"}', "Comment": "from a rule"}, {"alpha": "0.5"}),
        ({"Parameters": {"alpha": 0.5}}, {"alpha": 0.5}),
        ({"Parameters": "{}"}, {}),
        ({"Parameters": {}}, {}),
        ({}, {}),
    ],
)
def test_the_forms_of_an_input(given: Any, found: dict[str, Any]) -> None:
    assert parse_parameters(given, plan_with(WITH_ALPHA)) == found


def test_in_a_flow_with_a_parameter_of_that_name_it_is_the_parameter() -> None:
    plan = plan_with(WITH_ALPHA, CALLED_PARAMETERS)
    for given in ({"Parameters": '{"alpha": 0.5}'}, {"Parameters": {"alpha": 1}, "alpha": 0.5}):
        assert parse_parameters(given, plan) == given


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([1], "isn't an object of parameters"),
        ("text", "isn't an object of parameters"),
        ({"Parameters": "alpha=0.5"}, "isn't JSON"),
        ({"Parameters": "[1]"}, "isn't an object of parameters"),
        ({"Parameters": "[" * 100_000}, "isn't JSON"),
        ({"Parameters": None}, "isn't an object of parameters"),
        ({"Parameters": 3}, "isn't an object of parameters"),
        ({"Parameters": "{}", "alpha": 0.5}, "has 'alpha' beside 'Parameters'"),
    ],
)
def test_inputs_of_no_form(given: Any, said: str) -> None:
    with pytest.raises(ParameterError) as refused:
        parse_parameters(given, plan_with(WITH_ALPHA))
    assert said in str(refused.value) and '{"alpha": 0.5}' in str(refused.value)
