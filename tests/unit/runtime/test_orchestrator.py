"""Adapters of orchestrators: how they are found, and that one of another distribution is a full one."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flow_sdk.deploy.airflow.runtime import AirflowAdapter
from flow_sdk.deploy.step_functions.runtime import StepFunctionsAdapter
from flow_sdk.errors import DeployError
from flow_sdk.plan.codec import to_json
from flow_sdk.plan.compile import compile_plan
from flow_sdk.runtime.orchestrator import PlainAdapter, adapter_of_run, find_adapter, known_kinds, named_adapter
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from flow_sdk.store.package.archive import build_archive
from tests.strategies.loading import flow_text, load_flow

pytestmark = pytest.mark.slow  # starts processes or servers

QUARRY = '''
"""An orchestrator that passes values in variables of its own and reads a file."""

import dataclasses
import os

from flow_sdk.deploy.declaration import TargetDeclaration
from flow_sdk.errors import TransitionError
from flow_sdk.runtime.orchestrator import PlainAdapter

TARGET = TargetDeclaration(
    "quarry", "Quarry", "quarry:NoTarget", statuses=(), runtime_adapter="quarry:QuarryAdapter"
)


class QuarryAdapter(PlainAdapter):
    run_id_prefix = "quarry-"
    foreach_limit_help = "Ask the quarry for more room."

    def store_run_id(self, flow, orchestrator):
        return "quarry-" + orchestrator["shift"]

    def explain_missing_run(self, run, command):
        return f"See the quarry's own page of {run}."

    def describe_items(self, items):
        return [f"stone {item}" for item in items]

    def check_next_tasks(self, finished, data):
        if finished.items is not None and sum(finished.items) > data["load"]:
            raise TransitionError("The cart is too small.", seen=str(sum(finished.items)))

    def complete_request(self, task, request, plan):
        kind = {"kind": "quarry", "shift": task.env["QUARRY_SHIFT"]}
        return dataclasses.replace(request, orchestrator=kind, adapter_data={"load": int(task.env["QUARRY_LOAD"])})

    def find_fatal_failure(self, task):
        return task.env.get("QUARRY_CLOSED")

    def publish_result(self, task, request, plan):
        with open(os.environ["QUARRY_OUTPUT"], "a", encoding="utf-8") as file:
            print(task.step, task.task, file=file)
'''


@pytest.fixture
def quarry(tmp_path: Path) -> dict[str, str]:
    """The environment of a container of another distribution's orchestrator, which is installed beside ours."""
    site, code = tmp_path / "site", tmp_path / "code"
    code.mkdir()
    info = site / "quarry-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "quarry.py").write_text(QUARRY)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: quarry\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[flow_sdk.deploy_targets]\nquarry = quarry:TARGET\n")
    steps = (
        "start: self.xs = [5, 6] ; self.next(self.fit, foreach='xs')",
        "fit: self.next(self.j)",
        "j(inputs): self.next(self.end)",
        "end:",
    )
    plan = compile_plan(load_flow(flow_text(*steps), code), file="flow.py")
    artifacts = Artifacts(open_store(str(tmp_path / "store")))
    request = TaskRequest(
        *("", "Small", "", "", ""),
        plan=artifacts.put_bytes(to_json(plan)),
        package=artifacts.put_bytes(build_archive(str(code))),
        orchestrator={"kind": "quarry", "shift": "early"},
    )
    return {
        **os.environ,
        "PYTHONPATH": f"{site}:{os.environ.get('PYTHONPATH', '')}",
        "FLOW_SDK_STORE": str(tmp_path / "store"),
        "FLOW_SDK_TASK": "Small/quarry-early/start/0",
        "FLOW_SDK_REQUEST": artifacts.put_bytes(request.to_json()),
        "QUARRY_LOAD": "11",
        "QUARRY_SHIFT": "early",
        "QUARRY_OUTPUT": str(tmp_path / "output"),
    }


def run_container(env: dict[str, str], **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flow_sdk.runtime.container"]
    return subprocess.run(command, env={**env, **more}, capture_output=True, text=True, timeout=60)


def test_an_adapter_of_another_distribution_sees_a_run_through(quarry: dict[str, str]) -> None:
    first = run_container(quarry)
    assert first.returncode == 0, first.stderr
    del quarry["FLOW_SDK_REQUEST"]  # from now on the kind is in the run's record
    for task in ("fit/1.0", "fit/1.1", "j/2", "end/3"):
        done = run_container(quarry, FLOW_SDK_TASK=f"Small/quarry-early/{task}")
        assert done.returncode == 0, done.stderr
    assert Path(quarry["QUARRY_OUTPUT"]).read_text().split("\n")[:-1] == [
        *("start 0", "fit 1.0", "fit 1.1"),
        *("j 2", "end 3"),
    ]


def test_an_adapter_may_refuse_what_follows_a_task(quarry: dict[str, str]) -> None:
    done = run_container(quarry, QUARRY_LOAD="10")
    assert done.returncode == 2 and "TransitionError: The cart is too small." in done.stderr
    assert not os.path.exists(quarry["QUARRY_OUTPUT"])


def test_an_adapter_gives_the_help_for_the_limit_on_items(quarry: dict[str, str]) -> None:
    done = run_container(quarry, FLOW_SDK_MOST_ITEMS="1")
    assert done.returncode == 2 and "Ask the quarry for more room." in done.stderr


def test_an_adapter_may_end_a_task_that_no_attempt_can_help(quarry: dict[str, str]) -> None:
    done = run_container(quarry, QUARRY_CLOSED="The quarry is closed.")
    assert done.returncode == 2 and "The quarry is closed." in done.stderr


def test_a_variable_names_the_adapter_where_the_request_does_not(quarry: dict[str, str]) -> None:
    artifacts = Artifacts(open_store(quarry["FLOW_SDK_STORE"]))
    given = TaskRequest.from_json(artifacts.get_bytes(quarry["FLOW_SDK_REQUEST"], where="the request"))
    quarry["FLOW_SDK_REQUEST"] = artifacts.put_bytes(dataclasses.replace(given, orchestrator={}).to_json())
    done = run_container(quarry, FLOW_SDK_ORCHESTRATOR="quarry")
    assert done.returncode == 0, done.stderr
    assert Path(quarry["QUARRY_OUTPUT"]).read_text() == "start 0\n"


def test_a_variable_with_an_orchestrator_that_is_not_installed_is_refused(quarry: dict[str, str]) -> None:
    done = run_container(quarry, FLOW_SDK_ORCHESTRATOR="mine")
    assert done.returncode == 1
    assert "FLOW_SDK_ORCHESTRATOR='mine'" in done.stderr and "airflow, step-functions, quarry" in done.stderr


def test_adapters_of_this_distribution_are_found_by_kind() -> None:
    assert isinstance(find_adapter("airflow"), AirflowAdapter)
    assert isinstance(find_adapter("step-functions"), StepFunctionsAdapter)
    assert set(known_kinds()) >= {"airflow", "step-functions"}
    with pytest.raises(DeployError, match="isn't known"):
        named_adapter("nosuch")


@pytest.mark.parametrize("kind", ["local", "", "nosuch", None, 3, ["airflow"]])
def test_any_other_kind_gets_the_plain_adapter(kind: object) -> None:
    assert type(find_adapter(kind)) is PlainAdapter


def test_a_run_is_matched_to_its_orchestrator_by_its_id() -> None:
    assert isinstance(adapter_of_run("sfn-nightly"), StepFunctionsAdapter)
    assert isinstance(adapter_of_run("airflow-0123abcd-manual__1"), AirflowAdapter)
    assert type(adapter_of_run("17")) is PlainAdapter


def test_ids_in_the_store_are_made_of_what_the_record_holds() -> None:
    arn = "arn:aws:states:us-east-1:123456789012:execution:Small:nightly"
    assert find_adapter("step-functions").store_run_id("Small", {"execution": arn}) == "sfn-nightly"
    assert find_adapter("step-functions").job_run_id("sfn-nightly") == "nightly"
    airflow = {"kind": "airflow", "dag": "Small", "run": "manual__1"}
    assert find_adapter("airflow").store_run_id("Small", airflow) == "airflow-manual__1"
    assert find_adapter("airflow").job_run_id("airflow-manual__1") == "airflow-manual__1"


def test_a_local_task_imports_no_adapter() -> None:
    code = (
        "import sys; from flow_sdk.runtime.orchestrator import find_adapter; find_adapter('local');"
        "print([name for name in sys.modules if name.startswith(('flow_sdk.deploy', 'importlib.metadata'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
