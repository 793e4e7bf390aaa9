"""The roles and the log group that a deployment needs: whether they are set, and whether AWS has them."""

import re
from dataclasses import dataclass

from flow_sdk.aws.errors import aws_errors, error_code
from flow_sdk.deploy.step_functions.account import AwsServices
from flow_sdk.deploy.step_functions.prepare import StepFunctionsOptions
from flow_sdk.errors import DeployError

__all__ = ["DeploymentRoles", "check_roles", "find_roles"]

MACHINE_ROLE, SCHEDULE_ROLE = "SFN_IAM_ROLE", "EVENTS_SFN_ACCESS_IAM_ROLE"
"""The settings that name them."""

_ROLE = re.compile(r"arn:[a-z-]+:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)
_LOG_GROUP = re.compile(r"arn:[a-z-]+:logs:[a-z0-9-]+:\d{12}:log-group:[\w./#-]+(:\*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class DeploymentRoles:
    """The roles of a deployment, known to be set.

    Parameters
    ----------
    machine : str
        ARN of the role that the state machine works with.
    schedule : str or None
        ARN of the role that the schedule starts it with; None for a flow without a schedule.
    """

    machine: str
    schedule: str | None = None

    @property
    def by_setting(self) -> dict[str, str]:
        """The roles by the settings that name them."""
        found = {MACHINE_ROLE: self.machine}
        return found if self.schedule is None else {**found, SCHEDULE_ROLE: self.schedule}


def check_roles(options: StepFunctionsOptions, *, scheduled: bool) -> DeploymentRoles:
    """Refuse a deployment for which a role or log group isn't set. Pure.

    Parameters
    ----------
    options : StepFunctionsOptions
        With the roles from the settings.
    scheduled : bool
        Whether the flow has a schedule.

    Returns
    -------
    DeploymentRoles
        The roles that are needed.

    Raises
    ------
    DeployError
        That says which setting is missing or isn't an ARN.
    """
    machine = _check_arn(MACHINE_ROLE, options.role, _ROLE, "the role that the state machine works with")
    schedule = None
    if scheduled:
        what = "the role with which the schedule starts the state machine"
        schedule = _check_arn(SCHEDULE_ROLE, options.scheduler_role, _ROLE, what)
    if options.log_history:
        what = "the log group that the history of runs is written to"
        _check_arn("SFN_EXECUTION_LOG_GROUP_ARN", options.log_group, _LOG_GROUP, what)
    return DeploymentRoles(machine, schedule)


def _check_arn(setting: str, value: str | None, form: re.Pattern[str], what: str) -> str:
    if value is not None and form.fullmatch(value):
        return value
    example = "iam::123456789012:role/NAME" if form is _ROLE else "logs:REGION:123456789012:log-group:NAME"
    raise DeployError(
        f"{what[0].upper()}{what[1:]} isn't set." if value is None else f"{setting} isn't the ARN of {what}.",
        seen=None if value is None else repr(value)[:200],
        wanted=f"an ARN such as arn:aws:{example}",
        help=f"Set FLOW_SDK_{setting}; the templates in infra/ make what is needed and print it.",
    )


def find_roles(roles: DeploymentRoles, services: AwsServices) -> None:
    """See that AWS answers and takes our credentials, and that the roles exist as far as we may look.

    Parameters
    ----------
    roles : DeploymentRoles
        What :func:`check_roles` returned.
    services : AwsServices
        The AWS account.

    Raises
    ------
    AwsError
        If AWS can't be asked.
    DeployError
        If a role doesn't exist.
    """
    from botocore.exceptions import ClientError

    account = services.account.number
    for setting, role in roles.by_setting.items():
        if role.split(":")[4] != account:
            raise DeployError(
                f"The role of {setting} is one of another AWS account.",
                seen=role,
                wanted=f"a role of the account {account}, to which the credentials belong",
            )
        with aws_errors("look at the role", where=role):
            try:
                services.iam.get_role(RoleName=role.rpartition("/")[2])
            except ClientError as error:
                if error_code(error) == "NoSuchEntity":
                    raise DeployError(
                        f"The role of {setting} doesn't exist.",
                        seen=role,
                        help="Make it with a template in infra/, or correct the setting.",
                    ) from error
                if not error_code(error).startswith("AccessDenied"):  # who deploys needn't be allowed to look
                    raise
