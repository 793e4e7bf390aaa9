"""@airflow_dag and @airflow_task: which values they take, and what of them is in the plan."""

import json

import pytest

from flow_sdk import FlowSpec, airflow_dag, airflow_task, step
from flow_sdk.authoring.decorators.airflow_dag import AirflowDagDecorator
from flow_sdk.authoring.decorators.airflow_task import AirflowTaskDecorator
from flow_sdk.authoring.decospec import parse_with
from flow_sdk.errors import UsageError
from flow_sdk.plan.codec import from_json, to_json
from flow_sdk.plan.compile import compile_plan


def test_only_what_was_given_is_in_the_plan():
    assert AirflowTaskDecorator().attributes() == AirflowDagDecorator().attributes() == {}
    assert AirflowTaskDecorator(pool="p", priority_weight="7").attributes() == {"pool": "p", "priority_weight": 7}
    found = AirflowDagDecorator(tags="nightly", default_args={"queue": "big", "on_retry_callback": "a.b"}).attributes()
    callback = {"callback": "a.b", "kwargs": {}}
    assert found == {"tags": ["nightly"], "default_args": {"queue": "big", "on_retry_callback": [callback]}}


@pytest.mark.parametrize(
    ("value", "callbacks"),
    [
        ("a.b", [{"callback": "a.b", "kwargs": {}}]),
        ({"callback": "a.b.C"}, [{"callback": "a.b.C", "kwargs": {}}]),
        (
            ["a.b", {"callback": "c.d", "kwargs": {"text": "{{ x }}", "to": ("e", 1)}}],
            [{"callback": "a.b", "kwargs": {}}, {"callback": "c.d", "kwargs": {"text": "{{ x }}", "to": ["e", 1]}}],
        ),
    ],
)
def test_callbacks_are_data(value, callbacks):
    for kind in (AirflowDagDecorator, AirflowTaskDecorator):
        assert kind(on_failure_callback=value).attributes() == {"on_failure_callback": callbacks}


REFUSED = [
    {"pool": ""},
    {"pool": 3},
    {"pool": "x" * 257},
    {"owner": "a\nb"},
    {"queue": ["a"]},
    {"pool_slots": 0},
    {"priority_weight": True},
    {"priority_weight": 2**31},
    {"priority_weight": "high"},
    {"weight_rule": "random"},
    {"executor_config": "big"},
    {"executor_config": {"a": object()}},
    {"executor_config": {1: 2}},
    {"executor_config": {"a": float("nan")}},
    {"email": []},
    {"email": [1]},
    {"email_on_failure": "yes"},
    {"on_failure_callback": print},
    {"on_failure_callback": "name"},
    {"on_failure_callback": "a b.c"},
    {"on_failure_callback": {"kwargs": {}}},
    {"on_failure_callback": {"callback": "a.b", "args": []}},
    {"on_failure_callback": {"callback": "a.b", "kwargs": {"x": print}}},
    {"on_failure_callback": {"callback": "a.b", "kwargs": [1]}},
    {"pol": "p"},
]


@pytest.mark.parametrize("given", REFUSED, ids=str)
def test_what_airflow_couldnt_use_is_refused(given):
    with pytest.raises(UsageError):
        AirflowTaskDecorator(**given)
    with pytest.raises(UsageError):
        AirflowDagDecorator(default_args=given)


@pytest.mark.parametrize(
    "given",
    [
        {"start_date": "soon"},
        {"start_date": 20260101},
        {"start_date": "2026-02-01", "end_date": "2026-01-01"},
        {"start_date": "2026-01-01T01:00:00+02:00", "end_date": "2025-12-31T23:00:00"},
        {"tags": ["x" * 101]},
        {"tags": []},
        {"max_active_runs": 0},
        {"dagrun_timeout": 0},
        {"default_args": "queue"},
        {"default_args": {1: 2}},
    ],
    ids=str,
)
def test_what_a_dag_couldnt_use_is_refused(given):
    with pytest.raises(UsageError):
        AirflowDagDecorator(**given)


def test_they_are_in_the_plan_of_a_flow_and_on_the_command_line():
    @airflow_dag(owner="a", start_date="2026-01-01")
    class F(FlowSpec):
        @airflow_task(pool="p")
        @step
        def start(self):
            self.next(self.end)

        @airflow_task
        @step
        def end(self):
            pass

    plan = compile_plan(F, file="f.py", parameters=(), extra=[parse_with("airflow_task:queue=big,pool_slots=2")])
    plan = from_json(to_json(plan))
    assert plan.decorator("airflow_dag") == {"owner": "a", "start_date": "2026-01-01"}
    assert plan["start"].decorator("airflow_task") == {"pool": "p"} and plan["end"].decorator("airflow_task") == {}
    assert json.loads(json.dumps(dict(AirflowTaskDecorator.defaults)))


def test_they_stand_on_steps_and_flows_only():
    with pytest.raises(UsageError, match="stands on"):
        airflow_dag(owner="a")(lambda self: None)
    with pytest.raises(UsageError, match="stands on"):
        airflow_task(pool="a")(FlowSpec)
    with pytest.raises(UsageError, match="by name"):
        airflow_task("pool")
