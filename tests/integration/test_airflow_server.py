"""A real Airflow of each line with artifacts in S3, whose credentials only an Airflow connection holds."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.client import Run, metadata, namespace
from flow_sdk.errors import DeployError
from tests.support.airflow import AirflowServer
from tests.support.airflow_runs import ROOT, FlowFile, clean_environment, hashes
from tests.support.airflow_servers import AirflowServers, only
from tests.support.moto import MotoServer
from tests.support.parts import LINES

HOSTILE = "it's \"$(id)\" `id` \\ {{ ds }} {% raw %} \n'ü' \U0001f600 ../../x"

FLOWS = '''
import os, time
from flow_sdk import FlowSpec, Parameter, current, retry, schedule, step

class RepairFlow(FlowSpec):
    """Fails until a file is there."""
    folder = Parameter("folder", required=True)

    @step
    def start(self):
        self.made = current.retry_count
        self.next(self.work)

    @step
    def work(self):
        if not os.path.exists(self.folder + "/mended"):
            raise ValueError("not mended yet")
        self.next(self.end)

    @step
    def end(self):
        pass


class LoopRepairFlow(FlowSpec):
    """A loop of three passes; the second fails until a file is there."""
    folder = Parameter("folder", required=True)

    @step
    def start(self):
        self.passes = 0
        self.next(self.work)

    @step
    def work(self):
        with open(self.folder + "/executions", "a") as file:
            file.write(f"work {self.passes}\\n")
        if self.passes == 1 and not os.path.exists(self.folder + "/mended"):
            raise ValueError("not mended yet")
        self.passes += 1
        self.more = self.passes < 3
        self.next({True: self.work, False: self.end}, condition="more")

    @step
    def end(self):
        pass


class KilledFlow(FlowSpec):
    """Waits to be killed in its first attempt."""
    folder = Parameter("folder", required=True)
    whom = Parameter("whom", default="runner")

    @retry(times=2, minutes_between_retries=0)
    @step
    def start(self):
        if current.retry_count == 0:
            pid = os.getpid() if self.whom == "runner" else os.getppid()
            with open(self.folder + "/pid.part", "w") as file:
                file.write(str(pid))
            os.rename(self.folder + "/pid.part", self.folder + "/pid")
            time.sleep(120)
        self.attempts = current.retry_count + 1
        self.next(self.end)

    @step
    def end(self):
        pass


class PinnedFlow(FlowSpec):
    """Waits in its first step while a new version is deployed."""
    folder = Parameter("folder", required=True)
    version = VERSION

    @step
    def start(self):
        open(self.folder + "/begun", "w").close()
        for _ in range(600):
            if os.path.exists(self.folder + "/go"):
                break
            time.sleep(0.1)
        self.next(self.end)

    @step
    def end(self):
        self.seen = VERSION


@schedule(cron="* * * * *", timezone="Asia/Kathmandu")
class MinuteFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    NAME()
'''


@dataclass
class Rig:
    """A running Airflow, S3, and where flows are called from."""

    airflow: AirflowServer
    s3: MotoServer
    folder: Path
    env: dict[str, str]
    store: str

    def flow(self, name: str, version: int = 1) -> FlowFile:
        """Write one of ``FLOWS`` into a file of its own."""
        path = self.folder / name / f"{name.lower()}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(FLOWS.replace("NAME()", f"{name}()").replace("VERSION", str(version)))
        return FlowFile(path, self.folder, self.env)

    def deploy(self, flow: FlowFile) -> str:
        """Deploy a flow, and wait until Airflow shows this version of it."""
        where = ("--airflow-url", self.airflow.url, "--airflow-user", self.airflow.user)
        words = ("airflow", "create", str(self.airflow.dags), "--wait", *where)
        return flow.call("--datastore", "s3", "--datastore-root", self.store, *words).stderr

    def scratch(self, name: str) -> Path:
        """A folder for what a flow and a test tell each other."""
        folder = self.folder / "scratch" / name
        folder.mkdir(parents=True)
        return folder

    def run(self, dag: str, conf: dict[str, Any]) -> str:
        """Start a run and see it end; returns its id."""
        run = self.airflow.api.start_dag_run(dag, conf)
        state = self.airflow.wait_run(dag, run)
        states = {(ti["task_id"], ti["map_index"]): ti["state"] for ti in self.airflow.api.task_instances(dag, run)}
        assert state == "success", states
        return run

    def clear(self, dag: str, run: str, **what: Any) -> None:
        """Clear tasks of a run, as a person does in Airflow."""
        body = {"dry_run": False, "dag_run_id": run, "reset_dag_runs": True, "only_failed": False, **what}
        status, answer = self.airflow.api.send_request("POST", f"/dags/{dag}/clearTaskInstances", body)
        assert status == 200, answer


@pytest.fixture(scope="module", params=[pytest.param(line, marks=getattr(pytest.mark, line)) for line in LINES])
def rig(
    request: pytest.FixtureRequest, airflows: AirflowServers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp(request.param)
    env = clean_environment(folder / "home", AWS_EC2_METADATA_DISABLED="true")
    with airflows.use(request.param, "server") as airflow, only(env):
        user = clean_environment(folder / "home", **airflows.s3.env(), FLOW_SDK_AIRFLOW_PASSWORD="admin")
        # a client keeps the store of an address, so each line has its own
        running = Rig(airflow, airflows.s3, folder, user, f"s3://airflow-tests/{request.param}")
        running.deploy(running.flow("MinuteFlow"))  # the last test looks whether its schedule has fired
        yield running


@pytest.fixture
def results(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Run]:
    """Reads runs from S3."""
    for name, value in rig.s3.env().items():
        monkeypatch.setenv(name, value)

    def read(pathspec: str) -> Run:
        metadata(rig.store)
        namespace(None)
        return Run(pathspec)

    return read


def test_all_shapes_give_the_artifacts_of_a_local_run(rig: Rig, results: Callable[[str], Run]) -> None:
    flow = FlowFile(ROOT / "dags_examples" / "all_shapes.py", rig.folder, rig.env)
    assert "Airflow shows it" in rig.deploy(flow)
    run = rig.run("AllShapesFlow", {"scale": 7})
    assert results(f"AllShapesFlow/airflow-{run}").successful
    store = ("--datastore", "s3", "--datastore-root", rig.store)
    flow.call(*store, "run", "--scale", "7", "--run-id-file", "local.id")
    local = (rig.folder / "local.id").read_text().strip()
    assert hashes(rig.store, f"AllShapesFlow/airflow-{run}") == hashes(rig.store, f"AllShapesFlow/{local}")


def test_parameters_of_the_wrong_type_are_refused_and_hostile_ones_arrive(
    rig: Rig, results: Callable[[str], Run]
) -> None:
    rig.deploy(FlowFile(ROOT / "dags_examples" / "parameters.py", rig.folder, rig.env))
    with pytest.raises(DeployError, match="HTTP 400"):
        rig.airflow.api.start_dag_run("ParametersFlow", {"count": "many"})
    run = rig.run("ParametersFlow", {"label": HOSTILE, "options": {"a": [HOSTILE, None]}})
    data = results(f"ParametersFlow/airflow-{run}")["end"].task.data
    assert data.label == HOSTILE and data.options == {"a": [HOSTILE, None]}


def test_clearing_runs_a_committed_task_again_and_a_rerun_does_not(rig: Rig, results: Callable[[str], Run]) -> None:
    rig.deploy(rig.flow("RepairFlow"))
    folder = rig.scratch("repair")
    run = rig.airflow.api.start_dag_run("RepairFlow", {"folder": str(folder)})
    assert rig.airflow.wait_run("RepairFlow", run) == "failed"
    (folder / "mended").touch()
    # what a person does after mending the cause: clear the failed tasks
    rig.clear("RepairFlow", run, only_failed=True)
    assert rig.airflow.wait_run("RepairFlow", run) == "success"
    pathspec = f"RepairFlow/airflow-{run}"
    assert results(pathspec).successful
    assert attempts(pathspec) == {"start": 0, "work": 1, "end": 0}
    # clearing a finished task on purpose runs it again, and it alone
    rig.clear("RepairFlow", run, task_ids=["work"])
    assert rig.airflow.wait_run("RepairFlow", run) == "success"
    assert attempts(pathspec) == {"start": 0, "work": 2, "end": 0}
    assert results(pathspec).successful


def test_a_cleared_loop_goes_on_with_the_pass_that_failed(rig: Rig, results: Callable[[str], Run]) -> None:
    rig.deploy(rig.flow("LoopRepairFlow"))
    folder = rig.scratch("loop")
    run = rig.airflow.api.start_dag_run("LoopRepairFlow", {"folder": str(folder)})
    assert rig.airflow.wait_run("LoopRepairFlow", run) == "failed"
    (folder / "mended").touch()
    rig.clear("LoopRepairFlow", run, only_failed=True)
    assert rig.airflow.wait_run("LoopRepairFlow", run) == "success"
    assert (folder / "executions").read_text().split() == ["work", "0", "work", "1", "work", "1", "work", "2"]
    assert results(f"LoopRepairFlow/airflow-{run}")["end"].task.data.passes == 3
    # with what is before it cleared as well, all passes run again
    rig.clear("LoopRepairFlow", run, task_ids=["start"], include_downstream=True)
    assert rig.airflow.wait_run("LoopRepairFlow", run) == "success"
    assert (folder / "executions").read_text().split()[8:] == ["work", "0", "work", "1", "work", "2"]
    assert results(f"LoopRepairFlow/airflow-{run}")["end"].task.data.passes == 3


def attempts(pathspec: str) -> dict[str, int]:
    """The attempt that counts of each step's task."""
    return {step.id: step.task.current_attempt for step in Run(pathspec)}


@pytest.mark.parametrize("whom", ["runner", "worker"])
def test_a_killed_process_is_retried(rig: Rig, results: Callable[[str], Run], whom: str) -> None:
    if whom == "runner":
        rig.deploy(rig.flow("KilledFlow"))
    folder = rig.scratch(whom)
    run = rig.airflow.api.start_dag_run("KilledFlow", {"folder": str(folder), "whom": whom})
    pid = int(rig.airflow.wait((folder / "pid").exists, 90, "the step hasn't begun") and (folder / "pid").read_text())
    os.kill(pid, signal.SIGKILL)
    assert rig.airflow.wait_run("KilledFlow", run, 240) == "success"
    done = results(f"KilledFlow/airflow-{run}")
    assert done.successful and done["start"].task.data.attempts == 2


def test_a_run_that_is_marked_as_failed_while_a_task_runs_has_failed(rig: Rig, results: Callable[[str], Run]) -> None:
    rig.deploy(rig.flow("KilledFlow"))
    folder = rig.scratch("marked")
    run = rig.airflow.api.start_dag_run("KilledFlow", {"folder": str(folder)})
    rig.airflow.wait((folder / "pid").exists, 90, "the step hasn't begun")
    pathspec = f"KilledFlow/airflow-{run}"
    assert (results(pathspec).state, results(pathspec).reason) == ("running", None)
    path = f"/dags/KilledFlow/dagRuns/{run.replace('+', '%2B')}"
    assert rig.airflow.api.send_request("PATCH", path, {"state": "failed"})[0] == 200
    rig.airflow.wait(lambda: results(pathspec).state == "failed", 90, "the store doesn't say so")
    assert results(pathspec).reason == "Task start/0 was ended from outside, and wasn't tried again so far"


def test_a_new_deployment_leaves_a_run_that_has_begun_as_it_is(rig: Rig, results: Callable[[str], Run]) -> None:
    rig.deploy(rig.flow("PinnedFlow", version=1))
    folder = rig.scratch("pinned")
    run = rig.airflow.api.start_dag_run("PinnedFlow", {"folder": str(folder)})
    rig.airflow.wait((folder / "begun").exists, 90, "the step hasn't begun")
    rig.deploy(rig.flow("PinnedFlow", version=2))
    (folder / "go").touch()
    assert rig.airflow.wait_run("PinnedFlow", run) == "success"
    assert results(f"PinnedFlow/airflow-{run}")["end"].task.data.seen == 1


def test_each_task_links_to_its_artifacts(rig: Rig) -> None:
    run = rig.run("ParametersFlow", {})
    path = f"/dags/ParametersFlow/dagRuns/{run.replace('+', '%2B')}/taskInstances/end/links"
    answer = rig.airflow.api.send_request("GET", path)[1]
    found = answer.get("extra_links", answer)
    assert f"flows/ParametersFlow/runs/airflow-{run.split('+')[0][:20]}" in json.dumps(found).replace("%3A", ":")


def test_create_says_why_airflow_cannot_import_the_file(rig: Rig) -> None:
    from flow_sdk.deploy.airflow.create import AirflowDeployment
    from flow_sdk.deploy.airflow.visible import wait_visible

    file = rig.airflow.dags / "newer.py"
    text = (rig.airflow.dags / "ParametersFlow.py").read_text()
    file.write_text(text.replace('"format": 1', '"format": 99', 1).replace('"ParametersFlow"', '"Newer"'))
    began = time.monotonic()
    try:
        with pytest.raises(DeployError, match="can't import") as raised:
            newer = AirflowDeployment(name="Newer", result=str(file), namespace="", digest="x" * 16, is_changed=True)
            wait_visible(rig.airflow.api, newer, timeout=120)
    finally:
        file.unlink()
    assert "pip install 'airflow-provider-flow-sdk>=" in str(raised.value)
    assert time.monotonic() - began < 100


def test_the_log_has_no_credentials(rig: Rig, airflows: AirflowServers) -> None:
    logs = [path.read_text("utf-8", "replace") for path in (rig.airflow.home / "logs").rglob("*.log")]
    assert logs and not any(airflows.secret in text for text in logs)
    tasks = [text for text in logs if "its artifacts are in" in text]
    assert tasks


def test_a_schedule_fires_each_minute(rig: Rig, results: Callable[[str], Run]) -> None:
    def fired() -> list[dict[str, Any]]:
        runs = rig.airflow.api.send_request("GET", "/dags/MinuteFlow/dagRuns?limit=100")[1]["dag_runs"]
        done = [run for run in runs if run["run_type"] == "scheduled" and run["state"] == "success"]
        return sorted(done, key=lambda run: run["logical_date"]) if len(done) > 1 else []

    runs = rig.airflow.wait(fired, 150, "no two scheduled runs have ended well")
    first, second = (datetime.fromisoformat(run["logical_date"]) for run in runs[:2])
    assert first.second == 0 and second - first == timedelta(minutes=1)
    assert results(f"MinuteFlow/airflow-{runs[0]['dag_run_id']}").successful
