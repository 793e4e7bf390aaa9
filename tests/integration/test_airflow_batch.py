"""Steps on AWS Batch beside steps on the worker, on both Airflow lines without a scheduler. Jobs run on the rig."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.client import Run, Task, metadata, namespace
from tests.conftest import interpreter
from tests.integration.batch_flow import FLOW
from tests.support.airflow_runs import FlowFile, clean_environment, dag_test, hashes
from tests.support.batch_server import BatchServer
from tests.support.parts import LINES

# The lines of Airflow take turns, the other one's being that of test_airflow_batch_server.
pytestmark = pytest.mark.one_of(2)

HOSTILE = "it's \"$(touch canary)\" `id` {{ ds }} \n'ü' " + "x" * 20_000

FATAL = """
from flow_sdk import FlowSpec, Parameter, batch, retry, step


class FatalFlow(FlowSpec):
    count = Parameter("count", type=int, default=1)

    @retry(times=3, minutes_between_retries=0)
    @batch(memory=600)
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


class OutOfMemoryFlow(FlowSpec):
    @batch(memory=600)
    @step
    def start(self):
        import os, signal, time
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    NAME()
"""


def connection(server: BatchServer) -> dict[str, str]:
    """The variables of a worker: an Airflow connection has what AWS needs, nothing else does."""
    keys = server.env()
    facts = {
        "conn_type": "aws",
        "login": keys["AWS_ACCESS_KEY_ID"],
        "password": keys["AWS_SECRET_ACCESS_KEY"],
        "extra": {"endpoint_url": server.url, "region_name": keys["AWS_REGION"]},
    }
    return {"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(facts), "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture(
    scope="module", params=[pytest.param(line, marks=getattr(pytest.mark, line)) for line in reversed(LINES)]
)
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The flows deployed, and run in one Airflow; the mixed one locally, too."""
    python = interpreter(request.param)
    assert python is not None
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "dags").mkdir()
    with BatchServer("flows") as server:
        account = server.prepare()
        settings = {"FLOW_SDK_BATCH_JOB_QUEUE": account.queue, "FLOW_SDK_BATCH_IMAGE": "flow-sdk:rig"}
        user = clean_environment(folder / "home", **server.env(), **settings)
        store = f"s3://flows/{request.param}"
        at = ("--datastore", "s3", "--datastore-root", store)
        flows = {}
        for name, text in {"MixedFlow": FLOW, **dict.fromkeys(("FatalFlow", "OutOfMemoryFlow"), FATAL)}.items():
            path = folder / name / "flow.py"
            path.parent.mkdir()
            path.write_text(text.replace("NAME()", f"{name}()"))
            flows[name] = FlowFile(path, folder, user)
            flows[name].call(*at, "airflow", "create", str(folder / "dags"))
        # deferral itself is seen on 2.11 here, on 3.3 with a real triggerer
        conf = {"text": HOSTILE, "seconds": 24.0 if request.param == "airflow2" else 0.0}
        runs = [
            {"dag": "MixedFlow", "conf": conf},
            {"dag": "FatalFlow", "conf": {"count": 1, "unknown": 2}},
            {"dag": "OutOfMemoryFlow"},
        ]
        worker = clean_environment(folder / "home", **connection(server))
        answer = dag_test(python, folder / "airflow", folder / "dags", runs, worker)
        jobs = server.jobs()
        path = folder / "local.py"
        path.write_text(re.sub(r"^ *@batch.*\n", "", FLOW, flags=re.MULTILINE))
        FlowFile(path, folder, user).call(*at, "run", "--text", HOSTILE, "--run-id-file", "local.id")
        yield {
            "env": server.env(),
            **answer,
            "runs": {run["dag"]: run for run in answer["runs"]},
            "store": store,
            "jobs": jobs,
            "local": (folder / "local.id").read_text().strip(),
            "folder": folder,
            "line": request.param,
        }


@pytest.fixture(autouse=True)
def credentials(done: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in done["env"].items():
        monkeypatch.setenv(name, value)


def read(done: dict[str, Any], flow: str) -> Run:
    metadata(done["store"])
    namespace(None)
    return Run(f"{flow}/airflow-{done['runs'][flow]['run_id']}")


def jobs_of(done: dict[str, Any], flow: str) -> list[dict[str, Any]]:
    return [job for job in done["jobs"] if job["tags"]["flow_sdk.flow"] == flow]


def test_a_decorator_adds_to_the_metadata_of_tasks_here_on_the_worker_and_on_batch(done: dict[str, Any]) -> None:
    for run in (read(done, "MixedFlow"), Run(f"MixedFlow/{done['local']}")):
        assert sorted(task.metadata_dict["note"] for task in run["fit"]) == ["on Batch 0", "on Batch 1"]
        assert {task.metadata_dict["note"] for task in run["inner"]} == {"on the worker 0"}
        assert "note" not in run["join"].task.metadata_dict


def test_the_artifacts_are_those_of_a_local_run(done: dict[str, Any]) -> None:
    assert done["import_errors"] == {}
    run = read(done, "MixedFlow")
    assert done["runs"]["MixedFlow"]["state"] == "success", done["log"][-6000:]
    there, here = (hashes(done["store"], path) for path in (run.pathspec, f"MixedFlow/{done['local']}"))
    # a traceback has the path of the file, and the seconds are those of this test
    different = {key for key in {*there, *here} if there.get(key) != here.get(key)}
    assert {name for _, _, name in different} <= {"failure", "seconds"}
    assert run["join"].task.data.words == ["a0a0", "a1a1", "b0b0", "b1b1"]
    assert run["end"].task.data.text == HOSTILE and "ZeroDivisionError" in run["end"].task.data.kind


def test_steps_with_batch_are_jobs_and_only_those(done: dict[str, Any]) -> None:
    jobs = jobs_of(done, "MixedFlow")
    count = Counter((job["tags"]["flow_sdk.step"], job["tags"]["flow_sdk.task"]) for job in jobs)
    assert count == {
        ("start", "0"): 1,
        ("fit", "1.0"): 1,
        ("fit", "1.1"): 2,  # its first try fails
        ("gather", "3.0"): 1,
        ("gather", "3.1"): 1,
        ("again", "5-0"): 1,
        ("again", "5-1"): 1,
        ("long", "6"): 1,
        ("risky", "8"): 1,
    }
    fit = next(job for job in jobs if job["tags"]["flow_sdk.step"] == "fit")
    assert fit["tags"]["team"] == "search" and "job-definition/flow-sdk-" in fit["jobDefinition"]
    states = dict.fromkeys(state for _, _, state in done["runs"]["MixedFlow"]["tasks"])
    assert set(states) == {"success", "skipped"}
    skipped = {task for task, _, state in done["runs"]["MixedFlow"]["tasks"] if state == "skipped"}
    assert skipped == {"other"}


def test_parameters_are_in_no_override(done: dict[str, Any]) -> None:
    text = json.dumps([job["container"] for job in jobs_of(done, "MixedFlow")], default=str)
    assert "canary" not in text and not list(Path(done["folder"]).rglob("canary"))


def test_the_steps_log_is_in_airflows(done: dict[str, Any]) -> None:
    # 2.11 prints each line of a tested DAG twice
    for text in ("fitting a it's", "slept enough"):
        assert done["log"].count(text) == (2 if done["line"] == "airflow2" else 1)
    assert re.search(r"AWS Batch job \S+: SUCCEEDED", done["log"])
    run = read(done, "MixedFlow")
    assert "slept enough" in Task(f"{run.pathspec}/long/6").stdout
    if done["line"] == "airflow2":
        assert "the triggerer waits for it" in done["log"]


def test_a_failure_that_no_retry_mends_is_tried_once(done: dict[str, Any]) -> None:
    assert done["runs"]["FatalFlow"]["state"] == "failed"
    assert len(jobs_of(done, "FatalFlow")) == 1
    assert "unknown" in done["log"]


def test_the_reason_of_a_killed_container_is_said_and_it_has_one_try(done: dict[str, Any]) -> None:
    assert done["runs"]["OutOfMemoryFlow"]["state"] == "failed"
    assert len(jobs_of(done, "OutOfMemoryFlow")) == 1
    assert "ran out of its memory of 600 MiB, or was killed (exit code 137" in done["log"]
    assert "Give it more: @batch(memory=...)" in done["log"]
    assert not read(done, "OutOfMemoryFlow").successful
