"""Deployments made from Python: to a folder of DAGs, and runs triggered in a server that plays Airflow's web server."""

import gc
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flow_sdk import DeployedFlow, Deployer, default_metadata, metadata
from flow_sdk.authoring.declarations import flow_parameters
from flow_sdk.deploy.airflow.runtime import airflow_run_id
from flow_sdk.errors import DeployError, FlowSDKError, NotFound, PlanError, UsageError
from flow_sdk.plan.model import FlowPlan, ParameterPlan
from flow_sdk.programmatic.deployer import AirflowDeployedFlow, StepFunctionsDeployedFlow, TriggeredRun
from flow_sdk.programmatic.plan_flow import build_flow_class
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records.checksummed_json import decode_checksummed, encode_checksummed
from tests.unit.cli.flow_file import call
from tests.unit.programmatic.flow_files import FLOW, write

pytestmark = pytest.mark.slow  # starts processes or servers


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dags").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    return write(tmp_path)


@pytest.fixture
def airflow() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Address of what takes a trigger as Airflow 3 does, and what it was sent."""
    sent: list[dict[str, Any]] = []

    class Web(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply: dict[str, Any] = {"access_token": "t", "version": "3.3.2"}
            if self.path.endswith("/dagRuns"):
                sent.append({"path": self.path, **json.loads(body)})
                reply = {"dag_run_id": f"manual__{len(sent)}"}
            data = json.dumps(reply).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = answer

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", sent
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_dag_is_written(flow: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Deployer(flow) as deployer:
        deployed = deployer.airflow(name="talk_dag").create(target="dags", tags=["nightly"], max_workers=5)
    assert isinstance(deployed, DeployedFlow)
    assert (deployed.name, deployed.flow_name) == ("talk_dag", "Talk")
    assert Path(deployed.file).resolve() == tmp_path / "dags" / "talk_dag.py"
    text = (tmp_path / "dags" / "talk_dag.py").read_text()
    assert "nightly" in text
    token = deployed.production_token
    assert token and f"production:{token}" in text
    assert "DAG talk_dag is written" in capfd.readouterr().err
    again = Deployer(flow, show_output=False).airflow(name="talk_dag").create(target=Path("dags"))
    assert again.production_token == token
    renewed = Deployer(flow, show_output=False).airflow(name="talk_dag").create("dags", generate_new_token=True)
    assert renewed.production_token not in ("", token)
    assert capfd.readouterr().err == ""
    assert list((tmp_path / "tmp").iterdir()) == [], "nothing is left behind"


def test_the_dag_is_that_of_the_command_line(flow: str, tmp_path: Path) -> None:
    Deployer(flow, show_output=False).airflow().create(target="dags")
    made = (tmp_path / "dags" / "Talk.py").read_bytes()
    assert call(tmp_path, "airflow", "create", "dags", file="talk.py").returncode == 0
    assert (tmp_path / "dags" / "Talk.py").read_bytes() == made


def test_projects_and_options_of_all_commands(flow: str, tmp_path: Path) -> None:
    text = FLOW.replace("class Talk", '@project(name="radio")\nclass Talk').replace(
        "import FlowSpec", "import FlowSpec, project"
    )
    write(tmp_path, text)
    deployed = Deployer(flow, show_output=False, production=True).airflow().create(target="dags")
    assert deployed.name == "radio.prod.Talk"
    branch = Deployer(flow, show_output=False, branch="wave").airflow().create(target="dags")
    assert branch.name == "radio.test.wave.Talk"
    with pytest.raises(UsageError, match="--name can't be used with @project"):
        Deployer(flow, show_output=False).airflow(name="x").create(target="dags")


def test_delete_takes_the_file_away_once(flow: str, tmp_path: Path) -> None:
    deployed = Deployer(flow, show_output=False).airflow(name="talk").create(target="dags")
    bob = {"FLOW_SDK_HOME": str(tmp_path / "bob"), "FLOW_SDK_USER": "bob"}
    other = Deployer(flow, show_output=False, env=bob).airflow(name="talk")
    other.create(target="dags", authorize=deployed.production_token)
    assert deployed.delete() is True and not list((tmp_path / "dags").iterdir())
    assert deployed.delete() is False
    with pytest.raises(UsageError, match="where Airflow is"):
        deployed.list_runs()
    with pytest.raises(UsageError, match="no option 'happy'"):
        deployed.list_runs(["happy"])


NOISE = """
import atexit
print('{"result": "not this one"}')
atexit.register(print, "bye")
"""


def test_what_the_flow_file_prints_is_no_result(
    flow: str, tmp_path: Path, airflow: tuple[str, list[dict[str, Any]]]
) -> None:
    write(tmp_path, NOISE + FLOW)
    deployed = Deployer(flow, show_output=False).airflow().create(target="dags")
    assert Path(deployed.file).resolve() == tmp_path / "dags" / "Talk.py"
    assert deployed.trigger(airflow_url=airflow[0]).run_id == "airflow-manual__1"
    assert deployed.delete() is True and deployed.delete() is False


def test_a_run_is_triggered(flow: str, tmp_path: Path, airflow: tuple[str, list[dict[str, Any]]]) -> None:
    url, sent = airflow
    deployed = Deployer(flow, show_output=False).airflow().create(target="dags")
    hostile = "$(touch canary)\n'\"☃"
    run = deployed.trigger(airflow_url=url, my_text=hostile, count=3, grid={"a": [hostile]}, names=["p,q", "r"])
    assert sent[0]["conf"] == {"my-text": hostile, "count": 3, "grid": {"a": [hostile]}, "names": ["p,q", "r"]}
    assert sent[0]["path"].endswith("/dags/Talk/dagRuns")
    assert (run.name, run.run_id, run.pathspec) == ("manual__1", "airflow-manual__1", "Talk/airflow-manual__1")
    assert run.run is None and run.status == "pending"
    with pytest.raises(TimeoutError, match="airflow-manual__1 hasn't begun"):
        run.wait_for_run(check_interval=0.01, timeout=0.05)
    with pytest.raises(UsageError, match="Did you mean 'count'"):
        deployed.trigger(cuont=3)
    with pytest.raises(UsageError, match="a whole number"):
        deployed.trigger(count="many")
    assert len(sent) == 1 and not (tmp_path / "canary").exists()


def test_a_triggered_run_is_read_from_the_store(flow: str, tmp_path: Path) -> None:
    deployed = Deployer(flow, show_output=False).airflow().create(target="dags")
    assert call(tmp_path, "run", file="talk.py").returncode == 0
    run = TriggeredRun(deployed, "whatever", "1")
    run.wait_for_run(timeout=1)
    assert run.run is not None and run.run.successful and run.status == "succeeded"
    assert run.metadata == deployed.metadata


def test_what_is_refused(flow: str, tmp_path: Path) -> None:
    quiet = Deployer(flow, show_output=False)
    with pytest.raises(UsageError, match="needs to know where to write"):
        quiet.airflow().create()
    with pytest.raises(UsageError, match="no option 'max_worker'") as raised:
        quiet.airflow().create(target="dags", max_worker=3)
    assert "max_workers" in str(raised.value)
    assert not list((tmp_path / "dags").iterdir())
    quiet.airflow().create(target="dags")
    other = Deployer(flow, show_output=False, env={"FLOW_SDK_HOME": str(tmp_path / "bob"), "FLOW_SDK_USER": "bob"})
    with pytest.raises(DeployError, match="production token of tester"):
        other.airflow().create(target="dags")
    with pytest.raises(UsageError, match="where Airflow is"):
        quiet.airflow().create(target="dags").trigger()
    with pytest.raises(UsageError, match="only_json"):
        quiet.step_functions().create(only_json=True)
    with pytest.raises(FlowSDKError):
        quiet.step_functions().create()  # this store isn't in S3


def test_run_ids_of_airflow() -> None:
    assert airflow_run_id("F", "F", "manual__1") == "airflow-manual__1"
    assert airflow_run_id("dag", "F", "manual__1").startswith("airflow-")
    assert airflow_run_id("dag", "F", "x") != airflow_run_id("dog", "F", "x")
    assert "/" not in airflow_run_id("F", "F", "../x")


def test_what_is_deployed_is_found_without_its_file(
    flow: str, tmp_path: Path, airflow: tuple[str, list[dict[str, Any]]]
) -> None:
    url, sent = airflow
    store = str(tmp_path / "store")
    write(tmp_path, FLOW.replace('default="x"', 'default=\'it\\\'s """ {x}\', help=\'ü\\n"""\''))
    made = Deployer(flow, show_output=False, datastore_root=store).airflow(name="talk").create("dags")
    (tmp_path / "talk.py").unlink()
    found = DeployedFlow.from_deployment("talk", store)
    assert isinstance(found, AirflowDeployedFlow) and (found.name, found.flow_name) == ("talk", "Talk")
    assert found.production_token == made.production_token and found.metadata == store
    run = found.trigger(airflow_url=url, my_text="$(id)", names=["p,q"], file=b"\0", grid={"a": [1]})
    assert sent[0]["conf"] == made_conf(my_text="$(id)", names=["p,q"], file={"base64": "AA=="}, grid={"a": [1]})
    assert sent[0]["path"].endswith("/dags/talk/dagRuns") and run.run_id == airflow_run_id("talk", "Talk", "manual__1")
    again = AirflowDeployedFlow.get_triggered_run("talk", run.run_id, store)
    assert again.pathspec == run.pathspec and again.status == "pending"
    with pytest.raises(UsageError, match="Did you mean 'count'"):
        found.trigger(cuont=3)
    for name, impl in (("talk", "step_functions"), ("tolk", None)):
        with pytest.raises(NotFound, match="was never deployed"):
            DeployedFlow.from_deployment(name, store, impl)
    with pytest.raises(UsageError, match="no way to deploy called 'argo'"):
        DeployedFlow.from_deployment("talk", store, "argo")
    write(tmp_path, FLOW)
    second = Deployer(flow, show_output=False, datastore_root=store)
    second.airflow(name="another").create("dags")
    (tmp_path / "talk.py").unlink()
    listed = list(DeployedFlow.list_deployed_flows(metadata=store))
    assert [(one.name, type(one)) for one in listed] == [
        ("another", AirflowDeployedFlow),
        ("talk", AirflowDeployedFlow),
    ]
    assert [one.name for one in AirflowDeployedFlow.list_deployed_flows("Talk", store)] == ["another", "talk"]
    assert list(DeployedFlow.list_deployed_flows("Other", store)) == []
    assert list(StepFunctionsDeployedFlow.list_deployed_flows(metadata=store)) == []
    with pytest.raises(NotFound, match="was never deployed with step_functions"):
        DeployedFlow.from_step_functions("talk", store)
    with pytest.raises(NotFound, match="was never deployed with step_functions"):
        DeployedFlow.get_triggered_step_functions_run("talk", "sfn-1", store)
    metadata(store)
    assert list(DeployedFlow.list_step_functions("Talk")) == []
    default_metadata()
    for name in ("from_argo_workflows", "list_argo_workflows", "get_triggered_argo_workflows_run"):
        with pytest.raises(UsageError, match=f"'DeployedFlow.{name}' of Metaflow isn't in this release"):
            getattr(DeployedFlow, name)("talk")
    with pytest.raises(UsageError, match=r"'Deployer.argo_workflows' of Metaflow isn't in this release"):
        second.argo_workflows().create()
    with pytest.raises(UsageError, match="no way to deploy called 'argo'"):
        next(DeployedFlow.list_deployed_flows(metadata=store, impl="argo"))
    del listed, second
    assert found.delete("dags") is True and found.delete(tmp_path / "dags") is False
    del found, again, run, made
    gc.collect()
    assert list((tmp_path / "tmp").iterdir()) == [], "nothing is left behind"


def made_conf(**given: Any) -> dict[str, Any]:
    return {name.replace("my_text", "my-text"): value for name, value in given.items()}


def test_the_class_built_from_a_plan_has_its_parameters_as_data(tmp_path: Path) -> None:
    hostile = "\"\"\"'; __import__('os').system('touch canary') #\n\\u2028\u202e"
    kinds = ["str", "int", "float", "bool", "json", "file"]
    parameters = tuple(ParameterPlan(f"p-{kind}", kind, help=hostile, required=kind == "int") for kind in kinds)
    plan = FlowPlan(
        "Odd", "odd.py", hostile, (), parameters=(*parameters, ParameterPlan("l", "str", separator=hostile))
    )
    built = build_flow_class(plan)
    assert built.__name__ == "Odd" and built.__doc__ == hostile
    declared = {parameter.name: parameter for parameter in flow_parameters(built)}
    assert [*declared] == [*(f"p-{kind}" for kind in kinds), "l"]
    assert {parameter.help for parameter in list(declared.values())[:-1]} == {hostile}
    assert declared["p-int"].required and not declared["p-str"].required
    assert declared["l"].separator == hostile


CHANGES = {
    "flow": 'Talk(FlowSpec):\n    open("canary", "w").close()\n    x = """',
    "file": "../../../outside.py",
    "constants": ["x; import os"],
    "parameters": [{"name": "a\nb", "type": "str"}],
    "steps": [{"name": "../start", "kind": "end"}],
    "format": [[1]],
}


@pytest.mark.parametrize("field", CHANGES)
def test_a_plan_that_was_changed_in_the_store_runs_nothing(flow: str, tmp_path: Path, field: str) -> None:
    root = str(tmp_path / "store")
    Deployer(flow, show_output=False, datastore_root=root).airflow().create("dags")
    store = open_store(root)
    artifacts = Artifacts(store)
    (key,) = [info.key for info in store.list("deployments/") if "/releases/" in info.key]
    release = decode_checksummed(store.get(key), key)
    plan = json.loads(artifacts.get_bytes(release["blobs"]["plan"], where=""))
    release["blobs"]["plan"] = artifacts.put_bytes(json.dumps({**plan, field: CHANGES[field]}).encode())
    store.put(key, encode_checksummed(release, key))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(PlanError):
        DeployedFlow.from_deployment("Talk", root)
    assert sorted(tmp_path.rglob("*")) == before
