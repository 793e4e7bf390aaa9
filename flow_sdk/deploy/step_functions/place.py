"""The AWS account and region that is worked in: its services, and the ARNs of what lies there."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flow_sdk.aws import aws_errors, client
from flow_sdk.deploy.step_functions.names import check_prefix, machine_name

__all__ = ["Place", "Services", "find_place", "name_prefix"]


@dataclass(frozen=True, slots=True)
class Place:
    """An account and a region.

    Parameters
    ----------
    partition : str
        ``aws``, ``aws-cn``, ``aws-us-gov``.
    account : str
        The account's twelve digits.
    region : str
        Such as ``eu-central-1``.
    prefix : str
        What the names of state machines and schedules begin with there; ``_`` follows it. "" for none.
    """

    partition: str
    account: str
    region: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"AWS account {self.account}, {self.region}"

    def machine(self, name: str) -> str:
        """ARN of a state machine."""
        return f"arn:{self.partition}:states:{self.region}:{self.account}:stateMachine:{name}"

    def name_of(self, deployed: str) -> str:
        """Name of the state machine of a deployed name."""
        return machine_name(deployed, self.prefix)

    def execution(self, machine: str, name: str) -> str:
        """ARN of an execution of a state machine."""
        return f"arn:{self.partition}:states:{self.region}:{self.account}:execution:{machine}:{name}"

    def console(self, arn: str) -> str:
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


def find_place(sts: Any, region: str) -> Place:
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
    return Place(str(identity["Arn"]).split(":")[1], str(identity["Account"]), region, prefix)


class Services:
    """The services of AWS that a deployment needs. Each client is made when it is first used."""

    @cached_property
    def place(self) -> Place:
        """Account and region; asking for it shows that AWS takes our credentials."""
        return find_place(client("sts"), str(self.states.meta.region_name))

    @cached_property
    def states(self) -> Any:
        """Step Functions."""
        return client("stepfunctions")

    @cached_property
    def batch(self) -> Any:
        """Batch."""
        return client("batch")

    @cached_property
    def logs(self) -> Any:
        """CloudWatch Logs."""
        return client("logs")

    @cached_property
    def scheduler(self) -> Any:
        """EventBridge Scheduler."""
        return client("scheduler")

    @cached_property
    def events(self) -> Any:
        """EventBridge."""
        return client("events")

    @cached_property
    def ssm(self) -> Any:
        """Systems Manager, for its Parameter Store."""
        return client("ssm")

    @cached_property
    def iam(self) -> Any:
        """IAM."""
        return client("iam")
