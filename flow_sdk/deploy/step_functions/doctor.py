"""Whether AWS has what Batch and Step Functions need: looked at, never changed."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flow_sdk.aws.clients import make_client
from flow_sdk.aws.errors import aws_errors, error_code
from flow_sdk.aws.settings import botocore_session
from flow_sdk.config import read_setting
from flow_sdk.default_store import datastore_kind
from flow_sdk.deploy.doctor import FAILED, MISSING, NOT_LOOKED, NOT_SET, OK, Check, Look, examine_all, examine_part
from flow_sdk.deploy.step_functions.account import AwsAccount, find_account
from flow_sdk.deploy.step_functions.names import parameter_name, schedule_name
from flow_sdk.errors import AwsError

__all__ = ["aws_checks"]

CONNECT, ANSWER = 2, 4
"""Seconds for a connection and for an answer."""

_PROBE = "flow-sdk-doctor"
"""A name that nothing has: that answer shows that the service is reachable and lets us read."""

_BATCH = {
    "BATCH_JOB_QUEUE": "The name or ARN of a job queue of AWS Batch.",
    "BATCH_IMAGE": "A container image with Flow SDK in it; the folder docker/ has one to build.",
}
_ROLES = {
    "BATCH_JOB_ROLE": "role of steps",
    "BATCH_EXECUTION_ROLE": "role that gets images and writes logs",
    "SFN_IAM_ROLE": "role of state machines",
    "EVENTS_SFN_ACCESS_IAM_ROLE": "role of schedules",
}
_PARTS = ("AWS Batch", "image", *_ROLES.values(), "Step Functions", "Parameter Store", "schedules", "log of runs")
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403")


def aws_checks(seconds: float) -> list[Check]:
    """Look at all that the settings name in AWS.

    Parameters
    ----------
    seconds : float
        How long it may take (> 0) once AWS knows who we are.

    Returns
    -------
    list of Check
        The same parts in the same order whatever is set.
    """
    wanted = any(map(_is_set, (*_BATCH, *_ROLES, "SFN_EXECUTION_LOG_GROUP_ARN")))
    if not wanted:
        if datastore_kind() != "s3":
            return [Check("AWS", NOT_SET, "no setting asks for AWS Batch or Step Functions")]
        return [_check_credentials(), Check("AWS Batch", NOT_SET, "BATCH_JOB_QUEUE isn't set")]
    held: list[AwsAccount] = []
    identity = examine_part("AWS", partial(_check_identity, held))
    if not held:
        return [identity, *(Check(part, NOT_LOOKED, "AWS doesn't know who we are") for part in _PARTS)]
    return [identity, *examine_all(_list_looks(held[0]), seconds)]


def _list_looks(account: AwsAccount) -> list[Look]:
    states, ssm, scheduler = _make_client("stepfunctions"), _make_client("ssm"), _make_client("scheduler")
    machine = account.machine_arn(account.name_of(_PROBE))
    on_states = _is_set("SFN_IAM_ROLE") or _is_set("EVENTS_SFN_ACCESS_IAM_ROLE")
    calls: list[tuple[str, bool, Callable[[], Any], str]] = [
        ("Step Functions", on_states, partial(states.describe_state_machine, stateMachineArn=machine), "SFN_IAM_ROLE"),
        ("Parameter Store", on_states, partial(ssm.get_parameter, Name=parameter_name(_PROBE)), "SFN_IAM_ROLE"),
        (
            "schedules",
            _is_set("EVENTS_SFN_ACCESS_IAM_ROLE"),
            partial(scheduler.get_schedule, Name=schedule_name(_PROBE, account.prefix), GroupName="default"),
            "EVENTS_SFN_ACCESS_IAM_ROLE",
        ),
    ]
    iam = _make_client("iam")
    return [
        ("AWS Batch", partial(_check_queue, _make_client("batch"))),
        ("image", _check_image),
        *((part, partial(_check_role, iam, setting, part, account)) for setting, part in _ROLES.items()),
        *((part, partial(_check_answer, part, wanted, call, setting)) for part, wanted, call, setting in calls),
        ("log of runs", partial(_log_group, _make_client("logs"))),
    ]


def _make_client(service: str) -> Any:
    """Return a client with short timeouts and no retries."""
    from botocore.config import Config

    return make_client(
        service, config=Config(connect_timeout=CONNECT, read_timeout=ANSWER, retries={"total_max_attempts": 1})
    )


def _is_set(name: str) -> bool:
    return read_setting(name).value is not None


def _check_credentials() -> Check:
    def look() -> Check:
        with aws_errors("find credentials"):
            found = botocore_session().get_credentials()
        if found is None:
            return Check("AWS", FAILED, "no credentials", "Set AWS_PROFILE or AWS_ACCESS_KEY_ID, or run: aws configure")
        return Check("AWS", OK, f"credentials from {found.method}")

    return examine_part("AWS", look)


def _check_identity(held: list[AwsAccount]) -> Check:
    region = str(_make_client("batch").meta.region_name)  # STS alone does without a region
    sts = _make_client("sts")
    with aws_errors("say whose credentials these are"):
        who = sts.get_caller_identity()["Arn"]
    account = find_account(sts, region)
    held.append(account)
    return Check("AWS", OK, f"{account}, as {who.rpartition(':')[2]}")


def _missing_setting(name: str, setting: str, why: str) -> Check:
    return Check(name, MISSING, f"{setting} isn't set", f"{why} flow-sdk configure {setting}=...")


def _check_queue(batch: Any) -> Check:
    queue = read_setting("BATCH_JOB_QUEUE").value
    if queue is None:
        return _missing_setting("AWS Batch", "BATCH_JOB_QUEUE", _BATCH["BATCH_JOB_QUEUE"])
    with aws_errors("look at the job queue", where=queue):
        found = batch.describe_job_queues(jobQueues=[queue])["jobQueues"]
    if not found:
        help = f"Make it with a template in infra/ or correct BATCH_JOB_QUEUE; is {batch.meta.region_name} its region?"
        return Check("AWS Batch", FAILED, f"there is no job queue {queue!r}", help)
    if found[0]["state"] != "ENABLED" or found[0].get("status", "VALID") != "VALID":
        seen = f"the job queue {queue!r} is {found[0]['state']}, {found[0].get('status')}"
        return Check(
            "AWS Batch", FAILED, seen, found[0].get("statusReason") or "Enable it in the console of AWS Batch."
        )
    names = [entry["computeEnvironment"] for entry in found[0]["computeEnvironmentOrder"]]
    with aws_errors("look at the compute environment", where=", ".join(names)):
        environments = batch.describe_compute_environments(computeEnvironments=names)["computeEnvironments"]
    kinds = []
    for environment in environments:
        if environment["state"] != "ENABLED" or environment.get("status", "VALID") != "VALID":
            name, status = environment["computeEnvironmentName"], environment.get("status")
            help = environment.get("statusReason") or "Enable it in the console of AWS Batch."
            return Check(
                "AWS Batch", FAILED, f"the compute environment {name} is {environment['state']}, {status}", help
            )
        kinds.append(environment.get("computeResources", {}).get("type", "unmanaged"))
    return Check("AWS Batch", OK, f"job queue {queue} on {', '.join(kinds)}")


def _check_image() -> Check:
    image = read_setting("BATCH_IMAGE").value
    if image is None:
        return _missing_setting("image", "BATCH_IMAGE", _BATCH["BATCH_IMAGE"])
    return Check("image", OK, image)


def _check_role(iam: Any, setting: str, part: str, account: AwsAccount) -> Check:
    from botocore.exceptions import ClientError

    arn = read_setting(setting).value
    if arn is None:
        needed = setting == "BATCH_JOB_ROLE" or (
            setting == "BATCH_EXECUTION_ROLE" and read_setting("BATCH_PLATFORM").value == "FARGATE"
        )
        why = "The templates in infra/ make one."
        return _missing_setting(part, setting, why) if needed else Check(part, NOT_SET, f"{setting} isn't set")
    fields = arn.split(":")
    if len(fields) != 6 or not fields[5].startswith("role/"):
        return Check(part, FAILED, f"{setting} isn't the ARN of a role", "flow-sdk configure aws")
    if fields[4] != account.number:
        return Check(part, FAILED, f"{arn} is of another account than our credentials", f"Correct {setting}.")
    try:
        with aws_errors("look at the role", where=arn):
            try:
                iam.get_role(RoleName=arn.rpartition("/")[2])
            except ClientError as error:
                if error_code(error) != "NoSuchEntity":
                    raise
                return Check(part, FAILED, f"there is no role {arn}", f"Make it, or correct {setting}.")
    except AwsError as error:
        if error.code in _DENIED:  # who deploys needn't be allowed to look
            return Check(part, NOT_LOOKED, f"{arn}: we may not look at it (iam:GetRole)")
        raise
    return Check(part, OK, arn)


def _check_answer(part: str, wanted: bool, call: Callable[[], Any], setting: str) -> Check:
    from botocore.exceptions import ClientError

    if not wanted:
        return Check(part, NOT_SET, f"{setting} isn't set")
    with aws_errors(f"use {part}"):
        try:
            call()
        except ClientError as error:
            if error_code(error) not in ("StateMachineDoesNotExist", "ParameterNotFound", "ResourceNotFoundException"):
                raise
    return Check(part, OK, "answers, and lets us look")


def _log_group(logs: Any) -> Check:
    arn = read_setting("SFN_EXECUTION_LOG_GROUP_ARN").value
    if arn is None:
        return Check("log of runs", NOT_SET, "SFN_EXECUTION_LOG_GROUP_ARN isn't set")
    name = arn.removesuffix(":*").rpartition(":")[2]
    try:
        with aws_errors("look at the log group", where=arn):
            found = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    except AwsError as error:
        if error.code in _DENIED:
            return Check("log of runs", NOT_LOOKED, f"{name}: we may not look at it (logs:DescribeLogGroups)")
        raise
    if name not in [group["logGroupName"] for group in found]:
        return Check("log of runs", FAILED, f"there is no log group {name}", "Make it, or correct the setting.")
    return Check("log of runs", OK, name)
