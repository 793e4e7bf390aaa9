"""What users are told about production tokens, and what a refused deployment leaves: nothing."""

import os
import re
from pathlib import Path

import pytest

from tests.unit.cli.flow_file import FLOW, call, write

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
    return re.findall(r"--authorize (\S+)$", said, re.MULTILINE)[0]


def contents(folder: Path) -> dict[str, bytes]:
    found = [path for path in folder.parent.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {str(path): path.read_bytes() for path in found}


def test_the_first_deployment_says_what_the_token_is_for(folder):
    said = deploy(folder, "anne")
    token = token_of(said)
    assert "This is the first deployment of TrainFlow" in said
    assert f"\n  Namespace of its runs:  production:{token}\n" in said
    assert f'\n  In a notebook:          namespace("production:{token}")\n' in said
    assert f"python train.py airflow create --authorize {token}\n" in said
    assert f"# Flow TrainFlow, DAG TrainFlow, namespace production:{token}.\n" in (
        (folder / "dags" / "TrainFlow.py").read_text()
    )


def test_the_line_for_others_names_branch_and_store(folder):
    write(folder, PROJECT)
    said = deploy(folder, "anne", "--branch", "b", "--production", "--datastore-root", "a store")
    line = next(line for line in said.splitlines() if "--authorize" in line)
    assert "train.py --datastore-root 'a store' --branch b --production airflow create --authorize models-" in line


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


def test_with_a_namespace_of_ones_own_runs_are_in_both(folder):
    token = token_of(deploy(folder, "anne", "--namespace", "user:anne"))
    text = (folder / "dags" / "TrainFlow.py").read_text()
    assert "\"namespace\": 'user:anne'" in text and f"\"tags\": ['production:{token}']" in text
