"""Where a DAG file goes: forms of the target, what stands in the way, nothing half-written."""

import os
from pathlib import Path

import pytest

from flow_sdk.deploy.airflow.dag_file import FIRST_LINE
from flow_sdk.deploy.airflow.dag_location import check_holds, open_location
from flow_sdk.errors import DeployError
from tests.support.fake_gcs import FakeGcsServer
from tests.support.moto import MotoServer

pytestmark = pytest.mark.slow  # starts processes or servers

TEXT = f"{FIRST_LINE}\nx = 1\n"


def test_a_folder_gets_a_file_named_after_the_dag(tmp_path: Path) -> None:
    place = open_location(str(tmp_path), "a.b")
    assert place.write_file(TEXT) is True
    assert place.name == str(tmp_path / "a.b.py")
    assert (tmp_path / "a.b.py").read_text() == TEXT and os.listdir(tmp_path) == ["a.b.py"]
    assert (tmp_path / "a.b.py").stat().st_mode & 0o777 == 0o644


def test_the_same_text_is_not_written_again(tmp_path: Path) -> None:
    assert open_location(str(tmp_path / "x.py"), "F").write_file(TEXT) is True
    before = (tmp_path / "x.py").stat().st_mtime_ns
    assert open_location(str(tmp_path / "x.py"), "F").write_file(TEXT) is False
    assert (tmp_path / "x.py").stat().st_mtime_ns == before
    assert open_location(str(tmp_path / "x.py"), "F").write_file(TEXT + "\n") is True


@pytest.mark.parametrize("target", ["nowhere", "nowhere/x.py", "ftp://bucket/x.py", "memory://x.py", "s3://", "x.txt"])
def test_a_place_that_is_not_there_is_refused(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DeployError):
        open_location(target, "F")
    assert os.listdir(tmp_path) == []


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text("print('mine')")
    with pytest.raises(DeployError, match="didn't write"):
        open_location(str(tmp_path / "flow.py"), "F")
    assert (tmp_path / "flow.py").read_text() == "print('mine')"


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_location(str(tmp_path), "F").write_file(TEXT)
    place = open_location(str(tmp_path), "F")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DeployError, match="can't be written"):
        place.write_file(TEXT + "more")
    assert (tmp_path / "F.py").read_text() == TEXT and os.listdir(tmp_path) == ["F.py"]


def test_a_file_is_removed_once(tmp_path: Path) -> None:
    open_location(str(tmp_path), "F").write_file(TEXT)
    assert open_location(str(tmp_path), "F").remove_file() is True
    assert os.listdir(tmp_path) == []
    assert open_location(str(tmp_path), "F").remove_file() is False


@pytest.mark.parametrize(
    ("second", "seen"),
    [
        ("# Flow F, DAG other, namespace x.", "the file of DAG other"),
        ("# Flow F, DAG a.b2, namespace x.", "the file of DAG a.b2"),
        ("x = 1", "no DAG's name"),
    ],
)
def test_a_file_of_another_deployment_is_told_from_ours(tmp_path: Path, second: str, seen: str) -> None:
    file = tmp_path / "x.py"
    file.write_text(f"{FIRST_LINE}\n{second}\n")
    with pytest.raises(DeployError, match=r"isn't that of a\.b") as raised:
        check_holds(open_location(str(file), "a.b"), "a.b")
    assert seen in str(raised.value) and file.exists()
    file.write_text(f"{FIRST_LINE}\n# Flow F, DAG a.b, namespace x.\n")
    check_holds(open_location(str(file), "a.b"), "a.b")
    check_holds(open_location(str(tmp_path / "none.py"), "a.b"), "a.b")


@pytest.fixture(scope="module")
def moto():
    with MotoServer("dags") as server:
        yield server


def test_s3_takes_the_file_and_says_what_is_missing(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in moto.env().items():
        monkeypatch.setenv(name, value)
    place = open_location("s3://dags/folder/", "F")
    assert place.name == "s3://dags/folder/F.py"
    assert place.write_file(TEXT) is True
    assert open_location("s3://dags/folder", "F").write_file(TEXT) is False
    assert open_location("s3://dags/folder/F.py", "other").write_file(TEXT + "\n") is True
    with pytest.raises(DeployError, match="can't be put into S3"):
        open_location("s3://no-such-bucket/folder", "F")
    assert open_location("s3://dags/folder", "F").remove_file() is True
    assert open_location("s3://dags/folder", "F").remove_file() is False


@pytest.mark.gcs
def test_google_cloud_storage_takes_the_file_as_cloud_composer_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeGcsServer("composer") as server:
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        location = open_location("gs://composer/dags", "F")
        assert location.name == "gs://composer/dags/F.py"
        assert location.write_file(TEXT) is True
        assert open_location("gs://composer/dags/F.py", "other").write_file(TEXT) is False
        with pytest.raises(DeployError, match="can't be put into Google Cloud Storage"):
            open_location("gs://no-such-bucket/folder", "F")
        assert open_location("gs://composer/dags", "F").remove_file() is True
        assert open_location("gs://composer/dags", "F").remove_file() is False
