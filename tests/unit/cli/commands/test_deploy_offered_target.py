"""The commands of a target that another distribution offers: made from the port alone."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from flow_sdk import DeployedFlow, Deployer
from flow_sdk.errors import DeployError, RunFailed, UsageError
from flow_sdk.testing.fake_target import FILE_VARIABLE, FakeOrchestrator
from tests.support.offered_target import install_target
from tests.unit.cli.flow_file import FLOW, call, write

pytestmark = pytest.mark.slow  # starts processes or servers


class Shop:
    """A folder with a flow file, the distribution on the path, and an orchestrator in a file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.site = folder / "work", install_target(folder / "site")
        self.folder.mkdir()
        write(self.folder, FLOW.replace("required=True", "default=2"))
        self.file = folder / "orchestrator.json"
        self.orchestrator = FakeOrchestrator(str(self.file))

    def call(self, *words: str, code: int = 0, **environment: str) -> "subprocess.CompletedProcess[str]":
        path = os.pathsep.join(filter(None, (str(self.site), os.environ.get("PYTHONPATH"))))
        variables = {"PYTHONPATH": path, FILE_VARIABLE: str(self.file), **environment}
        done = call(self.folder, *words, environment=variables)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_the_help(shop: Shop) -> None:
    done = shop.call("fake", "--help")
    verbs = ("create", "trigger", "list-runs", "status", "terminate", "pause", "delete")
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("  fake ")] == list(verbs)
    assert shop.call("help", "fake").stdout == done.stdout
    text = shop.call("fake", "create", "--help").stdout
    assert "Deploy the flow to the fake orchestrator." in text and "--dry-run" in text and "--output text|json" in text
    assert "fake" not in shop.call("--help").stdout
    refused = shop.call("fake", code=2).stderr
    assert "create or trigger or list-runs or status or terminate or pause or delete" in refused
    assert "Did you mean 'create'?" in shop.call("fake", "crate", code=2).stderr


def test_without_the_distribution_there_is_no_such_command(shop: Shop) -> None:
    done = call(shop.folder, "fake", "create")
    assert done.returncode == 2 and "There's no command 'fake'." in done.stderr


def test_from_create_to_delete(shop: Shop) -> None:
    done = shop.call("fake", "create", "--tag", "nightly")
    assert done.stdout == "fake://TrainFlow\n"
    assert "TrainFlow is written; runs are in production:trainflow-0-" in done.stderr
    token = done.stderr.partition("--authorize=")[2].split()[0]
    assert shop.orchestrator.read_objects("definitions")["TrainFlow"]["tags"] == ["nightly"]
    assert "up to date" in shop.call("fake", "create", "--tag", "nightly").stderr
    run = shop.call("fake", "trigger", "--run-id", "one", "--folds", "3")
    assert run.stdout == "fake-one\n" and "fake status fake-one" in run.stderr
    assert shop.orchestrator.read_objects("runs")["one"]["parameters"] == {"folds": 3}
    assert "There is a run fake-one" in shop.call("fake", "trigger", "--run-id", "one", code=1).stderr
    shop.call("fake", "trigger")
    listed = shop.call("fake", "list-runs")
    assert [line.split()[:2] for line in listed.stdout.splitlines()] == [
        ["fake-run-1", "RUNNING"],
        ["fake-one", "RUNNING"],
    ]
    assert listed.stderr.splitlines()[0].split() == ["RUN", "STATUS", "STARTED", "(UTC)", "TOOK", "NUMBER"]
    assert "no failed runs" in shop.call("fake", "list-runs", "--failed").stderr
    status = shop.call("fake", "status").stdout
    assert status.startswith("Definition     TrainFlow (active)\n") and "fake-one" in status
    bob = {"FLOW_SDK_USER": "bob", "FLOW_SDK_HOME": str(shop.folder.parent / "bob")}
    assert "production token of tester" in shop.call("fake", "terminate", "fake-one", code=1, **bob).stderr
    assert shop.call("fake", "terminate", "fake-one").stdout == "fake-one\n"
    assert "isn't running" in shop.call("fake", "terminate", "fake-one", code=1).stderr
    assert shop.call("fake", "pause", "--authorize", token, **bob).stdout == "TrainFlow\n"
    assert "is paused" in shop.call("fake", "trigger", code=1).stderr
    done = shop.call("fake", "delete")
    assert done.stdout == "fake://TrainFlow\n"
    assert "Stopping the run fake-run-1." in done.stderr
    assert "Deleted: the definition, the claim on its name in the fake orchestrator." in done.stderr
    assert shop.orchestrator.read_objects("definitions") == {} == shop.orchestrator.read_objects("claims")
    again = shop.call("fake", "delete")
    assert again.stdout == "" and "isn't deployed to the fake orchestrator; there was nothing to delete" in again.stderr
    assert "isn't deployed" in shop.call("fake", "status", code=1).stderr


def test_what_programs_read(shop: Shop) -> None:
    made = json.loads(shop.call("fake", "create", "--output", "json", "--name", "other").stdout)
    assert {name: made[name] for name in ("target", "name", "flow", "result", "is_changed")} == {
        "target": "fake",
        "name": "other",
        "flow": "TrainFlow",
        "result": "fake://other",
        "is_changed": True,
    }
    assert made["namespace"].startswith("production:other-0-") and made["details"] == {"address": "fake://other"}
    shop.call("fake", "trigger", "--name", "other", "--run-id", "one")
    listed = json.loads(shop.call("fake", "list-runs", "--name", "other", "--output", "json").stdout)
    assert (listed["target"], listed["name"]) == ("fake", "other")
    (run,) = listed["runs"]
    assert set(run) == {"run", "name", "status", "is_running", "started", "stopped"}
    assert (run["run"], run["name"], run["status"], run["is_running"]) == ("fake-one", "one", "RUNNING", True)
    status = json.loads(shop.call("fake", "status", "--name", "other", "--output", "json").stdout)
    assert status["details"] == {"state": "active"} and status["runs"] == [run]
    shop.orchestrator.end_run("one", "FAILED", "no such image")
    one = json.loads(shop.call("fake", "status", "fake-one", "--name", "other", "--output", "json").stdout)["run"]
    assert one["status"] == "FAILED" and one["stopped"] is not None and one["log_lines"] == ["no such image"]
    assert one["details"] == {"parameters": {}, "cause": "no such image"}
    assert (
        json.loads(shop.call("fake", "list-runs", "--succeeded", "--name", "other", "--output=json").stdout)["runs"]
        == []
    )


def test_a_run_that_failed_before_it_began(shop: Shop) -> None:
    shop.call("fake", "create")
    shop.call("fake", "trigger", "--run-id", "one")
    shop.orchestrator.end_run("one", "FAILED", "no such\nimage")
    assert "  it never began: no such image" in shop.call("fake", "list-runs").stderr
    text = shop.call("fake", "status", "fake-one").stdout
    assert "Cause          no such\nimage" in text
    assert text.endswith("\nThe end of the failed job's log:\nno such\nimage\n")


def test_what_create_would_do(shop: Shop) -> None:
    rendered = json.loads(shop.call("fake", "create", "--only-json").stdout)
    assert rendered["steps"] == ["start", "fit", "join", "end"]
    text = shop.call("fake", "create", "--dry-run").stdout
    assert "this is what create would do. Nothing was written." in text and "would be made" in text
    preview = json.loads(shop.call("fake", "create", "--dry-run", "--output", "json").stdout)
    assert preview["rows"] == [["definition", "TrainFlow: would be made"]]
    assert not shop.file.exists()


def test_the_doctor_checks_it(shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from flow_sdk.cli.console import execute_console

    monkeypatch.chdir(shop.folder)
    monkeypatch.syspath_prepend(str(shop.site))
    execute_console(["doctor"])
    assert "fake orchestrator: FLOW_SDK_FAKE_ORCHESTRATOR isn't set" in capsys.readouterr().out
    monkeypatch.setenv(FILE_VARIABLE, str(shop.file))
    execute_console(["doctor"])
    assert f"ok             fake orchestrator: {shop.file}" in capsys.readouterr().out


def test_the_deployer(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop.folder)
    monkeypatch.syspath_prepend(str(shop.site))
    store = str(shop.folder / "store")
    env = {"PYTHONPATH": str(shop.site), FILE_VARIABLE: str(shop.file)}
    deployer = Deployer("train.py", show_output=False, env=env, datastore_root=store)
    made = deployer.fake(name="other").create(max_workers=3)
    assert type(made).__name__ == "FakeDeployedFlow" and isinstance(made, DeployedFlow)
    assert (made.name, made.flow_name, made.address) == ("other", "TrainFlow", "fake://other")
    assert shop.orchestrator.read_objects("definitions")["other"]["max_workers"] == 3
    run = made.trigger(run_id="one", names=["a", "b"])
    assert type(run).__name__ == "FakeTriggeredRun" and (run.run_id, run.status) == ("fake-one", "pending")
    assert shop.orchestrator.read_objects("runs")["one"]["parameters"] == {"names": ["a", "b"]}
    assert [one.run_id for one in made.list_runs(["RUNNING"])] == ["fake-one"] and made.list_runs(["FAILED"]) == []
    shop.orchestrator.end_run("one", "FAILED", "no such image")
    assert run.status == "failed"
    with pytest.raises(RunFailed, match="ended before its first step began"):
        run.wait_for_run(timeout=60)
    with pytest.raises(DeployError, match="isn't running") as refused:
        run.terminate()
    assert refused.value.seen == "FAILED"
    with pytest.raises(UsageError, match="only_json"):
        deployer.fake().create(only_json=True)
    with pytest.raises(UsageError, match="no option 'target'"):
        deployer.fake().create(target="dags")
    with pytest.raises(AttributeError, match="no attribute 'fakes'"):
        deployer.fakes()
    with pytest.raises(AttributeError, match="no attribute 'file'"):
        _ = made.file
    monkeypatch.setenv(FILE_VARIABLE, str(shop.file))
    monkeypatch.setenv("PYTHONPATH", str(shop.site))
    found = DeployedFlow.from_fake("other", store)
    assert type(found) is type(made) and found.trigger().run_id == "fake-run-1"
    assert [one.name for one in DeployedFlow.list_deployed_flows(metadata=store)] == ["other"]
    assert DeployedFlow.get_triggered_fake_run("other", "fake-one", store).pathspec == run.pathspec
    assert made.delete() is True and made.delete() is False
