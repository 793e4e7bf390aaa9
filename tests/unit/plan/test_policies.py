"""What decorators say, as typed policies of steps and flows."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from flow_sdk.authoring.builtin_decorators import builtin_decorator_names, find_decorator
from flow_sdk.errors import PlanError
from flow_sdk.plan.codec import from_data, to_data
from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.plan.policies import (
    CatchPolicy,
    EnvironmentPolicy,
    Policy,
    ResourcesPolicy,
    RetryPolicy,
    SecretsPolicy,
    TimeoutPolicy,
)
from flow_sdk.plan.target_policies import AirflowDagPolicy, BatchPolicy, ProjectPolicy, SchedulePolicy
from tests.strategies.loading import load_flow
from tests.style.tree import PACKAGES

SOURCE = """
from flow_sdk import *

@schedule(cron="0 6 * * *", timezone="Europe/Berlin")
@project(name="forecast")
@airflow_dag(owner="ana", tags=["a"], max_active_runs=2, default_args={"pool": "p"})
class Small(FlowSpec):
    @retry(times=4, minutes_between_retries=0.5)
    @timeout(minutes=2)
    @catch(var="failure", print_exception=False)
    @environment(vars={"A": 1})
    @resources(cpu=2, memory=512)
    @batch(queue="q", gpu=1, host_volumes="/data", aws_batch_tags={"team": "x"}, use_tmpfs=True)
    @airflow_task(pool="slow")
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass
"""

POLICIES: dict[str, type[Policy]] = {
    "retry": RetryPolicy,
    "timeout": TimeoutPolicy,
    "catch": CatchPolicy,
    "environment": EnvironmentPolicy,
    "secrets": SecretsPolicy,
    "resources": ResourcesPolicy,
    "batch": BatchPolicy,
    "schedule": SchedulePolicy,
    "project": ProjectPolicy,
    "airflow_dag": AirflowDagPolicy,
}


@pytest.fixture
def plan(tmp_path: Path) -> FlowPlan:
    return compile_plan(load_flow(SOURCE, tmp_path), file="flow.py")


def test_a_step_has_a_policy_for_each_decorator(plan: FlowPlan) -> None:
    start = plan.start
    assert start.retry == RetryPolicy(4, 0.5) and start.retry.delay == 30.0
    assert start.timeout == TimeoutPolicy(120)
    assert start.catch == CatchPolicy("failure", False)
    assert start.environment == EnvironmentPolicy({"A": "1"})
    assert start.resources == ResourcesPolicy(cpu=2, memory=512)
    assert start.airflow_task == {"pool": "slow"}
    assert start.max_extra_attempts == 5
    batch = BatchPolicy(queue="q", gpu=1, host_volumes=["/data"], aws_batch_tags={"team": "x"}, use_tmpfs=True)
    assert start.batch == batch and batch.has_tmpfs


def test_a_step_without_decorators_has_the_defaults(plan: FlowPlan) -> None:
    end = plan.end
    assert end.retry.times == 0 == end.retry.delay == end.max_extra_attempts
    assert end.timeout.seconds is None and end.environment.vars == {} and end.airflow_task == {}
    assert end.catch is end.secrets is end.resources is end.batch is None


def test_a_flow_has_a_policy_for_each_decorator(plan: FlowPlan) -> None:
    assert plan.schedule == SchedulePolicy("0 6 * * *", "Europe/Berlin")
    assert plan.project == ProjectPolicy("forecast")
    assert plan.airflow_dag == AirflowDagPolicy("ana", ["a"], max_active_runs=2, default_args={"pool": "p"})
    bare = FlowPlan("F", "f.py", "", (StepPlan("start", "end"),))
    assert bare.schedule is None and bare.project is None and bare.airflow_dag == AirflowDagPolicy()


def test_secrets_keep_their_sources() -> None:
    sources = [{"type": "aws-secrets-manager", "id": "prod/db", "options": {}}]
    step = StepPlan("start", "end", decorators=(("secrets", {"sources": sources, "role": None}),))
    assert step.secrets == SecretsPolicy(sources)


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_has_every_attribute_that_a_plan_stores(name: str) -> None:
    """Of two forms of one attribute, the plan stores the first."""
    kind = find_decorator(name)
    assert kind is not None
    stored = set(kind.defaults) - {"minutes", "hours", "hourly", "daily", "weekly", "trainium"}
    extra = {"project": {"branch_name"}}.get(name, set())
    assert {field.name for field in fields(POLICIES[name])} == stored | extra  # type: ignore[arg-type]


def test_every_policy_is_that_of_a_decorator() -> None:
    """A decorator that only its own file reads has none."""
    assert set(builtin_decorator_names()) >= {*POLICIES, "airflow_task"}


def test_attributes_of_a_newer_release_are_ignored() -> None:
    step = StepPlan("start", "end", decorators=(("retry", {"times": 2, "jitter": True}),))
    assert step.retry == RetryPolicy(2)


def test_a_decorator_of_another_package_is_readable_by_name() -> None:
    step = StepPlan("start", "end", decorators=(("card", {"id": "b"}),))
    assert step.decorator("card") == {"id": "b"} and step.decorator("retry") is None


@pytest.mark.parametrize(
    "decorator",
    [
        ["retry", {"times": "3"}],
        ["timeout", {"seconds": "soon"}],
        ["catch", {"var": 1}],
        ["environment", {"vars": ["A"]}],
        ["resources", {"memory": "much"}],
        ["batch", {"queue": 7}],
    ],
)
def test_a_stored_plan_with_attributes_of_other_types_is_refused(plan: FlowPlan, decorator: list[object]) -> None:
    data = to_data(plan)
    data["steps"][0]["decorators"] = [decorator]
    with pytest.raises(PlanError, match="isn't as Flow SDK writes it"):
        from_data(data)


def test_nobody_outside_of_plan_looks_a_decorator_up_by_name() -> None:
    """The policies are the one place that knows the attributes of a decorator."""
    look_up = re.compile(rf"""[.]decorator[(]["'](?:{"|".join(builtin_decorator_names())})["'][)]""")
    found = [
        f"{path}: {match}"
        for package in PACKAGES
        for path in package.rglob("*.py")
        if path.parent.name != "plan"
        for match in look_up.findall(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)
