"""``airflow create`` of flows with steps on AWS Batch: what the file says, what is registered, what is refused."""

import runpy
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.batch_flow import FLOW
from tests.support.airflow_runs import FlowFile, clean_environment
from tests.support.batch_server import BatchServer

PLAIN = """
from flow_sdk import FlowSpec, step


class PlainFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    PlainFlow()
"""
AT = ("--datastore", "s3", "--datastore-root", "s3://flows/team")


@pytest.fixture(scope="module")
def aws() -> Iterator[BatchServer]:
    with BatchServer("flows") as server:
        server.prepare()
        yield server


def flow(aws: BatchServer, folder: Path, text: str = FLOW, **settings: str | None) -> FlowFile:
    """A flow file of somebody who has all settings but those that are None here."""
    given = {"BATCH_JOB_QUEUE": aws.prepare().queue, "BATCH_IMAGE": "flow-sdk:rig", **settings}
    variables = {f"FLOW_SDK_{name}": value for name, value in given.items() if value is not None}
    (folder / "flow.py").write_text(text)
    return FlowFile(folder / "flow.py", folder, clean_environment(folder / "home", **aws.env(), **variables))


def data_of(file: Path) -> dict[str, Any]:
    """The deployment in a DAG file."""
    seen: list[dict[str, Any]] = []
    module = types.ModuleType("flow_provider")
    module.load_dags = lambda data: seen.append(data) or {}  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "flow_provider", module)
        runpy.run_path(str(file))
    return seen[0]


def test_the_file_says_where_each_step_runs_and_the_definitions_are_registered(
    aws: BatchServer, tmp_path: Path
) -> None:
    created = flow(aws, tmp_path, BATCH_DEFAULT_TAGS='{"owner": "me"}')
    created.call(*AT, "airflow", "create", "a.py")
    batch = data_of(tmp_path / "a.py")["batch"]
    assert batch["region"] == "us-east-1"
    assert set(batch["steps"]) == {"start", "fit", "gather", "again", "long", "other", "risky"}
    fit, gather = batch["steps"]["fit"], batch["steps"]["gather"]
    assert fit["queue"] == "rig" and fit["tags"] == {"owner": "me", "team": "search"}
    assert gather["definition"] == batch["steps"]["long"]["definition"] != fit["definition"]
    revisions = aws.client("batch").describe_job_definitions(status="ACTIVE")["jobDefinitions"]
    assert {fit["definition"], gather["definition"]} <= {one["jobDefinitionName"] for one in revisions}
    # again: the same file, and nothing registered twice
    created.call(*AT, "airflow", "create", "b.py")
    assert (tmp_path / "a.py").read_bytes() == (tmp_path / "b.py").read_bytes()
    assert len(aws.client("batch").describe_job_definitions(status="ACTIVE")["jobDefinitions"]) == len(revisions)


def test_with_batch_puts_every_step_there(aws: BatchServer, tmp_path: Path) -> None:
    flow(aws, tmp_path, PLAIN).call(*AT, "--with", "batch:cpu=2", "airflow", "create", "a.py")
    assert set(data_of(tmp_path / "a.py")["batch"]["steps"]) == {"start", "end"}


def test_a_flow_without_batch_needs_nothing_of_aws(aws: BatchServer, tmp_path: Path) -> None:
    created = flow(aws, tmp_path, PLAIN, BATCH_JOB_QUEUE=None, BATCH_IMAGE=None)
    created.call("--datastore-root", str(tmp_path / "store"), "airflow", "create", "a.py")
    assert "batch" not in data_of(tmp_path / "a.py")


@pytest.mark.parametrize(
    ("settings", "at", "says"),
    [
        ({"BATCH_JOB_QUEUE": None}, AT, "FLOW_SDK_BATCH_JOB_QUEUE"),
        ({"BATCH_JOB_QUEUE": "rig2"}, AT, "AWS Batch has no job queue 'rig2'"),
        ({"BATCH_IMAGE": None}, AT, "FLOW_SDK_BATCH_IMAGE"),
        ({}, ("--datastore-root", "here"), "needs its artifacts in S3"),
    ],
)
def test_what_cannot_run_is_refused_and_nothing_is_written(
    aws: BatchServer, tmp_path: Path, settings: dict[str, str | None], at: tuple[str, ...], says: str
) -> None:
    refused = flow(aws, tmp_path, FLOW.replace("MixedFlow", "RefusedFlow"), **settings)
    assert says in refused.call(*at, "airflow", "create", "a.py", fails=True).stderr
    assert not (tmp_path / "a.py").exists() and not (tmp_path / "here").exists()
    objects = aws.client("s3").list_objects_v2(Bucket="flows").get("Contents", [])
    assert not [one["Key"] for one in objects if "RefusedFlow" in one["Key"]]
