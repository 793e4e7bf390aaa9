"""An environment without settings of AWS, in front of moto; each row of the table of settings sets it up."""

import time
from pathlib import Path

import pytest

from flow_sdk.aws.clients import make_client
from flow_sdk.deploy.airflow.dag_file import FIRST_LINE
from flow_sdk.deploy.airflow.dag_location import open_location
from flow_sdk.files import S3
from flow_sdk.store.open_store import open_store
from tests.support.credential_sessions import SessionServer
from tests.support.fault_proxy import FaultProxy, Rule
from tests.support.moto import MotoServer

__all__ = ["KEY", "AwsEnvironment"]

KEY = "100000000001"


class AwsEnvironment:
    """A proxy before moto, a server that gives out sessions, and an environment without any setting of AWS."""

    def __init__(self, moto: MotoServer, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.moto, self.monkeypatch, self.folder = moto, monkeypatch, folder
        self.home = folder / "home"
        (self.home / ".aws").mkdir(parents=True)
        monkeypatch.setenv("HOME", str(self.home))
        for name in moto.env():
            monkeypatch.delenv(name, raising=False)
        for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            self.set(**{name: None, name.lower(): None})
        # The machine that tests run on may be one of AWS's.
        self.set(AWS_EC2_METADATA_DISABLED="true", NO_PROXY="127.0.0.1,localhost", no_proxy=None)
        self.proxy, self.sessions = FaultProxy(moto.url), SessionServer(token="sesame")

    def set(self, **variables: str | None) -> None:
        """Set environment variables, or unset them."""
        for name, value in variables.items():
            if value is None:
                self.monkeypatch.delenv(name, raising=False)
            else:
                self.monkeypatch.setenv(name, value)

    def profile(self, text: str, name: str = "config") -> None:
        """Write one of AWS's files."""
        (self.home / ".aws" / name).write_text(text, encoding="utf-8")

    def usual(self, *but: str) -> None:
        """Set keys, region and address, but for some."""
        given = {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.proxy.url,
        }
        self.set(**{name: value for name, value in given.items() if name not in but})

    def without_keys(self) -> None:
        """Set region and address, and refuse whoever doesn't come with a session that was given out."""
        self.usual("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        self.proxy.set(Rule("ExpiredToken", only=lambda method, key, by: self.sessions.refuses(by)))

    def use(self) -> None:
        """Reach S3 by store and by client, a service, and the place of a DAG file."""
        store = open_store("s3://flows/settings")
        store.put("a", b"x")
        assert store.get("a") == b"x"
        with S3(s3root="s3://flows/files") as files:
            files.put("b", b"y")
        make_client("batch").describe_job_queues()
        open_location("s3://flows/dags/", "plain").write_file(f"{FIRST_LINE}\n# {time.monotonic()}\n")
