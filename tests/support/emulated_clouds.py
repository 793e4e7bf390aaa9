"""Fixtures of emulated clouds, which tests of several folders use: one server of each for a whole run."""

from collections.abc import Iterator

import pytest

from tests.support.azurite import AzuriteServer
from tests.support.fake_gcs import FakeGcsServer

__all__ = ["azure_env", "azure_server", "gcs_env", "gcs_server"]


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[FakeGcsServer]:
    """fake-gcs-server with the bucket ``flows``."""
    with FakeGcsServer("flows") as server:
        yield server


@pytest.fixture
def gcs_env(gcs_server: FakeGcsServer, monkeypatch: pytest.MonkeyPatch) -> FakeGcsServer:
    """fake-gcs-server, and the environment that leads a client there."""
    for name, value in gcs_server.env().items():
        monkeypatch.setenv(name, value)
    return gcs_server


@pytest.fixture(scope="session")
def azure_server() -> Iterator[AzuriteServer]:
    """Azurite with the container ``flows``."""
    with AzuriteServer("flows") as server:
        yield server


@pytest.fixture
def azure_env(azure_server: AzuriteServer, monkeypatch: pytest.MonkeyPatch) -> AzuriteServer:
    """Azurite, and the environment that leads a client there."""
    for name, value in azure_server.env().items():
        monkeypatch.setenv(name, value)
    return azure_server
