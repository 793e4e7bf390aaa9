"""The rig's Batch: jobs that fail, wait, are tried again and are ended, without any state machine."""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.batch_server import BatchServer

FLAKY = "import os, sys; print('try', os.environ['AWS_BATCH_JOB_ATTEMPT']); sys.exit(7)"
SLEEP = "import time; print('asleep', flush=True); time.sleep(600)"
HOSTS = {"onStatusReason": "Host EC2*", "action": "RETRY"}
OTHERS = {"onReason": "*", "action": "EXIT"}


@pytest.fixture(scope="module")
def aws() -> Iterator[BatchServer]:
    with BatchServer(slots=2) as server:
        server.prepare()
        yield server


def submit(server: BatchServer, code: str | list[str], define: dict[str, Any] | None = None, **more: Any) -> str:
    """Register a definition of its own, submit a job and return its id."""
    batch = server.client("batch")
    name = f"d{time.monotonic_ns()}"
    container = {
        "image": "rig",
        "command": ["python", "-c", code] if isinstance(code, str) else code,
        "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}],
    }
    batch.register_job_definition(
        jobDefinitionName=name, type="container", containerProperties=container, **(define or {})
    )
    return str(batch.submit_job(jobName="j", jobQueue="rig", jobDefinition=name, **more)["jobId"])


def described(server: BatchServer, job_id: str) -> dict[str, Any]:
    (found,) = server.client("batch").describe_jobs(jobs=[job_id])["jobs"]
    return dict(found)


def wait(ready: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ended(server: BatchServer, job_id: str) -> dict[str, Any]:
    wait(lambda: described(server, job_id)["status"] in ("SUCCEEDED", "FAILED"))
    return described(server, job_id)


def test_a_job_is_tried_as_often_as_its_strategy_says(aws: BatchServer) -> None:
    job = ended(aws, submit(aws, FLAKY, retryStrategy={"attempts": 3}))
    assert job["status"] == "FAILED"
    assert [attempt["container"]["exitCode"] for attempt in job["attempts"]] == [7, 7, 7]
    streams = [attempt["container"]["logStreamName"] for attempt in job["attempts"]]
    assert len(set(streams)) == 3
    assert aws.log(job) == ["try 3"]


def test_the_first_rule_that_matches_decides(aws: BatchServer) -> None:
    rules = [HOSTS, {"onExitCode": "7", "action": "EXIT"}, {"onReason": "*", "action": "RETRY"}]
    job = ended(aws, submit(aws, FLAKY, {"retryStrategy": {"attempts": 3, "evaluateOnExit": rules}}))
    assert len(job["attempts"]) == 1


def test_a_lost_host_is_another_attempt(aws: BatchServer) -> None:
    code = "import os, time; time.sleep(600 if os.environ['AWS_BATCH_JOB_ATTEMPT'] == '1' else 0)"
    strategy = {"attempts": 2, "evaluateOnExit": [HOSTS, OTHERS]}
    job_id = submit(aws, code, {"retryStrategy": strategy})
    wait(lambda: described(aws, job_id)["status"] == "RUNNING")
    aws.reclaim(job_id)
    job = ended(aws, job_id)
    assert job["status"] == "SUCCEEDED"
    assert [attempt["statusReason"].partition(" (")[0] for attempt in job["attempts"]] == [
        "Host EC2",
        "Essential container in task exited",
    ]


def test_a_job_that_takes_too_long_is_ended_and_not_tried_again(aws: BatchServer) -> None:
    define = {"timeout": {"attemptDurationSeconds": 1}, "retryStrategy": {"attempts": 3}}
    job = ended(aws, submit(aws, SLEEP, define))
    assert (job["status"], job["statusReason"]) == ("FAILED", "Job attempt duration exceeded timeout")
    assert [attempt["container"]["exitCode"] for attempt in job["attempts"]] == [143]


def test_a_terminated_job_may_tidy_up(aws: BatchServer) -> None:
    code = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (print('tidy'), sys.exit(0)));"
        "print('asleep', flush=True); time.sleep(600)"
    )
    job_id = submit(aws, code)
    wait(lambda: described(aws, job_id)["status"] == "RUNNING" and aws.log(described(aws, job_id)) == ["asleep"])
    aws.client("batch").terminate_job(jobId=job_id, reason="enough")
    job = ended(aws, job_id)
    assert (job["status"], job["statusReason"]) == ("FAILED", "enough")
    assert aws.log(job) == ["asleep", "tidy"]


def test_jobs_wait_for_a_slot_and_can_be_ended_while_they_wait(aws: BatchServer) -> None:
    first = [submit(aws, SLEEP) for _ in range(2)]
    wait(lambda: all(described(aws, job_id)["status"] == "RUNNING" for job_id in first))
    third = submit(aws, SLEEP)
    wait(lambda: described(aws, third)["status"] == "RUNNABLE")
    for job_id in (third, *first):
        aws.client("batch").terminate_job(jobId=job_id, reason="enough")
    assert [len(ended(aws, job_id)["attempts"]) for job_id in (third, *first)] == [0, 1, 1]


def test_a_command_that_isnt_there_never_starts(aws: BatchServer) -> None:
    job = ended(aws, submit(aws, ["no-such-program"]))
    assert job["status"] == "FAILED"
    assert "exitCode" not in job["attempts"][0]["container"]
    assert job["attempts"][0]["container"]["reason"].startswith("CannotStartContainerError")


def test_overrides_are_limited_as_on_aws(aws: BatchServer) -> None:
    for name, value in (("A", "x" * 9000), ("AWS_BATCH_JOB_ATTEMPT", "1")):
        with pytest.raises(aws.client("batch").exceptions.ClientException):
            submit(aws, FLAKY, containerOverrides={"environment": [{"name": name, "value": value}]})


def test_overrides_come_before_the_definition(aws: BatchServer) -> None:
    code = "import os, sys; print(sys.executable); print(os.environ['A'], os.environ['B'])"
    container = {
        "image": "rig",
        "command": ["python", "-c", code],
        "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}],
    }
    batch = aws.client("batch")
    batch.register_job_definition(jobDefinitionName="over", type="container", containerProperties=container)
    overrides = {"environment": [{"name": "B", "value": "$(x) 'é"}]}
    job_id = batch.submit_job(jobName="j", jobQueue="rig", jobDefinition="over", containerOverrides=overrides)["jobId"]
    job = ended(aws, job_id)
    assert aws.log(job) == [sys.executable, "1 $(x) 'é"]
    assert len(job["container"]["environment"]) == len(described(aws, job_id)["container"]["environment"])
