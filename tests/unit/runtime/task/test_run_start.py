"""The beginning of an orchestrated run: its record, and runs that another orchestrator has begun."""

import dataclasses
from pathlib import Path

import pytest

from flow_sdk.errors import DeployError, ParameterError
from flow_sdk.plan.compile import compile_plan
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.task.run_start import begin_run, check_owner, date_tag, read_record
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.backends.memory import MemoryStore
from tests.strategies.loading import small_flow

STEPS = ("start: self.next(self.end)", "end:")
REQUEST = TaskRequest(
    "",
    "Small",
    "quarry-early",
    "start",
    "0",
    "0123" * 16,
    user="anne",
    tags=("nightly", "production:Small-0-abcd"),
    system_tags=("runtime:quarry", "user:team"),
    namespace="user:team",
    orchestrator={"kind": "quarry", "run": "early"},
)


def test_a_deployments_own_namespace_becomes_a_system_tag(tmp_path: Path) -> None:
    store, flow = MemoryStore("memory://run-start"), small_flow(tmp_path, *STEPS)
    assert read_record(store, "Small", "quarry-early") is None
    record = begin_run(store, REQUEST, compile_plan(flow, file="flow.py"), flow)
    assert read_record(store, "Small", "quarry-early") == record
    assert record.tags == ("nightly",)
    assert record.system_tags == (
        *("runtime:quarry", "user:team", "production:Small-0-abcd"),
        date_tag(record.started),
    )
    assert (record.end, record.end_task, record.user) == ("end", "1", "anne")


def test_a_second_start_gets_the_first_ones_record(tmp_path: Path) -> None:
    store, flow = MemoryStore("memory://second-start"), small_flow(tmp_path, *STEPS)
    plan = compile_plan(flow, file="flow.py")
    first = begin_run(store, REQUEST, plan, flow)
    assert begin_run(store, dataclasses.replace(REQUEST, user="ben"), plan, flow) == first


def test_a_run_of_another_orchestrator_is_refused(tmp_path: Path) -> None:
    store, flow = MemoryStore("memory://owner"), small_flow(tmp_path, *STEPS)
    plan = compile_plan(flow, file="flow.py")
    record = begin_run(store, REQUEST, plan, flow)
    other = dataclasses.replace(REQUEST, orchestrator={"kind": "quarry", "run": "late"})
    with pytest.raises(DeployError, match="belongs to another orchestrator"):
        begin_run(store, other, plan, flow)
    with pytest.raises(DeployError, match="belongs to another orchestrator"):
        check_owner(record, other)


def test_parameters_and_constants_are_stored_and_wrong_ones_refused(tmp_path: Path) -> None:
    from flow_sdk.authoring.parameters import DeployContext
    from flow_sdk.plan.parameters import plan_parameters

    flow = small_flow(tmp_path, *STEPS, body='x = Parameter("x", default=1)\nFACTOR = 3')
    plan = compile_plan(flow, file="flow.py", parameters=plan_parameters(flow, DeployContext("Small", "anne")))
    store = MemoryStore("memory://parameters")
    with pytest.raises(ParameterError, match="no parameter 'y'"):
        begin_run(store, dataclasses.replace(REQUEST, parameters={"y": 2}), plan, flow)
    assert read_record(store, "Small", "quarry-early") is None
    record = begin_run(store, dataclasses.replace(REQUEST, parameters={"x": 2}), plan, flow)
    assert record.parameters == ("x",)
    values = {name: Artifacts(store).load(ref, where=name) for name, ref in record.artifacts.items()}
    assert values == {"x": 2, "FACTOR": 3}
