"""What client objects tell beside data: facts, names of neighbours, when a run was last heard of."""

import pickle
import time
from datetime import datetime
from pathlib import Path

import pytest

from flow_sdk import client
from flow_sdk.client import Flow, Metaflow, Run, Step, Task
from flow_sdk.client.task import Metadata
from flow_sdk.errors import FlowSDKError
from flow_sdk.metadata.run_heartbeat import write_run_heartbeat
from flow_sdk.metadata.task_heartbeat import HeartbeatWriter
from flow_sdk.store.records.layout import task_heartbeat_key
from tests.support.run_builder import Builder


def test_facts_of_a_task(flow: Builder) -> None:
    flow.run()
    flow.commit("1", "start", environment={"host": "h", "airflow": {"dag": "d"}})
    task = Task("Shapes/1/start/0")
    assert task.environment_info == Step("Shapes/1/start").environment_info == {"host": "h", "airflow": {"dag": "d"}}
    assert task.runtime_name == "local"
    by_name = {fact.name: fact for fact in task.metadata}
    assert {name: fact.value for name, fact in by_name.items()} == task.metadata_dict
    assert by_name["host"] == Metadata("host", "h", datetime.fromtimestamp(1_700_000_002.0), "host", task)
    flow.start("1", "done", "0")
    assert Task("Shapes/1/done/0").environment_info is None
    flow.run("2", system_tags=("user:anne",))
    flow.commit("2", "start")
    assert Task("Shapes/2/start/0").runtime_name is None


def test_names_of_neighbours_and_sizes_of_logs(flow: Builder) -> None:
    flow.whole_run()
    task = Task("Shapes/1/collect/0")
    assert task.parent_task_pathspecs == ["Shapes/1/done/0", "Shapes/1/done/1"]
    assert task.child_task_pathspecs == ["Shapes/1/a/0", "Shapes/1/b/0"]
    assert [parent.pathspec for parent in task.parent_tasks] == task.parent_task_pathspecs
    flow.log("1", "collect", "0", "2026-01-02T03:04:05.000001Z o zwölf\n2026-01-02T03:04:05.000001Z e no\n")
    assert (task.stdout_size, task.stderr_size) == (7, 3)


def test_when_a_run_was_last_heard_of(flow: Builder) -> None:
    def seconds_ago() -> float:
        return (datetime.now() - Run("Shapes/1").last_seen).total_seconds()

    flow.run(orchestrator={"kind": "airflow"})
    assert Run("Shapes/1").last_seen == Run("Shapes/1").created_at
    flow.start("1", "start")
    assert seconds_ago() < 60
    objects = flow.store._objects  # type: ignore[attr-defined]
    for key, (data, _) in list(objects.items()):
        objects[key] = (data, time.time() - 5000)
    assert 4900 < seconds_ago() < 5100
    HeartbeatWriter(flow.store, "Shapes", "1", "start", "0", 0).write_heartbeat()
    assert seconds_ago() < 60
    data, _ = objects[task_heartbeat_key("Shapes", "1", "start", "0", 0)]
    objects[task_heartbeat_key("Shapes", "1", "start", "0", 0)] = (data, time.time() - 4000)
    assert 3900 < seconds_ago() < 4100
    assert (Run("Shapes/1").state, Task("Shapes/1/start/0").state) == ("failed", "failed")
    write_run_heartbeat(flow.store, "Shapes", "1")
    assert seconds_ago() < 60


def test_a_run_that_ended_was_last_heard_of_at_its_end(flow: Builder) -> None:
    flow.whole_run()
    assert Run("Shapes/1").last_seen >= Run("Shapes/1").finished_at  # type: ignore[operator]


def test_code_and_the_root_can_be_pickled(flow: Builder) -> None:
    flow.run(package=flow.artifacts.put_bytes(b"a package"))
    code = Run("Shapes/1").code
    assert code is not None
    assert pickle.loads(pickle.dumps(code)).info == code.info
    assert pickle.loads(pickle.dumps(Metaflow())).flows == [Flow("Shapes")]


def test_reading_creates_no_store(tmp_path: Path, flow: Builder) -> None:
    for place in (tmp_path / "empty", tmp_path / "nowhere"):
        if place.name == "empty":
            place.mkdir()
        client.metadata(f"local@{place}")
        for ask in (lambda: Flow("F"), lambda: Run("F/1"), lambda: Metaflow().flows):
            with pytest.raises(FlowSDKError, match=r"no store|no Flow SDK store"):
                ask()
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def test_an_error_of_the_client_is_short_in_a_notebook(flow: Builder) -> None:
    flow.run(system_tags=("user:bob",))
    with pytest.raises(FlowSDKError) as caught:
        Run("Shapes/1")
    lines = caught.value._render_traceback_()  # type: ignore[attr-defined]
    assert lines == str(caught.value).splitlines()
    assert "Switch with namespace('user:bob')" in lines[-1]
