"""The image in which tasks run, built once for all tests that want it."""

import os
from collections.abc import Iterator

import pytest

from tests.rig import containers


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """The tag of docker/'s image."""
    tag = f"localhost/flow-sdk:tested-{os.getpid()}"
    containers.build(tag)
    yield tag
    containers.call("rmi", "--force", tag)
