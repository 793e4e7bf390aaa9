"""What is started once for all tests that want it: an Airflow of each line, the image in which tasks run."""

import os
from collections.abc import Iterator

import pytest

from tests.integration.airflow_servers import AirflowServers
from tests.rig import containers


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """The tag of docker/'s image."""
    tag = f"localhost/flow-sdk:tested-{os.getpid()}"
    containers.build(tag)
    yield tag
    containers.call("rmi", "--force", tag)


@pytest.fixture(scope="session")
def airflows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowServers]:
    """An Airflow of each line, one at a time."""
    servers = AirflowServers(tmp_path_factory.mktemp("airflows"))
    try:
        yield servers
    finally:
        servers.end()
