"""A store that a release wrote whose task ids had no number of the step: it is read, resumed from, and its runs go on.

``earlier_release/store.tar.xz`` is the store of two runs of ``earlier_release/earlier.py`` at commit 06845cc, the last
whose plans had format 1: the first run succeeded, and the second, with ``STOP`` set, failed in the step ``late``.
"""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from flow_sdk.client import Flow, Run, Task, metadata, namespace
from flow_sdk.deploy.step_functions.definition import MachineOptions, state_machine
from flow_sdk.errors import NotFound
from flow_sdk.metadata.runs import Runs
from flow_sdk.plan.codec import from_json, to_json
from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.model import FlowPlan
from flow_sdk.runtime.batch.definition import BatchSettings
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.run_queries import find_task_id, foreach_children, is_chosen, loop_outcome, open_run
from flow_sdk.runtime.supervise import supervise
from flow_sdk.runtime.task.flow_loading import load_flow
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from flow_sdk.upkeep.store_check import check_store

HERE = Path(__file__).parent / "earlier_release"
FLOW = HERE / "earlier.py"


@pytest.fixture
def root(tmp_path: Path) -> str:
    with tarfile.open(HERE / "store.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    metadata(str(tmp_path / "store"))
    namespace(None)
    return str(tmp_path / "store")


def stored_plan(root: str) -> tuple[FlowPlan, bytes]:
    store = open_store(root)
    text = Artifacts(store).get_bytes(Runs(store).read("EarlierFlow", "2").plan, where="the plan")
    return from_json(text), text


def call(root: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(FLOW), "--datastore-root", root, *words],
        env={**os.environ, "FLOW_SDK_USER": "anne"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_its_runs_are_read_by_the_ids_they_had(root: str) -> None:
    flow = Flow("EarlierFlow")
    assert [run.id for run in flow] == ["2", "1"]
    assert flow.latest_successful_run is not None and flow.latest_successful_run.id == "1"
    assert Run("EarlierFlow/1").data.made == [[10, 20], [10, 20]]
    assert (Run("EarlierFlow/2").state, Run("EarlierFlow/2").reason) == ("failed", "late/0: ValueError: not yet")
    task = Task("EarlierFlow/1/inner/1.0")
    assert (task.data.made, task.index) == (10, 0)
    assert task.parent_task_pathspecs == ["EarlierFlow/1/outer/1"]
    assert task.child_task_pathspecs == ["EarlierFlow/1/inner_join/1"]
    assert [task.id for task in Run("EarlierFlow/1")["again"]] == ["0-2", "0-1", "0-0"]
    with pytest.raises(NotFound):
        Task("EarlierFlow/1/inner/2.1.0")
    assert call(root, "logs", "1/outer/1").stdout == "outer b\n"
    assert "made" in call(root, "dump", "1/inner/1.0").stdout
    report = check_store(open_store(root))
    assert not report.damage and not report.remains


def test_a_resumed_run_has_ids_of_its_own(root: str) -> None:
    assert call(root, "resume").returncode == 0
    run = Run("EarlierFlow/3")
    assert run.successful and run.data.made == [[10, 20], [10, 20]]
    ids = [task.id for step in run for task in step]
    assert sorted(ids) == sorted(
        ["0", "1.0", "1.1", "2.0.0", "2.0.1", "2.1.0", "2.1.1", "3.0", "3.1", "4", "5-0", "5-1", "5-2", "6", "7"]
    )
    task = Task("EarlierFlow/3/inner/2.1.0")
    assert task.origin_pathspec == "EarlierFlow/2/inner/1.0"
    assert task.parent_task_pathspecs == ["EarlierFlow/3/outer/1.1"]
    assert task.child_task_pathspecs == ["EarlierFlow/3/inner_join/3.1"]
    assert Task("EarlierFlow/3/outer/1.1").stdout == "outer b\n"
    assert Task("EarlierFlow/3/late/6").parent_task_pathspecs == ["EarlierFlow/3/again/5-2"]
    assert Task("EarlierFlow/3/outer/1.1", attempt=0).parent_task_pathspecs == ["EarlierFlow/3/start/0"]


def test_a_run_that_has_begun_goes_on_with_its_ids(root: str) -> None:
    record = Runs(open_store(root)).read("EarlierFlow", "2")
    lines: list[str] = []
    for step in ("late", "end"):
        request = TaskRequest(
            root, "EarlierFlow", "2", step, "0", record.plan, file=str(FLOW), orchestrator=record.orchestrator
        )
        ended = supervise(request, lambda stream, line: lines.append(line))
        assert ended.code == 0, lines
    assert Run("EarlierFlow/2").successful and Flow("EarlierFlow").latest_successful_run == Run("EarlierFlow/2")
    assert Task("EarlierFlow/2/end/0").parent_task_pathspecs == ["EarlierFlow/2/late/0"]


def test_a_newer_deployment_asks_the_run_for_its_ids(root: str) -> None:
    # An Airflow task knows its step and its position; the DAG file may have been written since the run began.
    newer = compile_plan(load_flow(str(FLOW), "EarlierFlow"), file="earlier.py")
    deployed = hashlib.sha256(to_json(newer)).hexdigest(), newer
    assert find_task_id(root, "EarlierFlow", "2", deployed, "inner", "1.0") == "1.0"
    assert find_task_id(root, "EarlierFlow", "2", deployed, "late", "0") == "0"
    assert find_task_id(root, "EarlierFlow", "not-begun", deployed, "inner", "1.0") == "2.1.0"
    assert find_task_id(root, "EarlierFlow", "not-begun", deployed, "again", "0-2") == "5-2"
    view = open_run(root, "EarlierFlow", "2")
    assert foreach_children(view, "outer", "1") == ["1.0", "1.1"]
    assert is_chosen(view, "late", "0") and not is_chosen(view, "end", "0")
    assert loop_outcome(view, "again", "0-1") is None and loop_outcome(view, "again", "0-2") == "late"


def test_its_plan_keeps_its_bytes_and_its_state_machine_its_ids(root: str) -> None:
    plan, text = stored_plan(root)
    assert plan.format == 1 and to_json(plan) == text
    settings = BatchSettings(queue="q", image="i", job_role="arn:aws:iam::123456789012:role/r")
    machine = json.dumps(state_machine(plan, MachineOptions(store="s3://b", request="0" * 64, settings=settings)))
    for path in ("start/0'", "inner/{}'", "again/0-{}'", "end/0'"):
        assert f"EarlierFlow/sfn-{{}}/{path}" in machine
