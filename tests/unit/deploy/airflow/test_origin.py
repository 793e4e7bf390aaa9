"""The DAG file of another deployment is neither replaced nor deleted; one's own is, however its store is addressed."""

import re
import shutil
from pathlib import Path

import pytest

from flow_sdk.deploy.airflow.origin import is_same_store, read_origin
from tests.unit.cli.flow_file import FLOW, call, write

pytestmark = pytest.mark.slow  # starts processes or servers

PLAIN = FLOW.replace("required=True", "default=2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work" / "dags").mkdir(parents=True)
    write(tmp_path / "work", PLAIN)
    return tmp_path / "work"


def airflow(folder: Path, who: str, store: str, *words: str, code: int = 0) -> str:
    """Run ``airflow ...`` as somebody, from a machine of their own; what is said on stderr."""
    own = {"FLOW_SDK_USER": who, "FLOW_SDK_HOME": str(folder.parent / who)}
    done = call(folder, "--datastore-root", store, "airflow", *words, environment=own)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


def contents(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return sorted(path for path in found if path.name != "~lasting")


def refuse(folder: Path, who: str, store: str, *words: str) -> str:
    file = folder / "dags" / "TrainFlow.py"
    before = file.read_bytes()
    stored = contents(folder)
    said = airflow(folder, who, store, *words, code=1)
    assert file.read_bytes() == before
    assert contents(folder) == stored
    return said


def test_the_file_of_another_store_is_not_replaced(folder):
    airflow(folder, "alice", "one", "create", "dags")
    namespace = read_origin((folder / "dags" / "TrainFlow.py").read_text()).namespace
    for who in ("bob", "alice"):
        said = refuse(folder, who, "two", "create", "dags")
        assert "another deployment of alice. Nothing was changed." in said
        assert namespace.startswith("production:trainflow-0-") and namespace in said
        assert f"--datastore-root=file://{folder / 'one'}" in said
    assert not (folder / "two").exists()
    assert "another deployment" in refuse(folder, "bob", "two", "create", "dags", "--generate-new-token")


def test_the_file_of_another_store_is_not_deleted(folder):
    airflow(folder, "alice", "one", "create", "dags")
    assert "another deployment of alice" in refuse(folder, "bob", "two", "delete", "dags")
    (folder / "other").mkdir()
    airflow(folder, "bob", "two", "create", "other")
    assert "another deployment of alice" in refuse(folder, "bob", "two", "delete", "dags")
    assert "another deployment of alice" in refuse(folder, "bob", "two", "create", "dags")
    airflow(folder, "alice", "one", "delete", "dags")
    assert list((folder / "dags").iterdir()) == []


def test_a_deployment_without_a_token_on_either_side_is_told_by_its_store(folder):
    """As an earlier release wrote it: no token, no owner."""
    airflow(folder, "alice", "one", "create", "dags")
    file = folder / "dags" / "TrainFlow.py"
    text = re.sub(r"production:[\w-]+", "production:TrainFlow", file.read_text())
    text = re.sub(r'    "owner": .*\n', "", text)
    file.write_text(text)
    shutil.rmtree(folder / "one")
    assert "from the store file://" in refuse(folder, "bob", "two", "create", "dags")
    airflow(folder, "bob", "one", "create", "dags")


def test_a_store_that_was_emptied_does_not_hand_over_its_deployments(folder):
    airflow(folder, "alice", "one", "create", "dags")
    shutil.rmtree(folder / "one")
    assert "another deployment of alice" in refuse(folder, "bob", "one", "create", "dags")
    airflow(folder, "alice", "one", "create", "dags")


def test_the_same_store_by_another_address_goes_on(folder):
    airflow(folder, "alice", "one", "create", "dags")
    (folder / "link").symlink_to(folder / "one")
    for store in (f"{folder}/one/", f"file://{folder}/one", f"../{folder.name}/one", "link"):
        airflow(folder, "alice", store, "create", "dags")
    airflow(folder, "alice", "one", "create", "dags", "--generate-new-token")
    airflow(folder, "alice", "one", "create", "dags", "--namespace", "mine")
    (folder / "one").rename(folder / "moved")  # with its claims, it is the same store
    airflow(folder, "alice", "moved", "create", "dags", "--generate-new-token")
    airflow(folder, "alice", "moved", "delete", "dags")


def test_the_file_of_another_dag_is_not_replaced(folder):
    airflow(folder, "alice", "one", "create", "dags")
    said = refuse(folder, "alice", "one", "create", "--name", "other", "dags/TrainFlow.py")
    assert "isn't that of other. Nothing was changed." in said and "the file of DAG TrainFlow" in said


def test_addresses_of_one_store():
    assert is_same_store("s3://b/x", "s3://b/x/") and is_same_store("s3://b", "s3://b/")
    assert is_same_store("file:///a%2525b", "/a%25b")
    assert not is_same_store("s3://b/x", "s3://b/X") and not is_same_store("s3://b/x", "/b/x")


@pytest.mark.parametrize("text", ["", "x", '    "store": (((,\n', '    "store": 5,\n    "tags": {},\n'])
def test_a_damaged_file_says_nothing(text):
    origin = read_origin(text)
    assert (origin.dag, origin.store, origin.tokens) == (None, None, set())
