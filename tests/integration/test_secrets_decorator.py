"""``@secrets`` on AWS Secrets Manager: the step gets the values, nobody else does, and each failure is told clearly."""

import base64
import hashlib
import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from flow_sdk import client as results
from flow_sdk.authoring.decorators.secrets import SecretsDecorator, set_secret_variables
from flow_sdk.errors import AwsError, FlowSDKError, SecretError
from flow_sdk.store.open_store import open_store
from tests.security.stored import holding
from tests.support.moto import ACCOUNT, MotoServer
from tests.unit.cli.flow_file import call, write

CANARIES = {name: f"canary{n}Secret{n * 7919 + 100003}" for n, name in enumerate(("json", "plain", "binary", "bad"))}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/reader"
AWS = "aws-secrets-manager"

FLOW = f"""
import hashlib
import os

from flow_sdk import FlowSpec, catch, environment, retry, secrets, step

NAMES = ("DB_PASSWORD", "db_port", "TOKEN", "prod_key_file")


def facts():
    return {{name: hashlib.sha256(os.environ[name].encode()).hexdigest() for name in NAMES if name in os.environ}}


class Careful(FlowSpec):
    @secrets(sources=["{AWS}.prod/db", {{"type": "{AWS}", "id": "token", "role": "{ROLE}",
                      "options": {{"json": False, "env_var_name": "TOKEN"}}}}, "{AWS}.prod/key.file"])
    @retry(times=1, minutes_between_retries=0)
    @step
    def start(self):
        from flow_sdk import current
        self.seen = facts()
        password = os.environ["DB_PASSWORD"]
        if current.retry_count == 0:
            raise ConnectionError("refused")
        self.next(self.work)

    @environment(vars={{"TOKEN": "of the machine"}})
    @catch(var="failure")
    @secrets(sources=[{{"type": "{AWS}", "id": "token", "options": {{"json": False, "env_var_name": "TOKEN"}}}}])
    @step
    def work(self):
        self.seen = facts()
        self.next(self.end)

    @secrets(sources=["{AWS}.list"])
    @step
    def end(self):
        print("never here")


if __name__ == "__main__":
    Careful()
"""


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer("store") as server:
        manager = client(server, "secretsmanager")
        secrets: dict[str, str | bytes] = {
            "prod/db": json.dumps({"DB_PASSWORD": CANARIES["json"], "db-port": 5432, "on": True}),
            "token": CANARIES["plain"],
            "prod/key.file": CANARIES["binary"].encode(),
            "list": json.dumps([CANARIES["bad"]]),
            "digit": json.dumps({"1st": CANARIES["bad"]}),
            "twice": json.dumps({"a-b": CANARIES["bad"], "a.b": CANARIES["bad"]}),
            "ours": json.dumps({"FLOW_SDK_USER": CANARIES["bad"]}),
            "nul": json.dumps({"A": CANARIES["bad"] + "\0"}),
            "half": json.dumps({"A": CANARIES["bad"] + "\ud800"}),
            "password": json.dumps({"X": "1", "DB_PASSWORD": CANARIES["bad"]}),
        }
        for name, value in secrets.items():
            form: Any = {"SecretBinary": value} if isinstance(value, bytes) else {"SecretString": value}
            manager.create_secret(Name=name, **form)
        other = client(server, "secretsmanager", region_name="eu-west-1")
        other.create_secret(Name="far", SecretString='{"FAR": "away"}')
        yield server


def client(server: MotoServer, service: str, **more: Any) -> Any:
    given = {"region_name": "us-east-1", "aws_access_key_id": ACCOUNT, "aws_secret_access_key": "secret", **more}
    return boto3.client(service, endpoint_url=server.url, **given)


@pytest.fixture
def aws(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[MotoServer]:
    with monkeypatch.context() as patch:
        for name, value in moto.env().items():
            patch.setenv(name, value)
        patch.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers the keys of an earlier test
        before = dict(os.environ)
        yield moto
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def fetch(*sources: Any, **attributes: Any) -> dict[str, str]:
    """Set the secrets as a task does; the variables that are new or changed."""
    before = dict(os.environ)
    set_secret_variables(SecretsDecorator(sources=list(sources), **attributes).attributes())
    return {name: value for name, value in os.environ.items() if before.get(name) != value}


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_a_run(isolation: str, aws: MotoServer, tmp_path: Path) -> None:
    root = f"s3://store/{tmp_path.name}"
    env = {**aws.env(), "FLOW_SDK_DEFAULT_DATASTORE": "s3", "FLOW_SDK_DATASTORE_SYSROOT_S3": root}
    write(tmp_path, FLOW, "careful.py")
    done = call(tmp_path, "run", "--isolation", isolation, environment=env, file="careful.py")
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "refused" in said and "never here" not in said, said
    # The last step's secret isn't an object; the step between has caught that its variable is there already.
    assert f"SecretError: The secret {AWS}.list isn't a JSON object." in said
    results.metadata(root)
    results.namespace(None)
    try:
        run = results.Run("Careful/1")
        values = (CANARIES["json"], "5432", CANARIES["plain"], base64.b64encode(CANARIES["binary"].encode()).decode())
        digests = [hashlib.sha256(value.encode()).hexdigest() for value in values]
        assert run["start"].task.data.seen == dict(zip(
            ("DB_PASSWORD", "db_port", "TOKEN", "prod_key_file"), digests, strict=True))  # fmt: skip
        assert "The variable TOKEN is set already." in str(run["work"].task.data.failure)
    finally:
        results.default_metadata()
        results.default_namespace()
    words = {**CANARIES, "base64": values[-1]}
    assert holding(open_store(root), words) == {}
    assert [name for name, word in words.items() if word in said] == []
    # What is looked for would be found: the names are in the plan.
    assert holding(open_store(root), {"name": "prod/key.file"}).keys() == {"name"}


def test_forms(aws: MotoServer) -> None:
    assert fetch(f"{AWS}.prod/db") == {"DB_PASSWORD": CANARIES["json"], "db_port": "5432", "on": "True"}
    assert fetch({"type": AWS, "id": "token", "options": {"json": False}}) == {"token": CANARIES["plain"]}
    named = {"type": AWS, "id": "prod/db", "options": {"json": False, "env_var_name": "my.db"}}
    assert set(fetch(named)) == {"my_db"}
    assert fetch({"type": "inline", "options": {"env_vars": {"INLINE": "1"}}}) == {"INLINE": "1"}
    assert fetch() == {}


def test_regions(aws: MotoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = client(aws, "secretsmanager", region_name="eu-west-1").describe_secret(SecretId="far")["ARN"]
    assert fetch(arn) == {"FAR": "away"}
    assert fetch({"type": AWS, "id": "far", "options": {"region": "eu-west-1"}}, allow_override=True) == {}
    with pytest.raises(AwsError, match="has no secret far"):
        fetch(f"{AWS}.far", allow_override=True)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(AwsError, match="no region is set"):
        fetch(f"{AWS}.far")


def test_override(aws: MotoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "old")
    with pytest.raises(SecretError, match="The variable DB_PASSWORD is set already") as caught:
        fetch({"type": "inline", "options": {"env_vars": {"FIRST": "1"}}}, f"{AWS}.prod/db")
    assert f"{AWS}.prod/db" in str(caught.value)
    assert os.environ["DB_PASSWORD"] == "old" and "FIRST" not in os.environ  # nothing half-done
    assert fetch(f"{AWS}.prod/db", allow_override=True)["DB_PASSWORD"] == CANARIES["json"]


@pytest.mark.parametrize(
    ("sources", "kind", "said"),
    [
        ([f"{AWS}.gone"], AwsError, "has no secret gone"),
        ([f"{AWS}.token"], SecretError, "token isn't a JSON object.*text that isn't JSON"),
        ([f"{AWS}.list"], SecretError, "list isn't a JSON object.*seen: +list"),
        ([f"{AWS}.digit"], SecretError, "can't name a variable.*'1st'"),
        ([f"{AWS}.twice"], SecretError, "Two keys of the secret .*twice are the same variable.*a_b"),
        ([f"{AWS}.ours"], SecretError, "begins as our settings do.*FLOW_SDK_USER"),
        ([f"{AWS}.nul"], SecretError, "The value of A in the secret .*nul can't be"),
        ([f"{AWS}.half"], SecretError, "The value of A in the secret .*half can't be"),
        (
            [f"{AWS}.prod/db", f"{AWS}.password"],
            SecretError,
            f"Two secrets set the variable DB_PASSWORD.*{AWS}.prod/db and {AWS}.password",
        ),
    ],
)
def test_errors(sources: list[str], kind: type[FlowSDKError], said: str, aws: MotoServer) -> None:
    for override in (False, True):
        before = dict(os.environ)
        with pytest.raises(kind, match=f"(?s){said}") as caught:
            fetch(*sources, allow_override=override)
        assert dict(os.environ) == before
        error: BaseException | None = caught.value
        while error is not None:  # a traceback shows the whole chain
            assert not any(word in str(error) for word in CANARIES.values())
            error = error.__cause__ or error.__context__


def test_access_denied(aws: MotoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    iam = client(aws, "iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    check_permissions(aws, "0")
    try:
        with pytest.raises(AwsError, match="doesn't let us get the secret token") as caught:
            fetch(f"{AWS}.token")
        assert "the permission secretsmanager:GetSecretValue" in str(caught.value)
        with pytest.raises(AwsError, match=f"take on the role {ROLE}"):
            fetch(f"{AWS}.token", role=ROLE)
    finally:
        check_permissions(aws, "inf")


def check_permissions(server: MotoServer, after: str) -> None:
    """Let moto check permissions after so many calls."""
    kind = {"Content-Type": "text/plain"}  # a form's data wouldn't reach it
    request = urllib.request.Request(f"{server.url}/moto-api/reset-auth", after.encode(), kind, method="POST")
    urllib.request.urlopen(request, timeout=10).close()
