"""Credentials that are renewed in time, and handed to other processes."""

import configparser
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.session import Session

from flow_sdk.aws.credential_server import CredentialServer
from flow_sdk.aws.credentials import RenewedCredentials
from flow_sdk.aws.plain_files import write_without_credentials

pytestmark = pytest.mark.slow  # starts processes or servers


class Clock:
    """The time that credentials go by, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passed = 0.0
        real = time.time
        monkeypatch.setattr("flow_sdk.aws.credentials.time.time", lambda: real() + self.passed)


class Source:
    """botocore's renewable credentials, whose source counts how often it is asked and can fail."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds
        self.asked, self.fails = 0, False

    def fetch(self) -> dict[str, str]:
        self.asked += 1
        if self.fails:
            raise OSError("the source is away")
        expires = datetime.fromtimestamp(time.time() + self.seconds, UTC).isoformat()
        return {"access_key": f"K{self.asked}", "secret_key": "s", "token": "t", "expiry_time": expires}

    def renewed(self) -> RenewedCredentials:
        def now() -> datetime:
            return datetime.fromtimestamp(time.time(), UTC)

        # Those that it begins with have expired.
        return RenewedCredentials(RefreshableCredentials("K0", "s", "t", now(), self.fetch, "test", time_fetcher=now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.mark.parametrize("seconds", [20, 900, 3600])
def test_keys_are_always_valid_and_the_source_is_asked_seldom(clock: Clock, seconds: int) -> None:
    source = Source(clock, seconds)
    renewed = source.renewed()
    for _ in range(100):
        keys = renewed.keys()
        assert keys.expires is not None and keys.expires > time.time()
        clock.passed += seconds / 20
    # 100 requests over five lives of a session.
    assert 5 <= source.asked <= 16


def test_a_source_that_fails_for_a_while_is_outlasted(clock: Clock) -> None:
    source = Source(clock, 20)
    renewed = source.renewed()
    first = renewed.keys()
    source.fails = True
    clock.passed += 12
    assert renewed.keys() == first and renewed.failure is not None
    source.fails = False
    clock.passed += 2
    assert renewed.keys() != first and renewed.failure is None
    source.fails = True
    clock.passed += 60
    with pytest.raises(OSError, match="the source is away"):
        renewed.keys()


def test_keys_that_do_not_expire() -> None:
    renewed = RenewedCredentials(Credentials("key", "secret"))
    assert renewed.keys() == ("key", "secret", None, None) and not renewed.is_renewable
    assert renewed()["expires_at"] is None


@pytest.fixture
def served(clock: Clock) -> Iterator[CredentialServer]:
    server = CredentialServer(Source(clock, 20).renewed())
    yield server
    server.close()


def ask(env: dict[str, str], token: str) -> dict[str, Any]:
    request = urllib.request.Request(env["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers={"Authorization": token})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_another_process_gets_keys_that_are_valid_then(served: CredentialServer, clock: Clock) -> None:
    env = served.environment({**os.environ, "AWS_EC2_METADATA_DISABLED": "true"})
    code = "import boto3; print(boto3.Session().get_credentials().get_frozen_credentials().access_key)"

    def keys() -> str:
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert keys() == "K1"
    clock.passed += 60
    assert keys() > "K1"


@pytest.mark.parametrize("token", ["", "wrong", "ü"])
def test_whoever_has_no_token_gets_nothing(served: CredentialServer, token: str) -> None:
    env = served.environment({})
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(env, token.encode().decode("latin-1"))
    assert refused.value.code == 403 and b"K1" not in refused.value.read()
    assert ask(env, env["AWS_CONTAINER_AUTHORIZATION_TOKEN"])["AccessKeyId"] == "K1"


def test_every_server_has_a_token_of_its_own(served: CredentialServer, clock: Clock) -> None:
    other = CredentialServer(Source(clock, 20).renewed())
    try:
        name = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
        assert other.environment({})[name] != served.environment({})[name]
        assert len(other.environment({})[name]) >= 32
    finally:
        other.close()


def test_the_reason_of_a_failure_is_handed_on(clock: Clock) -> None:
    source = Source(clock, 20)
    renewed = source.renewed()
    source.fails = True
    clock.passed += 60
    server = CredentialServer(renewed)
    env = server.environment({})
    try:
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(env, env["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
        assert refused.value.code == 500 and b"the source is away" in refused.value.read()
    finally:
        server.close()


def test_no_other_credentials_win_over_the_server(
    served: CredentialServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, keys = tmp_path / "config", tmp_path / "credentials"
    config.write_text(
        "[default]\nregion = eu-west-1\nrole_arn = arn:x\nsource_profile = base\nca_bundle = /some.pem\n"
        "s3 =\n  addressing_style = path\n[profile base]\naws_access_key_id = 1\naws_secret_access_key = 2\n"
        "[profile sso]\nsso_start_url = https://x\ncredential_process = /bin/x\n"
    )
    keys.write_text("[default]\naws_access_key_id = 1\naws_secret_access_key = 2\n")
    base = {
        "AWS_ACCESS_KEY_ID": "1",
        "AWS_SECRET_ACCESS_KEY": "2",
        "AWS_SESSION_TOKEN": "3",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/x",
        "AWS_ROLE_ARN": "arn:x",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/x",
        "OTHER": "kept",
    }
    folder = tmp_path / "new"
    folder.mkdir()
    env = {**served.environment(base), **write_without_credentials([str(config), str(keys)], str(folder))}
    assert env["OTHER"] == "kept"
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    session = Session()
    found = session.get_credentials()
    assert found is not None and found.method == "container-role"
    assert session.get_config_variable("region") == "eu-west-1"
    assert session.get_config_variable("ca_bundle") == "/some.pem"
    assert session.get_scoped_config()["s3"] == {"addressing_style": "path"}
    parser = configparser.RawConfigParser()
    parser.read(env["AWS_CONFIG_FILE"])
    assert parser.sections() == ["default", "profile base", "profile sso"]


def test_nothing_is_written_where_aws_has_no_files(tmp_path: Path) -> None:
    assert write_without_credentials([str(tmp_path / "config"), str(tmp_path / "credentials")], str(tmp_path)) == {}
    assert list(tmp_path.iterdir()) == []
