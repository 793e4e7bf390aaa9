"""What users are told about production tokens, and what a refused deployment leaves: nothing."""

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from flow_sdk.cli.context import CommandContext
from flow_sdk.cli.main import find_command
from flow_sdk.cli.tokens import print_token
from flow_sdk.deploy.claims import KnownTokens
from flow_sdk.deploy.tokens import DeployAuthorizer
from flow_sdk.store.open_store import open_store
from tests.unit.cli.flow_file import FLOW, call, write

pytestmark = pytest.mark.slow  # starts processes or servers

PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
PLAIN = FLOW.replace("required=True", "default=2")
PROJECT = PLAIN.replace("JSONType, step", "JSONType, project, step").replace(
    "class T", '@project(name="models")\nclass T'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work" / "dags").mkdir(parents=True)
    write(tmp_path / "work", PLAIN)
    return tmp_path / "work"


def deploy(folder, who, *words, code=0, to="dags"):
    """Deploy as somebody, from a machine of their own; what is said on stderr."""
    own = {"FLOW_SDK_USER": who, "FLOW_SDK_HOME": str(folder.parent / who)}
    done = call(folder, "airflow", "create", to, *words, environment=own)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def token_of(said: str) -> str:
    return re.findall(r"--authorize=(\S+)$", said, re.MULTILINE)[0]


def contents(folder: Path) -> dict[str, bytes]:
    found = [path for path in folder.parent.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {str(path): path.read_bytes() for path in found if path.name != "~lasting"}


def test_the_first_deployment_says_what_the_token_is_for(folder):
    said = deploy(folder, "anne")
    token = token_of(said)
    assert "This is the first deployment of TrainFlow" in said
    assert f"\n  Namespace of its runs:  production:{token}\n" in said
    assert f'\n  In a notebook:          namespace("production:{token}")\n' in said
    assert f" airflow create {folder / 'dags'} --authorize={token}\n" in said
    assert f"# Flow TrainFlow, DAG TrainFlow, namespace production:{token}.\n" in (
        (folder / "dags" / "TrainFlow.py").read_text()
    )


def pasted(folder: Path, who: str, said: str) -> None:
    """Paste the line for others as somebody, on a machine without any settings."""
    line = next(line.partition(": ")[2].strip() for line in said.splitlines() if "--authorize=" in line)
    own = {"FLOW_SDK_USER": who, "FLOW_SDK_HOME": str(folder.parent / who)}
    done = subprocess.run(
        ["sh", "-c", line], cwd=folder, env={**os.environ, "PATH": PATH, **own}, capture_output=True, text=True
    )
    assert done.returncode == 0 and "up to date" in done.stderr, f"{line}\n{done.stderr}"
    assert "first deployment" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--datastore-root", "a store", "--name", "x", "--tag", "two words", "--tag=--a", "--max-workers", "3"),
        ("--with", "retry:times=2", "--no-is-paused-upon-creation", "--namespace=", "--worker-pool", "$(x)"),
    ],
)
def test_the_line_for_others_can_be_pasted(folder, words):
    pasted(folder, "bob", deploy(folder, "anne", *words))


def test_the_line_for_others_holds_what_came_from_settings(folder, monkeypatch):
    monkeypatch.setenv("AIRFLOW_DAGS_FOLDER", "dags")
    monkeypatch.setenv("FLOW_SDK_AIRFLOW_DAGS_FOLDER", "dags")
    monkeypatch.setenv("FLOW_SDK_DATASTORE_SYSROOT_LOCAL", str(folder.parent / "elsewhere"))
    own = {"FLOW_SDK_USER": "anne", "FLOW_SDK_HOME": str(folder.parent / "anne")}
    said = call(folder, "airflow", "create", environment=own).stderr
    for name in ("AIRFLOW_DAGS_FOLDER", "FLOW_SDK_AIRFLOW_DAGS_FOLDER", "FLOW_SDK_DATASTORE_SYSROOT_LOCAL"):
        monkeypatch.delenv(name)
    pasted(folder, "bob", said)


def test_the_line_for_others_under_a_project_and_with_configs(folder):
    write(folder, PROJECT.replace("JSONType, project", "Config, JSONType, project").replace(
        "    folds =", '    settings = Config("settings")\n    folds ='
    ))  # fmt: skip
    configs = ("--config-value", "settings", '{"a": "b c"}')
    pasted(folder, "bob", deploy(folder, "anne", "--branch", "b", "--production", *configs))
    # Others who say the same deploy a branch of their own.
    said = deploy(folder, "anne", *configs)
    assert "For others" not in said and "On another machine:" in said


def test_the_line_for_others_on_step_functions(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["train.py"])
    gate = DeployAuthorizer("x", "anne", KnownTokens(str(folder), "x"))
    gate.check_token(None)
    words = ["--datastore-root", "s3://bucket/a", "step-functions", "create", "--name", "x", "--aws-batch-tag", "a=b c"]
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location("train", folder / "train.py"))
    monkeypatch.setitem(sys.modules, "train", module)
    module.__loader__.exec_module(module)
    name, parsed, _ = find_command(module.TrainFlow, words)
    print_token(CommandContext(module.TrainFlow, name, parsed), gate)
    line = capsys.readouterr().err.partition("to deploy: ")[2].splitlines()[0]
    python, file, *others = shlex.split(line)
    assert (python, file) == ("python", "train.py")
    again, parsed_again, _ = find_command(module.TrainFlow, others)
    assert again == name
    assert parsed_again.values == {**parsed.values, "authorize": gate.grant.token}


def test_again_by_the_same_person_nothing_is_said_and_the_file_is_the_same(folder):
    deploy(folder, "anne")
    before = contents(folder)
    said = deploy(folder, "anne")
    assert "token" not in said and "up to date" in said
    assert contents(folder) == before


def test_another_person_is_refused_until_authorized(folder):
    token = token_of(deploy(folder, "anne"))
    before = contents(folder)
    for words in ((), ("--generate-new-token",), ("--authorize", "x"), ("--authorize=",)):
        said = deploy(folder, "bob", *words, code=1)
        assert "TrainFlow is deployed under a production token of anne. Nothing was changed." in said
        assert "Ask anne for it" in said and token not in said
    assert contents(folder) == before
    deploy(folder, "bob", "--authorize", token)
    deploy(folder, "bob")


def test_on_another_machine_of_ones_own(folder):
    token = token_of(deploy(folder, "anne"))
    laptop = {"FLOW_SDK_USER": "anne", "FLOW_SDK_HOME": str(folder.parent / "laptop")}
    done = call(folder, "airflow", "create", "dags", environment=laptop)
    assert done.returncode == 1 and "You made it on another machine. It follows 'production:' in what" in done.stderr
    assert "Ask" not in done.stderr and token not in done.stderr
    # What create prints, and the runs' tag, is taken as the token.
    printed = deploy(folder, "anne").partition("runs are in ")[2].partition(".\n")[0]
    assert printed == f"production:{token}"
    assert call(folder, "airflow", "create", "dags", "--authorize", printed, environment=laptop).returncode == 0


def without_home(folder, *words, code=0, **environment):
    """Deploy from a job of a CI, whose home is no folder."""
    own = {"FLOW_SDK_USER": "ci", "HOME": "/dev/null", "FLOW_SDK_HOME": "", **environment}
    done = call(folder, "airflow", "create", "dags", *words, environment=own)
    assert done.returncode == code, done.stderr
    return done.stderr


def test_a_job_without_a_home_brings_the_token(folder):
    token = token_of(deploy(folder, "anne"))
    assert "machine holds no token" in without_home(folder, code=1)
    said = without_home(folder, "--authorize", token)
    assert "This machine can't keep the token (Not a directory, /dev/null/.flow_sdk/tokens" in said
    for given in (token, f"production:{token}", f"other-0-x {token}", f"other-0-x,\n{token}"):
        assert "keep" not in without_home(folder, FLOW_SDK_AUTHORIZE=given)
    # What the command line says comes first, and a wrong token is refused.
    assert "another token with --authorize" in without_home(folder, "--authorize=x", FLOW_SDK_AUTHORIZE=token, code=1)
    assert "another token with --authorize" in without_home(folder, FLOW_SDK_AUTHORIZE="x", code=1)


def test_a_token_from_the_environment_is_not_kept(folder):
    token = token_of(deploy(folder, "anne"))
    own = {"FLOW_SDK_USER": "ci", "FLOW_SDK_HOME": str(folder.parent / "ci"), "FLOW_SDK_AUTHORIZE": token}
    assert call(folder, "airflow", "create", "dags", environment=own).returncode == 0
    assert not (folder.parent / "ci").exists()


def test_a_first_deployment_needs_a_machine_that_keeps_the_token(folder):
    before = contents(folder)
    said = without_home(folder, code=1)
    assert "can't be kept on this machine" in said and "FLOW_SDK_HOME" in said
    assert "has never been deployed" in without_home(folder, FLOW_SDK_AUTHORIZE="x", code=1)
    assert {path: text for path, text in contents(folder).items() if "/.flow_sdk/" not in path} == before
    assert not list((folder / "dags").iterdir())


def test_a_new_token(folder):
    old = token_of(deploy(folder, "anne"))
    deploy(folder, "bob", "--authorize", old)
    said = deploy(folder, "anne", "--generate-new-token")
    assert "TrainFlow has a new production token; the old one no longer counts" in said and token_of(said) != old
    assert f"production:{token_of(said)}." in deploy(folder, "anne")
    said = deploy(folder, "bob", code=1)
    assert "a token that anne has replaced by a new one" in said


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--tag", "x" * 101), 1),
        (("--with", "rety"), 2),
        (("--airflow-url", "http://127.0.0.1:9"), 1),
        (("--airflow-url", "localhost"), 2),
        (("--name", "a/b"), 1),
    ],
)
def test_everything_else_is_checked_before_a_token_is_made(folder, words, code):
    before = contents(folder)
    deploy(folder, "anne", *words, code=code)
    assert contents(folder) == before


def test_a_place_that_cannot_be_written_makes_no_token(folder):
    before = contents(folder)
    deploy(folder, "anne", to="nowhere", code=1)
    deploy(folder, "anne", to="train.py", code=1)
    assert contents(folder) == before


def test_names_and_projects(folder):
    write(folder, PROJECT)
    said = deploy(folder, "anne", "--name", "mine", code=2)
    assert "--name can't be used with @project" in said
    deploy(folder, "anne"), deploy(folder, "bob"), deploy(folder, "bob", "--production")
    assert {path.name for path in (folder / "dags").iterdir()} == {
        "models.user.anne.TrainFlow.py",
        "models.user.bob.TrainFlow.py",
        "models.prod.TrainFlow.py",
    }


def test_flows_of_a_project_that_were_deployed_by_an_earlier_release(folder):
    before = json.loads((Path(__file__).parents[1] / "deploy" / "deployed_before.json").read_text())
    store = open_store(str(folder / "store"))
    for key, text in before["objects"].items():
        store.put(key, text.encode())
    for file, token in before["tokens"].items():
        path = folder.parent / "anne" / "tokens" / file
        path.parent.mkdir(parents=True)
        path.write_text(token)
    tokens = {token.split("-")[2].capitalize(): token for token in before["tokens"].values()}
    for flow in ("Train", "Predict", "Report"):
        text = PROJECT.replace('"models"', '"prices"').replace("TrainFlow", flow)
        write(folder, text, f"{flow.lower()}.py")

    def create(flow: str, *words: str, code: int = 0) -> str:
        own = {"FLOW_SDK_USER": "anne", "FLOW_SDK_HOME": str(folder.parent / "anne")}
        line = ("--production", "--datastore-root", "store", "airflow", "create", "dags", *words)
        done = call(folder, *line, environment=own, file=f"{flow.lower()}.py")
        assert done.returncode == code, done.stderr
        return done.stderr

    assert "share one production token from now on, and have 2" in create("Report", code=1)
    said = create("Train")
    assert "All flows of prices.prod share one production token from now on: that of prices.prod.Train" in said
    assert "Deployed under tokens of their own until their next create: prices.prod.Predict." in said
    said = create("Predict")
    assert f"the earlier ones stay in production:{tokens['Predict']}" in said
    create("Report")
    for flow in ("Train", "Predict", "Report"):
        assert f"namespace production:{tokens['Train']}." in (folder / "dags" / f"prices.prod.{flow}.py").read_text()
    assert "All flows" not in create("Train") and "of its own" not in create("Predict")


def test_a_user_with_a_hostile_name(folder):
    write(folder, PROJECT)
    deploy(folder, "anne")
    own = {
        "FLOW_SDK_USER": "../../\u202eA.b/\n\x1b[2J'\"{{ x }}" + "y" * 300,
        "FLOW_SDK_HOME": str(folder.parent / "h"),
    }
    done = call(folder, "airflow", "create", "dags", environment=own)
    assert done.returncode == 0, done.stderr
    names = [path.name for path in (folder / "dags").iterdir()]
    assert len(names) == 2 and all(re.fullmatch(r"models\.user\.[a-z0-9_]+\.TrainFlow\.py", name) for name in names)
    assert sorted(os.listdir(folder.parent)) == ["anne", "h", "work"]


def test_the_empty_namespace_is_the_global_one_wherever_it_is_given(folder):
    said = deploy(folder, "anne", "--namespace", "")
    assert f"runs are in production:{token_of(said)}." in said
    text = (folder / "dags" / "TrainFlow.py").read_text()
    assert "\"namespace\": ''," in text and f"\"tags\": ['production:{token_of(said)}']" in text


def test_with_a_namespace_of_ones_own_runs_are_in_both(folder):
    token = token_of(deploy(folder, "anne", "--namespace", "user:anne"))
    text = (folder / "dags" / "TrainFlow.py").read_text()
    assert "\"namespace\": 'user:anne'" in text and f"\"tags\": ['production:{token}']" in text
