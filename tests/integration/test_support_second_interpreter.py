"""The second interpreter and the validator, on small state machines with known outcomes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import second_interpreter
from tests.support.batch_server import BatchServer

pytestmark = pytest.mark.node

BUCKET = "second"
TELL = """
import json, os, sys
import boto3
execution = boto3.client("stepfunctions").describe_execution(executionArn=os.environ["EXECUTION"])
told = {"input": json.loads(execution["input"]), "try": os.environ["TRY"]}
boto3.client("s3").put_object(Bucket="second", Key=os.environ["ITEM"], Body=json.dumps(told))
sys.exit(3 if os.environ["TRY"] < os.environ["WORKS_AT"] else 0)
"""


@pytest.fixture(scope="module")
def aws() -> Iterator[BatchServer]:
    with BatchServer(BUCKET) as server:
        server.prepare()
        server.client("batch").register_job_definition(
            jobDefinitionName="tell",
            type="container",
            containerProperties={
                "image": "rig",
                "command": ["python", "-c", TELL],
                "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}],
            },
        )
        yield server


def one(state: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": "a", "States": {"a": {**state, "End": True}}}


def job(item: str, works_at: int = 0) -> dict[str, Any]:
    environment = [
        {"Name": "ITEM", "Value.$": item},
        {"Name": "EXECUTION", "Value.$": "$$.Execution.Id"},
        {"Name": "TRY", "Value.$": "States.Format('{}', $$.State.RetryCount)"},
        {"Name": "WORKS_AT", "Value": str(works_at)},
    ]
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::batch:submitJob.sync",
        "Parameters": {
            "JobName": "j",
            "JobDefinition": "tell",
            "JobQueue": "rig",
            "Tags": {"aKey": "aValue"},
            "ContainerOverrides": {"Environment": environment},
        },
        "ResultPath": None,
        "Retry": [{"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 1}],
    }


def told(server: BatchServer, key: str) -> Any:
    return json.loads(server.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read())


def test_a_map_over_a_list_from_s3_runs_real_jobs(aws: BatchServer) -> None:
    aws.client("s3").put_object(Bucket=BUCKET, Key="a list", Body=json.dumps(["x", "y"]))
    read = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
        "Parameters": {"Bucket": BUCKET, "Key": "a list"},
        "ResultSelector": {"list.$": "States.StringToJson($.Body)"},
        "ResultPath": "$.items",
        "Next": "each",
    }
    each = {
        "Type": "Map",
        "ItemsPath": "$.items.list",
        "ItemSelector": {"key.$": "States.Format('{}/{}', $$.Execution.Name, $$.Map.Item.Value)"},
        "ItemProcessor": one(job("$.key")),
        "ResultPath": None,
        "End": True,
    }
    machine = {"StartAt": "read", "States": {"read": read, "each": each}}
    ended = second_interpreter.run(machine, "the-run", {"p": 1}, aws)
    assert ended == {"status": "SUCCEEDED", "output": {"p": 1, "items": {"list": ["x", "y"]}}}
    assert [told(aws, f"the-run/{item}") for item in "xy"] == [{"input": {"p": 1}, "try": "0"}] * 2
    assert aws.jobs()[-1]["tags"] == {"aKey": "aValue"}


def test_a_failing_job_is_tried_again(aws: BatchServer) -> None:
    assert second_interpreter.run(one(job("$.k", 1)), "r1", {"k": "works"}, aws)["status"] == "SUCCEEDED"
    assert told(aws, "works")["try"] == "1"
    ended = second_interpreter.run(one(job("$.k", 2)), "r2", {"k": "fails"}, aws)
    assert (ended["status"], ended["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(ended["cause"])["container"]["exitCode"] == 3


def test_a_missing_object_is_named(aws: BatchServer) -> None:
    read = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
        "Parameters": {"Bucket": BUCKET, "Key": "missing"},
    }
    ended = second_interpreter.run(one(read), "r3", {}, aws)
    assert (ended["status"], ended["error"]) == ("FAILED", "S3.NoSuchKeyException")


def test_what_isnt_supported_is_refused(aws: BatchServer) -> None:
    mapped = {"Type": "Map", "ItemReader": {}, "ItemProcessor": one({"Type": "Pass"})}
    with pytest.raises(RuntimeError, match="distributed maps"):
        second_interpreter.run(one(mapped), "r4", {}, aws)


def test_the_validator_finds_what_is_wrong() -> None:
    assert second_interpreter.validate(one(job("$.k"))) == []
    nowhere = {"StartAt": "a", "States": {"a": {"Type": "Pass", "Next": "b"}, "z": {"Type": "Succeed"}}}
    assert any("MISSING_TRANSITION_TARGET" in found for found in second_interpreter.validate(nowhere))
