"""The conformance suite of deploy targets, on each of them."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from flow_sdk.deploy.airflow.declaration import AIRFLOW
from flow_sdk.deploy.port import DeployedRun, DeployedRuns
from flow_sdk.deploy.step_functions.account import AwsServices
from flow_sdk.deploy.step_functions.declaration import STEP_FUNCTIONS
from flow_sdk.deploy.step_functions.machine import StateMachine
from flow_sdk.testing import fake_target
from flow_sdk.testing.deploy_targets import DeployTargetSuite, TargetHarness
from tests.support.airflow_of_files import AirflowOfFiles
from tests.support.airflow_web_server import web_server
from tests.support.step_functions import StepFunctionsServer


class FolderHarness(TargetHarness):
    """A harness whose store and people are in a folder."""

    def __init__(self, folder: Path) -> None:
        self.store, self.homes = str(folder / "store"), str(folder / "homes")


class FakeHarness(FolderHarness):
    """The fake target in this process."""

    declaration = fake_target.FAKE

    def read_definition(self) -> Any:
        return fake_target.SHARED.read_objects("definitions").get(self.name)


class TestFakeTarget(DeployTargetSuite):
    @pytest.fixture
    def harness(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHarness:
        monkeypatch.setattr(fake_target, "SHARED", fake_target.FakeOrchestrator())
        return FakeHarness(tmp_path)


class AirflowHarness(FolderHarness):
    """An Airflow that reads DAG files from a folder."""

    declaration = AIRFLOW

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder)
        self.dags, self.url = folder / "dags", url

    def command_options(self, verb: str) -> dict[str, Any]:
        return {"airflow-url": self.url}

    def command_arguments(self, verb: str) -> tuple[str, ...]:
        return (str(self.dags),) if verb in ("create", "delete") else ()

    def read_definition(self) -> Any:
        file = self.dags / f"{self.name}.py"
        return file.read_text() if file.exists() else None


class TestAirflowTarget(DeployTargetSuite):
    @pytest.fixture
    def harness(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AirflowHarness]:
        monkeypatch.setenv("FLOW_SDK_AIRFLOW_TOKEN", "t")
        (tmp_path / "dags").mkdir()
        with web_server(AirflowOfFiles(tmp_path / "dags").answers) as web:
            yield AirflowHarness(tmp_path, web.url)


@pytest.fixture(scope="module")
def states_server() -> Iterator[StepFunctionsServer]:
    with StepFunctionsServer("store") as server:
        yield server


class StepFunctionsHarness(TargetHarness):
    """The AWS account of LocalStack and moto."""

    declaration = STEP_FUNCTIONS

    def __init__(self, folder: Path) -> None:
        self.store, self.homes = f"s3://store/{folder.name}", str(folder / "homes")
        self.name = f"F-{folder.name}"[:60]

    def read_definition(self) -> Any:
        services = AwsServices()
        machine = StateMachine(self.name, services.account, services.states)
        found = machine.describe_machine()
        return None if found is None or machine.find_live() is None else (machine.find_live(), found["definition"])


@pytest.mark.step_functions
class TestStepFunctionsTarget(DeployTargetSuite):
    @pytest.fixture
    def harness(
        self, states_server: StepFunctionsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> StepFunctionsHarness:
        account = states_server.renew()
        for name, value in states_server.env().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        for name, value in {
            "BATCH_JOB_QUEUE": account.queue,
            "BATCH_IMAGE": "image:1",
            "BATCH_JOB_ROLE": account.job_role,
            "SFN_IAM_ROLE": account.machine_role,
            "EVENTS_SFN_ACCESS_IAM_ROLE": account.schedule_role,
        }.items():
            monkeypatch.setenv(f"FLOW_SDK_{name}", value)
        return StepFunctionsHarness(tmp_path)

    def wait_for_end(self, runs: DeployedRuns[Any], name: str) -> DeployedRun:
        deadline = time.monotonic() + 60
        while True:
            found: DeployedRun = runs.find_run(name)
            if not found.is_running:
                return found
            assert time.monotonic() < deadline
            time.sleep(0.1)
