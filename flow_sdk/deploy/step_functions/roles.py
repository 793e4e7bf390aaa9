"""The roles and the log group that a deployment needs: whether they are set, and whether AWS has them."""

import re

from flow_sdk.aws import aws_errors, error_code
from flow_sdk.deploy.step_functions.place import Services
from flow_sdk.deploy.step_functions.prepare import CreateOptions
from flow_sdk.errors import DeployError

__all__ = ["check_roles", "find_roles"]

_ROLE = re.compile(r"arn:[a-z-]+:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)
_LOG_GROUP = re.compile(r"arn:[a-z-]+:logs:[a-z0-9-]+:\d{12}:log-group:[\w./#-]+(:\*)?", re.ASCII)


def check_roles(options: CreateOptions, *, scheduled: bool) -> dict[str, str]:
    """Refuse a deployment for which a role or log group isn't set. Pure.

    Parameters
    ----------
    options : CreateOptions
        With the roles from the settings.
    scheduled : bool
        Whether the flow has a schedule.

    Returns
    -------
    dict of str to str
        The roles that are needed, by their settings.

    Raises
    ------
    DeployError
        That says which setting is missing or isn't an ARN.
    """
    roles = {
        "SFN_IAM_ROLE": _checked("SFN_IAM_ROLE", options.role, _ROLE, "the role that the state machine works with")
    }
    if scheduled:
        what = "the role with which the schedule starts the state machine"
        name = "EVENTS_SFN_ACCESS_IAM_ROLE"
        roles[name] = _checked(name, options.scheduler_role, _ROLE, what)
    if options.log_history:
        what = "the log group that the history of runs is written to"
        _checked("SFN_EXECUTION_LOG_GROUP_ARN", options.log_group, _LOG_GROUP, what)
    return roles


def _checked(setting: str, value: str | None, form: re.Pattern[str], what: str) -> str:
    if value is not None and form.fullmatch(value):
        return value
    example = "iam::123456789012:role/NAME" if form is _ROLE else "logs:REGION:123456789012:log-group:NAME"
    raise DeployError(
        f"{what[0].upper()}{what[1:]} isn't set." if value is None else f"{setting} isn't the ARN of {what}.",
        seen=None if value is None else repr(value)[:200],
        wanted=f"an ARN such as arn:aws:{example}",
        help=f"Set FLOW_SDK_{setting}; the templates in infra/ make what is needed and print it.",
    )


def find_roles(roles: dict[str, str], services: Services) -> None:
    """See that AWS answers and takes our credentials, and that the roles exist as far as we may look.

    Parameters
    ----------
    roles : dict of str to str
        What :func:`check_roles` returned.
    services : Services
        The AWS account.

    Raises
    ------
    AwsError
        If AWS can't be asked.
    DeployError
        If a role doesn't exist.
    """
    from botocore.exceptions import ClientError

    account = services.place.account
    for setting, role in roles.items():
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
