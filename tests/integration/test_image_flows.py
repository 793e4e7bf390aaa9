"""Flows whose Batch jobs are containers of the image: from a laptop, on Step Functions, and ended before their time."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.airflow_runs import hashes
from tests.support.containers import engine
from tests.support.state_machine_runs import ROOT, MachineRun, place
from tests.support.step_functions import StepFunctionsServer

pytestmark = [pytest.mark.aws, pytest.mark.containers, pytest.mark.step_functions]

FLOW = """
import os

from flow_sdk import FlowSpec, Parameter, environment, step


class ContainedFlow(FlowSpec):
    text = Parameter("text", default="$(id) 'a' \\u00e4\\n")

    @step
    def start(self):
        self.parts = ["left", "right"]
        self.next(self.work, foreach="parts")

    @environment(vars={"COLOUR": "light blue"})
    @step
    def work(self):
        print("user", os.getuid(), "in", os.getcwd(), flush=True)
        self.told = [self.input, self.text, os.environ["COLOUR"]]
        self.next(self.join)

    @step
    def join(self, inputs):
        self.all_told = [i.told for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    ContainedFlow()
"""

OBEYS = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (print('tidy'), sys.exit(3)));"
    "print('asleep', flush=True); time.sleep(600)"
)
# The first process of a container is told of no signal that it hasn't asked for.
IGNORES = "import time; print('asleep', flush=True); time.sleep(600)"


@pytest.fixture(scope="module")
def aws() -> Iterator[StepFunctionsServer]:
    with StepFunctionsServer("store", slots=2, engine=engine()) as server:
        server.prepare()
        yield server
    assert server.containers() == []


def wait(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_flow_in_containers_gives_what_it_gives_here(
    aws: StepFunctionsServer, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in aws.env().items():
        monkeypatch.setenv(name, value)
    (tmp_path / "contained.py").write_text(FLOW, encoding="utf-8")
    flow = place(aws, tmp_path / "contained.py", tmp_path, image=image)
    here = flow.run_locally()
    assert MachineRun(aws, flow, "contained").run().hashes == here
    flow.file.env.update(FLOW_SDK_BATCH_JOB_QUEUE=aws.prepare().queue, FLOW_SDK_BATCH_IMAGE=image)
    assert flow.run_locally("--with", "batch") == here
    jobs = aws.jobs()
    assert [(job["status"], job["container"]["image"]) for job in jobs] == [("SUCCEEDED", image)] * 10
    said = [line for job in jobs for line in aws.log(job) if line.startswith("user")]
    assert len(said) == 4 and all(line.startswith("user 1000 in /") for line in said)
    assert hashes(ROOT, "ContainedFlow/sfn-contained") == here
    assert aws.containers() == []


def test_a_container_ends_with_its_job(aws: StepFunctionsServer, image: str) -> None:
    batch = aws.client("batch")
    ids = []
    for name, code in (("obeys", OBEYS), ("ignores", IGNORES)):
        container = {
            "image": image,
            "command": ["python", "-c", code],
            "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}],
        }
        batch.register_job_definition(jobDefinitionName=name, type="container", containerProperties=container)
        ids.append(batch.submit_job(jobName=name, jobQueue="rig", jobDefinition=name)["jobId"])

    def described() -> list[dict[str, object]]:
        found = {job["jobId"]: job for job in batch.describe_jobs(jobs=ids)["jobs"]}
        return [found[one] for one in ids]

    wait(lambda: [aws.log(job) for job in described()] == [["asleep"]] * 2)
    assert len(aws.containers()) == 2
    for job_id in ids:
        batch.terminate_job(jobId=job_id, reason="enough")
    wait(lambda: all(job["status"] == "FAILED" for job in described()))
    assert [job["container"]["exitCode"] for job in described()] == [3, 137]
    assert aws.log(described()[0]) == ["asleep", "tidy"]
    assert aws.containers() == []
