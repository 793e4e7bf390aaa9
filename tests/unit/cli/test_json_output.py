"""``--output json``: one document on stdout, with stable fields, for results and errors alike."""

import json
import os
import subprocess
import sys

import pytest

from flow_sdk.cli.command_end import ErrorReporter, run_guarded
from flow_sdk.cli.console import execute_console
from flow_sdk.cli.json_output import asks_for_json
from flow_sdk.cli.registry import load_command
from flow_sdk.errors import AwsError, FlowSDKError, NotFound, ParameterError, error_from_data
from tests.unit.cli.flow_file import FLOW, call, write

pytestmark = pytest.mark.slow  # starts processes or servers

ERROR_FIELDS = ["kind", "headline", "seen", "wanted", "where", "help"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("flow")
    write(made)
    write(made, FLOW.replace("self.next(self.end)", "self.next(self.nowhere)"), "wrong.py")
    done = call(made, "run", "--folds", "2", "--run-id-file", "id", "--tag", "nightly")
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(scope="module")
def run(folder):
    return (folder / "id").read_text()


def result(folder, *arguments, code=0, file="train.py"):
    """Return the one document that a command prints."""
    done = call(folder, *arguments, file=file)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "name",
    [
        *("check", "show", "dump", "logs", "tag list", "package info", "package list", "batch list"),
        *("airflow create", "airflow list-runs", "airflow status"),
        *("step-functions create", "step-functions list-runs", "step-functions status"),
    ],
)
def test_every_command_that_shows_something_takes_the_option(name):
    (option,) = [option for option in load_command(name).options if option.name == "output"]
    assert option.choices == ("text", "json")


def test_show(folder):
    found = result(folder, "show", "--output", "json")
    assert list(found) == ["flow", "doc", "steps", "loops"]
    assert [step["name"] for step in found["steps"]] == ["start", "fit", "join", "end"]
    assert found == result(folder, "show", "--format", "json")
    error = result(folder, "show", "--output", "json", "--format", "svg", code=2)["error"]
    assert error["seen"] == "--format svg"


def test_check(folder):
    assert result(folder, "check", "--output", "json") == {"flow": "TrainFlow", "diagnostics": []}
    found = result(folder, "check", "--output", "json", code=1, file="wrong.py")
    assert found["flow"] == "TrainFlow"
    first = found["diagnostics"][0]
    assert list(first) == ["code", "message", "file", "line", "column", "end_column", "source", "help"]
    assert first["code"].startswith("FS") and first["line"] > 0 and "nowhere" in first["source"]


def test_dump(folder, run):
    found = result(folder, "dump", f"{run}/fit", "--output", "json", "--include", "score,names")
    assert found["flow"] == "TrainFlow"
    assert [task["task"].rpartition("/")[0] for task in found["tasks"]] == [f"TrainFlow/{run}/fit"] * 2
    assert [task["attempt"] for task in found["tasks"]] == [0, 0]
    score = found["tasks"][1]["artifacts"][1]
    assert score == {"name": "score", "type": "builtins.int", "size": score["size"], "value": "10"}
    (task,) = result(folder, "dump", f"{run}/end", "--output", "json", "--max-value-size", "0")["tasks"]
    assert {artifact["value"] for artifact in task["artifacts"]} == {None}
    assert "_hidden" not in {artifact["name"] for artifact in task["artifacts"]}


def test_logs(folder, run):
    found = result(folder, "logs", f"{run}/fit", "--output", "json")
    lines = [line for task in found["tasks"] for line in task["lines"]]
    assert [line["text"] for line in lines if line["stream"] == "stdout"] == ["fitting 0", "fitting 1"]
    assert all(list(line) == ["time", "stream", "text"] and line["time"].endswith("Z") for line in lines)
    (task, *_) = result(folder, "logs", f"{run}/fit", "--stderr", "--output", "json")["tasks"]
    assert [line["text"] for line in task["lines"]] == ["careful"]


def test_tags(folder, run):
    (found,) = result(folder, "tag", "list", run, "--output", "json")["runs"]
    assert found["run"] == run and found["tags"] == ["nightly"] and "runtime:local" in found["system_tags"]


def test_package(folder):
    found = result(folder, "package", "info", "--output", "json")
    assert found["root"] == str(folder) and found["file"] == "train.py" and len(found["sha256"]) == 64
    listed = result(folder, "package", "list", "--output", "json")
    assert {"name": "train.py", "path": str(folder / "train.py"), "size": (folder / "train.py").stat().st_size} in (
        listed["files"]
    )
    assert len(listed["files"]) == found["files"]


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (("dump", "gone", "--output=json"), 1, "NotFound"),
        (("run", "--output", "json"), 2, "ParameterError"),
        (("run", "--output", "json", "--folds", "x"), 2, "ParameterError"),
        (("check", "--output", "json", "--bogus"), 2, "UsageError"),
        (("show", "--output", "json", "more"), 2, "UsageError"),
    ],
)
def test_an_error_is_an_object_with_the_same_exit_code(folder, arguments, code, kind):
    error = result(folder, *arguments, code=code)["error"]
    assert list(error) == ERROR_FIELDS
    assert error["kind"] == kind and error["headline"]
    text = call(folder, *arguments).stderr
    assert error["headline"] in text, "users read it on stderr all the same"


def test_a_parameter_that_is_called_output_asks_for_nothing(folder):
    write(folder, FLOW.replace('names = Parameter("names"', 'output = Parameter("output"'), "named.py")
    done = call(folder, "airflow", "trigger", "--output", "json", "--folds", "2", file="named.py")
    assert done.returncode != 0 and done.stdout == ""


@pytest.mark.parametrize("output", [["train.py", "dump", "nope"], ["train.py", "check", "--bogus"]])
@pytest.mark.parametrize("streams", ["stdout", "stdout and stderr"])
def test_an_error_that_nobody_reads_keeps_its_exit_code(folder, output, streams):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, *output, "--output", "json"],
        cwd=folder,
        stdout=writer,
        stderr=subprocess.PIPE if streams == "stdout" else writer,
        text=True,
        check=False,
    )
    os.close(writer)
    assert done.returncode == (1 if "dump" in output else 2)
    assert streams != "stdout" or (done.stderr.startswith("error: ") and "Traceback" not in done.stderr)


def test_a_mistake_of_ours_is_an_object_too(capsys):
    def broken():
        raise TypeError("not an int")

    assert run_guarded(broken, ErrorReporter(["doctor", "--json"])) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["kind"], error["headline"]) == ("FlowSDKError", "TypeError: not an int")


@pytest.mark.parametrize(
    ("argv", "asks"),
    [
        (["show", "--output", "json"], True),
        (["--output=json", "show"], True),
        (["doctor", "--json"], True),
        (["show", "--output", "text"], False),
        (["show", "--output"], False),
        (["run", "--", "--output", "json"], False),
        ([], False),
    ],
)
def test_what_asks_for_json(argv, asks):
    assert asks_for_json(argv) is asks


def test_an_error_survives_the_way_through_data():
    for error in (
        NotFound("No.", seen="a", where="b"),
        ParameterError("Wrong.", wanted="c", help="d"),
        AwsError("Refused.", code="AccessDenied"),
    ):
        again = error_from_data(json.loads(json.dumps(error.as_data())))
        assert type(again) is type(error) and again.__dict__ == error.__dict__
    assert type(error_from_data({"kind": "TakenOver", "headline": "Later."})) is FlowSDKError
    assert type(error_from_data({"kind": "annotations", "headline": "No class."})) is FlowSDKError


class Refused(NotFound):
    """An error of another module."""


def test_the_kind_is_always_one_of_the_tree():
    assert Refused("No.").as_data()["kind"] == "NotFound"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOW_SDK_HOME", str(tmp_path / "home"))
    return tmp_path


def test_status(home, capsys):
    execute_console(["configure", "USER=anne", "AIRFLOW_TOKEN=very-secret", "AIRFLOW_URL=http://bob:pw@host"])
    capsys.readouterr()
    assert execute_console(["status", "--output", "json"]) == 0
    text = capsys.readouterr().out
    found = json.loads(text)
    assert list(found) == ["version", "python", "platform", "settings_file", "settings", "user", "store", "store_error"]
    assert found["settings"]["USER"] == {"value": "anne", "source": str(home / "home" / "config.json")}
    assert found["settings"]["ISOLATION"] == {"value": None, "source": "not set"}
    assert (found["user"], found["store"], found["store_error"]) == ("anne", str(home / ".flow_sdk"), None)
    assert "very-secret" not in text and "pw" not in text
    assert execute_console(["configure", "show", "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"] == found["settings"]


def test_the_doctor_and_the_store(home, capsys, monkeypatch):
    write(home)
    assert call(home, "run", "--folds", "1").returncode == 0
    for arguments in (["doctor"], ["store", "check"], ["store", "gc"]):
        found = []
        for words in (["--output", "json"], ["--json"]):
            execute_console([*arguments, *words])
            found.append(json.loads(capsys.readouterr().out))
        assert list(found[0]) == list(found[1])
    assert found[0]["store"] == f"file://{home}/.flow_sdk"


def test_version_takes_no_such_option(home, capsys):
    assert run_guarded(lambda: execute_console(["version", "--output", "json"]), ErrorReporter(sys.argv[1:])) == 2
    assert "There's no option '--output'" in capsys.readouterr().err
