"""Watching a job: what is told, how often is asked, what is survived; and why a job failed, in words."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from flow_sdk.errors import AwsError, FlowSDKError
from flow_sdk.runtime.batch.follow import RETRY_BUDGET, describe_failure, describe_jobs, follow_job, log_group


class Answers:
    """DescribeJobs that gives the prepared answers, and a clock that sleeping moves."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[list[str]] = []
        self.now = 0.0
        self.pauses: list[float] = []

    def describe_jobs(self, jobs: list[str]) -> dict[str, Any]:
        self.asked.append(jobs)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        found = [] if answer is None else [{"jobId": jobs[0], **answer}]
        return {"jobs": found}

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now

    def follow(self) -> tuple[list[tuple[str, str]], dict[str, Any]]:
        told: list[tuple[str, str]] = []
        looks: list[int] = []
        job = follow_job(
            self, "j", lambda *news: told.append(news), lambda: looks.append(1),
            sleep=self.sleep, clock=self.clock, jitter=lambda: 0.5,
        )  # fmt: skip
        assert len(looks) == len(self.pauses)
        return told, job


def at(status: str, reason: str = "") -> dict[str, Any]:
    return {"status": status, "statusReason": reason}


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeJobs")


def test_each_change_is_told_once() -> None:
    answers = Answers(
        None, at("SUBMITTED"), at("RUNNABLE"), at("RUNNABLE"), at("RUNNABLE", "MISCONFIGURATION:no machine"),
        at("STARTING"), at("RUNNING"), at("RUNNING"), at("SUCCEEDED", "Essential container in task exited"),
    )  # fmt: skip
    told, job = answers.follow()
    assert told == [
        ("RUNNABLE", ""), ("RUNNABLE", "MISCONFIGURATION:no machine"),
        ("STARTING", ""), ("RUNNING", ""), ("SUCCEEDED", ""),
    ]  # fmt: skip
    assert job["status"] == "SUCCEEDED"


def test_pauses_grow_while_nothing_changes_and_are_short_after_a_change() -> None:
    answers = Answers(*[at("RUNNABLE")] * 30, *[at("RUNNING")] * 20, at("FAILED"))
    answers.follow()
    assert answers.pauses[0] == 0.5 and answers.pauses[30] == 0.5
    assert max(answers.pauses[:30]) == answers.pauses[29] == 10.0
    assert max(answers.pauses[30:]) == answers.pauses[-1] == 3.0
    assert sorted(answers.pauses[:30]) == answers.pauses[:30]


@pytest.mark.parametrize(
    "trouble",
    [refusal("ThrottlingException"), refusal("ServerException"), EndpointConnectionError(endpoint_url="http://x")],
)
def test_trouble_that_passes(trouble: Exception) -> None:
    answers = Answers(at("RUNNING"), trouble, trouble, trouble, at("RUNNING"), at("SUCCEEDED"))
    told, _ = answers.follow()
    assert told == [("RUNNING", ""), ("SUCCEEDED", "")]
    first, second, third = answers.pauses[1:4]
    assert second >= 2 * first and third >= 2 * second


def test_trouble_that_doesnt_pass_ends_it() -> None:
    answers = Answers(at("RUNNING"), refusal("ThrottlingException"))
    with pytest.raises(AwsError):
        answers.follow()
    assert RETRY_BUDGET < answers.now < 2 * RETRY_BUDGET


@pytest.mark.parametrize("refused", [refusal("AccessDeniedException"), NoCredentialsError()])
def test_a_refusal_ends_it_at_once(refused: Exception) -> None:
    answers = Answers(refused)
    with pytest.raises(AwsError):
        answers.follow()
    assert answers.pauses == []


def test_a_job_that_aws_doesnt_know() -> None:
    with pytest.raises(FlowSDKError, match="doesn't know the job"):
        Answers(None).follow()


def test_many_jobs_are_asked_for_together() -> None:
    answers = Answers(at("RUNNING"))
    describe_jobs(answers, [str(n) for n in range(250)])
    assert [len(asked) for asked in answers.asked] == [100, 100, 50]
    assert describe_jobs(answers, []) == {}


def failed(code: int | None = None, reason: str = "", status: str = "", **container: Any) -> dict[str, Any]:
    inner = {**container, **({"reason": reason} if reason else {}), **({} if code is None else {"exitCode": code})}
    return {"jobId": "j-1", "container": container, "attempts": [{"container": inner, "statusReason": status}]}


EXITED = "Essential container in task exited"


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (failed(137, "OutOfMemoryError: Container killed due to memory usage", EXITED, memory=600),
         ["ran out of its memory of 600 MiB", "exit code 137", "OutOfMemoryError", "@batch(memory=...)"]),
        (failed(137, "", EXITED), ["ran out of its memory, or was killed", "@batch(memory=...)"]),
        (failed(None, "CannotPullContainerError: manifest unknown", "Task failed to start"),
         ["image can't be pulled", "manifest unknown", "FLOW_SDK_BATCH_IMAGE"]),
        (failed(None, "", "Host EC2 (instance i-1) terminated."), ["machine was taken away", "@retry", "i-1"]),
        (failed(None, "", "Your Spot Task was interrupted."), ["machine was taken away"]),
        (failed(137, "", "Your Spot Task was interrupted."), ["machine was taken away"]),
        (failed(127, "CannotStartContainerError: no python", EXITED), ["can't be started", "no python"]),
        (failed(143, "", "Job attempt duration exceeded timeout"), ["longer than its @timeout"]),
        (failed(1, "", EXITED, logStreamName="d/1"), ["failed before", "exit code 1", "log stream d/1"]),
        (failed(0, "", EXITED), ["ended without a result"]),
        (failed(143, "", "Ended by bob with batch kill."), ["ended from outside", "Ended by bob", "exit code 143"]),
        ({"jobId": "j-1", "statusReason": "Ended by bob."}, ["ended from outside", "Ended by bob"]),
        ({"jobId": "j-1", "statusReason": "Task failed to start", "attempts": []}, ["before its container had run"]),
    ],
)  # fmt: skip
def test_why_it_failed(job: dict[str, Any], said: list[str]) -> None:
    text = describe_failure(job)
    assert "\n" not in text and "j-1" in text and ".." not in text.replace("...", "")
    for part in said:
        assert part in text


def test_attempts_of_batch_itself_are_counted() -> None:
    job = failed(None, "", "Host EC2 (instance i-1) terminated.")
    job["attempts"] *= 5
    assert "5 attempts" in describe_failure(job)


def test_where_the_log_is() -> None:
    assert log_group({"container": {}}) == "/aws/batch/job"
    options = {"logDriver": "awslogs", "options": {"awslogs-group": "/mine"}}
    assert log_group({"container": {"logConfiguration": options}}) == "/mine"
    assert log_group({"container": {"logConfiguration": {"logDriver": "splunk"}}}) is None
