"""A laptop's runs with tasks on AWS Batch: jobs really run on the rig, as processes of this host."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.batch_server import BatchServer
from tests.unit.cli.flow_file import call, write

FLOW = """
import os
import signal
import time

from flow_sdk import FlowSpec, Parameter, batch, catch, current, environment, resources, retry, step


class RemoteFlow(FlowSpec):
    text = Parameter("text", default="plain")

    @step
    def start(self):
        self.where = os.environ.get("AWS_BATCH_JOB_ID")
        self.parts = [0, 1]
        self.next(self.work, foreach="parts")

    @retry(times=1, minutes_between_retries=0)
    @environment(vars={"COLOUR": "blue"})
    @resources(memory=512)
    @batch(cpu=1, aws_batch_tags={"team": "search"})
    @step
    def work(self):
        print("item", self.input, "on", os.environ["AWS_BATCH_JQ_NAME"], os.environ["COLOUR"], flush=True)
        if self.input == 1 and current.retry_count == 0:
            raise ValueError("the first try fails")
        self.job, self.text_there = os.environ["AWS_BATCH_JOB_ID"], self.text
        self.next(self.join)

    @step
    def join(self, inputs):
        self.jobs = [i.job for i in inputs]
        self.texts = [i.text_there for i in inputs]
        self.next(self.end)

    @catch(var="failure")
    @batch(memory=600)
    @step
    def end(self):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)


if __name__ == "__main__":
    RemoteFlow()
"""

WAITING = """
import time

from flow_sdk import FlowSpec, step


class WaitingFlow(FlowSpec):
    @step
    def start(self):
        print("waiting", flush=True)
        time.sleep(60)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    WaitingFlow()
"""

PATIENT = """
import os
import time

from flow_sdk import FlowSpec, current, step


class PatientFlow(FlowSpec):
    @step
    def start(self):
        self.job = os.environ["AWS_BATCH_JOB_ID"]
        self.next(self.middle)

    @step
    def middle(self):
        if current.origin_run_id is None and current.retry_count == 0:
            time.sleep(60)
        self.tries = current.retry_count
        self.next(self.end)

    @step
    def end(self):
        print("tries", self.tries, flush=True)


if __name__ == "__main__":
    PatientFlow()
"""

AT = ("--datastore", "s3", "--datastore-root", "s3://flows/team")


@pytest.fixture(scope="module")
def rig() -> Iterator[BatchServer]:
    with BatchServer("flows") as server:
        server.prepare()
        yield server


def settings(rig: BatchServer) -> dict[str, str]:
    account = rig.prepare()
    return {**rig.env(), "FLOW_SDK_BATCH_JOB_QUEUE": account.queue, "FLOW_SDK_BATCH_IMAGE": "flow-sdk:rig"}


def read(rig: BatchServer, folder: Path, code: str) -> str:
    """What a notebook prints."""
    variables = {**os.environ, **settings(rig), "FLOW_SDK_DEFAULT_DATASTORE": "s3"}
    variables["FLOW_SDK_DATASTORE_SYSROOT_S3"] = "s3://flows/team"
    return subprocess.run(
        [sys.executable, "-c", f"from flow_sdk import *; namespace(None); {code}"],
        cwd=folder, env=variables, capture_output=True, text=True, check=True, timeout=60,
    ).stdout.strip()  # fmt: skip


def test_steps_on_batch_beside_steps_here(rig: BatchServer, tmp_path: Path) -> None:
    write(tmp_path, FLOW)
    text = "$(touch canary) `x` {} \"' \n" + "x" * 20_000
    done = call(tmp_path, *AT, "run", "--text", text, environment=settings(rig))
    assert done.returncode == 0, done.stderr
    run = re.search(r"Run RemoteFlow/(\d+) started", done.stderr)[1]
    # Logs and states come into the run's own output, under the task's name.
    assert re.search(rf"\[{run}/work/1.0\] item 0 on rig blue", done.stdout)
    states = re.findall(rf"\[{run}/work/1.0\] AWS Batch job \S+: ([A-Z]+)", done.stderr)
    assert states[0] == "SUBMITTED" and states[-1] == "SUCCEEDED" and len(states) == len(set(states))
    assert re.search(
        rf"\[{run}/work/1.1\] attempt 0 failed: ValueError: the first try fails; trying again", done.stderr
    )
    assert "failed and was caught" in done.stderr
    found = read(
        rig, tmp_path, f"r = Run('RemoteFlow/{run}'); print(r['start'].task.data.where, *r['join'].task.data.jobs)"
    )
    here, *jobs = found.split()
    assert here == "None"
    known = {job["jobId"]: job for job in rig.jobs()}
    assert len(jobs) == 2 and set(jobs) <= set(known)
    assert read(rig, tmp_path, f"print(set(Run('RemoteFlow/{run}')['join'].task.data.texts) == {{{text!r}}})") == "True"
    # A person finds the task in the console, and AWS gets what the step asked for.
    job = known[jobs[1]]
    assert job["jobName"] == f"RemoteFlow-{run}-work-1_1"
    assert {key: job["tags"][key] for key in ("flow_sdk.run", "flow_sdk.step", "flow_sdk.task", "team")} == {
        "flow_sdk.run": run, "flow_sdk.step": "work", "flow_sdk.task": "1.1", "team": "search",
    }  # fmt: skip
    # The machine killed the container: the reason names it, and @catch takes over without another job.
    caught = read(rig, tmp_path, f"print(Run('RemoteFlow/{run}')['end'].task.data.failure.exception)")
    assert "ran out of its memory of 600 MiB" in caught and "exit code 137" in caught and "@batch(memory=" in caught
    logged = call(tmp_path, *AT, "logs", f"{run}/end/3", "--attempt", "0", environment=settings(rig)).stdout
    assert "ran out of its memory of 600 MiB" in logged
    assert [one["jobName"] for one in rig.jobs()].count(f"RemoteFlow-{run}-end-3") == 1
    # The log is kept once, by the container.
    assert call(tmp_path, *AT, "logs", f"{run}/work/1.0", environment=settings(rig)).stdout == "item 0 on rig blue\n"
    assert not list(tmp_path.glob("**/canary"))


def start(rig: BatchServer, folder: Path, until: str, flow: str = WAITING) -> subprocess.Popen[str]:
    """Start a run whose task waits, and come back when it has printed such a line."""
    write(folder, flow)
    process = subprocess.Popen(
        [sys.executable, "train.py", *AT, "--with", "batch:memory=700", "run"],
        cwd=folder, env={**os.environ, **settings(rig)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if re.search(until, line):
            return process
    raise AssertionError(f"the run ended with {process.wait()}")


def state(rig: BatchServer, name: str) -> str:
    """The status of the newest job whose name begins so."""
    return [job["status"] for job in rig.jobs() if job["jobName"].startswith(name)][-1]


def wait_for_end(rig: BatchServer, name: str) -> str:
    until = time.monotonic() + 20
    while (found := state(rig, name)) not in ("SUCCEEDED", "FAILED") and time.monotonic() < until:
        time.sleep(0.1)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_ends_its_jobs(rig: BatchServer, tmp_path: Path, number: int) -> None:
    process = start(rig, tmp_path, until=": RUNNING$")
    assert state(rig, "WaitingFlow-") == "RUNNING"
    process.send_signal(number)
    assert wait_for_end(rig, "WaitingFlow-") == "FAILED"
    assert process.wait(30) == (130 if number == signal.SIGINT else -signal.SIGKILL)
    process.stdout.close()
    newest = rig.jobs()[-1]
    assert "was stopped" in newest["statusReason"]


def test_a_resumed_run_keeps_what_was_committed(rig: BatchServer, tmp_path: Path) -> None:
    process = start(rig, tmp_path, until=r"/middle/1\] AWS Batch job \S+: RUNNING", flow=PATIENT)
    process.kill()
    assert wait_for_end(rig, "PatientFlow-") == "FAILED"
    process.communicate()
    done = call(tmp_path, *AT, "--with", "batch", "resume", environment=settings(rig))
    assert done.returncode == 0, done.stderr
    assert "start] 1 task reused" in done.stderr and "tries 0" in done.stdout
    names = [job["jobName"] for job in rig.jobs() if job["jobName"].startswith("PatientFlow-")]
    assert [name.split("-")[2] for name in names] == ["start", "middle", "middle", "end"]


def test_a_machine_that_is_taken_away_is_no_try_of_the_step(rig: BatchServer, tmp_path: Path) -> None:
    process = start(rig, tmp_path, until=r"/middle/1\] AWS Batch job \S+: RUNNING", flow=PATIENT)
    job = rig.jobs()[-1]
    claimed = f"team/flows/PatientFlow/runs/{job['tags']['flow_sdk.run']}/steps/middle/1/0/start.json"
    until = time.monotonic() + 20
    while not rig.client("s3").list_objects_v2(Bucket="flows", Prefix=claimed)["KeyCount"]:
        assert time.monotonic() < until
        time.sleep(0.1)
    rig.reclaim(job["jobId"])
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "tries 1" in output and "attempt 0 failed" not in output
    (same,) = [one for one in rig.jobs() if one["jobId"] == job["jobId"]]
    assert len(same["attempts"]) == 2 and same["status"] == "SUCCEEDED"


def test_list_and_kill(rig: BatchServer, tmp_path: Path) -> None:
    process = start(rig, tmp_path, until=r"\] waiting$")  # its log comes while it runs
    listed = call(tmp_path, *AT, "batch", "list", environment=settings(rig)).stdout.splitlines()
    assert listed[0].split() == ["RUN", "STEP", "TASK", "STATUS", "JOB", "NAME"]
    assert len(listed) == 2 and listed[1].split()[1:4] == ["start", "0", "RUNNING"]
    run, job = listed[1].split()[0], listed[1].split()[4]
    none = call(tmp_path, *AT, "batch", "list", "--run-id", "99999", environment=settings(rig))
    assert none.stdout == "" and "No unfinished jobs" in none.stderr
    mine = call(tmp_path, *AT, "batch", "list", "--my-runs", environment=settings(rig)).stdout
    assert job in mine
    others = call(tmp_path, *AT, "batch", "kill", "--user", "nobody", environment=settings(rig))
    assert others.stdout == "" and state(rig, "WaitingFlow-") == "RUNNING"
    killed = call(tmp_path, *AT, "batch", "kill", "--run-id", run, environment=settings(rig))
    assert killed.stdout == f"ended WaitingFlow-{run}-start-0 [{job}]\n"
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "with batch kill" in output and job in output
    assert call(tmp_path, *AT, "batch", "list", "--run-id", run, environment=settings(rig)).stdout == ""


def test_jobs_of_step_functions_are_found(rig: BatchServer, tmp_path: Path) -> None:
    write(tmp_path, WAITING)
    aws = rig.client("batch")
    needs = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "256"}]
    container = {"image": "any", "command": ["sleep", "60"], "environment": [], "resourceRequirements": needs}
    aws.register_job_definition(jobDefinitionName="by-hand", type="container", containerProperties=container)
    ids = {}
    for run, flow in (("one", "WaitingFlow"), ("two", "WaitingFlow"), ("one", "WaitingFlowToo")):
        tags = {"flow_sdk.flow": flow, "flow_sdk.run": run, "flow_sdk.step": "start", "flow_sdk.task": "0"}
        job = aws.submit_job(jobName=f"{flow}-start-{run}", jobQueue="rig", jobDefinition="by-hand", tags=tags)
        ids[flow, run] = job["jobId"]
    listed = call(tmp_path, *AT, "batch", "list", "--run-id", "sfn-one", environment=settings(rig)).stdout
    assert [line.split()[4] for line in listed.splitlines()[1:]] == [ids["WaitingFlow", "one"]]
    killed = call(tmp_path, *AT, "batch", "kill", "--run-id", "sfn-one", environment=settings(rig))
    assert killed.stdout.count("ended ") == 1
    left = {job["jobId"]: job["status"] for job in rig.jobs()}
    assert left[ids["WaitingFlow", "two"]] != "FAILED" and left[ids["WaitingFlowToo", "one"]] != "FAILED"
    for key in (("WaitingFlow", "two"), ("WaitingFlowToo", "one")):
        aws.terminate_job(jobId=ids[key], reason="done")


def test_a_definition_is_registered_once(rig: BatchServer, tmp_path: Path) -> None:
    process = start(rig, tmp_path, until=": RUNNING$")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    jobs = [job for job in rig.jobs() if job["jobName"].startswith("WaitingFlow-")]
    found = rig.client("batch").describe_job_definitions(status="ACTIVE")["jobDefinitions"]
    ours = [
        one for one in found if {"type": "MEMORY", "value": "700"} in one["containerProperties"]["resourceRequirements"]
    ]
    assert len(jobs) > 2 and [one["revision"] for one in ours] == [1]


def test_a_container_that_fails_before_our_code(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_text("#!/bin/sh\necho '/usr/bin/python: No module named flow_sdk'\nexit 1\n")
    image.chmod(0o755)
    write(tmp_path, WAITING)
    extra = ("--with", "batch", "--with", "catch:var=why", "--with", "retry:times=1,minutes_between_retries=0")
    with BatchServer("flows", python=str(image)) as broken:
        done = call(tmp_path, *AT, *extra, "run", environment=settings(broken))
        assert "No module named flow_sdk" in done.stderr
        assert "the container failed before it could say why (exit code 1" in done.stderr
        assert "log stream flow-sdk-" in done.stderr
        # Each step was tried as often as it should be and never here: then @catch took over, without a container.
        assert done.returncode == 0 and done.stdout == ""
        names = [job["jobName"] for job in broken.jobs()]
        assert names == [f"WaitingFlow-1-{task}" for task in ("start-0", "start-0", "end-1", "end-1")]


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("--datastore", "local"), {}, "A step with @batch needs its artifacts in S3."),
        (AT, {"FLOW_SDK_BATCH_JOB_QUEUE": ""}, "FLOW_SDK_BATCH_JOB_QUEUE"),
        (AT, {"FLOW_SDK_BATCH_JOB_QUEUE": "rigg", "FLOW_SDK_BATCH_PLATFORM": "EC2"}, "Did you mean 'rig'?"),
        (AT, {"FLOW_SDK_BATCH_IMAGE": ""}, "FLOW_SDK_BATCH_IMAGE"),
        (AT, {"FLOW_SDK_BATCH_PLATFORM": "FARGATE"}, "FLOW_SDK_BATCH_EXECUTION_ROLE"),
        (AT, {"FLOW_SDK_BATCH_PLATFORM": "MARS"}, "wanted: EC2 or FARGATE"),
    ],
)
def test_what_is_missing_is_said_before_anything_runs(
    rig: BatchServer, tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    write(tmp_path, WAITING)
    done = call(tmp_path, *arguments, "--with", "batch", "run", environment={**settings(rig), **environment})
    assert done.returncode == 2
    assert said in done.stderr and "Traceback" not in done.stderr and "started" not in done.stderr


def test_a_flow_of_a_package_on_batch(rig: BatchServer, tmp_path: Path) -> None:
    tree = tmp_path / "tree" / "shop" / "flows"
    tree.mkdir(parents=True)
    (tree.parent / "sums.py").write_text("TAX = 20\n")
    text = WAITING.replace("import time", "from ..sums import TAX").replace("time.sleep(60)", "self.tax = TAX")
    (tree / "bill.py").write_text(text)
    variables = {**os.environ, **settings(rig)}

    def started(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        words = (sys.executable, "-m", "shop.flows.bill", *AT, "run", "--with", "batch", *words)
        env = {**variables, **more}
        return subprocess.run(words, cwd=tmp_path / "tree", env=env, capture_output=True, text=True, timeout=120)

    done = started("--run-id-file", str(tmp_path / "id"))
    assert done.returncode == 0, done.stderr
    assert "Code package: 2 files" in done.stderr
    run = (tmp_path / "id").read_text()
    assert read(rig, tmp_path, f"print(Run('WaitingFlow/{run}')['start'].task['tax'].data)") == "20"
    # What a job wouldn't have is refused before anything is started.
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "tools.py").write_text("")
    (tree / "bill.py").write_text(f"import tools\n{text}")
    done = started(PYTHONPATH=f"{tmp_path}/elsewhere")
    assert done.returncode == 2 and "tools" in done.stderr and "started" not in done.stderr
