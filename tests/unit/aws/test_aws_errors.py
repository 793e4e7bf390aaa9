"""Errors of AWS: one clear message with what was refused, and the permission or setting that is missing."""

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    SSLError,
    UnauthorizedSSOTokenError,
)

from flow_sdk.aws.clients import make_client
from flow_sdk.aws.errors import aws_errors, error_code
from flow_sdk.errors import AwsError
from tests.support.ports import free_port


def refusal(code: str, operation: str = "CreateStateMachine", message: str = "the reason") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def told(error: Exception) -> AwsError:
    with pytest.raises(AwsError) as raised, aws_errors("create the state machine F", where="arn:of:it"):
        raise error
    assert raised.value.__cause__ is error
    return raised.value


@pytest.mark.parametrize(
    "code", ["ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "SignatureDoesNotMatch"]
)
def test_credentials_that_are_not_accepted(code):
    error = told(refusal(code))
    assert error.headline == "AWS can't create the state machine F: the credentials aren't accepted."
    assert code in str(error) and "aws sso login" in str(error) and error.code == code


@pytest.mark.parametrize("code", ["AccessDeniedException", "AccessDenied", "UnauthorizedOperation"])
@pytest.mark.parametrize(
    ("operation", "permission"),
    [
        ("CreateStateMachine", "states:CreateStateMachine"),
        ("ListStateMachineAliases", "states:ListStateMachineAliases"),
        ("RedriveExecution", "states:RedriveExecution"),
        ("PutParameter", "ssm:PutParameter"),
        ("CreateSchedule", "scheduler:CreateSchedule"),
        ("RegisterJobDefinition", "batch:RegisterJobDefinition"),
        ("DescribeJobQueues", "batch:DescribeJobQueues"),
        ("GetRole", "iam:GetRole"),
    ],
)
def test_a_missing_permission(code, operation, permission):
    error = told(refusal(code, operation))
    assert error.headline == "AWS doesn't let us create the state machine F."
    assert error.wanted == f"the permission {permission}"
    assert "the reason" in str(error) and "arn:of:it" in str(error)


def test_the_permission_that_aws_itself_names_counts():
    message = (
        "User: arn:aws:iam::1:user/anne is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/m"
    )
    error = told(refusal("AccessDeniedException", message=message))
    assert error.wanted == "the permission iam:PassRole"


@pytest.mark.parametrize("code", ["ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"])
def test_too_many_calls(code):
    error = told(refusal(code))
    assert "too many calls" in error.headline and "Try again" in str(error)


@pytest.mark.parametrize(
    ("code", "help_"),
    [
        ("StateMachineDeleting", "a minute"),
        ("StateMachineAlreadyExists", "again"),
        ("ConflictException", "again"),
        ("ServiceQuotaExceededException", "quota"),
        ("StateMachineLimitExceeded", "quota"),
        ("ParameterLimitExceeded", "quota"),
    ],
)
def test_what_helps(code, help_):
    error = told(refusal(code))
    assert code in str(error) and error.help is not None and help_ in error.help


def test_any_other_refusal_is_told_in_aws_words():
    error = told(refusal("InvalidDefinition", message="State 'x'\n  is wrong"))
    assert error.headline == "AWS can't create the state machine F."
    assert error.seen == "InvalidDefinition: State 'x' is wrong"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NoCredentialsError(), "there are no credentials"),
        (PartialCredentialsError(provider="env", cred_var="x"), "there are no credentials"),
        (NoRegionError(), "no region is set"),
        (ProfileNotFound(profile="work"), "AWS_PROFILE"),
        (UnauthorizedSSOTokenError(), "sign-on has expired"),
        (ParamValidationError(report="too short"), "too short"),
        (EndpointConnectionError(endpoint_url="http://x"), "AWS_ENDPOINT_URL"),
        (ConnectTimeoutError(endpoint_url="http://x"), "AWS doesn't answer at http://x"),
        (ReadTimeoutError(endpoint_url="https://sts.example.com/"), "STS doesn't answer at https://sts.example.com"),
        (ReadTimeoutError(endpoint_url="https://batch.example.com/v1/x"), "AWS Batch doesn't answer"),
        (SSLError(endpoint_url="https://x", error="wrong version number"), "AWS doesn't answer at https://x"),
        (
            SSLError(endpoint_url="https://ssm.example.com/", error="[SSL: CERTIFICATE_VERIFY_FAILED] x"),
            "The certificate of the Parameter Store (SSM) at https://ssm.example.com isn't trusted",
        ),
        (CredentialRetrievalError(provider="container-role", error_msg="refused"), "credentials can't be fetched"),
    ],
)
def test_calls_that_never_came_through(error, text):
    assert text in str(told(error))


def test_other_errors_pass():
    with pytest.raises(KeyError), aws_errors("do it"):
        raise KeyError("x")
    assert error_code(KeyError("x")) == ""


def test_no_region(monkeypatch):
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(AwsError, match="no region is set"):
        make_client("batch")


def test_a_real_client_without_a_server(monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it would know the credentials of other tests
    config = Config(retries={"max_attempts": 0}, connect_timeout=2)
    url = f"http://127.0.0.1:{free_port()}"
    batch = boto3.client("batch", region_name="us-east-1", endpoint_url=url, config=config)
    with pytest.raises(AwsError, match="there are no credentials"), aws_errors("look"):
        batch.list_jobs(jobQueue="q")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    batch, states = (make_client(name, region_name="us-east-1", config=config) for name in ("batch", "stepfunctions"))
    # Both are at one address: which of them didn't answer is known nevertheless.
    with pytest.raises(AwsError, match=f"^AWS Batch doesn't answer at {url}; we can't look"), aws_errors("look"):
        batch.list_jobs(jobQueue="q")
    with pytest.raises(AwsError, match=f"^Step Functions doesn't answer at {url}; we can't look"), aws_errors("look"):
        states.list_state_machines()
