from collections.abc import Iterator

import pytest

from flow_sdk import client
from flow_sdk.client import context
from tests.support.run_builder import Builder


@pytest.fixture
def flow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Builder]:
    """A builder on a store of its own, which the client reads, as user anne."""
    url = f"memory://client-{request.node.nodeid.replace('/', '-')}"
    monkeypatch.setenv("FLOW_SDK_STORE", url)
    monkeypatch.setenv("FLOW_SDK_USER", "anne")
    monkeypatch.delenv("FLOW_SDK_NAMESPACE", raising=False)
    monkeypatch.setattr(context, "_choice", context._Choice())
    yield Builder(url)
    client.safe_mode(False)
