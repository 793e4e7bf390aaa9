"""Steps on AWS Batch on a real Airflow with a triggerer: deferral, lost workers and triggerers, ended tasks."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.client import Run, metadata, namespace
from tests.conftest import interpreter
from tests.integration.test_airflow_batch import connection
from tests.support.airflow import AirflowServer
from tests.support.airflow_runs import FlowFile, clean_environment
from tests.support.airflow_servers import airflow_database, only
from tests.support.batch_server import BatchServer
from tests.support.parts import LINES

FLOW = '''
import os
import time

from flow_sdk import FlowSpec, Parameter, batch, current, step


class LongFlow(FlowSpec):
    """Its first step waits, on AWS Batch or on the worker, until a file is there."""
    folder = Parameter("folder", required=True)
    name = Parameter("name", required=True)

    @DECORATOR
    @step
    def start(self):
        print("begun with", self.name, flush=True)
        with open(f"{self.folder}/{self.name}.begun", "a") as file:
            file.write(f"{os.getpid()}\\n")
        while not os.path.exists(self.folder + "/go"):
            time.sleep(0.1)
        print("ended with", self.name, flush=True)
        self.tries = current.retry_count + 1
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    LongFlow()
'''


@dataclass
class Rig:
    """A running Airflow, Batch and S3, and the runs that were started."""

    airflow: AirflowServer
    aws: BatchServer
    folder: Path
    store: str
    runs: dict[str, tuple[str, str]] = field(default_factory=dict)

    def begin(self, dag: str, name: str) -> None:
        """Start a run of a flow, called so."""
        run = self.airflow.api.start_dag_run(dag, {"folder": str(self.folder), "name": name})
        self.runs[name] = (dag, run)

    def task(self, name: str) -> dict[str, Any]:
        """The first task of a run, as Airflow shows it."""
        return next(ti for ti in self.airflow.api.task_instances(*self.runs[name]) if ti["task_id"] == "start")

    def wait_state(self, name: str, *states: str) -> dict[str, Any]:
        """Wait until the first task of a run is in one of these states."""

        def reached() -> dict[str, Any] | None:
            task = self.task(name)
            return task if task["state"] in states else None

        found: dict[str, Any] = self.airflow.wait(reached, 90, f"{name} isn't {' or '.join(states)}")
        return found

    def wait_triggerer(self, name: str) -> None:
        """Wait until the first task of a run is deferred, and the triggerer has taken it up."""
        self.wait_state(name, "deferred")
        self.airflow.wait(lambda: self._is_taken_up(name), 60, f"the triggerer hasn't taken up {name}")

    def _is_taken_up(self, name: str) -> bool:
        if self.airflow.line == 2:  # a trigger has a log of its own only once it says something
            said = (self.airflow.home / "triggerer.log").read_text("utf-8", "replace")
            return f"{self.runs[name][1]}/start/" in said
        return any(".trigger." in path.name for path in self.logs(name))

    def begun(self, name: str, times: int = 1) -> list[int]:
        """Wait until a step has begun that often; returns its processes."""
        file = self.folder / f"{name}.begun"
        self.airflow.wait(lambda: file.exists() and len(file.read_text().split()) >= times, 90, f"{name} hasn't begun")
        return [int(pid) for pid in file.read_text().split()]

    def jobs(self, name: str) -> list[dict[str, Any]]:
        """The jobs of a run."""
        run = f"airflow-{self.runs[name][1]}"
        return [job for job in self.aws.jobs() if job["tags"]["flow_sdk.run"] == run]

    def wait_job(self, name: str, number: int, status: str) -> dict[str, Any]:
        """Wait until a run has so many jobs, and the last is in this state."""

        def reached() -> dict[str, Any] | None:
            jobs = self.jobs(name)
            return jobs[number - 1] if len(jobs) == number and jobs[-1]["status"] == status else None

        found: dict[str, Any] = self.airflow.wait(reached, 90, f"job {number} of {name} isn't {status}")
        return found

    def mark_failed(self, name: str) -> None:
        """Mark the first task of a run as failed, as a person does in Airflow."""
        dag, run = self.runs[name]
        path = f"/dags/{dag}/dagRuns/{run.replace('+', '%2B')}/taskInstances/start"
        body = {"new_state": "failed", **({"dry_run": False} if self.airflow.line == 2 else {})}
        self._send("PATCH", path, body)

    def clear(self, name: str) -> None:
        """Clear the first task of a run."""
        dag, run = self.runs[name]
        body = {"dry_run": False, "dag_run_id": run, "reset_dag_runs": True, "only_failed": False}
        self._send("POST", f"/dags/{dag}/clearTaskInstances", {**body, "task_ids": ["start"]})

    def _send(self, method: str, path: str, body: dict[str, Any]) -> None:
        def taken() -> bool:
            status, answer = self.airflow.api.send_request(method, path, body)
            assert status == 200 or status >= 500, answer  # SQLite may be busy
            return status == 200

        self.airflow.wait(taken, 30, f"Airflow doesn't take {method} {path}")

    def logs(self, name: str) -> list[Path]:
        """Airflow's log files of the first task of a run, of all tries; the triggerer's among them."""
        files = (self.airflow.home / "logs").rglob("*.log*")
        return [path for path in files if {f"run_id={self.runs[name][1]}", "task_id=start"} <= set(path.parts)]

    def log(self, name: str) -> str:
        """What stands in them."""
        return "".join(path.read_text("utf-8", "replace") for path in self.logs(name))


@pytest.fixture(scope="module", params=[pytest.param(line, marks=getattr(pytest.mark, line)) for line in LINES])
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    python = interpreter(request.param)
    assert python is not None
    folder = tmp_path_factory.mktemp(request.param)
    with (
        BatchServer("flows", slots=8) as aws,
        airflow_database() as database,
        only(clean_environment(folder / "home")),
    ):
        account = aws.prepare()
        settings = {"FLOW_SDK_BATCH_JOB_QUEUE": account.queue, "FLOW_SDK_BATCH_IMAGE": "flow-sdk:rig"}
        user = clean_environment(folder / "home", **aws.env(), **settings, FLOW_SDK_AIRFLOW_PASSWORD="admin")
        store = f"s3://flows/{request.param}"
        with AirflowServer(
            python, folder / "airflow", database=database, env=connection(aws), parallelism=8, triggerer=True
        ) as airflow:
            for dag, decorator in (("LongFlow", "batch"), ("HereFlow", "retry(times=0)")):
                path = folder / dag / "flow.py"
                path.parent.mkdir()
                text = FLOW.replace("DECORATOR", decorator).replace("LongFlow", dag)
                path.write_text(text.replace("batch, current", "batch, current, retry"))
                flow = FlowFile(path, folder, user)
                at = ("--datastore", "s3", "--datastore-root", store)
                server = ("--wait", "--airflow-url", airflow.url, "--airflow-user", airflow.user)
                flow.call(*at, "airflow", "create", str(airflow.dags), *server)
            yield Rig(airflow, aws, folder, store)


@pytest.mark.one_of(2)  # half of all that is done on a line of Airflow: they take turns
def test_jobs_outlive_workers_and_triggerers_and_end_with_their_tasks(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    deferred, lost = ("waits", "marked", "cleared"), ("lost", "ended")
    for name in (*lost, *deferred):
        rig.begin("LongFlow", name)
    rig.begin("HereFlow", "here")
    # A worker is killed while it waits; another try goes on with the job.
    for name in lost:
        rig.begun(name)
        os.kill(rig.wait_state(name, "running")["pid"], signal.SIGKILL)
    # A step on the worker ends with its task.
    pid = rig.begun("here")[0]
    rig.mark_failed("here")
    rig.airflow.wait(lambda: not os.path.exists(f"/proc/{pid}"), 60, "the step runs on")
    # While a job runs, its task needs no worker; a task that is ended ends its job.
    for name in deferred:
        rig.wait_triggerer(name)
    rig.mark_failed("marked")
    assert "ended in Airflow" in rig.wait_job("marked", 1, "FAILED")["statusReason"]
    rig.clear("cleared")
    rig.wait_job("cleared", 2, "RUNNING")
    assert rig.jobs("cleared")[0]["status"] == "FAILED"
    # Such a job is ended from outside: the try that went on with it has one of its own.
    for name in lost:
        rig.wait_triggerer(name)
    rig.aws.client("batch").terminate_job(jobId=rig.jobs("ended")[0]["jobId"], reason="by hand")
    rig.wait_job("ended", 2, "RUNNING")
    # The triggerer is lost, and then there is another one.
    rig.airflow.kill_and_restart("triggerer")
    (rig.folder / "go").touch()
    for name in ("waits", *lost, "cleared"):
        assert rig.airflow.wait_run(*rig.runs[name], seconds=150) == "success", rig.log(name)[-5000:]
    assert [len(rig.jobs(name)) for name in ("waits", "lost", "marked", "cleared", "ended")] == [1, 1, 1, 2, 2]
    assert [rig.task(name)["try_number"] for name in ("waits", *lost)] == [1, 2, 2]
    for variable, value in rig.aws.env().items():
        monkeypatch.setenv(variable, value)
    metadata(rig.store)
    namespace(None)
    assert Run(f"LongFlow/airflow-{rig.runs['waits'][1]}").data.tries == 1
    log = rig.log("waits")
    assert log.count("begun with waits") == 1 and log.count("ended with waits") == 1
    assert "of an earlier try: following it" in rig.log("lost")
    assert json.dumps(rig.aws.env()["AWS_SECRET_ACCESS_KEY"]) not in log
