"""Ways to log in to an Airflow: name and password, a token, or a command that prints one."""

import base64
import json
import subprocess
from typing import Protocol

from flow_sdk.deploy.airflow.http import Answer, not_airflow, send_request
from flow_sdk.errors import DeployError

__all__ = ["CommandLogin", "Login", "NoSuchLogin", "PasswordLogin", "TokenLogin", "bearer_header", "checked_token"]

COMMAND_SECONDS = 120.0
"""How long a command that prints a token may take."""


class NoSuchLogin(DeployError):
    """The web server has no login of this kind for the line of Airflow that was asked for."""


class Login(Protocol):
    """What proves to an Airflow who sends a request."""

    def login_headers(self, url: str, line: int) -> dict[str, str]:
        """Return the headers that prove it, logging in first where that is needed.

        Parameters
        ----------
        url : str
            Address of the web server.
        line : int
            2 or 3: the line of Airflow.

        Raises
        ------
        DeployError
            If the login is refused, or isn't answered as Airflow does.
        """
        ...

    def renew_login(self) -> bool:
        """Forget the token that was refused; False where no other one can be had."""
        ...

    def refused_error(self, url: str, answer: Answer) -> DeployError:
        """Return the error for a request that was refused with HTTP 401 although the login is as new as can be."""
        ...


def bearer_header(token: str) -> dict[str, str]:
    """Return the header that carries a bearer token."""
    return {"Authorization": f"Bearer {token}"}


def checked_token(token: str, source: str) -> str:
    """Return a token that can stand in a header.

    Parameters
    ----------
    token : str
        What was given, printed or answered; white space around it doesn't count.
    source : str
        Where it came from, for the error.

    Raises
    ------
    DeployError
        If it isn't one word of printable ASCII.
    """
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise DeployError(
            "This isn't a token for Airflow.",
            seen=f"{len(token)} characters, with spaces, line ends or others among them" if token else "nothing",
            wanted="one word of ASCII characters",
            where=source,
        )
    return token


class PasswordLogin:
    """Name and password: exchanged for a token on 3.x, sent with each request on 2.11.

    Parameters
    ----------
    user, password : str
        Who asks.
    """

    def __init__(self, user: str, password: str) -> None:
        self.user, self._password = user, password
        self._token: str | None = None

    def login_headers(self, url: str, line: int) -> dict[str, str]:
        """Return the headers, see :class:`Login`."""
        if line == 2:
            plain = base64.b64encode(f"{self.user}:{self._password}".encode()).decode()
            return {"Authorization": f"Basic {plain}"}
        if self._token is None:
            self._token = self._log_in(f"{url}/auth/token", url)
        return bearer_header(self._token)

    def _log_in(self, address: str, url: str) -> str:
        body = json.dumps({"username": self.user, "password": self._password}).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.user or self._password:
            answer = send_request("POST", address, body, headers)
        else:  # the simple auth manager may take everybody for an admin
            answer = send_request("GET", address, None, headers)
        if answer.status in (400, 401, 403, 405, 422) and answer.is_json:
            raise self.refused_error(url, answer)
        token = answer.body.get("access_token") if answer.is_json and isinstance(answer.body, dict) else None
        if answer.status not in (200, 201) or not isinstance(token, str):
            raise not_airflow(answer, address)
        return checked_token(token, address)

    def renew_login(self) -> bool:
        """Forget the token: there may be another one (3.x)."""
        had, self._token = self._token, None
        return had is not None

    def refused_error(self, url: str, answer: Answer) -> DeployError:
        """Return the error, see :class:`Login`."""
        return DeployError(
            f"Airflow refused the login (HTTP {answer.status}).",
            seen=f"user {self.user!r}" if self.user else "no user and no token",
            where=url,
            help="Check the user and password, or give a token. On 2.11 the REST API takes them only with "
            "airflow.api.auth.backend.basic_auth or FAB's basic_auth in [api] auth_backends.",
        )


class TokenLogin:
    """A bearer token that the user brings.

    Parameters
    ----------
    token : str
        The token.
    source : str
        Where it came from, for people.
    """

    def __init__(self, token: str, source: str) -> None:
        self._token, self.source = checked_token(token, source), source

    def login_headers(self, url: str, line: int) -> dict[str, str]:
        """Return the headers, see :class:`Login`."""
        return bearer_header(self._token)

    def renew_login(self) -> bool:
        """Return False: there is no other token."""
        return False

    def refused_error(self, url: str, answer: Answer) -> DeployError:
        """Return the error, see :class:`Login`."""
        return DeployError(
            f"Airflow refused the token (HTTP {answer.status}).",
            seen=f"the token from {self.source}",
            where=url,
            help="It may have expired: get a new one. AIRFLOW_TOKEN_COMMAND names a command that prints one whenever "
            "it is needed.",
        )


class CommandLogin:
    """A command that prints a bearer token; run again when Airflow no longer takes the token.

    Parameters
    ----------
    command : str
        The command, run by the shell.
    source : str
        Where it came from, for people.
    """

    def __init__(self, command: str, source: str) -> None:
        self.command, self.source = command, source
        self._token: str | None = None

    def login_headers(self, url: str, line: int) -> dict[str, str]:
        """Return the headers, see :class:`Login`."""
        if self._token is None:
            self._token = self._run_command()
        return bearer_header(self._token)

    def _run_command(self) -> str:
        where = f"the command of {self.source}"
        try:
            # Its stderr is the user's: what a login tool asks or says there.
            done = subprocess.run(
                self.command, shell=True, stdout=subprocess.PIPE, timeout=COMMAND_SECONDS, check=False
            )
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            seen = f"no end after {COMMAND_SECONDS:g} s" if isinstance(error, subprocess.TimeoutExpired) else str(error)
            raise DeployError("The command for Airflow's token can't be run.", seen=seen, where=where) from None
        if done.returncode:
            raise DeployError(
                "The command for Airflow's token failed.", seen=f"exit code {done.returncode}", where=where
            )
        return checked_token(done.stdout.decode("utf-8", "replace"), where)

    def renew_login(self) -> bool:
        """Forget the token: the command prints another one."""
        had, self._token = self._token, None
        return had is not None

    def refused_error(self, url: str, answer: Answer) -> DeployError:
        """Return the error, see :class:`Login`."""
        return DeployError(
            f"Airflow refused the token (HTTP {answer.status}).",
            seen=f"what the command of {self.source} printed",
            where=url,
            help="Does the command print a token for this Airflow, and nothing else?",
        )
