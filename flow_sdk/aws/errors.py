"""What an error of AWS means, in words that help."""

from __future__ import annotations

import contextlib
import os
import re
import threading

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

__all__ = ["aws_errors", "error_code", "explain_failure", "remember_request", "use_certificate_help"]

ATTEMPTS = 8
"""How often a call is tried that AWS throttles or doesn't answer; botocore waits with growing, random pauses."""

_NOT_ACCEPTED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "RequestExpired",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized", "403"}
_THROTTLED = {
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "SlowDown",
}
_QUOTA = "A quota of the AWS account is used up: have it raised in Service Quotas, or delete what isn't needed."
_HELP = {
    "StateMachineDeleting": "AWS is still deleting an earlier one of that name. Try again in a minute.",
    "StateMachineAlreadyExists": "Another user has created it at this moment. Try again.",
    "ConflictException": "Another user changes it at this moment. Try again.",
}
_NAMED = re.compile(r"not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)")
"""How AWS itself names the permission, which may be another one than the call's, such as iam:PassRole."""

_SERVICES = {
    "batch": "AWS Batch",
    "ecr": "the container registry (ECR)",
    "iam": "IAM",
    "logs": "CloudWatch Logs",
    "s3": "S3",
    "scheduler": "EventBridge Scheduler",
    "secretsmanager": "AWS Secrets Manager",
    "secrets-manager": "AWS Secrets Manager",
    "sfn": "Step Functions",
    "states": "Step Functions",
    "ssm": "the Parameter Store (SSM)",
    "sso": "AWS sign-on (SSO)",
    "portal.sso": "AWS sign-on (SSO)",
    "oidc": "AWS sign-on (SSO)",
    "sts": "STS",
    "cloudformation": "CloudFormation",
}
"""What people call services, by the names that botocore and addresses have for them."""

_last = threading.local()

_OPERATIONS = {
    "batch": {
        "DescribeJobDefinitions",
        "DescribeJobQueues",
        "DescribeJobs",
        "ListJobs",
        "RegisterJobDefinition",
        "SubmitJob",
        "TerminateJob",
    },
    "events": {"DeleteRule", "DescribeRule", "ListTargetsByRule", "PutRule", "PutTargets", "RemoveTargets"},
    "iam": {"GetRole"},
    "ssm": {"DeleteParameter", "GetParameter", "PutParameter"},
    "logs": {"DescribeLogGroups", "GetLogEvents"},
    "scheduler": {"CreateSchedule", "DeleteSchedule", "GetSchedule", "UpdateSchedule"},
    "states": {
        "CreateStateMachine",
        "CreateStateMachineAlias",
        "DeleteStateMachine",
        "DeleteStateMachineAlias",
        "DeleteStateMachineVersion",
        "DescribeExecution",
        "DescribeStateMachine",
        "DescribeStateMachineAlias",
        "ListExecutions",
        "ListStateMachineAliases",
        "ListStateMachineVersions",
        "ListTagsForResource",
        "PublishStateMachineVersion",
        "RedriveExecution",
        "StartExecution",
        "StopExecution",
        "UpdateStateMachine",
        "UpdateStateMachineAlias",
    },
}
"""The IAM prefix of the calls we make: botocore's error names the operation alone."""


def _describe_authorities() -> tuple[str, str]:
    return "one that the usual certificate authorities have signed", "Set AWS_CA_BUNDLE to a file with the authority."


_certificate_help: Callable[[], tuple[str, str]] = _describe_authorities


def use_certificate_help(find: Callable[[], tuple[str, str]]) -> None:
    """Set what explains a certificate that isn't trusted: the settings know which authorities are in use.

    Parameters
    ----------
    find : callable
        Returns what was wanted, and what to do.
    """
    global _certificate_help
    _certificate_help = find


def remember_request(request: Any, event_name: str, **_: Any) -> None:
    """Keep in mind which service this thread asks: botocore's handler of ``before-send``.

    Errors of connections name an address at most.
    """
    _last.request = (event_name.split(".")[1], str(request.url))


def error_code(error: BaseException) -> str:
    """AWS's own code for an error of a botocore client; ``""`` for any other exception."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


@contextlib.contextmanager
def aws_errors(doing: str, *, where: str | None = None) -> Iterator[None]:
    """Turn the errors of botocore into ones that say what to do.

    Parameters
    ----------
    doing : str
        What is tried, to stand after "AWS can't": ``"create the state machine Train"``.
    where : str, optional
        The resource's name or ARN.

    Raises
    ------
    AwsError
        For any error of botocore.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _explain_refusal(error, doing, where) from error
    except BotoCoreError as error:
        raise _explain_failed_call(error, doing, where) from error


def _explain_refusal(error: Any, doing: str, where: str | None) -> AwsError:
    code, message = error_code(error), str(error.response.get("Error", {}).get("Message", ""))
    seen = f"{code}: {' '.join(message.split())[:600]}"
    named = _NAMED.search(message)
    call = named.group(1) if named else _permission_of(error)
    if code in _NOT_ACCEPTED:
        return AwsError(
            f"AWS can't {doing}: the credentials aren't accepted.",
            seen=seen,
            where=where,
            help="Renew them (aws sso login), and check AWS_ACCESS_KEY_ID, AWS_SESSION_TOKEN and this machine's clock.",
            code=code,
        )
    if code in _DENIED:
        return AwsError(
            f"AWS doesn't let us {doing}.",
            seen=seen,
            wanted=f"the permission {call}",
            where=where,
            help="Ask the administrator of the account for it.",
            code=code,
        )
    if code in _THROTTLED:
        return AwsError(
            f"AWS can't {doing}: too many calls, also after {ATTEMPTS} tries.",
            seen=seen,
            where=where,
            help="Try again in a minute; nothing has to be undone first.",
            code=code,
        )
    help_ = _HELP.get(code) or (_QUOTA if "LimitExceeded" in code or "QuotaExceeded" in code else None)
    return AwsError(f"AWS can't {doing}.", seen=seen, where=where, help=help_, code=code)


def _permission_of(error: Any) -> str:
    """The IAM action of the call that failed."""
    operation = str(error.operation_name)
    for service, operations in _OPERATIONS.items():
        if operation in operations:
            return f"{service}:{operation}"
    return operation


def explain_failure(error: BaseException, doing: str, *, where: str | None = None) -> AwsError:
    """Say what went wrong when credentials were fetched, also where the error isn't one of botocore's.

    Parameters
    ----------
    error : BaseException
        What was raised.
    doing, where : str
        As for :func:`aws_errors`.
    """
    try:
        with aws_errors(doing, where=where):
            raise error
    except AwsError as explained:
        return explained
    except Exception as other:  # noqa: BLE001 a process or a file that is read for credentials fails in its own way
        return AwsError(
            f"AWS can't {doing}: the credentials can't be fetched.",
            seen=f"{type(other).__name__}: {other}"[:300],
            where=where,
        )


def _explain_failed_call(error: Any, doing: str, where: str | None) -> AwsError:
    kind, seen = type(error).__name__, " ".join(str(error).split())[:300]
    if kind in ("NoCredentialsError", "PartialCredentialsError"):
        return AwsError(
            f"AWS can't {doing}: there are no credentials.",
            seen=seen,
            wanted="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role of this machine",
            where=where,
            help="Set the variables, or run: aws configure",
        )
    if kind in ("CredentialRetrievalError", "MetadataRetrievalError", "InvalidIMDSEndpointError"):
        return AwsError(
            f"AWS can't {doing}: the credentials can't be fetched.",
            seen=seen,
            where=where,
            help=_source_of_credentials(),
        )
    if kind == "NoRegionError":
        return AwsError(
            f"AWS can't {doing}: no region is set.",
            wanted="AWS_DEFAULT_REGION, such as eu-central-1, or a region in the profile",
            where=where,
            help="export AWS_DEFAULT_REGION=eu-central-1",
        )
    if kind in ("ProfileNotFound", "ConfigParseError", "ConfigNotFound"):
        return AwsError(f"AWS can't {doing}: the AWS profile can't be used.", seen=seen, help="Check AWS_PROFILE.")
    if kind in ("TokenRetrievalError", "UnauthorizedSSOTokenError", "SSOTokenLoadError"):
        return AwsError(f"AWS can't {doing}: the sign-on has expired.", seen=seen, help="aws sso login")
    if kind == "ParamValidationError":
        return AwsError(f"AWS can't {doing}: a value isn't of the form it wants.", seen=seen, where=where)
    return _explain_silence(error, kind, doing, seen, where)


def _explain_silence(error: Any, kind: str, doing: str, seen: str, where: str | None) -> AwsError:
    """The error for a service that didn't answer, or whose certificate isn't trusted."""
    address = str(getattr(error, "kwargs", {}).get("endpoint_url") or "")
    service = _service_at(address)
    at = f" at {_origin_of(address)}" if address else ""
    if kind == "SSLError" and "CERTIFICATE_VERIFY_FAILED" in str(error):
        wanted, help_ = _certificate_help()
        return AwsError(
            f"The certificate of {service}{at} isn't trusted; we can't {doing}.",
            seen=seen,
            wanted=wanted,
            where=where,
            help=help_,
        )
    return AwsError(
        f"{service[0].upper()}{service[1:]} doesn't answer{at}; we can't {doing}.",
        seen=seen,
        where=where,
        help="Check the network, AWS_DEFAULT_REGION and AWS_ENDPOINT_URL.",
    )


def _origin_of(address: str) -> str:
    return "/".join(address.split("/")[:3])


def _service_at(address: str) -> str:
    """What is at an address: what this thread asked there last, else what the address is called."""
    name, url = getattr(_last, "request", ("", ""))
    if address and not url.startswith(_origin_of(address)):
        host = address.partition("://")[2]
        name = next((one for one in _SERVICES if host.startswith((f"{one}.", f"{one}-"))), "")
    return _SERVICES.get(name, f"AWS ({name})" if name else "AWS")


def _source_of_credentials() -> str:
    """Where this process gets its credentials from, as far as the environment says it."""
    uri = os.environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    full = f"169.254.170.2{uri}" if uri else os.environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if full:
        return f"Look at what gives out the container's credentials: {full}"
    return "Check AWS_PROFILE, and what its credentials come from (credential_process, role, metadata service)."
