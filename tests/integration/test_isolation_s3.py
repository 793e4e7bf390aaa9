"""With artifacts in S3: forked processes of a step use S3 and the client, and so does what runs before the tasks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.fresh_flows import ISOLATIONS, Folder
from tests.support.moto import MotoServer

FLOW = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from flow_sdk import Flow, FlowSpec, Parameter, Run, S3, current, namespace, step


def newest(context):
    namespace(None)
    try:
        return Flow("Pooled").latest_successful_run.data.total
    except Exception:
        return 0


def fetch(key):
    with S3(s3root="s3://flows/data") as s3:
        s3.put(key + "-seen", "seen")
        return s3.get(key).text


def from_client(name):
    namespace(None)
    return getattr(Run(f"Pooled/{current.run_id}")["start"].task.data, name)


class Pooled(FlowSpec):
    base = Parameter("base", default=newest, type=int)

    @step
    def start(self):
        with S3(s3root="s3://flows/data") as s3:
            s3.put_many([(key, key.upper()) for key in "abc"])
        fork = multiprocessing.get_context("fork")
        with fork.Pool(2) as pool:
            self.texts = pool.map(fetch, "abc")
        self.total = self.base + 1
        self.next(self.end)

    @step
    def end(self):
        fork = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(2, mp_context=fork) as pool:
            self.found = list(pool.map(from_client, ["total", "texts"]))
        with S3(s3root="s3://flows/data") as s3:
            print("found", self.found, sorted(each.key for each in s3.list_recursive()))


if __name__ == "__main__":
    Pooled()
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[MotoServer]:
    with MotoServer("flows") as server:
        yield server


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_forked_processes_of_a_step_use_s3_and_the_client(s3: MotoServer, tmp_path: Path, isolation: str) -> None:
    folder = Folder(tmp_path)
    folder.write("flow.py", FLOW)
    root = f"s3://flows/{isolation}"
    settings = {"FLOW_SDK_DEFAULT_DATASTORE": "s3", "FLOW_SDK_DATASTORE_SYSROOT_S3": root, **s3.env()}
    folder.store = root  # type: ignore[assignment]
    keys = sorted([*"abc", "a-seen", "b-seen", "c-seen"])
    for total in (1, 2):
        done = folder.run_well("run", "--isolation", isolation, **settings)
        assert f"found [{total}, ['A', 'B', 'C']] {keys}" in done.stdout
