"""What is started once for all tests that want it: an Airflow of each line, Step Functions, the image of tasks."""

import os
from collections.abc import Iterator

import pytest

from tests.support import containers
from tests.support.airflow_servers import AirflowServers
from tests.support.step_functions import StepFunctionsServer


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """The tag of docker/'s image."""
    tag = f"localhost/flow-sdk:tested-{os.getpid()}"
    containers.build(tag)
    yield tag
    containers.call("rmi", "--force", tag)


@pytest.fixture(scope="session")
def states_server() -> Iterator[StepFunctionsServer]:
    """Step Functions, Batch and S3 with a bucket, in whatever state the tests of another module have left them."""
    with StepFunctionsServer("store", slots=3) as server:
        yield server


@pytest.fixture(scope="module")
def aws(states_server: StepFunctionsServer) -> StepFunctionsServer:
    """Step Functions, Batch and S3 with an empty bucket and an account that is ready."""
    states_server.renew()
    return states_server


@pytest.fixture(scope="session")
def airflows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowServers]:
    """An Airflow of each line, one at a time."""
    servers = AirflowServers(tmp_path_factory.mktemp("airflows"))
    try:
        yield servers
    finally:
        servers.end()
