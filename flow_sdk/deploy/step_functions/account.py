"""The AWS account and region that is worked in: its services, and the ARNs of what lies there."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flow_sdk.aws.clients import make_client
from flow_sdk.aws.errors import aws_errors
from flow_sdk.deploy.step_functions.names import check_prefix, machine_name

__all__ = ["AwsAccount", "AwsServices", "find_account", "name_prefix"]


@dataclass(frozen=True, slots=True)
class AwsAccount:
    """An account and a region.

    Parameters
    ----------
    partition : str
        ``aws``, ``aws-cn``, ``aws-us-gov``.
    number : str
        The account's twelve digits.
    region : str
        Such as ``eu-central-1``.
    prefix : str
        What the names of state machines and schedules begin with there; ``_`` follows it. "" for none.
    """

    partition: str
    number: str
    region: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"AWS account {self.number}, {self.region}"

    def machine_arn(self, name: str) -> str:
        """ARN of a state machine."""
        return f"arn:{self.partition}:states:{self.region}:{self.number}:stateMachine:{name}"

    def name_of(self, deployed: str) -> str:
        """Name of the state machine of a deployed name."""
        return machine_name(deployed, self.prefix)

    def execution_arn(self, machine: str, name: str) -> str:
        """ARN of an execution of a state machine."""
        return f"arn:{self.partition}:states:{self.region}:{self.number}:execution:{machine}:{name}"

    def console_url(self, arn: str) -> str:
        """Address of an execution's page in the AWS console."""
        domain = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}.get(
            self.partition, "console.aws.amazon.com"
        )
        return f"https://{self.region}.{domain}/states/home?region={self.region}#/v2/executions/details/{arn}"


def name_prefix() -> str:
    """The setting SFN_STATE_MACHINE_PREFIX, "" where it isn't set.

    Raises
    ------
    ConfigError
        If it can't be used.
    """
    from flow_sdk.config import read_setting

    return check_prefix(read_setting("SFN_STATE_MACHINE_PREFIX").value)


def find_account(sts: Any, region: str) -> AwsAccount:
    """Ask who we are: needs no permission, and shows whether AWS answers and takes our credentials.

    Parameters
    ----------
    sts : botocore client
        Of the service STS.
    region : str
        The region that is worked in.

    Raises
    ------
    AwsError
        If there are no credentials, or they aren't accepted.
    ConfigError
        If the setting for the names' prefix can't be used.
    """
    prefix = name_prefix()
    with aws_errors("say whose credentials these are"):
        identity = sts.get_caller_identity()
    return AwsAccount(str(identity["Arn"]).split(":")[1], str(identity["Account"]), region, prefix)


class AwsServices:
    """The services of AWS that a deployment needs. Each client is made when it is first used."""

    @cached_property
    def account(self) -> AwsAccount:
        """Account and region; asking for it shows that AWS takes our credentials."""
        return find_account(make_client("sts"), str(self.states.meta.region_name))

    @cached_property
    def states(self) -> Any:
        """Step Functions."""
        return make_client("stepfunctions")

    @cached_property
    def batch(self) -> Any:
        """Batch."""
        return make_client("batch")

    @cached_property
    def logs(self) -> Any:
        """CloudWatch Logs."""
        return make_client("logs")

    @cached_property
    def scheduler(self) -> Any:
        """EventBridge Scheduler."""
        return make_client("scheduler")

    @cached_property
    def events(self) -> Any:
        """EventBridge."""
        return make_client("events")

    @cached_property
    def ssm(self) -> Any:
        """Systems Manager, for its Parameter Store."""
        return make_client("ssm")

    @cached_property
    def iam(self) -> Any:
        """IAM."""
        return make_client("iam")
