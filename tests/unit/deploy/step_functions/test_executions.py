"""Runs in AWS: what they are given, how they are named, and which may go on."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from flow_sdk.deploy.step_functions.account import AwsAccount
from flow_sdk.deploy.step_functions.descriptions import execution_rows, log_tail_lines
from flow_sdk.deploy.step_functions.execution import Execution
from flow_sdk.deploy.step_functions.executions import (
    LARGEST_INPUT,
    Executions,
    check_redrive,
    execution_name,
    input_text,
)
from flow_sdk.deploy.step_functions.machine import StateMachine
from flow_sdk.errors import AwsError, DeployError, ParameterError, UsageError

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
PLACE = AwsAccount("aws", "123456789012", "us-east-1")
HOSTILE = "$(id) `x` {{ y }} {} States.Format('{}', $.a) \\ \n\t'\" 😀 \u2028 é"


def run(status: str, ended_days_ago: float | None = None, **facts: Any) -> Execution:
    stopped = None if ended_days_ago is None else NOW - timedelta(days=ended_days_ago)
    return Execution.from_response(
        {
            "name": "x",
            "executionArn": PLACE.execution_arn("F", "x"),
            "status": status,
            "startDate": NOW - timedelta(days=90),
            "stopDate": stopped,
            "stateMachineVersionArn": f"{PLACE.machine_arn('F')}:1",
            **facts,
        }
    )


def text_of(*arguments: Any) -> str:
    return "\n".join(f"{name} {text}" for name, text in execution_rows(*arguments))


@pytest.fixture
def stub():
    states = boto3.client("stepfunctions", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(states) as stubber:
        yield stubber, Executions(StateMachine("F", PLACE, states))
        stubber.assert_no_pending_responses()


def test_the_job_that_ended_a_run():
    cause = {
        "JobId": "abc",
        "JobName": "F-start-x",
        "StatusReason": "Essential container in task exited",
        "Container": {"Environment": [{"Name": "FLOW_SDK_TASK", "Value": "F/sfn-x/start/0"}], "LogStreamName": "s/1"},
        "Attempts": [{"Container": {"ExitCode": 2}}, {"Container": {"Reason": "CannotPullContainerError: no such"}}],
    }
    ended = run("FAILED", 0.0, error="States.TaskFailed", cause=json.dumps(cause))
    assert ended.failed_job["container"]["logStreamName"] == "s/1"
    text = text_of(ended, "https://console", "python f.py logs")
    assert "job F-start-x, reason CannotPullContainerError: no such" in text
    assert "python f.py logs sfn-x/start/0" in text
    assert "none in the store" in text_of(ended, "https://console", None)
    for other in ("", "JobQueue q not found", "[1]", "{}"):
        assert run("FAILED", 0.0, cause=other).failed_job == {}


def test_the_end_of_a_failed_jobs_log():
    logs = boto3.client("logs", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    job = {"jobId": "abc", "container": {"logStreamName": "s/1"}}
    with Stubber(logs) as stubber:
        asked = {"logGroupName": "/aws/batch/job", "logStreamName": "s/1", "limit": 15, "startFromHead": False}
        stubber.add_response("get_log_events", {"events": [{"message": "one"}, {"message": "two"}]}, asked)
        assert log_tail_lines(job, lambda: logs) == ["one", "two"]
        stubber.add_client_error("get_log_events", "AccessDeniedException", "no")
        (told,) = log_tail_lines(job, lambda: logs)
        assert "AWS doesn't let us read the job's log. the permission logs:GetLogEvents" in told
    assert log_tail_lines({}, lambda: logs) == [] == log_tail_lines({"jobId": "abc"}, lambda: logs)


def test_parameters_travel_as_data():
    given = {"text": HOSTILE, "number": 1.5, "flag": True, "grid": {"a": [None, {}]}, "file": {"base64": "AA=="}}
    assert json.loads(input_text(given)) == given
    assert input_text({}) == "{}"


def test_parameters_that_are_too_large():
    room = LARGEST_INPUT - len('{"p":""}')
    assert len(input_text({"p": "x" * room}).encode()) == LARGEST_INPUT
    with pytest.raises(ParameterError) as refused:
        input_text({"p": "é" * (room // 2 + 1), "q": 1})
    assert "262,144" in str(refused.value) and "'p'" in str(refused.value)
    assert "262,15" in str(refused.value)  # what was seen


@pytest.mark.parametrize("value", [float("nan"), "\udc00"])
def test_parameters_that_are_no_json(value):
    with pytest.raises(ParameterError, match="can't be sent"):
        input_text({"p": value})


@pytest.mark.parametrize("text", ["sfn-abc_1-x", "F/sfn-abc_1-x", "abc_1-x"])
def test_a_run_by_its_names(text):
    assert execution_name(text, "F") == "abc_1-x"


@pytest.mark.parametrize("text", ["", "sfn-", "a b", "sfn-a/b", "G/sfn-a", "sfn-" + "x" * 81, "é", "sfn-a\n"])
def test_what_is_no_run(text):
    with pytest.raises(UsageError, match="isn't a run of Step Functions"):
        execution_name(text, "F")


def test_a_start_goes_through_the_alias_under_a_name_of_its_own(stub):
    stubber, runs = stub
    names = []
    for _ in range(2):
        stubber.add_response(
            "start_execution",
            {"executionArn": "arn:aws:states:us-east-1:123456789012:execution:F:x", "startDate": NOW},
            {"stateMachineArn": PLACE.machine_arn("F") + ":live", "name": ANY, "input": '{"p":"é"}'},
        )
        started = runs.start_run({"p": "é"})
        assert started.run == f"sfn-{started.name}" and execution_name(started.run, "F") == started.name
        names.append(started.name)
    assert len(set(names)) == 2


def start_of(name: str) -> dict[str, str]:
    return {"stateMachineArn": PLACE.machine_arn("F") + ":live", "name": name, "input": "{}"}


def test_a_start_under_a_name_that_the_user_gives(stub):
    stubber, runs = stub
    arn = PLACE.execution_arn("F", "nightly-1")
    stubber.add_client_error(
        "describe_execution", "ExecutionDoesNotExist", "none", expected_params={"executionArn": arn}
    )
    stubber.add_response("start_execution", {"executionArn": arn, "startDate": NOW}, start_of("nightly-1"))
    assert runs.start_run({}, "nightly-1").run == "sfn-nightly-1"


def test_a_name_that_a_run_has_is_refused(stub):
    stubber, runs = stub
    arn = PLACE.execution_arn("F", "x")
    machine = {"stateMachineArn": PLACE.machine_arn("F"), "name": "x", "status": "RUNNING", "startDate": NOW}
    stubber.add_response("describe_execution", {"executionArn": arn, **machine}, {"executionArn": arn})
    with pytest.raises(DeployError, match="There is a run sfn-x in Step Functions already"):
        runs.start_run({}, "x")
    # Another was started between the question and the call.
    stubber.add_client_error("describe_execution", "ExecutionDoesNotExist", "none")
    stubber.add_client_error("start_execution", "ExecutionAlreadyExists", "same name", expected_params=start_of("x"))
    with pytest.raises(DeployError, match="There is a run sfn-x in Step Functions already"):
        runs.start_run({}, "x")


def test_the_call_that_goes_on_with_a_run(stub):
    stubber, runs = stub
    # LocalStack has no RedriveExecution: here botocore checks the call's form.
    now = datetime.now(UTC)
    found = run("FAILED", (NOW - now) / timedelta(days=1))
    stubber.add_response("redrive_execution", {"redriveDate": NOW}, {"executionArn": found.arn})
    runs.redrive_run(found)


def test_aws_refuses_to_go_on(stub):
    stubber, runs = stub
    now = datetime.now(UTC)
    stubber.add_client_error("redrive_execution", "ExecutionLimitExceeded", "too many")
    with pytest.raises(AwsError, match="continue the run sfn-x") as refused:
        runs.redrive_run(run("FAILED", (NOW - now) / timedelta(days=1)))
    assert "too many" in str(refused.value)


@pytest.mark.parametrize("found", [run("FAILED", 1), run("ABORTED", 13.9), run("TIMED_OUT", 0)])
def test_runs_that_may_go_on(found):
    check_redrive(found, NOW)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (run("RUNNING"), "is still running"),
        (run("PENDING_REDRIVE"), "is still running"),
        (run("SUCCEEDED", 1), "has succeeded"),
        (run("FAILED", 14.1), "ended too long ago"),
        (
            run(
                "FAILED",
                1,
                redriveStatus="NOT_REDRIVABLE",
                redriveStatusReason="Execution history event limit exceeded",
            ),
            "Execution history event limit exceeded",
        ),
    ],
)
def test_runs_that_may_not(found, text):
    with pytest.raises(DeployError) as refused:
        check_redrive(found, NOW)
    assert text in str(refused.value)
    if not found.is_running:
        assert "resume --origin-run-id sfn-x" in str(refused.value)


def test_a_run_whose_input_was_refused_does_not_go_on():
    found = run("FAILED", 0.0, error="FlowSDK.RefusedInput", cause="The flow has no parameter 'alfa'.\n  help: alpha")
    with pytest.raises(DeployError, match="never began") as refused:
        check_redrive(found, NOW)
    assert "no parameter 'alfa'" in str(refused.value)
    text = text_of(found, "https://console", None)
    assert "FlowSDK.RefusedInput" in text and "no parameter 'alfa'" in text


def test_a_run_that_is_not_there(stub):
    stubber, runs = stub
    stubber.add_client_error("describe_execution", "ExecutionDoesNotExist", "no")
    with pytest.raises(DeployError, match="F has no run sfn-x"):
        runs.find_run("x")


def test_runs_of_several_kinds_are_merged_newest_first(stub):
    stubber, runs = stub

    def page(status: str, *days: int, more: str = "") -> dict[str, Any]:
        found = [
            {
                "executionArn": f"{PLACE.machine_arn('F')}:{status}{day}",
                "stateMachineArn": PLACE.machine_arn("F"),
                "name": f"{status}{day}",
                "status": status,
                "startDate": NOW - timedelta(days=day),
            }
            for day in days
        ]
        return {"executions": found, **({"nextToken": more} if more else {})}

    arn = {"stateMachineArn": PLACE.machine_arn("F")}
    stubber.add_response("list_executions", page("FAILED", 1, 4, more="t"), {**arn, "statusFilter": "FAILED"})
    stubber.add_response("list_executions", page("ABORTED", 2, 6), {**arn, "statusFilter": "ABORTED"})
    stubber.add_response("list_executions", page("FAILED", 5), {**arn, "statusFilter": "FAILED", "nextToken": "t"})
    found = [each.name for each in runs.list_runs(("FAILED", "ABORTED"))]
    assert found == ["FAILED1", "ABORTED2", "FAILED4", "FAILED5", "ABORTED6"]
