"""Which Airflow the ``airflow`` commands ask, and as whom: from the options, else the settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flow_sdk.cli.parser import Option
from flow_sdk.cli.terminal import print_note
from flow_sdk.errors import UsageError

if TYPE_CHECKING:
    from flow_sdk.cli.context import Call
    from flow_sdk.deploy.airflow.api import AirflowApi
    from flow_sdk.deploy.airflow.login import Login

__all__ = ["PASSWORD", "SERVER_OPTIONS", "airflow_api", "airflow_url"]

PASSWORD = "FLOW_SDK_AIRFLOW_PASSWORD"
"""The environment variable that holds the password: an option would show it to everyone on the machine."""

SERVER_OPTIONS = (
    Option(
        "airflow-url", "Address of Airflow's web server, such as http://localhost:8080, or mwaa://NAME.", metavar="URL"
    ),
    Option("airflow-user", f"Airflow user; the password is read from {PASSWORD}.", metavar="NAME"),
    Option("airflow-token-command", "Shell command that prints a bearer token for Airflow.", metavar="COMMAND"),
)


def airflow_url(call: Call) -> str | None:
    """Return the address of the Airflow to ask; None when neither option nor setting names one."""
    from flow_sdk import config

    return call["airflow-url"] or config.read_setting("AIRFLOW_URL").value


def airflow_api(call: Call) -> AirflowApi:
    """Return the Airflow to ask.

    Raises
    ------
    UsageError
        If no address is given, or what is given can't be one.
    DeployError
        If a token can't be used.
    """
    url = airflow_url(call)
    if not url:
        raise UsageError(
            f"{call.name} needs to know where Airflow is.", wanted="--airflow-url, or the setting AIRFLOW_URL"
        )
    if not url.startswith(("http://", "https://", "mwaa://")):
        raise UsageError(
            "This isn't the address of an Airflow.", seen=url, wanted="http://..., https://... or mwaa://NAME"
        )
    from flow_sdk.deploy.airflow.api import AirflowApi

    login = None if url.startswith("mwaa://") else _token_login(call)
    user, password = ("", "") if login or url.startswith("mwaa://") else _user(call)
    return AirflowApi(url, user, password, login=login)


def _token_login(call: Call) -> Login | None:
    """The token that is given, if any. A user that is named as an option comes before the token of a setting."""
    from flow_sdk import config
    from flow_sdk.deploy.airflow.login import CommandLogin, TokenLogin

    if call["airflow-token-command"]:
        return CommandLogin(call["airflow-token-command"], "--airflow-token-command")
    if call["airflow-user"]:
        return None
    token = config.read_setting("AIRFLOW_TOKEN")
    if token.value:
        return TokenLogin(token.value, token.source)
    command = config.read_setting("AIRFLOW_TOKEN_COMMAND")
    return CommandLogin(command.value, command.source) if command.value else None


def _user(call: Call) -> tuple[str, str]:
    """Name and password, both empty where none is given."""
    from flow_sdk import config

    user = call["airflow-user"] or config.read_setting("AIRFLOW_USER").value or ""
    password = os.environ.get(PASSWORD, "")
    if user and not password:
        print_note(f"{PASSWORD} isn't set; Airflow is asked with an empty password.")
    return user, password
