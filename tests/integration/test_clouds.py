"""Local runs with artifacts in Google Cloud Storage and Azure Blob Storage: run, read, resume, files beside the run."""

import re
from pathlib import Path

import pytest

from flow_sdk import S3
from flow_sdk.client import Flow, Run, metadata, namespace
from flow_sdk.config import DATASTORES
from flow_sdk.errors import StoreUnavailable
from tests.unit.cli.flow_file import call, files, write

FLOW = """
from flow_sdk import S3, FlowSpec, current, step


class CloudFlow(FlowSpec):
    @step
    def start(self):
        self.items = [1, 2, 3]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.square = self.input**2
        with S3(run=self) as s3:
            s3.put(f"parts/{self.input}", b"%d" % self.square, metadata={"of": self.input})
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(one.square for one in inputs)
        self.large = bytes(range(256)) * 40_000
        self.next(self.check)

    @step
    def check(self):
        import os

        if os.environ.get("FAIL"):
            raise RuntimeError("as asked")
        with S3(run=self) as s3:
            self.found = sorted((one.key, one.text, one.metadata["of"]) for one in s3.get_all())
        self.next(self.end)

    @step
    def end(self):
        print("total", self.total)


if __name__ == "__main__":
    CloudFlow()
"""
FOUND = [("parts/1", "1", 1), ("parts/2", "4", 2), ("parts/3", "9", 3)]


class Cloud:
    """A running emulator, and an address in it."""

    def __init__(self, root: str, kind: str, environment: dict[str, str]) -> None:
        self.root, self.kind, self.environment = root, kind, environment


@pytest.fixture(
    params=[pytest.param("gs", marks=pytest.mark.gcs), pytest.param("azure", marks=pytest.mark.azure)],
)
def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Cloud:
    kind = request.param
    server = request.getfixturevalue("gcs_env" if kind == "gs" else "azure_env")
    return Cloud(f"{DATASTORES[kind]}://flows/team/{tmp_path.name}", kind, server.env())


def started_run(text: str) -> str:
    found = re.search(r"Run CloudFlow/(\w+) started", text)
    assert found is not None, text
    return found[1]


def test_a_run_is_read_and_resumed(cloud: Cloud, tmp_path: Path) -> None:
    write(tmp_path, FLOW)
    settings = {**cloud.environment, "METAFLOW_DATASTORE_ROOT": cloud.root}
    failed = call(tmp_path, "run", environment={**settings, "FAIL": "1"})
    assert failed.returncode == 1 and "as asked" in failed.stderr, failed.stderr
    origin = started_run(failed.stderr)
    resumed = call(tmp_path, "--datastore-root", cloud.root, "resume", environment=cloud.environment)
    assert resumed.returncode == 0, resumed.stderr
    assert files(tmp_path) == {"train.py"}, "nothing is kept in the flow's folder"
    metadata(cloud.root)
    namespace(None)
    run = Flow("CloudFlow").latest_successful_run
    assert run is not None and run.id == started_run(resumed.stderr) and run.id != origin
    assert [run.id, origin] == [one.id for one in Flow("CloudFlow")]
    assert run["join"].task is not None and run["join"].task.origin_pathspec == f"CloudFlow/{origin}/join/2"
    assert (run.data.total, run.data.large, run.data.found) == (14, bytes(range(256)) * 40_000, FOUND)
    assert run["end"].task is not None and "total 14" in run["end"].task.stdout
    with S3(run=run) as s3:
        assert sorted(one.key for one in s3.list_recursive()) == ["parts/1", "parts/2", "parts/3"]
    check = call(tmp_path, "--datastore-root", cloud.root, "dump", f"{run.id}/end", environment=cloud.environment)
    assert check.returncode == 0 and "total" in check.stdout, check.stderr


def test_the_settings_name_the_store(cloud: Cloud, tmp_path: Path) -> None:
    write(tmp_path, FLOW)
    name = f"METAFLOW_DATASTORE_SYSROOT_{cloud.kind.upper()}"
    settings = {**cloud.environment, "METAFLOW_DEFAULT_DATASTORE": cloud.kind, name: cloud.root}
    done = call(tmp_path, "run", environment=settings)
    assert done.returncode == 0, done.stderr
    rest = cloud.root.partition("://")[2]
    assert metadata(f"{cloud.kind}@{rest}") == f"{cloud.kind}@{rest}"
    namespace(None)
    assert Run(f"CloudFlow/{started_run(done.stderr)}").successful
    doctor = call(tmp_path, "tag", "list", "--all", environment=settings)
    assert doctor.returncode == 0, doctor.stderr


def test_a_missing_bucket(cloud: Cloud, tmp_path: Path) -> None:
    write(tmp_path, FLOW)
    root = cloud.root.replace("flows", "nowhere", 1)
    done = call(tmp_path, "--datastore-root", root, "run", environment=cloud.environment)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    word = "bucket" if cloud.kind == "gs" else "container"
    assert f"There is no {word} 'nowhere'." in done.stderr, done.stderr
    metadata(root)
    with pytest.raises(StoreUnavailable, match=f"no {word} 'nowhere'"):
        list(Flow("CloudFlow"))
