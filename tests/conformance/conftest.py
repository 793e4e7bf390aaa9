"""The stores under test: each conformance test runs once on each of them."""

import itertools
import os
from collections.abc import Callable, Iterator

import pytest

from flow_sdk.store.port import ObjectStore
from tests.support.moto import MotoServer

_number = itertools.count()


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    """moto's server with the bucket ``flows``, and the environment that leads there."""
    with MotoServer("flows") as server:
        yield server


@pytest.fixture
def s3_env(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> MotoServer:
    """The environment variables of an S3 client of moto's server."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in moto.env().items():
        monkeypatch.setenv(name, value)
    return moto


@pytest.fixture(params=["local", "memory", "s3"])
def new_store(request: pytest.FixtureRequest, tmp_path: os.PathLike[str]) -> Callable[[], ObjectStore]:
    """A way to open one store, the same one, again and again."""
    from flow_sdk.store.open_store import open_store

    if request.param == "local":
        url = str(tmp_path)
    elif request.param == "memory":
        url = f"memory://test-{next(_number)}"
    else:
        request.getfixturevalue("s3_env")
        url = f"s3://flows/test-{os.getpid()}-{next(_number)}/deep"
    return lambda: open_store(url)


@pytest.fixture
def store(new_store: Callable[[], ObjectStore]) -> ObjectStore:
    """A fresh store of each kind."""
    return new_store()
