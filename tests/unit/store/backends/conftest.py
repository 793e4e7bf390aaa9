"""The emulated clouds for the tests of one backend each."""

from collections.abc import Iterator

import pytest

from tests.support.azurite import AzuriteServer
from tests.support.fake_gcs import FakeGcsServer


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[FakeGcsServer]:
    with FakeGcsServer("flows") as server:
        yield server


@pytest.fixture
def gcs(gcs_server: FakeGcsServer, monkeypatch: pytest.MonkeyPatch) -> FakeGcsServer:
    """fake-gcs-server with the bucket ``flows``, and the environment that leads there."""
    for name, value in gcs_server.env().items():
        monkeypatch.setenv(name, value)
    return gcs_server


@pytest.fixture(scope="session")
def azure_server() -> Iterator[AzuriteServer]:
    with AzuriteServer("flows") as server:
        yield server


@pytest.fixture
def azure(azure_server: AzuriteServer, monkeypatch: pytest.MonkeyPatch) -> AzuriteServer:
    """Azurite with the container ``flows``, and the environment that leads there."""
    for name, value in azure_server.env().items():
        monkeypatch.setenv(name, value)
    return azure_server
