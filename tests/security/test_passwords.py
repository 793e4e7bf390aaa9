"""Passwords in addresses: whoever puts one there finds it in no error, log or record."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from flow_sdk.aws.clients import make_client
from flow_sdk.aws.errors import aws_errors
from flow_sdk.client import Task, metadata, namespace
from flow_sdk.client.context import default_metadata, default_namespace
from flow_sdk.errors import AwsError, StoreUnavailable, UsageError
from flow_sdk.store.backends.errors import explain_error
from flow_sdk.store.backends.s3 import S3Cloud
from flow_sdk.store.open_store import open_store
from flow_sdk.text import mask_password
from tests.security.stored import holding
from tests.support.ports import free_port
from tests.unit.cli.flow_file import call, write

SECRET = "canary33Secret361330"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"http://anne:{SECRET}@host:9000/b?x=1", "http://***@host:9000/b?x=1"),
        (f'("postgresql+psycopg2://me:{SECRET}@db.example/x")', '("postgresql+psycopg2://***@db.example/x")'),
        (f"redis://:{SECRET}@cache and amqp://a:{SECRET}@queue", "redis://***@cache and amqp://***@queue"),
        (f"ftp://a:{SECRET}@in@the@middle@host/", "ftp://***@host/"),
        ("https://host/path@2?mail=a:b@c", "https://host/path@2?mail=a:b@c"),
        ("ssh://git@host/repository and anne@example.org: s3://b/k", None),
        ("https://host:443/a b:c@d", None),
    ],
)
def test_what_is_left_out(text: str, shown: str | None) -> None:
    assert mask_password(text) == (shown or text)


def test_every_part_of_an_error(tmp_path: Path) -> None:
    text = f"http://anne:{SECRET}@host"
    error = UsageError(text, seen=text, wanted=text, where=text, help=text)
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert SECRET not in f"{one} {one!r} {one.args} {vars(one)}" and "http://***@host" in str(one)


def test_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = f"http://anne:{SECRET}@127.0.0.1:{free_port()}"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr("flow_sdk.store.backends.retry._SILENT", 0.1)
    with pytest.raises(StoreUnavailable, match="doesn't answer at http://\\*\\*\\*@127") as caught:
        open_store("s3://bucket/x")
    assert SECRET in str(caught.value.__cause__) and SECRET not in str(caught.value)
    with pytest.raises(AwsError, match="doesn't answer") as refused, aws_errors("look"):
        make_client("batch").describe_jobs(jobs=["x"])
    assert SECRET in str(refused.value.__cause__) and SECRET not in str(refused.value)
    missing = explain_error(Exception("<Code>NoSuchBucket</Code>"), "read", "b", "s3://b/x", S3Cloud())
    assert "from http://***@127" in str(missing)


def test_commands(tmp_path: Path) -> None:
    write(tmp_path)
    url = f"http://anne:{SECRET}@127.0.0.1:{free_port()}"
    for words in (
        ("airflow", "status", "--airflow-url", url),
        ("airflow", "status", "--airflow-url", url.replace("http", "postgresql")),
        ("--datastore-root", url.replace("http", "postgresql"), "run", "--folds", "1"),
    ):
        done = call(tmp_path, *words)
        assert done.returncode in (1, 2) and "error: " in done.stderr and SECRET not in done.stdout + done.stderr
        assert "127.0.0.1" in done.stderr and "internal error" not in done.stderr


FAILING = f"""
from flow_sdk import FlowSpec, catch, step
from flow_sdk.errors import DeployError


class Failing(FlowSpec):
    @catch(var="failure")
    @step
    def start(self):
        # Spelled so that the source doesn't hold it.
        address = "postgresql://me:{SECRET[:9]}" + "{SECRET[9:]}@db.example/x"
        try:
            raise ConnectionError(f"could not connect to {{address}}")
        except ConnectionError as error:
            raise ValueError("no data") from error

    @step
    def end(self):
        raise ConnectionError(f"no {{chr(47)}}: mysql://me:{SECRET[:9]}" + "{SECRET[9:]}@db.example/x")


if __name__ == "__main__":
    Failing()
""".replace("from error\n\n", "from error\n        self.next(self.end)\n\n")


def test_the_exceptions_of_a_step(tmp_path: Path) -> None:
    write(tmp_path, FAILING, "failing.py")
    done = subprocess.run(
        [sys.executable, "failing.py", "run"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "mysql://***@db.example" in done.stderr, done.stderr
    assert SECRET not in done.stdout + done.stderr
    root = str(tmp_path / ".flow_sdk")
    assert holding(open_store(root), {"secret": SECRET}) == {}
    metadata(root)
    namespace(None)
    try:
        failure = Task("Failing/1/start/0").data.failure
        assert "could not connect to postgresql://***@db.example/x" in failure.stacktrace
    finally:
        default_metadata()
        default_namespace()
