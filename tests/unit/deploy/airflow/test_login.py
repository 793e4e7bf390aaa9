"""Logging in to an Airflow: passwords, tokens, commands that print one, MWAA; and what happens when a token expires."""

import json
import shlex
import sys
from urllib.parse import parse_qs

import pytest

from flow_sdk.deploy.airflow.api import AirflowApi
from flow_sdk.deploy.airflow.login import CommandLogin, TokenLogin
from flow_sdk.deploy.airflow.mwaa import MwaaLogin
from flow_sdk.errors import AwsError, DeployError
from tests.support.airflow_web_server import airflow3, data, web_server


def expiring(requests: int):
    """An Airflow 3 whose tokens are good for some requests; further ones are t0, t1, ..."""
    made, used = [], []

    def answer(method, path, headers, body):
        if path == "/auth/token":
            made.append(f"t{len(made)}")
            used.clear()
            return data({"access_token": made[-1]}, 201)
        if "/dagRuns" in path:
            used.append(path)
            if len(used) > requests or headers["Authorization"] != f"Bearer {made[-1]}":
                return data({"detail": "Token expired"}, 401)
            return data({"dag_runs": [], "total_entries": 0})
        return None

    return made, airflow3(answer)


def test_a_token_that_expires_is_renewed_by_the_password():
    made, answers = expiring(2)
    with web_server(answers) as web:
        api = AirflowApi(web.url, "anne", "password")
        for _ in range(6):
            assert list(api.dag_runs("a")) == []
    assert made == ["t0", "t1", "t2"]


def test_a_token_that_airflow_hasnt_signed_is_no_missing_permission():
    """As after its secret has changed: 3.3 answers 403 to it, and 401 to one that has expired."""
    tokens = ["t0"]

    def answer(method, path, headers, body):
        if path == "/auth/token":
            return data({"access_token": tokens[-1]}, 201)
        if "/dagRuns" in path and headers["Authorization"] != f"Bearer {tokens[-1]}":
            return data({"detail": "Invalid JWT token"}, 403)
        return None

    with web_server(airflow3(answer, tokens=("t0", "t1"))) as web:
        api = AirflowApi(web.url, "anne", "password")
        assert list(api.dag_runs("a")) == []
        tokens.append("t1")
        assert list(api.dag_runs("a")) == []
        with pytest.raises(DeployError, match="refused the token"):
            list(AirflowApi(web.url, login=TokenLogin("other", "a test")).dag_runs("a"))


def test_a_login_that_is_refused_although_it_is_new_is_one_error():
    made, answers = expiring(0)
    with web_server(answers) as web, pytest.raises(DeployError, match="refused the login"):
        list(AirflowApi(web.url, "anne", "password").dag_runs("a"))
    assert made == ["t0", "t1"]


def test_a_given_token_is_sent_and_nobody_logs_in():
    with web_server(airflow3()) as web:
        assert list(AirflowApi(web.url, login=TokenLogin("t", "a test")).dag_runs("a")) == []
        assert "/auth/token" not in web.paths()
        with pytest.raises(DeployError, match="refused the token") as caught:
            list(AirflowApi(web.url, login=TokenLogin("secret", "a test")).dag_runs("a"))
        assert "secret" not in str(caught.value) and "the token from a test" in str(caught.value)


def counting_command(folder, text="t{}"):
    """A command that prints another token each time."""
    where = str(folder)
    code = f"import os; n = len(os.listdir({where!r})); open({where!r} + f'/{{n}}', 'w'); print({text!r}.format(n))"
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"


def test_a_command_is_run_once_and_again_when_its_token_expires(tmp_path):
    valid = ["Bearer t0"]

    def answer(method, path, headers, body):
        return (
            data({"detail": "expired"}, 401) if "/dagRuns" in path and headers["Authorization"] not in valid else None
        )

    with web_server(airflow3(answer, tokens=("t0", "t1"))) as web:
        api = AirflowApi(web.url, login=CommandLogin(counting_command(tmp_path), "a test"))
        assert [list(api.dag_runs("a")) for _ in range(3)] == [[]] * 3
        assert len(list(tmp_path.iterdir())) == 1
        valid[:] = ["Bearer t1"]
        assert list(api.dag_runs("a")) == [] and len(list(tmp_path.iterdir())) == 2
        valid[:] = ["Bearer never"]
        with pytest.raises(DeployError, match="refused the token"):
            list(api.dag_runs("a"))
        assert len(list(tmp_path.iterdir())) == 3
        assert "/auth/token" not in web.paths()


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("exit 3", "exit code 3"),
        ("echo", "nothing"),
        ("echo two words", "9 characters"),
        ("printf 'a\\nb'", "3 characters"),
    ],
)
def test_a_command_that_gives_no_token(command, text):
    with web_server(airflow3()) as web, pytest.raises(DeployError) as caught:
        list(AirflowApi(web.url, login=CommandLogin(command, "a test")).dag_runs("a"))
    assert text in str(caught.value) and "two words" not in str(caught.value)


@pytest.mark.parametrize("token", ["", " ", "a b", "a\r\nX-Header: b", "é", "\x00"])
def test_what_can_be_no_token(token):
    with pytest.raises(DeployError, match="isn't a token"):
        TokenLogin(token, "a test")


def test_a_gate_before_airflow_wants_the_token_for_the_version_as_well():
    def gate(method, path, headers, body):
        return None if headers.get("Authorization") == "Bearer t" else (401, {"Content-Type": "text/plain"}, b"who?")

    with web_server(airflow3(gate)) as web:
        assert list(AirflowApi(web.url, login=TokenLogin("t", "a test")).dag_runs("a")) == []
        with pytest.raises(DeployError, match="refused the token"):
            AirflowApi(web.url, login=TokenLogin("other", "a test")).find_dag("a")


def test_a_gate_that_redirects_to_its_login_page_takes_the_token():
    with web_server(lambda *_: data({})) as other:

        def gate(method, path, headers, body):
            return None if headers.get("Authorization") == "Bearer t" else (302, {"Location": other.url}, b"")

        with web_server(airflow3(gate)) as web:
            assert list(AirflowApi(web.url, login=TokenLogin("t", "a test")).dag_runs("a")) == []
        assert other.seen == []


class Mwaa:
    """The endpoint of MWAA, and the web server of an environment of a line, in one."""

    def __init__(self, line: int) -> None:
        self.line, self.tokens, self.sessions, self.ended = line, [], [], set()
        self.host = ""

    def answer(self, method, path, headers, body):
        if path == "/webtoken/prod":
            self.tokens.append(f"web{len(self.tokens)}")
            return data({"WebToken": self.tokens[-1], "WebServerHostname": self.host})
        if path.startswith("/webtoken/"):
            return 404, {"x-amzn-errortype": "ResourceNotFoundException"}, b'{"message": "no such environment"}'
        if path == ("/pluginsv2/aws_mwaa/login" if self.line == 3 else "/aws_mwaa/login"):
            if parse_qs(body.decode()) != {"token": [self.tokens.pop()]}:
                return data({"detail": "no"}, 403)
            self.sessions.append(f"s{len(self.sessions)}")
            name = "_token" if self.line == 3 else "session"
            return 302, {"Location": "/home", "Set-Cookie": f"{name}={self.sessions[-1]}; Path=/; HttpOnly"}, b""
        if path == ("/api/v2/version" if self.line == 3 else "/api/v1/version"):
            return data({"version": "x"})
        if path.endswith("/version"):
            return data({"detail": "not found"}, 404)
        carried = {f"Bearer {s}" if self.line == 3 else f"session={s}" for s in set(self.sessions) - self.ended}
        if headers.get("Authorization" if self.line == 3 else "Cookie") not in carried:
            return data({"detail": "Unauthorized"}, 401)
        return data({"dag_runs": [], "total_entries": 0})


@pytest.mark.parametrize("line", [3, 2])
def test_mwaa_gives_a_session_for_aws_credentials(line, monkeypatch):
    import boto3
    from botocore.config import Config

    mwaa = Mwaa(line)
    with web_server(mwaa.answer) as web:
        mwaa.host = web.url.removeprefix("http://")
        keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "eu-central-1"}
        # The host prefix of the service's names can't stand before an IP address.
        client = boto3.client("mwaa", endpoint_url=web.url, config=Config(inject_host_prefix=False), **keys)
        login = MwaaLogin("prod", client, scheme="http")
        api = AirflowApi(login.find_address(), login=login)
        assert [list(api.dag_runs("a")) for _ in range(2)] == [[], []]
        assert mwaa.sessions == ["s0"] and mwaa.tokens == []
        mwaa.ended.add("s0")
        assert list(api.dag_runs("a")) == [] and mwaa.sessions == ["s0", "s1"]
        with pytest.raises(AwsError, match="log in to MWAA environment other"):
            MwaaLogin("other", client, scheme="http").find_address()
        with pytest.raises(AwsError):
            MwaaLogin("a/b c", client).find_address()


@pytest.mark.parametrize(
    "answer",
    [data({"access_token": 1}, 201), data({"access_token": "a b"}, 201), data("t", 201), (201, {}, b"")],
    ids=["number", "two words", "text", "nothing"],
)
def test_json_of_a_login_that_isnt_airflows(answer):
    answers = airflow3(lambda method, path, *_: answer if path == "/auth/token" else None)
    with web_server(answers) as web, pytest.raises(DeployError):
        AirflowApi(web.url, "anne", "password").find_dag("a")


def test_a_wrong_password_names_the_user_and_not_the_password():
    with web_server(airflow3()) as web, pytest.raises(DeployError, match="refused the login") as caught:
        AirflowApi(web.url, "anne", "wrong").find_dag("a")
    assert "user 'anne'" in str(caught.value) and "wrong" not in str(caught.value)
    assert json.loads(web.seen[-1][3])["password"] == "wrong"


def test_an_airflow_where_everybody_is_an_admin_needs_no_login():
    def answer(method, path, headers, body):
        return data({"access_token": "t"}, 201) if (method, path) == ("GET", "/auth/token") else None

    with web_server(airflow3(answer)) as web:
        assert list(AirflowApi(web.url).dag_runs("a")) == []

    def forbidden(method, path, headers, body):
        return data({"detail": "not all are admins"}, 403) if (method, path) == ("GET", "/auth/token") else None

    with web_server(airflow3(forbidden)) as web, pytest.raises(DeployError, match="refused the login") as caught:
        AirflowApi(web.url).find_dag("a")
    assert caught.value.seen == "no user and no token"
