"""What is started once for all tests that want it: Airflow of each line, Step Functions, Kubernetes, the task image."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import containers
from tests.support.airflow_servers import AirflowServers
from tests.support.kubernetes.cluster import KubernetesCluster
from tests.support.kubernetes.node import make_pod_image
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


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesCluster]:
    """A Kubernetes of one node with Argo Workflows."""
    programs, folder = Path(os.environ["FLOW_TEST_KUBERNETES"]), tmp_path_factory.mktemp("kubernetes")
    image = folder / "pod-image.tar"
    engine, base = os.environ["FLOW_TEST_CONTAINERS"], os.environ["FLOW_TEST_BASE_IMAGE"]
    make_pod_image(engine, base, programs / "argoexec", image)
    with KubernetesCluster(programs, image, folder / "cluster") as started:
        image.unlink()
        yield started
