"""AWS as far as moto imitates it, and a user's credentials for it."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from flow_sdk.deploy.step_functions.account import AwsServices
from tests.support.batch_server import Account, BatchServer


@pytest.fixture(scope="module")
def server() -> Iterator[BatchServer]:
    with BatchServer("store") as running:
        running.prepare()
        yield running


@pytest.fixture
def account(server: BatchServer, monkeypatch: pytest.MonkeyPatch) -> Account:
    """What a deployment finds in the account; this process's calls go there."""
    for name, value in server.env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it would know the credentials of other tests
    return server.prepare()


@pytest.fixture
def services(account: Account) -> AwsServices:
    return AwsServices()


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Credentials, and an address where nothing listens."""
    from tests.support.ports import free_port

    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
