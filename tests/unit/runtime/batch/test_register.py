"""Job definitions and queues in AWS, asked of moto."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from flow_sdk.errors import AwsError, ConfigError
from flow_sdk.plan.model import StepPlan
from flow_sdk.runtime.batch.definition import BatchSettings, job_definition
from flow_sdk.runtime.batch.register import (
    check_log_groups,
    ensure_registered,
    find_missing_definitions,
    find_platforms,
)

SETTINGS = BatchSettings(queue="plain", image="i", job_role="r", execution_role="e")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with mock_aws():
        yield boto3.client("batch", region_name="us-east-1")


def a_step(name: str = "a", **batch: Any) -> StepPlan:
    return StepPlan(name, "linear", decorators=(("batch", batch),))


def definitions(*steps: StepPlan) -> list[Any]:
    return [job_definition(step, SETTINGS, "s3://b") for step in steps]


def active(client: Any) -> list[tuple[str, int]]:
    found = client.describe_job_definitions(status="ACTIVE")["jobDefinitions"]
    return sorted((one["jobDefinitionName"], one["revision"]) for one in found)


def test_equal_ones_are_registered_once_and_kept(client: Any) -> None:
    one, same, other = definitions(a_step("a"), a_step("b"), a_step("c", cpu=2))
    assert ensure_registered(client, [one, same, other]) == [one.name, other.name]
    assert ensure_registered(client, [other, one]) == []
    assert active(client) == sorted([(one.name, 1), (other.name, 1)])
    found = client.describe_job_definitions(jobDefinitionName=other.name)["jobDefinitions"][0]
    assert {"type": "VCPU", "value": "2"} in found["containerProperties"]["resourceRequirements"]


def test_one_that_was_deregistered_is_registered_anew(client: Any) -> None:
    (one,) = definitions(a_step())
    ensure_registered(client, [one])
    client.deregister_job_definition(jobDefinition=f"{one.name}:1")
    assert [found.name for found in find_missing_definitions(client, [one])] == [one.name]
    assert ensure_registered(client, [one]) == [one.name]


def test_nothing_to_do(client: Any) -> None:
    assert ensure_registered(client, []) == []
    assert find_platforms(client, [], BatchSettings()) == BatchSettings()


def test_a_refusal_names_the_definition(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = definitions(a_step())
    broken = dict(one.arguments, containerProperties={**one.arguments["containerProperties"], "image": 5})
    with pytest.raises(AwsError) as caught:
        ensure_registered(client, [type(one)(one.name, broken)])
    assert caught.value.where == one.name


def make_queue(client: Any, name: str, kind: str | None) -> str:
    role = boto3.client("iam", region_name="us-east-1").create_role(
        RoleName=f"role-{name}", AssumeRolePolicyDocument="{}"
    )["Role"]["Arn"]
    arguments: dict[str, Any] = {"type": "UNMANAGED"}
    if kind is not None:
        ec2 = boto3.client("ec2", region_name="us-east-1")
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
        resources = {"type": kind, "maxvCpus": 4, "subnets": [subnet], "securityGroupIds": [group]}
        arguments = {"type": "MANAGED", "computeResources": resources}
    made = client.create_compute_environment(
        computeEnvironmentName=f"for-{name}", state="ENABLED", serviceRole=role, **arguments
    )
    order = [{"order": 1, "computeEnvironment": made["computeEnvironmentArn"]}]
    queue = client.create_job_queue(jobQueueName=name, state="ENABLED", priority=1, computeEnvironmentOrder=order)
    return str(queue["jobQueueArn"])


def test_platforms_are_found_by_name_and_arn(client: Any) -> None:
    make_queue(client, "plain", None)
    fargate = make_queue(client, "small", "FARGATE_SPOT")
    found = find_platforms(client, [a_step("a"), a_step("b", queue="small"), a_step("c", queue=fargate)], SETTINGS)
    assert found.platforms == {"plain": "EC2", "small": "FARGATE", fargate: "FARGATE"}
    assert found.platform_of("small") == "FARGATE" and found.platform_of("elsewhere") == "EC2"


def test_the_setting_spares_the_question_of_the_platform_but_not_of_the_queue(client: Any) -> None:
    settings = replace(SETTINGS, platform="FARGATE")
    with pytest.raises(ConfigError, match="no job queue 'plain'"):
        find_platforms(client, [a_step()], settings)
    make_queue(client, "plain", None)
    assert find_platforms(client, [a_step()], settings) is settings
    client.update_job_queue(jobQueue="plain", state="DISABLED")
    with pytest.raises(ConfigError, match="takes no jobs"):
        find_platforms(client, [a_step()], settings)


def test_who_may_not_look_at_queues_says_the_platform(client: Any) -> None:
    make_queue(client, "plain", None)
    refuse(client, "DescribeJobQueues")
    with pytest.raises(AwsError, match="doesn't let us look at the job queue"):
        find_platforms(client, [a_step()], SETTINGS)
    settings = replace(SETTINGS, platform="EC2")
    assert find_platforms(client, [a_step()], settings) is settings


def refuse(client: Any, operation: str) -> None:
    """Let AWS answer each such call that we may not."""
    from botocore.awsrequest import AWSResponse

    def answer(**_: object) -> tuple[AWSResponse, dict[str, Any]]:
        denied = {"Error": {"Code": "AccessDeniedException", "Message": "no"}}
        return AWSResponse("https://aws", 403, {}, None), denied  # type: ignore[arg-type]

    client.meta.events.register(f"before-call.*.{operation}", answer)


def test_a_log_group_that_isnt_there(client: Any) -> None:
    logs = boto3.client("logs", region_name="us-east-1")
    logs.create_log_group(logGroupName="/mine/too")
    group = ["awslogs-group:/mine"]
    with pytest.raises(ConfigError, match="no log group '/mine'") as caught:
        check_log_groups(lambda: logs, [a_step(log_options=group)])
    assert "step a" in str(caught.value) and "us-east-1" in str(caught.value) and "'/mine/too'" in str(caught.value)
    logs.create_log_group(logGroupName="/mine")
    check_log_groups(lambda: logs, [a_step(log_options=group)])


@pytest.mark.parametrize(
    "batch",
    [
        {},
        {"log_options": ["awslogs-stream-prefix:x"]},
        {"log_options": ["awslogs-group:/no", "awslogs-create-group:true"]},
        {"log_options": ["awslogs-group:/no", "awslogs-region:eu-west-1"]},
        {"log_driver": "splunk", "log_options": ["awslogs-group:/no"]},
    ],
)
def test_logs_that_go_elsewhere_are_not_looked_for(client: Any, batch: dict[str, Any]) -> None:
    check_log_groups(lambda: boto3.client("logs", region_name="us-east-1"), [a_step(**batch)])


def test_who_may_not_look_at_log_groups_is_believed(client: Any) -> None:
    logs = boto3.client("logs", region_name="us-east-1")
    refuse(logs, "DescribeLogGroups")
    check_log_groups(lambda: logs, [a_step(log_options=["awslogs-group:/no"])])


def test_a_queue_that_isnt_there(client: Any) -> None:
    make_queue(client, "plain", None)
    with pytest.raises(ConfigError) as caught:
        find_platforms(client, [a_step(queue="plane")], SETTINGS)
    assert "'plane'" in caught.value.headline and str(caught.value.help).startswith("Did you mean 'plain'?")
    assert "FLOW_SDK_BATCH_JOB_QUEUE" in str(caught.value.help)
    assert "us-east-1" in str(caught.value.where)


def test_a_queue_that_takes_no_jobs(client: Any) -> None:
    make_queue(client, "plain", None)
    client.update_job_queue(jobQueue="plain", state="DISABLED")
    with pytest.raises(ConfigError, match="takes no jobs"):
        find_platforms(client, [a_step()], SETTINGS)
