"""What an Airflow connection gives this process and the step's: keys as they are, sessions by way of a server."""

import os
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.credentials import Credentials, RefreshableCredentials

from flow_provider import credentials
from flow_provider.credentials import _read_hook, store_access
from flow_sdk.aws.settings import s3_settings

pytestmark = pytest.mark.slow  # starts processes or servers

ENDPOINT = "http://127.0.0.1:9000"


def session_of_a_role() -> RefreshableCredentials:
    def fetch() -> dict[str, str]:
        expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        return {"access_key": "ASIAROLE", "secret_key": "s", "token": "t", "expiry_time": expires}

    return RefreshableCredentials.create_from_metadata(fetch(), fetch, "sts-assume-role")


def hook(found: Any, *, all_services: str | None = None, verify: Any = None) -> Any:
    connection = SimpleNamespace(get_service_endpoint_url=lambda service: ENDPOINT, endpoint_url=all_services)
    session = SimpleNamespace(get_credentials=lambda: found)
    return SimpleNamespace(get_session=lambda: session, region_name="eu-west-1", conn_config=connection, verify=verify)


@pytest.fixture
def access(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Opens a deployment's access as a connection gives it."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the worker")

    def opened(one: Any, encryption: dict[str, str] | None = None) -> Any:
        monkeypatch.setattr(credentials, "_from_connection", lambda deployment: _read_hook(one))
        return store_access(SimpleNamespace(encryption=encryption))  # type: ignore[arg-type]

    return opened


def test_keys_of_a_connection_are_passed_on(access: Any) -> None:
    before = dict(os.environ)
    with access(hook(Credentials("AKIA", "s", None))) as found:
        env = found.environment()
        assert os.environ["AWS_ACCESS_KEY_ID"] == env["AWS_ACCESS_KEY_ID"] == "AKIA"
        assert os.environ["AWS_SECRET_ACCESS_KEY"] == env["AWS_SECRET_ACCESS_KEY"] == "s"
        assert "AWS_CONTAINER_CREDENTIALS_FULL_URI" not in env
    assert dict(os.environ) == before


def test_keys_of_a_session_are_in_no_environment(access: Any) -> None:
    before = dict(os.environ)
    with access(hook(session_of_a_role())) as found:
        env = found.environment()
        assert "AWS_ACCESS_KEY_ID" not in env and "AWS_SECRET_ACCESS_KEY" not in env
        assert not any("ASIAROLE" in value for value in (*env.values(), *os.environ.values()))
        assert env["AWS_CONTAINER_CREDENTIALS_FULL_URI"].startswith("http://127.0.0.1:")
        # This process is what renews them: its own environment names no server, and the store has them directly.
        assert "AWS_CONTAINER_CREDENTIALS_FULL_URI" not in os.environ
        settings = s3_settings()
        assert settings.credentials is not None and settings.credentials.keys().access_key == "ASIAROLE"
        assert (settings.region, settings.endpoint) == ("eu-west-1", ENDPOINT)
    assert dict(os.environ) == before


def test_the_address_of_s3_is_not_that_of_other_services(access: Any) -> None:
    with access(hook(session_of_a_role())) as found:
        assert found.environment()["AWS_ENDPOINT_URL_S3"] == os.environ["AWS_ENDPOINT_URL_S3"] == ENDPOINT
        assert "AWS_ENDPOINT_URL" not in found.environment()
    with access(hook(session_of_a_role(), all_services=ENDPOINT)) as found:
        assert found.environment()["AWS_ENDPOINT_URL"] == ENDPOINT
        assert "AWS_ENDPOINT_URL" not in os.environ  # roles are renewed at STS, wherever that is


def test_certificates_and_encryption_hold_for_both(access: Any) -> None:
    asked = {"algorithm": "aws:kms", "key": "key/1"}
    with access(hook(Credentials("AKIA", "s"), verify="/some/authority.pem"), asked) as found:
        for env in (os.environ, found.environment()):
            assert env["AWS_CA_BUNDLE"] == "/some/authority.pem"
            assert env["FLOW_SDK_S3_SERVER_SIDE_ENCRYPTION"] == "aws:kms"
            assert env["FLOW_SDK_S3_SSE_KMS_KEY_ID"] == "key/1"
    assert "FLOW_SDK_S3_SERVER_SIDE_ENCRYPTION" not in os.environ
