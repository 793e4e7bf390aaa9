"""A bucket for the tests of the S3 client."""

import itertools
from collections.abc import Iterator

import pytest

from tests.support.moto import MotoServer

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def moto_server() -> Iterator[MotoServer]:
    with MotoServer("files") as server:
        yield server


@pytest.fixture
def bucket(moto_server: MotoServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Address of a folder of the test's own in a bucket."""
    for name, value in moto_server.env().items():
        monkeypatch.setenv(name, value)
    return f"s3://files/{next(NUMBERS)}"
