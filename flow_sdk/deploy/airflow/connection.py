"""Which Airflow the ``airflow`` commands reach, and as whom: from the options, else the settings."""

import os

from flow_sdk.config import read_setting
from flow_sdk.deploy.airflow.api import AirflowApi
from flow_sdk.deploy.airflow.declaration import PASSWORD
from flow_sdk.deploy.airflow.login import CommandLogin, Login, TokenLogin
from flow_sdk.deploy.airflow.variables import ApiVariables, CommandVariables
from flow_sdk.deploy.port import TargetRequest
from flow_sdk.errors import UsageError

__all__ = ["airflow_url", "connect_airflow", "open_variables"]


def airflow_url(request: TargetRequest) -> str | None:
    """Return the address of the Airflow to ask; None when neither option nor setting names one."""
    return request["airflow-url"] or read_setting("AIRFLOW_URL").value


def connect_airflow(request: TargetRequest) -> AirflowApi:
    """Return the Airflow to ask.

    Raises
    ------
    UsageError
        If no address is given, or what is given can't be one.
    DeployError
        If a token can't be used.
    """
    url = airflow_url(request)
    if not url:
        raise UsageError(
            f"{request.command} needs to know where Airflow is.", wanted="--airflow-url, or the setting AIRFLOW_URL"
        )
    if not url.startswith(("http://", "https://", "mwaa://")):
        raise UsageError(
            "This isn't the address of an Airflow.", seen=url, wanted="http://..., https://... or mwaa://NAME"
        )
    login = None if url.startswith("mwaa://") else _find_token(request)
    user, password = ("", "") if login or url.startswith("mwaa://") else _find_user(request)
    return AirflowApi(url, user, password, login=login)


def open_variables(request: TargetRequest, api: AirflowApi | None) -> ApiVariables | CommandVariables | None:
    """Return where Airflow itself keeps the claim on the name; None where no Airflow is known.

    Parameters
    ----------
    request : TargetRequest
        The command.
    api : AirflowApi or None
        The Airflow, if its address is known.
    """
    if api is not None:
        return ApiVariables(
            api,
            lambda error: request.message(
                f"Your role in Airflow lacks the permission {error.permission!r}. The claim on {request.name} "
                "in the store\ncounts alone: a deployment of that name from another store goes unnoticed."
            ),
        )
    return CommandVariables() if request["airflow-cli"] else None


def _find_token(request: TargetRequest) -> Login | None:
    """Return the token that is given, if any; a user named by an option comes before the token of a setting."""
    if request["airflow-token-command"]:
        return CommandLogin(request["airflow-token-command"], "--airflow-token-command")
    if request["airflow-user"]:
        return None
    token = read_setting("AIRFLOW_TOKEN")
    if token.value:
        return TokenLogin(token.value, token.source)
    command = read_setting("AIRFLOW_TOKEN_COMMAND")
    return CommandLogin(command.value, command.source) if command.value else None


def _find_user(request: TargetRequest) -> tuple[str, str]:
    """Return name and password, both empty where none is given."""
    user = request["airflow-user"] or read_setting("AIRFLOW_USER").value or ""
    password = os.environ.get(PASSWORD, "")
    if user and not password:
        request.warn(f"{PASSWORD} isn't set; Airflow is asked with an empty password.")
    return user, password
