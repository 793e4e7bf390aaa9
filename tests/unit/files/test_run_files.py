"""Files beside a run: retries, resumes, foreach, other runs; in a folder and in a bucket."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flow_sdk import S3, Run, metadata, namespace
from flow_sdk.errors import ObjectMissing, UsageError
from flow_sdk.files.addresses import decode_key, encode_key
from flow_sdk.files.run_files import Writer

pytestmark = pytest.mark.slow  # starts processes or servers

FLOW = """
import os
from flow_sdk import S3, FlowSpec, current, retry, step


class Files(FlowSpec):
    @step
    def start(self):
        with S3(run=self) as s3:
            self.url = s3.put("sub/é.txt", "from start", content_type="text/plain", metadata={"A": 1})
            s3.put_many([("both", "start"), ("only/start", "1")])
            self.own = s3.get("both").text
        self.parts = [0, 1, 2]
        self.next(self.fit, foreach="parts")

    @retry(times=1, minutes_between_retries=0)
    @step
    def fit(self):
        with S3(run=self) as s3:
            self.before = sorted(one.key for one in s3.list_recursive() if "mark" in one.key)
            s3.put(f"mark-{self.input}-{current.retry_count}", "x")
            s3.put("model", f"{self.input}-{current.retry_count}")
            self.again = s3.get("model").text
            if self.input == 1 and current.retry_count == 0:
                raise ValueError("once")
            s3.put(f"parts/{self.input}", f"{self.input}-{current.retry_count}")
            self.once = s3.put("kept", str(self.input), overwrite=False)
            s3.put("kept", "changed", overwrite=False)
            self.kept = s3.get("kept").text
        self.next(self.join)

    @step
    def join(self, inputs):
        self.before = [i.before for i in inputs]
        self.again = [i.again for i in inputs]
        self.kept = [i.kept for i in inputs]
        with S3(run=self) as s3:
            s3.put("both", "join")
            self.both = s3.get("both").text
            s3.put("join-only", "x")
            if os.environ.get("FAIL"):
                s3.put("failed", "x")
                raise ValueError("asked to")
            self.failed_seen = s3.get("failed", return_missing=True).exists
        self.next(self.end)

    @step
    def end(self):
        with S3(run=self) as s3:
            self.parts = [one.text for one in s3.get_recursive(["parts"])]
            self.seen = [one.key for one in s3.list_recursive()]
            self.paths = [(one.key, one.exists) for one in s3.list_paths(["sub"])] + [
                (one.key, one.exists) for one in s3.list_paths() if "mark" not in one.key
            ]
            found = s3.get("sub/é.txt")
            self.first = (found.text, found.content_type, found.metadata, s3.info("sub/é.txt").size)
            self.both = s3.get("both").text
        with S3() as s3:
            self.by_url = s3.get(found.url).text


if __name__ == "__main__":
    Files()
"""


def call(folder: Path, *arguments: str, **environment: str) -> int:
    done = subprocess.run(
        [sys.executable, "files.py", *arguments],
        cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "bug in Flow SDK" not in done.stderr, done.stderr
    if done.returncode and not environment:
        pytest.fail(done.stderr)
    return done.returncode


@pytest.fixture(params=["folder", "bucket", "other bucket"])
def runs(request: pytest.FixtureRequest, tmp_path: Path):
    """The flow file, and the arguments that name its store."""
    text = FLOW
    at: tuple[str, ...] = ("--datastore-root", str(tmp_path / "store"))
    if request.param == "bucket":
        at = ("--datastore", "s3", "--datastore-root", request.getfixturevalue("bucket"))
    if request.param == "other bucket":
        text = FLOW.replace("run=self", f"run=self, bucket='files', prefix={request.getfixturevalue('bucket')[11:]!r}")
        at = ("--datastore", "s3", "--datastore-root", request.getfixturevalue("bucket") + "/store")
    (tmp_path / "files.py").write_text(text)
    metadata(at[-1])
    namespace(None)
    return tmp_path, at


def reader(run: str, folder: Path) -> S3:
    """The files of a run as a notebook sees them."""
    text = (folder / "files.py").read_text()
    where = text.partition("run=self, bucket='files', prefix='")[2].partition("'")[0]
    return S3(run=Run(run), **({"bucket": "files", "prefix": where} if where else {}))


def test_files_of_a_run(runs) -> None:
    folder, at = runs
    call(folder, *at, "run", "--max-workers", "1")
    (run,) = namespace_runs()
    data = run.data
    assert data.first == ("from start", "text/plain", {"A": 1}, 10)
    assert data.by_url == "from start"
    assert data.both == "join", "of two steps that put one key the later is seen"
    assert data.parts == ["0-0", "1-1", "2-0"]
    marks = [key for key in data.seen if key.startswith("mark")]
    assert marks == ["mark-0-0", "mark-1-1", "mark-2-0"], "what a failed attempt put isn't seen"
    assert data.paths[0] == ("é.txt", True)
    assert set(data.paths[1:]) == {
        ("both", True), ("join-only", True), ("kept", True), ("model", True),
        ("only", False), ("parts", False), ("sub", False),
    }  # fmt: skip
    join = run["join"].task.data
    assert join.again == ["0-0", "1-1", "2-0"], "a task reads its own"
    assert join.kept[0] == "0"
    assert not any(name.startswith("mark-1") for name in join.before[1]), "a retry doesn't see its failed attempt"
    with reader(run.pathspec, folder) as s3:
        assert [one.key for one in s3.list_recursive()] == data.seen
        assert s3.get("sub/é.txt").text == "from start"
        s3.put("note", "by hand")
        assert s3.get("note").text == "by hand"
        with pytest.raises(ObjectMissing, match="no file 'gone'"):
            s3.get("gone")
        assert not s3.info("gone", return_missing=True).exists


def namespace_runs() -> list[Run]:
    from flow_sdk import Flow

    return list(Flow("Files"))


def test_a_resumed_run_reads_the_files_of_the_tasks_it_reuses(runs) -> None:
    folder, at = runs
    assert call(folder, *at, "run", FAIL="1") != 0
    (failed,) = namespace_runs()
    with reader(failed.pathspec, folder) as s3:
        assert "failed" in [one.key for one in s3.list_recursive()], "what a failed task put can be looked at"
    call(folder, *at, "resume")
    resumed = namespace_runs()[0]
    assert resumed.origin_pathspec == failed.pathspec
    data = resumed.data
    assert data.parts == ["0-0", "1-1", "2-0"]
    assert data.first[0] == "from start" and data.both == "join"
    assert "failed" not in data.seen and "join-only" in data.seen
    assert resumed["join"].task.data.failed_seen is False, "the step that runs again doesn't see its earlier try"
    # Once more, from the resumed run: what was reused before is found in the first run, the rest in the second.
    call(folder, *at, "resume", "end", "--origin-run-id", resumed.id)
    third = namespace_runs()[0]
    assert third.data.parts == data.parts and third.data.both == "join" and third.data.seen == data.seen
    with reader(third.pathspec, folder) as s3:
        assert [one.key for one in s3.list_recursive()] == data.seen
        assert s3.get("join-only").url.count(f"/{resumed.id}/") == 1
        assert s3.get("only/start").url.count(f"/{failed.id}/") == 1


def test_a_resumed_run_whose_origin_was_removed(tmp_path: Path) -> None:
    (tmp_path / "files.py").write_text(FLOW)
    at = ("--datastore-root", str(tmp_path / "store"))
    call(tmp_path, *at, "run")
    call(tmp_path, *at, "resume", "join")
    metadata(at[1])
    namespace(None)
    shutil.rmtree(tmp_path / "store" / "flows" / "Files" / "runs" / "1")
    with S3(run=Run("Files/2")) as s3:
        assert {one.key for one in s3.list_recursive()} == {"both", "join-only"}


def test_hostile_keys_stay_beside_the_run(tmp_path: Path) -> None:
    (tmp_path / "files.py").write_text(FLOW)
    root = tmp_path / "store"
    call(tmp_path, "--datastore-root", str(root), "run")
    metadata(str(root))
    namespace(None)
    files = root / "flows" / "Files" / "runs" / "1" / "files"
    before = {path for path in tmp_path.rglob("*") if files not in path.parents}
    keys = [
        "...",
        "%2e%2e/x",
        "a b",
        "日本/☃",
        "=2E=2E",
        "-rf",
        "\u202eabc",
        "a:b",
        "~",
        "start.0.0",
        "a\\..\\b",
        "$(id)",
    ]
    with S3(run=Run("Files/1")) as s3:
        for key in ("../up", "a/../../up", "..", ".", "a//b", "a\0b", "", "☃" * 100):
            with pytest.raises(UsageError):
                s3.put(key, "x")
            with pytest.raises(UsageError):
                s3.get(key)
        s3.put_many([(key, key) for key in keys])
        assert [s3.get(key).text for key in keys] == keys
        assert set(keys) <= {one.key for one in s3.list_recursive()}
        for key in keys:
            assert s3.get(key).url.startswith(f"file://{files}/".replace("%", "%25"))
    assert {path for path in tmp_path.rglob("*") if files not in path.parents} == before


def test_a_key_can_be_a_folder_of_keys_as_well(tmp_path: Path) -> None:
    (tmp_path / "files.py").write_text(FLOW)
    call(tmp_path, "--datastore-root", str(tmp_path / "store"), "run")
    metadata(str(tmp_path / "store"))
    namespace(None)
    keys = ["deep", "deep/=.outside/deep", "deep/=.end.0.0", "deep/x", "deep/x/y"]
    with S3(run=Run("Files/1")) as s3:
        s3.put_many([(key, key) for key in keys])
        assert [one.text for one in s3.get_many(keys)] == keys
        assert [one.key for one in s3.list_recursive(["deep"])] == sorted(key[5:] for key in keys[1:])
        assert [(one.key, one.exists) for one in s3.list_paths(["deep"])] == [
            ("=.end.0.0", True), ("=.outside", False), ("x", True), ("x", False),
        ]  # fmt: skip


def test_self_outside_of_a_task_and_runs_that_are_none(tmp_path: Path) -> None:
    from flow_sdk import FlowSpec

    class Outside(FlowSpec):
        pass

    with pytest.raises(UsageError, match="works in a step only"):
        S3(run=Outside(use_cli=False))
    for wrong in ("Files/1", 5, object()):
        with pytest.raises(UsageError, match="isn't a run"):
            S3(run=wrong)  # type: ignore[arg-type]


def test_keys_are_spelt_so_that_different_ones_stay_different() -> None:
    keys = ["a", "A", "a=", "=61", "é", "e\u0301", "a.b", "a/b", "...", "=2E", "a b", "a+b", "~"]
    spelt = [encode_key(key) for key in keys]
    assert len(set(spelt)) == len(keys)
    assert [decode_key(text) for text in spelt] == keys
    assert decode_key(encode_key("../.")) == "../." and ".." not in encode_key("../.").split("/")


def test_writers_are_read_back() -> None:
    for writer in (Writer("fit", "0", 0), Writer("a_b", "3.1-2", 12)):
        assert Writer.parse_text(str(writer)) == writer
    for text in (
        "=.outside",
        "fit.0.0",
        "=.fit",
        "=.fit.0",
        "=.fit..0",
        "=.Fit.0.0",
        "=.fit.0.x",
        "=.fit.0.0.",
        "=.../.0.0",
    ):
        assert Writer.parse_text(text) is None
