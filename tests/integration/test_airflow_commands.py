"""The ``airflow`` commands for what is deployed, and a schedule that fires, on a real Airflow of each line."""

import dataclasses
import itertools
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flow_sdk import Deployer
from flow_sdk.client import Flow, Run, metadata, namespace
from flow_sdk.deploy.airflow.http import send_request
from flow_sdk.errors import DeployError
from flow_sdk.store.records.layout import run_end_key
from tests.style.pages import blocks, shell_commands
from tests.style.tree import ROOT
from tests.support.airflow import VIEWER, AirflowServer
from tests.support.airflow_runs import clean_environment, dag_run_id
from tests.support.airflow_servers import AirflowServers, only
from tests.support.parts import LINES

WHO = ("FLOW_SDK_AIRFLOW_USER", "FLOW_SDK_AIRFLOW_PASSWORD")

FLOW = """
import os
import time
from flow_sdk import FlowSpec, Parameter, airflow_dag, schedule, step

NOTE = {"callback": "commands.alerts.note", "kwargs": {"path": os.environ.get("ALERTS_FILE", "")}}


@airflow_dag(on_failure_callback=NOTE)
class WaitFlow(FlowSpec):
    folder = Parameter("folder", default="")
    text = Parameter("text", default="x")

    @step
    def start(self):
        if self.text == "fail":
            raise ValueError("asked to")
        self.passes = 0
        self.next(self.work)

    @step
    def work(self):
        if self.folder and self.passes == 1:
            open(os.path.join(self.folder, f"begun-{os.getpid()}"), "w").close()
            time.sleep(300)
        self.passes += 1
        self.more = self.passes < 2
        self.next({True: self.work, False: self.end}, condition="more")

    @step
    def end(self):
        pass


if __name__ == "__main__":
    WaitFlow()
"""

ALERTS = """
def note(context, path):
    with open(path, "a") as file:
        file.write(context["run_id"] + "\\n")
"""

TICK = """
from flow_sdk import FlowSpec, current, schedule, step


@schedule(cron="* * * * ? *", timezone="Europe/Berlin")
class TickFlow(FlowSpec):
    @step
    def start(self):
        self.seen = current.namespace
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    TickFlow()
"""

HOSTILE = "it's \"$(touch canary)\" {{ ds }} \n'ü' ../../x"
_numbers = itertools.count()


@dataclass
class Rig:
    """A running Airflow, and somebody who calls the flow files for a deployment of their own."""

    airflow: AirflowServer
    folder: Path
    env: dict[str, str]
    name: str = ""

    def call(self, *words: str, who: str = "anne", file: str = "waitflow", code: int = 0) -> tuple[str, str]:
        """Call a flow file; what it prints to stdout and stderr."""
        own = {"FLOW_SDK_USER": who, "FLOW_SDK_HOME": str(self.folder / who)}
        done = subprocess.run(
            [sys.executable, f"{file}.py", *words],
            cwd=self.folder,
            env={**self.env, **own},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, f"{words}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout, done.stderr

    def flow(self, *words: str, who: str = "anne", code: int = 0) -> tuple[str, str]:
        """Call one of the commands under test."""
        return self.call("airflow", *words, "--name", self.name, who=who, code=code)

    def dag_run(self, run: str) -> str:
        """Airflow's own id of a run that a command has printed."""
        return dag_run_id(self.name, "WaitFlow", run)

    def deploy(self) -> None:
        """Deploy under a name that nobody has yet."""
        self.name = f"wait.{next(_numbers)}"
        self.flow("create", str(self.airflow.dags), "--wait")
        self.airflow.wait_dag(self.name)

    @property
    def store(self) -> str:
        return str(self.folder / "store")


NEWEST = pytest.mark.parametrize("rig", [pytest.param("airflow3", marks=pytest.mark.airflow3)], indirect=True)
"""For what doesn't depend on the line of Airflow."""


@pytest.fixture(scope="module", params=[pytest.param(line, marks=getattr(pytest.mark, line)) for line in LINES])
def rig(
    request: pytest.FixtureRequest, airflows: AirflowServers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp(request.param)
    code = folder / "code"
    code.mkdir()
    (code / "waitflow.py").write_text(FLOW)
    (code / "tickflow.py").write_text(TICK)
    with airflows.use(request.param, "commands") as airflow, only(clean_environment(folder / "home")):
        reached = {
            "FLOW_SDK_AIRFLOW_URL": airflow.url,
            "FLOW_SDK_AIRFLOW_USER": airflow.user,
            "FLOW_SDK_AIRFLOW_PASSWORD": airflow.password,
            "FLOW_SDK_DATASTORE_SYSROOT_LOCAL": str(code / "store"),
            "ALERTS_FILE": str(code / "alerts.txt"),
        }
        (airflow.dags / "alerts.py").write_text(ALERTS)
        running = Rig(airflow, code, clean_environment(folder / "home", **reached))
        if request.param == "airflow3":  # the last test looks whether its schedule has fired
            running.call("airflow", "create", str(airflow.dags), "--wait", file="tickflow")
        yield running


def test_runs_are_listed_shown_and_stopped(rig: Rig, tmp_path: Path) -> None:
    rig.deploy()
    said = rig.flow("list-runs")[1]
    assert f"{rig.name} has no runs." in said
    run = rig.flow("trigger", "--text", "fail")[0].strip()
    hostile, said = rig.flow("trigger", "--text", HOSTILE)
    assert f"airflow status {hostile}" in said
    assert rig.airflow.wait_run(rig.name, rig.dag_run(run)) == "failed"
    # The store is told of a run's end by the DAG's callback, too, which Airflow calls by itself.
    rig.airflow.wait(lambda: end_of(rig, run), 120, "the DAG's failure callback hasn't been called")
    assert end_of(rig, run)["reason"].startswith("Airflow ended the run: ")
    alerts = rig.folder / "alerts.txt"
    rig.airflow.wait(lambda: alerts.exists() and rig.dag_run(run) in alerts.read_text(), 60, "nobody was alerted")
    assert "asked to" in (Run(f"WaitFlow/{run}").reason or ""), "the task's own failure says more"
    assert rig.airflow.wait_run(rig.name, rig.dag_run(hostile.strip())) == "success"
    slow = rig.flow("trigger", "--folder", str(tmp_path))[0].strip()
    rig.airflow.wait(lambda: list(tmp_path.iterdir()), 120, "the pass hasn't begun")
    states = {words[0]: words[1] for words in map(str.split, rig.flow("list-runs")[0].splitlines())}
    assert list(states.values()) == ["RUNNING", "SUCCEEDED", "FAILED"]
    assert len(rig.flow("list-runs", "--succeeded", "--failed")[0].splitlines()) == 2
    run = next(iter(states))
    assert run == slow and run.startswith("airflow-")
    shown = rig.flow("status", next(run for run, state in states.items() if state == "FAILED"))[0]
    assert "\nStatus         FAILED\n" in shown and "\nFailed         start\n" in shown
    assert "logs airflow-" in shown and "/start\n" in shown
    shown = rig.flow("status", f"WaitFlow/{run}")[0]
    assert "\nStatus         RUNNING\n" in shown and str(tmp_path) in shown
    assert f"DAG            {rig.name} (active) in Airflow at {rig.airflow.url}" in rig.flow("status")[0]
    # Only who holds the token stops it.
    assert "production token of anne" in rig.flow("terminate", run, who="bob", code=1)[1]
    out, said = rig.flow("terminate", slow)
    assert out.strip() == run and "is marked as failed" in said
    assert end_of(rig, run)["reason"] == "it was stopped with airflow terminate"
    assert rig.airflow.wait_run(rig.name, rig.dag_run(slow)) == "failed"
    passes = list(rig.airflow.api.dag_runs(f"{rig.name}__loop.work"))
    assert sorted(found["state"] for found in passes if rig.dag_run(slow) in found["dag_run_id"]) == [
        "failed",
        "success",
    ]
    pid = int(next(tmp_path.iterdir()).name.partition("-")[2])
    rig.airflow.wait(lambda: not alive(pid), 90, "the task goes on")
    assert "isn't running" in rig.flow("terminate", run, code=1)[1]
    assert "has no run" in rig.flow("status", "airflow-none", code=1)[1]
    assert not list(rig.folder.rglob("canary"))


def test_pools_and_pauses_are_looked_at(rig: Rig) -> None:
    rig.deploy()
    said = rig.flow("create", str(rig.airflow.dags), "--worker-pool", "nosuch")[1]
    assert "Airflow has no pool nosuch" in said and "paused" not in said
    assert "no pool" not in rig.flow("create", str(rig.airflow.dags), "--worker-pool", "default_pool")[1]
    paused = rig.airflow.api.send_request("PATCH", f"/dags/{rig.name}?update_mask=is_paused", {"is_paused": True})
    assert paused[0] == 200
    assert f"The DAG {rig.name} is paused in Airflow" in rig.flow("create", str(rig.airflow.dags))[1]
    run, said = rig.flow("trigger", "--run-id", "mine")
    assert run.strip().endswith("-mine") and "is paused: the run waits" in said
    for given in ("mine", run.strip()):
        said = rig.flow("trigger", "--run-id", given, code=1)[1]
        assert f"There is a run {run.strip()} in Airflow already" in said
    rig.flow("terminate", run.strip())


@NEWEST
def test_tokens_and_roles_of_airflow_3(rig: Rig) -> None:
    viewer = dataclasses.replace(rig, env={**rig.env, "FLOW_SDK_AIRFLOW_USER": VIEWER})
    viewer.deploy()
    said = viewer.flow("create", str(rig.airflow.dags))[1]
    assert "lacks the permission 'can read on Variables'" in said and "counts alone" in said
    said = viewer.flow("trigger", code=1)[1]
    assert "'can create on DAG Runs'" in said and "login" not in said
    assert "has no runs" in viewer.flow("list-runs")[1]
    body = json.dumps({"username": rig.airflow.user, "password": rig.airflow.password}).encode()
    answer = send_request("POST", f"{rig.airflow.url}/auth/token", body, {"Content-Type": "application/json"})
    env = {name: value for name, value in rig.env.items() if not name.startswith(WHO)}
    token = answer.body["access_token"]
    for given in ({"TOKEN": token}, {"TOKEN_COMMAND": f"printf %s {shlex.quote(token)}"}):
        more = {f"FLOW_SDK_AIRFLOW_{name}": value for name, value in given.items()}
        assert "has no runs" in dataclasses.replace(viewer, env={**env, **more}).flow("list-runs")[1]
    unknown = dataclasses.replace(viewer, env={**env, "FLOW_SDK_AIRFLOW_TOKEN": "not.a.token"})
    assert "Airflow refused the token (HTTP 403)" in unknown.flow("list-runs", code=1)[1]


def end_of(rig: Rig, run: str) -> dict[str, str]:
    """What the store was told of a run's end; empty for nothing."""
    metadata(rig.store)
    namespace(None)
    file = Path(rig.store, run_end_key("WaitFlow", run))
    return dict(json.loads(file.read_text())) if file.exists() else {}


def alive(pid: int) -> bool:
    """Whether a process is there and more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_delete_stops_what_is_running_and_leaves_the_results(rig: Rig, tmp_path: Path) -> None:
    rig.deploy()
    file = rig.airflow.dags / f"{rig.name}.py"
    done = rig.flow("trigger")[0].strip()
    assert rig.airflow.wait_run(rig.name, rig.dag_run(done)) == "success"
    slow = rig.flow("trigger", "--folder", str(tmp_path))[0].strip()
    rig.airflow.wait(lambda: list(tmp_path.iterdir()), 120, "the pass hasn't begun")
    assert "production token of anne" in rig.flow("delete", str(rig.airflow.dags), who="bob", code=1)[1]
    assert "from another file" in rig.flow("delete", str(rig.airflow.dags / "x.py"), code=1)[1]
    assert file.exists()
    out, said = rig.flow("delete", str(rig.airflow.dags))
    assert out.strip() == str(file) and not file.exists()
    assert "Stopping the run airflow-" in said and said.count("Stopping") == 1
    assert "Airflow keeps the history of its runs, too; --history deletes it." in said
    assert rig.airflow.wait_run(rig.name, rig.dag_run(slow)) == "failed"
    _, said = rig.flow("delete", str(rig.airflow.dags), "--history")
    assert "Deleted: the history of its runs in Airflow." in said
    assert rig.airflow.api.find_dag(rig.name) is None and rig.airflow.api.dag_ids(f"{rig.name}__loop.") == []
    assert "there was nothing to delete" in rig.flow("delete", str(rig.airflow.dags))[1]
    assert "Airflow doesn't know the DAG" in rig.flow("list-runs", code=1)[1]
    metadata(rig.store)
    namespace(None)

    def states() -> list[str]:
        return sorted(run.state for run in Flow("WaitFlow") if run.id in (done, slow))

    # Airflow ends the task's process at its next heartbeat.
    rig.airflow.wait(lambda: states() == ["failed", "succeeded"], 90, "the stopped run's task goes on")
    # The name is still anne's, and hers to deploy again.
    assert "production token of anne" in rig.flow("create", str(rig.airflow.dags), who="bob", code=1)[1]
    assert "first deployment" not in rig.flow("create", str(rig.airflow.dags), "--wait")[1]


@NEWEST
def test_deployer_lists_stops_and_deletes(rig: Rig, tmp_path: Path) -> None:
    env = {**rig.env, "FLOW_SDK_USER": "anne", "FLOW_SDK_HOME": str(rig.folder / "anne")}
    deployer = Deployer(str(rig.folder / "waitflow.py"), show_output=False, env=env)
    deployed = deployer.airflow(name="from_python").create(target=rig.airflow.dags, wait=True)
    assert deployed.list_runs() == []
    run = deployed.trigger(folder=str(tmp_path), text=HOSTILE)
    run.wait_for_run(check_interval=0.2, timeout=120)
    assert [found.run_id for found in deployed.list_runs()] == [run.run_id]
    assert deployed.list_runs(["SUCCEEDED", "FAILED"]) == []
    (listed,) = deployed.list_runs(["running"])
    assert listed.run is not None and listed.run.id == run.run_id
    assert listed.terminate() is True
    with pytest.raises(DeployError, match="isn't running"):
        run.terminate()
    assert deployed.delete(history=True) is True
    assert deployed.delete() is False


@NEWEST
def test_the_commands_of_the_page_on_scheduling_work(rig: Rig) -> None:
    page = (ROOT / "docs" / "scheduling.md").read_text(encoding="utf-8")
    (rig.folder / "report.py").write_text(next(block.text for block in blocks(page) if block.file == "report.py"))
    rig.call("airflow", "create", str(rig.airflow.dags), "--wait", file="report")
    rig.airflow.wait(lambda: list(rig.airflow.api.dag_runs("Report")), 90, "the run of the latest instant isn't there")
    (trigger, _), (listing, shown) = shell_commands(page, "airflow")
    run = rig.call(*trigger, file="report")[0].strip()
    out, header = rig.call(*listing, file="report")
    assert header.strip() == shown.splitlines()[0].strip()
    types = {words[0]: words[-1] for words in map(str.split, out.splitlines())}
    assert types.pop(run) == "manual" and set(types.values()) == {"scheduled"}
    assert set(types.values()) | {"manual"} == {line.split()[-1] for line in shown.splitlines()[1:] if line}


@NEWEST
def test_a_schedule_of_each_minute_fires(rig: Rig) -> None:
    metadata(rig.store)
    namespace(None)

    def fired() -> list[Run]:
        try:
            found = [run for run in Flow("TickFlow") if run.id.startswith("airflow-scheduled__")]
        except Exception:  # noqa: BLE001 - the flow isn't known before its first run
            return []
        return found if len(found) >= 2 and all(run.finished for run in found) else []

    # The first is that of the minute before the deployment; the second has fired by itself since.
    runs = rig.airflow.wait(fired, 150, "the schedule hasn't fired")
    assert all(run.successful for run in runs)
    assert len({run.id for run in runs}) == len(runs)
    token = next(tag for tag in runs[0].system_tags if tag.startswith("production:"))
    assert runs[0].data.seen == token
    shown = rig.call("airflow", "status", file="tickflow")[0]
    assert "Schedule       * * * * *; next at " in shown and "scheduled" in shown
    # Deleted, it fires no more, though Airflow needs a while to see that the file is gone.
    _, said = rig.call("airflow", "delete", str(rig.airflow.dags), "--history", file="tickflow")
    assert "Deleted: the DAG file, the history of its runs in Airflow, the claim on its name" in said
    assert rig.airflow.api.find_dag("TickFlow") is None
    assert Run(runs[0].pathspec).successful, "artifacts stay"
