"""Hostile names of everything a user may name: refused with a clear error or kept as they are, never out of place."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flow_sdk import client
from flow_sdk.cli.errors import print_error
from flow_sdk.cli.reporters.plain import PlainReporter
from flow_sdk.cli.terminal import print_message
from flow_sdk.client import DataArtifact, Flow, Metaflow, Run, Step, Task, context, reader
from flow_sdk.client.command_text import dump_lines, find_runs, find_tasks, tag_lines
from flow_sdk.errors import FlowSDKError
from flow_sdk.ids import is_run_id
from flow_sdk.runtime.resume.origin import find_origin
from flow_sdk.store.key_syntax import is_key
from flow_sdk.store.port import ObjectStore
from tests.support.moto import MotoServer
from tests.support.run_builder import Builder

HOSTILE = [
    "",
    ".",
    "..",
    "../../../../escaped",
    "a/../../b",
    "/etc/passwd",
    "~",
    "nul\x00byte",
    "new\nline",
    "return\rescape\x1b[31m",
    "%2e%2e%2f",
    "%00",
    "x" * 300,
    "\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe",
    "\N{RIGHT-TO-LEFT MARK}",
    "lone\ud800surrogate",
    "\N{PILE OF POO}" * 40,
    "<script>alert(1)</script>",
    "$(touch escaped)",
    "`touch escaped`",
    "{{ 7 * 7 }}",
    "a\\..\\b",
    "=all",
    "=ok.=all",
    "=h",
    "*",
    "a" * 100 + "/" + "b" * 100,
]
TAGS = [text for text in HOSTILE if text and "\ud800" not in text]


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer("flows") as server:
        yield server


@pytest.fixture(params=["local", "memory", "s3"])
def flow(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Builder]:
    """A builder on a store of each kind, which the client reads."""
    url = {"local": str(tmp_path / "in" / "store"), "memory": f"memory://names-{time.time_ns()}"}.get(request.param)
    if url is None:
        for name, value in request.getfixturevalue("moto").env().items():
            monkeypatch.setenv(name, value)
        url = f"s3://flows/{time.time_ns()}/store"
    monkeypatch.setenv("FLOW_SDK_STORE", url)
    monkeypatch.setenv("FLOW_SDK_USER", "anne")
    monkeypatch.setattr(context, "_choice", context._Choice())
    yield Builder(url)
    reader._cached_reader.cache_clear()


def is_shown_as_text(text: str) -> bool:
    """Tell whether nothing in a message is obeyed by a terminal or turns what is around it."""
    return all(c.isprintable() or c in "\n\t" for c in text)


def keys(store: ObjectStore) -> set[str]:
    return {info.key for info in store.list("")}


def test_tags_and_namespaces_stay_in_their_place_and_come_back(flow: Builder, tmp_path: Path) -> None:
    flow.whole_run("1", tags=TAGS[:10])
    Run("Shapes/1").add_tags(TAGS)
    run = Run("Shapes/1")
    assert run.user_tags == set(TAGS)
    written = keys(flow.store)
    outside = {
        key for key in written if not key.startswith(("flows/Shapes/", "blobs/")) and not key.startswith("store.")
    }
    assert outside == set()
    assert all(is_key(key) for key in written)
    for tag in TAGS:
        assert client.namespace(tag) == tag
        assert [found.id for found in Flow("Shapes").runs(tag)] == ["1"]
        assert Flow("Shapes").latest_successful_run == run
        assert Run("Shapes/1").is_in_namespace()
        client.namespace("user:anne")
        assert [found.id for found in find_runs("Shapes", tag=tag)] == ["1"]
    run.remove_tags(TAGS)
    assert run.user_tags == frozenset()
    assert list(Flow("Shapes").runs(TAGS[3])) == []
    if (tmp_path / "in").exists():
        assert [path.name for path in tmp_path.iterdir()] == ["in"]
        assert [path.name for path in (tmp_path / "in").iterdir()] == ["store"]


@pytest.mark.parametrize("tag", TAGS, ids=ascii)
def test_every_message_shows_a_tag_as_text(
    tag: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"memory://told-{time.time_ns()}"
    monkeypatch.setenv("FLOW_SDK_STORE", url)
    monkeypatch.setenv("FLOW_SDK_USER", "anne")
    monkeypatch.setattr(context, "_choice", context._Choice())
    flow = Builder(url)
    flow.whole_run("1", tags=[tag], system_tags=(f"user:{tag}", "x" + tag), user=tag)
    client.namespace("elsewhere " + tag)
    refused: list[Callable[[], object]] = [
        lambda: Flow("Shapes"),
        lambda: Run("Shapes/1"),
        lambda: find_runs("Shapes", tag="y" + tag),
        lambda: find_runs("Shapes"),
        lambda: find_runs(tag),
        lambda: flow.runs.remove_tags("Shapes", "1", ["x" + tag]),
        lambda: flow.runs.add_tags("Shapes", "1", ["user:z" + tag]),
        lambda: flow.runs.add_tags("Shapes", "1", [tag * 501]),
        lambda: find_origin(flow.runs, "Shapes", "z" + tag, None)[0],
        lambda: find_origin(flow.runs, "Shapes", tag, tag)[0],
        lambda: client.metadata(f"service@{tag}"),
    ]
    for ask in refused:
        with pytest.raises(FlowSDKError) as caught:
            ask()
        assert is_shown_as_text(str(caught.value)) and is_shown_as_text(caught.value.headline)
        print_error(caught.value)
    client.namespace(None)
    for options in ({}, {"flat": True}, {"group_by_tag": True}, {"group_by_run": True}):
        print("\n".join(tag_lines([Run("Shapes/1")], **options)))
    print("\n".join(dump_lines(Task("Shapes/1/end/0"), include=[tag])))
    print_message(f"runs are in {tag}")
    PlainReporter(err=sys.stderr).run_started("Shapes", "1", (tag,))
    PlainReporter(err=sys.stderr).message(tag)
    out, err = capsys.readouterr()
    assert is_shown_as_text(out) and is_shown_as_text(err)


@pytest.mark.parametrize("bad", ["", "lone\ud800surrogate", "x" * 501])
def test_what_can_be_no_tag_is_refused_and_nothing_written(flow: Builder, bad: str) -> None:
    flow.whole_run("1")
    before = keys(flow.store)
    for change in (Run("Shapes/1").add_tag, Run("Shapes/1").remove_tag):
        with pytest.raises(FlowSDKError):
            change(bad)
    for fields in ({"tags": [bad]}, {"system_tags": (f"user:{bad}", bad)}, {"namespace": bad or "\udfff"}):
        if len(bad) < 501 or "tags" in fields:
            with pytest.raises(FlowSDKError):
                flow.run("2", **fields)  # type: ignore[arg-type]
    if bad and len(bad) < 501:  # an empty namespace is the global one
        with pytest.raises(FlowSDKError):
            client.namespace(bad)
    if len(bad) < 501:
        with pytest.raises(FlowSDKError):
            list(Flow("Shapes").runs(bad))
    assert keys(flow.store) == before


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_no_pathspec_leaves_the_store(flow: Builder, name: str) -> None:
    flow.whole_run("1")
    before = keys(flow.store)
    asked: list[Callable[[], object]] = [
        lambda: Flow(name),
        lambda: Metaflow()[name],
        lambda: Run(f"Shapes/{name}"),
        lambda: Run(f"{name}/1"),
        lambda: Flow("Shapes")[name],
        lambda: Run("Shapes/1")[name],
        lambda: Step(f"Shapes/1/{name}"),
        lambda: Task(f"Shapes/1/end/{name}"),
        lambda: Step("Shapes/1/end")[name],
        lambda: DataArtifact(f"Shapes/1/end/0/{name}"),
        lambda: Task("Shapes/1/end/0")[name],
        lambda: find_tasks("Shapes", f"1/{name}"),
        lambda: find_tasks("Shapes", f"{name}/end"),
        lambda: find_runs("Shapes", run=name),
        lambda: flow.runs.add_tags("Shapes", name, ["x"]),
        lambda: flow.runs.add_tags(name, "1", ["x"]),
    ]
    for ask in asked:
        with pytest.raises(FlowSDKError) as caught:
            ask()
        assert is_shown_as_text(str(caught.value))
    assert name not in Metaflow() and name not in Flow("Shapes") and name not in Run("Shapes/1")
    assert keys(flow.store) == before


def test_a_run_keeps_its_id_or_isnt_begun(flow: Builder) -> None:
    for name in [*HOSTILE, "airflow-manual__2026-01-01T00:00:00+00:00", "a" * 250, "sfn-x.y_z"]:
        before = keys(flow.store)
        if is_run_id(name):
            flow.run(name)
            assert Run(f"Shapes/{name}").id == name
            assert name in [run.id for run in Flow("Shapes")]
            assert all(key.startswith("flows/Shapes/") for key in keys(flow.store) - before)
        else:
            with pytest.raises(FlowSDKError):
                flow.run(name)
            assert keys(flow.store) == before


FLOW = """
from flow_sdk import FlowSpec, current, project, step

@project(name="p")
class Named(FlowSpec):
    @step
    def start(self):
        self.seen = sorted(current.tags)
        self.namespace = current.namespace
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    Named()
"""


def test_the_command_line(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "named.py").write_text(FLOW)

    def call(*words: str, fails: bool = False, **env: str) -> str:
        done = subprocess.run(
            [os.fsencode(sys.executable), b"named.py", *(os.fsencode(word) for word in words)],
            cwd=folder, env={**os.environ, "FLOW_SDK_DATASTORE_SYSROOT_LOCAL": str(folder / "store"), **env},
            capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        text = (done.stdout + done.stderr).decode("utf-8", "replace")
        assert (done.returncode != 0) == fails, text
        assert "Traceback" not in text and "\x1b[31m" not in text
        return text

    words = [text for text in TAGS if "\x00" not in text]
    call("run", "--namespace", "../../ns\n%2e", *(part for text in words for part in ("--tag", text)))
    assert "../../escaped" in call("tag", "list", "1")
    reader._cached_reader.cache_clear()
    client.metadata(f"local@{folder / 'store'}")
    try:
        client.namespace(None)
        run = Run("Named/1")
        assert run.user_tags == set(words)
        task = run["start"].task
        assert task is not None
        assert set(words) <= set(task.data.seen) and task.data.namespace == "../../ns\n%2e"
    finally:
        client.default_metadata()
        client.default_namespace()
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    for text in [text for text in HOSTILE if "\x00" not in text and "\ud800" not in text]:
        call("resume", "--origin-run-id", text, fails=True)
    for text in ("../../x", "%2e", "\N{RIGHT-TO-LEFT OVERRIDE}a"):
        call("tag", "add", "--run-id", text, "t", fails=True)
        call("logs", f"{text}/start", fails=True)
        call("dump", f"1/{text}", fails=True)
        call("run", "--branch", text, fails=True)
        call("run", "--branch", text, "--production", fails=True)
    call("run", "--tag", "lone\udcffsurrogate", fails=True)
    call("run", "--namespace", "lone\udcffsurrogate", fails=True)
    call("run", fails=True, FLOW_SDK_USER="lone\udcffsurrogate")
    after = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert {name for name in after - files if "/blobs/" not in name and "__pycache__" not in name} == set()
    assert not [name for name in after if "escaped" in name and "store/flows/Named" not in name]
