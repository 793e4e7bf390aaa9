"""What a deployment is made of: worked out without AWS, refused before AWS is asked."""

import dataclasses
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.deploy.step_functions.prepare import PreparedDeployment, StepFunctionsOptions, prepare_deployment
from flow_sdk.deploy.step_functions.roles import DeploymentRoles, check_roles, find_roles
from flow_sdk.errors import AwsError, ConfigError, DeployError
from flow_sdk.plan.codec import to_json
from flow_sdk.runtime.batch.definition import BatchSettings
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.store.blobs.blob import digest_of
from tests.unit.deploy.step_functions.flows import plan_of

SETTINGS = BatchSettings(queue="rig", image="image:1", job_role="arn:aws:iam::123456789012:role/job")
ROLE = "arn:aws:iam::123456789012:role/rig-machine"
DAILY = "@schedule(daily=True)"
LOG_GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:/flows/history"


def prepared(
    folder: Path, over: str = "", store: str = "s3://b/p", p: str = "default=1", **options: Any
) -> PreparedDeployment:
    return prepare_deployment(plan_of(folder, over, p), b"package", store, StepFunctionsOptions(**options), SETTINGS)


def test_a_secret_in_the_source_is_refused(tmp_path):
    inline = '{"type": "inline", "options": {"env_vars": {"TOKEN": "canary"}}}'
    on_work = f"from flow_sdk import secrets\n    @secrets(sources=[{inline}])"
    plan = plan_of(tmp_path, on_work=on_work)
    with pytest.raises(DeployError, match="can't be deployed") as caught:
        prepare_deployment(plan, b"package", "s3://b/p", StepFunctionsOptions(), SETTINGS)
    assert "work" in str(caught.value) and "canary" not in str(caught.value)


def test_nothing_but_the_arguments_counts(tmp_path, monkeypatch):
    def refuse(*arguments: object) -> None:
        raise AssertionError("the network was used")

    plan = plan_of(tmp_path)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    one, two = (prepare_deployment(plan, b"package", "s3://b/p", StepFunctionsOptions(), SETTINGS) for _ in range(2))
    assert one.definition_text == two.definition_text
    assert one.request == two.request


def test_the_request_says_what_every_run_begins_with(tmp_path):
    found = prepared(tmp_path, tags=("a", "b"), namespace="production:token")
    request = found.request
    assert (request.root, request.flow, request.tags) == ("s3://b/p", "F", ("a", "b"))
    assert request.plan == digest_of((to_json(found.plan),)).hex() and request.package == digest_of((b"package",)).hex()
    assert request.system_tags == ("runtime:step-functions", "production:token")
    assert request.namespace == "production:token" and request.user == "step-functions"
    assert TaskRequest.from_json(request.to_json()) == request
    assert digest_of((request.to_json(),)).hex() in found.definition_text
    assert "production:token" not in found.definition_text  # a token stands in no definition


def test_the_empty_namespace_is_the_global_one(tmp_path):
    request = prepared(tmp_path, tags=("production:token",), namespace="").request
    assert (request.namespace, request.system_tags, request.tags) == (
        "",
        ("runtime:step-functions",),
        ("production:token",),
    )


def test_the_options_reach_the_state_machine(tmp_path):
    plain = prepared(tmp_path).definition
    full = prepared(
        tmp_path, max_workers=3, workflow_timeout=60, use_distributed_map=True, batch_tags={"team": "search"}
    )
    assert "TimeoutSeconds" not in plain and full.definition["TimeoutSeconds"] == 60
    maps = [state for state in full.definition["States"].values() if state["Type"] == "Map"]
    assert [state["MaxConcurrency"] for state in maps] == [3]
    assert maps[0]["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
    assert full.definition_text.count('"team":"search"') == 3
    assert (
        prepare_deployment(
            plan_of(tmp_path), None, "s3://b/p", StepFunctionsOptions(), SETTINGS, "aws-cn"
        ).definition_text.count("arn:aws-cn:")
        == 5
    )
    assert json.loads(full.definition_text) == full.definition


def test_equal_steps_share_one_job_definition(tmp_path):
    assert len(prepared(tmp_path).jobs) == 1
    two = prepare_deployment(
        plan_of(tmp_path, on_work="@batch(memory=8192)"), None, "s3://b/p", StepFunctionsOptions(), SETTINGS
    )
    assert len(two.jobs) == 2
    assert all(job.name in two.definition_text for job in two.jobs)


REFUSED = [
    ({"store": "/some/store"}, "Step Functions needs a store in S3"),
    ({"store": "memory:"}, "Step Functions needs a store in S3"),
    ({"workflow_timeout": 0}, "--workflow-timeout is out of range"),
    ({"workflow_timeout": 100_000_000}, "--workflow-timeout is out of range"),
    ({"over": DAILY, "p": "required=True"}, "no user is there to give them"),
    ({"over": '@schedule(cron="0 0 1 * MON")'}, "EventBridge can't run this schedule"),
    ({"over": '@schedule(cron="0 10 ? * MON#1,WED#3 *")'}, "EventBridge can't run this schedule"),
    ({"alert_topic": "alerts"}, "--alert-topic isn't the ARN of a topic"),
    ({"alert_topic": "arn:aws:sns:eu-central-1:123456789012:alerts.fifo"}, "--alert-topic isn't the ARN of a topic"),
]


@pytest.mark.parametrize(("changes", "text"), REFUSED)
def test_what_step_functions_could_not_do(tmp_path, changes, text):
    from flow_sdk.errors import FlowSDKError

    with pytest.raises(FlowSDKError, match=text):
        prepared(tmp_path, **changes)


def test_a_missing_queue_or_image_is_named(tmp_path):
    for name in ("queue", "image"):
        with pytest.raises(ConfigError) as refused:
            prepare_deployment(
                plan_of(tmp_path), b"", "s3://b", StepFunctionsOptions(), dataclasses.replace(SETTINGS, **{name: None})
            )
        assert name in str(refused.value).lower() and "FLOW_SDK_BATCH_" in str(refused.value)


@pytest.mark.parametrize(
    ("options", "scheduled", "setting"),
    [
        (StepFunctionsOptions(), False, "FLOW_SDK_SFN_IAM_ROLE"),
        (StepFunctionsOptions(role="machine"), False, "FLOW_SDK_SFN_IAM_ROLE"),
        (StepFunctionsOptions(role=ROLE + "\n"), False, "FLOW_SDK_SFN_IAM_ROLE"),
        (StepFunctionsOptions(role=ROLE), True, "FLOW_SDK_EVENTS_SFN_ACCESS_IAM_ROLE"),
        (StepFunctionsOptions(role=ROLE, scheduler_role=LOG_GROUP), True, "FLOW_SDK_EVENTS_SFN_ACCESS_IAM_ROLE"),
        (StepFunctionsOptions(role=ROLE, log_history=True), False, "FLOW_SDK_SFN_EXECUTION_LOG_GROUP_ARN"),
        (
            StepFunctionsOptions(role=ROLE, log_history=True, log_group=ROLE),
            False,
            "FLOW_SDK_SFN_EXECUTION_LOG_GROUP_ARN",
        ),
    ],
)
def test_the_setting_of_a_missing_role_is_named(options, scheduled, setting):
    with pytest.raises(DeployError) as refused:
        check_roles(options, scheduled=scheduled)
    assert setting in str(refused.value) and "arn:aws:" in str(refused.value)


def test_only_the_roles_that_are_needed_are_asked_for():
    assert check_roles(StepFunctionsOptions(role=ROLE), scheduled=False) == DeploymentRoles(ROLE)
    options = StepFunctionsOptions(role=ROLE, scheduler_role=ROLE, log_history=True, log_group=LOG_GROUP)
    found = check_roles(options, scheduled=True).by_setting
    assert found == {"SFN_IAM_ROLE": ROLE, "EVENTS_SFN_ACCESS_IAM_ROLE": ROLE}


def test_the_history_is_logged_without_data():
    assert StepFunctionsOptions(log_group=LOG_GROUP).logging_configuration["level"] == "OFF"
    for group in (LOG_GROUP, LOG_GROUP + ":*"):
        logging = StepFunctionsOptions(log_history=True, log_group=group).logging_configuration
        assert (logging["level"], logging["includeExecutionData"]) == ("ALL", False)
        assert logging["destinations"] == [{"cloudWatchLogsLogGroup": {"logGroupArn": LOG_GROUP + ":*"}}]


def test_roles_are_looked_for(services, account):
    find_roles(DeploymentRoles(account.machine_role), services)
    with pytest.raises(DeployError, match=r"The role of SFN_IAM_ROLE doesn't exist\.") as refused:
        find_roles(DeploymentRoles(ROLE + "-none"), services)
    assert "rig-machine-none" in str(refused.value)
    with pytest.raises(DeployError, match="another AWS account") as refused:
        find_roles(DeploymentRoles("arn:aws:iam::999999999999:role/x"), services)
    assert "123456789012" in str(refused.value)


def test_an_aws_that_does_not_answer(unreachable):
    import boto3
    from botocore.config import Config

    from flow_sdk.deploy.step_functions.account import AwsAccount, find_account

    sts = boto3.client("sts", config=Config(retries={"max_attempts": 0}, connect_timeout=1))
    with pytest.raises(AwsError, match="AWS doesn't answer"):
        find_account(sts, "us-east-1")
    assert AwsAccount("aws-cn", "1", "cn-north-1").machine_arn("F") == "arn:aws-cn:states:cn-north-1:1:stateMachine:F"
