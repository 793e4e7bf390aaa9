"""The login of Amazon MWAA: AWS makes a web login token, which Airflow's web server exchanges for a session."""

import urllib.parse
from http.cookies import CookieError, SimpleCookie
from typing import Any

from flow_sdk.deploy.airflow.http import Answer, send_request
from flow_sdk.deploy.airflow.login import NoSuchLogin, bearer_header, checked_token
from flow_sdk.errors import DeployError

__all__ = ["SCHEME", "MwaaLogin"]

SCHEME = "mwaa://"
"""What an address begins with that names an environment of MWAA."""


class MwaaLogin:
    """The session of an environment of MWAA, for whom AWS knows this machine's credentials to be.

    Parameters
    ----------
    environment : str
        Name of the MWAA environment.
    client : botocore client, optional
        A client of ``mwaa``; one from the AWS settings of this machine when left out.
    scheme : str
        Of the web server.
    """

    def __init__(self, environment: str, client: Any = None, *, scheme: str = "https") -> None:
        self.environment, self._client, self._scheme = environment, client, scheme
        self._web_token = ""
        self._headers: dict[str, str] | None = None

    def find_address(self) -> str:
        """Return the address of the environment's web server.

        Raises
        ------
        AwsError
            If AWS refuses, or doesn't answer.
        """
        from flow_sdk.aws.clients import make_client
        from flow_sdk.aws.errors import aws_errors

        with aws_errors(f"log in to MWAA environment {self.environment}", where=f"{SCHEME}{self.environment}"):
            if self._client is None:
                self._client = make_client("mwaa")
            found = self._client.create_web_login_token(Name=self.environment)
        self._web_token = str(found["WebToken"])
        return f"{self._scheme}://{found['WebServerHostname']}"

    def login_headers(self, url: str, line: int) -> dict[str, str]:
        """Return the headers, see :class:`Login`."""
        if self._headers is None:
            if not self._web_token:
                self.find_address()
            self._headers = self._log_in(url, line)
        return self._headers

    def _log_in(self, url: str, line: int) -> dict[str, str]:
        path, name = ("/pluginsv2/aws_mwaa/login", "_token") if line == 3 else ("/aws_mwaa/login", "session")
        body = urllib.parse.urlencode({"token": self._web_token}).encode()
        self._web_token = ""  # it is good for one login, within a minute
        answer = send_request(
            "POST", url + path, body, {"Content-Type": "application/x-www-form-urlencoded"}, follow=False
        )
        cookies = SimpleCookie()
        for text in answer.headers.get_all("Set-Cookie", []):
            try:
                cookies.load(text)
            except CookieError:
                continue
        if answer.status == 404:
            raise NoSuchLogin(f"MWAA environment {self.environment} has no login of Airflow {line}.", where=url + path)
        if answer.status >= 400 or name not in cookies:
            raise DeployError(
                f"The web server of MWAA environment {self.environment} refused the login (HTTP {answer.status}).",
                seen=answer.short_text,
                where=url + path,
                help="May your AWS identity do airflow:CreateWebLoginToken, with a role of Airflow?",
            )
        value = checked_token(cookies[name].value, url + path)
        return bearer_header(value) if line == 3 else {"Cookie": f"session={value}"}

    def renew_login(self) -> bool:
        """Forget the session: AWS makes another token."""
        had, self._headers = self._headers, None
        return had is not None

    def refused_error(self, url: str, answer: Answer) -> DeployError:
        """Return the error, see :class:`Login`."""
        return DeployError(
            f"Airflow refused the session of MWAA environment {self.environment} (HTTP {answer.status}).",
            where=url,
            help="May your AWS identity do airflow:CreateWebLoginToken, with a role of Airflow?",
        )
