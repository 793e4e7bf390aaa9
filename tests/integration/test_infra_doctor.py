"""From a stack's outputs to a profile, and what doctor says of it, on moto's AWS."""

import json

import boto3
import pytest

from flow_sdk import config
from flow_sdk.cli.console import execute_console
from flow_sdk.errors import AwsError, ConfigError
from tests.support.infra_stack import as_user, clients, enforce, make_stack
from tests.support.moto import MotoServer

pytestmark = pytest.mark.aws


@pytest.fixture(scope="module")
def moto():
    with MotoServer() as server:
        server.outputs = make_stack(server, "flow-sdk", Bucket="the-store")
        yield server


@pytest.fixture(autouse=True)
def here(moto, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("FLOW_SDK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FLOW_SDK_PROFILE", "")
    for name, value in moto.env().items():
        monkeypatch.setenv(name, value)
    return tmp_path


def doctor(capsys):
    capsys.readouterr()
    code = execute_console(["doctor", "--json"])
    return code, {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}


def configured(*more):
    return execute_console(["configure", "aws", "--stack", "flow-sdk", "--batch-image", "flows:1", *more])


def test_a_stack_becomes_a_profile_in_which_everything_is_found(moto, capsys):
    assert configured("--profile", "team") == 0
    text = capsys.readouterr().out
    assert f"BATCH_JOB_ROLE               {moto.outputs['BatchJobRole']}  (stack flow-sdk)" in text
    assert "BATCH_IMAGE                  flows:1  (--batch-image)" in text
    assert "export FLOW_SDK_PROFILE=team" in text
    assert config.file_settings() == {
        "BATCH_EXECUTION_ROLE": moto.outputs["BatchExecutionRole"],
        "BATCH_IMAGE": "flows:1",
        "BATCH_JOB_QUEUE": "flow-sdk",
        "BATCH_JOB_ROLE": moto.outputs["BatchJobRole"],
        "BATCH_PLATFORM": "FARGATE",
        "DATASTORE_SYSROOT_S3": "s3://the-store/flow-sdk",
        "DEFAULT_DATASTORE": "s3",
        "EVENTS_SFN_ACCESS_IAM_ROLE": moto.outputs["EventsSfnAccessIamRole"],
        "SFN_EXECUTION_LOG_GROUP_ARN": moto.outputs["SfnExecutionLogGroupArn"],
        "SFN_IAM_ROLE": moto.outputs["SfnIamRole"],
        "SFN_STATE_MACHINE_PREFIX": "flow-sdk",
    }
    code, checks = doctor(capsys)
    assert {name: check["state"] for name, check in checks.items()} == {
        **dict.fromkeys(checks, "ok"),
        "Airflow": "not set up",
    }
    assert code == 0
    assert checks["AWS Batch"]["found"] == "job queue flow-sdk on FARGATE"
    assert checks["AWS"]["found"].startswith("AWS account 123456789012, us-east-1")
    assert checks["store"]["found"] == "s3://the-store/flow-sdk: reached and written; the first run makes it a store"
    assert "Contents" not in clients(moto, "s3").list_objects_v2(Bucket="the-store")


@pytest.mark.parametrize(
    ("setting", "value", "part", "state", "found"),
    [
        ("BATCH_JOB_QUEUE", "other", "AWS Batch", "failed", "there is no job queue 'other'"),
        ("BATCH_JOB_QUEUE", "", "AWS Batch", "missing", "BATCH_JOB_QUEUE isn't set"),
        ("BATCH_IMAGE", "", "image", "missing", "BATCH_IMAGE isn't set"),
        ("BATCH_JOB_ROLE", "arn:aws:iam::123456789012:role/gone", "role of steps", "failed", "there is no role"),
        ("BATCH_JOB_ROLE", "", "role of steps", "missing", "BATCH_JOB_ROLE isn't set"),
        ("BATCH_EXECUTION_ROLE", "", "role that gets images and writes logs", "missing", "isn't set"),
        ("SFN_IAM_ROLE", "arn:aws:iam::999999999999:role/a", "role of state machines", "failed", "another account"),
        ("SFN_IAM_ROLE", "nonsense", "role of state machines", "failed", "isn't the ARN of a role"),
        (
            "SFN_EXECUTION_LOG_GROUP_ARN",
            "arn:aws:logs:us-east-1:123456789012:log-group:x",
            "log of runs",
            "failed",
            "no",
        ),
        ("DATASTORE_SYSROOT_S3", "s3://no-such-bucket/a", "store", "failed", "no-such-bucket"),
    ],
)
def test_what_is_missing_is_said(capsys, setting, value, part, state, found):
    configured()
    config.write_settings({setting: value or None})
    code, checks = doctor(capsys)
    assert (code, checks[part]["state"]) == (1, state)
    assert found in checks[part]["found"]
    assert checks[part]["help"]
    assert [name for name, check in checks.items() if check["state"] in ("failed", "missing")] == [part]


def test_a_queue_that_takes_no_jobs(moto, capsys):
    configured()
    batch = clients(moto, "batch")
    batch.update_job_queue(jobQueue="flow-sdk", state="DISABLED")
    try:
        code, checks = doctor(capsys)
    finally:
        batch.update_job_queue(jobQueue="flow-sdk", state="ENABLED")
    assert (code, checks["AWS Batch"]["found"]) == (1, "the job queue 'flow-sdk' is DISABLED, VALID")


def test_what_is_not_asked_for_is_not_set_up(capsys):
    config.write_settings({"BATCH_JOB_QUEUE": "flow-sdk", "BATCH_IMAGE": "flows:1"})
    _, checks = doctor(capsys)
    parts = ("role of state machines", "role of schedules", "Step Functions", "Parameter Store", "schedules")
    assert {checks[part]["state"] for part in parts} == {"not set up"}


def test_one_who_may_do_nothing(moto, monkeypatch, capsys):
    with MotoServer() as server:
        make_stack(server, "flow-sdk", Bucket="the-store")
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        configured()
        # In AWS it needs no permission.
        identity = {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}
        nothing = {"Version": "2012-10-17", "Statement": [identity]}
        for name, value in as_user(server, "guest", nothing).items():
            monkeypatch.setenv(name.upper(), value)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials it has found
        enforce(server)
        code, checks = doctor(capsys)
    assert code == 1
    assert checks["AWS"]["state"] == "ok", checks["AWS"]
    assert checks["role of steps"]["state"] == "couldn't look"
    for part, permission in {
        "AWS Batch": "batch:DescribeJobQueues",
        "Step Functions": "states:DescribeStateMachine",
        "Parameter Store": "ssm:GetParameter",
        "schedules": "scheduler:GetSchedule",
    }.items():
        assert checks[part]["state"] == "failed"
        assert permission.lower() in (checks[part]["help"] + checks[part]["found"]).lower()
    assert checks["store"]["state"] == "failed"


def test_a_stack_that_is_not_there_or_another(moto, capsys):
    with pytest.raises(AwsError, match="no-such-stack"):
        execute_console(["configure", "aws", "--stack", "no-such-stack"])
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    clients(moto, "cloudformation").create_stack(StackName="other", TemplateBody=json.dumps(template))
    with pytest.raises(ConfigError, match="no output that is a setting of ours"):
        execute_console(["configure", "aws", "--stack", "other"])
    assert config.file_settings() == {}
