"""What Airflow's objects are given: which of flow, deployment and step counts; callbacks known by name."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flow_provider.arguments import dag_arguments, dag_tags, task_arguments, waiting_arguments
from flow_provider.callbacks import NamedCallback
from flow_provider.deployment import DagFileDeployment
from flow_sdk.plan.model import FlowPlan, StepPlan


def deployment(
    flow: dict[str, Any] | None = None, project: dict[str, Any] | None = None, **more: Any
) -> DagFileDeployment:
    named = (("airflow_dag", flow), ("project", project))
    decorators = tuple((name, found) for name, found in named if found is not None)
    plan = FlowPlan("F", "f.py", "", (StepPlan("start", "end"),), decorators=decorators)
    return DagFileDeployment(dag="F", digest="d", plan=plan, store="s3://b", plan_hash="0", **more)


def step(**given: Any) -> StepPlan:
    return StepPlan("start", "end", decorators=(("airflow_task", given),) if given else ())


def test_a_step_comes_before_the_deployment_and_that_before_the_flow() -> None:
    flow = {"default_args": {"pool": "flows", "queue": "flows", "priority_weight": 1}, "owner": "team"}
    assert task_arguments(deployment(flow), step())["pool"] == "flows"
    assert task_arguments(deployment(flow, worker_pool="deployment"), step())["pool"] == "deployment"
    found = task_arguments(deployment(flow, worker_pool="deployment"), step(pool="steps", priority_weight=9))
    assert found == {"pool": "steps", "queue": "flows", "priority_weight": 9, "owner": "team"}
    assert task_arguments(deployment(), step()) == {}


def test_the_owner_is_the_tokens_unless_somebody_else_is_named() -> None:
    assert task_arguments(deployment(owner="anne"), step()) == {"owner": "anne"}
    assert task_arguments(deployment({"owner": "team"}, owner="anne"), step()) == {"owner": "team"}
    assert task_arguments(deployment({"owner": "team"}, owner="anne"), step(owner="bob")) == {"owner": "bob"}


def test_tasks_that_only_wait_alert_nobody() -> None:
    callback = [{"callback": "a.b", "kwargs": {}}]
    flow = {"default_args": {"queue": "q", "on_failure_callback": callback, "email": ["a@example.org"]}}
    assert waiting_arguments(deployment(flow)) == {"queue": "q"}
    found = task_arguments(deployment(flow), step(on_failure_callback=[{"callback": "c.d", "kwargs": {}}]))
    assert [one.callback for one in found["on_failure_callback"]] == ["c.d"] and found["email"] == ["a@example.org"]


def test_dates_and_limits_are_the_dags_own() -> None:
    flow = {"start_date": "2026-01-01", "end_date": "2026-01-02T00:00:00+01:00", "dagrun_timeout": 60}
    found = dag_arguments(deployment(flow), is_body=False)
    assert found["start_date"] == datetime(2026, 1, 1, tzinfo=UTC) and found["end_date"] == datetime(
        2026, 1, 1, 23, tzinfo=UTC
    )
    assert found["dagrun_timeout"] == timedelta(seconds=60)
    assert dag_arguments(deployment(flow, workflow_timeout=5), is_body=True) == {"dagrun_timeout": timedelta(seconds=5)}
    assert dag_arguments(deployment(), is_body=False) == {}


def test_tags_hold_project_and_branch_and_fit() -> None:
    project = {"name": "p" * 120, "branch_name": "user.anne"}
    assert dag_tags(deployment({"tags": ["a", "b"]}, project, tags=("b", "c"))) == [
        "flow-sdk",
        "project:" + "p" * 92,
        "project_branch:user.anne",
        *("b", "c", "a"),
    ]
    assert dag_tags(deployment()) == ["flow-sdk"]


CALLED: list[Any] = []


def function(context: Any, word: str = "") -> None:
    CALLED.append((context, word))


class Notifier:
    def __init__(self, word: str) -> None:
        self.word = word

    def __call__(self, context: Any) -> None:
        CALLED.append((self.word, context))


def test_a_callback_is_imported_when_it_is_called() -> None:
    CALLED.clear()
    NamedCallback(f"{__name__}.function", {})("c")
    NamedCallback(f"{__name__}.function", {"word": "w"})("c")
    NamedCallback(f"{__name__}.Notifier", {"word": "w"})("c")
    assert CALLED == [("c", ""), ("c", "w"), ("w", "c")]
    for missing in ("no_such_module.name", f"{__name__}.no_such_name"):
        with pytest.raises(ImportError, match="plugins folder"):
            NamedCallback(missing, {})("c")
