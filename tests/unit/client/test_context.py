"""Namespace, store and safe mode."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import flow_sdk
from flow_sdk import client
from flow_sdk.client import DataArtifact, Flow, Metaflow, Run, Step, Task
from flow_sdk.errors import ConfigError, NamespaceMismatch, SerializationError, StoreUnavailable
from tests.support.run_builder import Builder

pytestmark = pytest.mark.slow  # starts processes or servers


def test_the_default_namespace_is_the_users(flow: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.get_namespace() == "user:anne"
    monkeypatch.setenv("FLOW_SDK_USER", "will")
    assert client.get_namespace() == "user:will"
    assert client.namespace("user:bob") == client.get_namespace() == "user:bob"
    assert client.namespace(None) is None and client.get_namespace() is None
    assert client.default_namespace() == client.get_namespace() == "user:will"


def test_a_running_task_has_its_runs_namespace(flow: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOW_SDK_NAMESPACE", "production:token-1")
    assert client.get_namespace() == "production:token-1"
    monkeypatch.setenv("FLOW_SDK_NAMESPACE", "")
    assert client.get_namespace() is None


@pytest.mark.parametrize("everything", [None, ""])
def test_none_and_an_empty_namespace_are_the_global_one(flow: Builder, everything: str | None) -> None:
    flow.run("1", system_tags=("user:bob",))
    assert client.namespace(everything) is None and client.get_namespace() is None
    assert [run.id for run in Flow("Shapes")] == ["1"]


@pytest.mark.parametrize("bad", [5, b"user:x", "\ud800"])
def test_a_namespace_is_a_tag(flow: Builder, bad: object) -> None:
    with pytest.raises(ConfigError, match="namespace is a tag"):
        client.namespace(bad)  # type: ignore[arg-type]
    assert client.get_namespace() == "user:anne"


def test_a_namespace_filters_runs_and_flows(flow: Builder) -> None:
    flow.run("1", started=1.0)
    flow.run("2", started=2.0, system_tags=("production:p",))
    flow.run("3", started=3.0, tags=["x"])
    assert [run.id for run in Flow("Shapes")] == ["3", "1"]
    client.namespace("production:p")
    assert [run.id for run in Flow("Shapes")] == ["2"]
    client.namespace("x")
    assert [run.id for run in Flow("Shapes")] == ["3"]
    assert Metaflow().flows == [Flow("Shapes")]
    client.namespace(None)
    assert [run.id for run in Flow("Shapes")] == ["3", "2", "1"]
    client.namespace("user:nobody")
    assert Metaflow().flows == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: Run("Shapes/1"),
        lambda: Step("Shapes/1/start"),
        lambda: Task("Shapes/1/start/0"),
        lambda: DataArtifact("Shapes/1/start/0/items"),
        lambda: Flow("Shapes"),
        lambda: Flow("Shapes")["1"],
    ],
)
def test_what_is_outside_says_which_namespace_and_how_to_switch(flow: Builder, make: object) -> None:
    flow.whole_run("1", system_tags=("production:tok", "project:x"))
    with pytest.raises(NamespaceMismatch) as caught:
        make()  # type: ignore[operator]
    text = str(caught.value)
    assert "'user:anne'" in text and "production:tok" in text
    assert "namespace('production:tok')" in text and "namespace(None)" in text
    client.namespace("production:tok")
    assert make().is_in_namespace()  # type: ignore[operator]


def test_in_and_is_in_namespace(flow: Builder) -> None:
    flow.run("1")
    flow.run("2", system_tags=("user:bob",))
    shapes = Flow("Shapes")
    assert "2" in shapes and "3" not in shapes
    run = Run("Shapes/1")
    client.namespace("user:bob")
    assert not run.is_in_namespace()
    # What was found in one namespace keeps to it.
    assert [found.id for found in shapes] == ["1"]


def test_the_store_can_be_chosen_in_every_form(flow: Builder, tmp_path: Path) -> None:
    Builder(str(tmp_path / "a b%41")).whole_run()
    where = str(tmp_path / "a b%41")
    for form in (where, f"local@{where}", "file://" + where.replace("%", "%25")):
        assert client.metadata(form) == client.get_metadata() == f"local@{where}"
        assert Run("Shapes/1").successful
    assert client.metadata("s3@bucket/some/prefix") == client.metadata("s3://bucket/some/prefix")
    assert client.get_metadata() == "s3@bucket/some/prefix"
    assert client.default_metadata() == client.get_metadata()
    assert client.get_metadata().startswith("memory://")


def test_objects_keep_to_the_store_they_were_found_in(flow: Builder, tmp_path: Path) -> None:
    flow.whole_run()
    run = Run("Shapes/1")
    Builder(str(tmp_path)).run("1")
    client.metadata(str(tmp_path))
    assert run.data is not None and run.data.result == {"ok": True}
    assert Run("Shapes/1").data is None
    assert run != Run("Shapes/1")


@pytest.mark.parametrize("bad", ["", "service@elsewhere", "local@", "s3@", None, 5, b"s3@bucket"])
def test_a_store_that_is_none(flow: Builder, bad: object) -> None:
    with pytest.raises(ConfigError, match="names no store"):
        client.metadata(bad)  # type: ignore[arg-type]
    assert client.get_metadata().startswith("memory://")


@pytest.mark.parametrize(
    ("word", "said"), [("service", "no metadata service"), ("nonsense", "no such folder"), ("s3", "where in S3")]
)
def test_a_word_that_names_no_store_is_refused_at_once(
    flow: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=said) as caught:
        client.metadata(word)
    assert "--" not in str(caught.value)
    assert client.get_metadata().startswith("memory://")


def test_a_kind_alone_is_the_store_of_that_kind_in_the_settings(
    flow: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAFLOW_DATASTORE_SYSROOT_S3", "s3://bucket/prefix")
    monkeypatch.setenv("FLOW_SDK_DATASTORE_SYSROOT_LOCAL", str(tmp_path / "kept"))
    assert client.metadata("s3") == "s3@bucket/prefix"
    assert client.metadata("local") == f"local@{tmp_path}/kept"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    assert client.metadata("results") == f"local@{tmp_path}/results"


@pytest.mark.parametrize("form", ["local@{}", "{}"])
def test_the_folder_of_a_flow_names_the_store_below_it(flow: Builder, tmp_path: Path, form: str) -> None:
    Builder(str(tmp_path / "shop" / ".flow_sdk")).run("7")
    assert client.metadata(form.format(tmp_path / "shop")) == f"local@{tmp_path}/shop/.flow_sdk"
    assert [run.id for run in Flow("Shapes")] == ["7"]
    assert client.metadata(form.format(tmp_path / "shop" / ".flow_sdk")) == f"local@{tmp_path}/shop/.flow_sdk"
    Builder(str(tmp_path / "shop")).run("8")  # a store in the folder itself comes first
    assert client.metadata(form.format(tmp_path / "shop")) == f"local@{tmp_path}/shop"
    assert [run.id for run in Flow("Shapes")] == ["8"]


def test_a_folder_without_a_store_is_not_made_one(flow: Builder, tmp_path: Path) -> None:
    client.metadata(str(tmp_path / "none"))
    with pytest.raises(StoreUnavailable) as caught:
        Flow("Shapes")
    assert "metadata('local@" in str(caught.value) and "--" not in str(caught.value)
    assert not (tmp_path / "none").exists()


def test_metadata_can_be_imported_from_the_package_before_and_after_its_namesake(flow: Builder, tmp_path: Path) -> None:
    importlib.import_module("flow_sdk.metadata.runs")
    assert flow_sdk.metadata(str(tmp_path)) == f"local@{tmp_path}"
    code = f"import flow_sdk; print(flow_sdk.metadata({str(tmp_path)!r})); import flow_sdk.metadata.index; "
    code += f"print(flow_sdk.metadata({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"local@{tmp_path}"] * 2


def test_safe_mode_never_unpickles(flow: Builder) -> None:
    flow.run()
    flow.commit("1", "start", values={"text": "t", "raw": b"r", "pickled": [1]})
    assert client.safe_mode() is True
    data = Task("Shapes/1/start/0").data
    assert (data.text, data.raw) == ("t", b"r")
    with pytest.raises(SerializationError):
        _ = data.pickled
    with pytest.raises(SerializationError):
        _ = DataArtifact("Shapes/1/start/0/pickled").data
    assert client.safe_mode(False) is False
    assert data.pickled == [1]
