"""Steps that outlast their credentials: sessions of 20 seconds, which a server before S3 refuses afterwards."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from flow_sdk.client import Run, metadata, namespace
from tests.conftest import interpreter
from tests.support.airflow_runs import FlowFile, clean_environment, dag_test
from tests.support.batch_server import BatchServer
from tests.support.credential_sessions import SessionServer
from tests.support.fault_proxy import FaultProxy, Rule
from tests.support.moto import MotoServer
from tests.support.parts import LINES

SECONDS = 20

FLOW = f"""
import os
import time

import boto3

from flow_sdk import S3, FlowSpec, batch, step


class NAME(FlowSpec):
    @step
    def start(self):
        own = boto3.client("s3")
        with S3(s3root="s3://flows/own") as files:
            files.put("before", b"x")
            own.head_object(Bucket="flows", Key="own/before")
            time.sleep({SECONDS + 5})
            files.put("after", b"y")
        own.head_object(Bucket="flows", Key="own/after")
        self.keys = [name for name in os.environ if name.startswith("AWS_") and ("KEY" in name or "SESSION" in name)]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    NAME()
"""


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer("flows") as server:
        yield server


@pytest.fixture
def sessions() -> Iterator[SessionServer]:
    with SessionServer(SECONDS, token="sesame") as server:
        yield server


@pytest.fixture
def checked(moto: MotoServer, sessions: SessionServer) -> Iterator[FaultProxy]:
    """S3 and its like, which take no other credentials than sessions that haven't expired."""
    refused = Rule("ExpiredToken", only=lambda method, key, by: sessions.refuses(by))
    with FaultProxy(moto.url, refused) as proxy:
        yield proxy


def artifacts(env: dict[str, str], store: str, run: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    metadata(store)
    namespace(None)
    found = Run(run)
    assert found.successful
    return found["start"].task.data


@pytest.mark.parametrize("line", [pytest.param(line, marks=getattr(pytest.mark, line)) for line in LINES])
def test_a_step_on_airflow_outlasts_its_session(
    line: str,
    moto: MotoServer,
    sessions: SessionServer,
    checked: FaultProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    python = interpreter(line)
    assert python is not None
    (tmp_path / "dags").mkdir()
    store = f"s3://flows/{line}"
    user = clean_environment(tmp_path / "home", **moto.env())
    for name, connection in (("RoleFlow", "role"), ("WorkerFlow", "worker")):
        path = tmp_path / name / "flow.py"
        path.parent.mkdir()
        path.write_text(FLOW.replace("NAME", name))
        at = ("--datastore", "s3", "--datastore-root", store)
        FlowFile(path, tmp_path, user).call(
            *at, "airflow", "create", str(tmp_path / "dags"), "--aws-conn-id", connection
        )
    role = {
        "conn_type": "aws",
        "login": "100000000001",
        "password": "secret",
        "extra": {
            "role_arn": "arn:aws:iam::123456789012:role/worker",
            "region_name": "us-east-1",
            "service_config": {"s3": {"endpoint_url": checked.url}},
        },
    }
    worker = clean_environment(
        tmp_path / "home",
        AIRFLOW_CONN_ROLE=json.dumps(role),
        # Whatever the worker has: here a role that is handed out as in EKS.
        AIRFLOW_CONN_WORKER="aws://?region_name=us-east-1",
        AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{sessions.url}/container",
        AWS_CONTAINER_AUTHORIZATION_TOKEN="sesame",
        AWS_ENDPOINT_URL_S3=checked.url,
        AWS_ENDPOINT_URL_STS=sessions.url,
        AWS_EC2_METADATA_DISABLED="true",
        NO_PROXY="127.0.0.1",
    )
    runs: list[dict[str, Any]] = [{"dag": "RoleFlow"}, {"dag": "WorkerFlow"}]
    answer = dag_test(python, tmp_path / "airflow", tmp_path / "dags", runs, worker)
    assert answer["import_errors"] == {}
    for run in answer["runs"]:
        assert run["state"] == "success", answer["log"][-6000:]
        data = artifacts(moto.env(), store, f"{run['dag']}/airflow-{run['run_id']}", monkeypatch)
        # An address, and no keys that would be those of the beginning.
        assert data.keys == []
    assert sessions.sources["AssumeRole"] >= 2 and sessions.sources["container"] >= 2
    assert checked.count(fault="ExpiredToken") == 0


def test_a_step_on_batch_outlasts_its_session(
    sessions: SessionServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Rule("ExpiredToken", only=lambda method, key, by: sessions.refuses(by))
    with FaultProxy("http://127.0.0.1:1", refused) as checked:
        # What AWS puts into the environment of a job, and no keys.
        job = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{sessions.url}/container",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "sesame",
            "AWS_ENDPOINT_URL_S3": checked.url,
        }
        with BatchServer("flows", job_credentials=job) as server:
            checked.upstream = urlsplit(server.url)
            settings = {"FLOW_SDK_BATCH_JOB_QUEUE": server.prepare().queue, "FLOW_SDK_BATCH_IMAGE": "flow-sdk:rig"}
            path = tmp_path / "flow.py"
            path.write_text(
                FLOW.replace("NAME", "JobFlow").replace(
                    "    @step\n    def start", "    @batch\n    @step\n    def start"
                )
            )
            user = clean_environment(tmp_path / "home", **server.env(), **settings)
            at = ("--datastore", "s3", "--datastore-root", "s3://flows/jobs")
            FlowFile(path, tmp_path, user).call(*at, "run", "--run-id-file", "run.id")
            run = f"JobFlow/{(tmp_path / 'run.id').read_text().strip()}"
            assert artifacts(server.env(), "s3://flows/jobs", run, monkeypatch).keys == []
    assert sessions.sources["container"] >= 2
    assert checked.count("PUT", "commit.json") == 1 and checked.count(fault="ExpiredToken") == 0
