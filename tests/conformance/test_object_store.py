"""The object store suite, held against each implementation."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from flow_sdk.store.open_store import open_store
from flow_sdk.store.port import ObjectStore
from flow_sdk.testing.object_stores import ObjectStoreSuite


class TestLocalFolder(ObjectStoreSuite):
    @pytest.fixture
    def new_store(self, tmp_path: Path) -> Callable[[], ObjectStore]:
        return lambda: open_store(str(tmp_path))


class TestMemory(ObjectStoreSuite):
    @pytest.fixture
    def new_store(self) -> Callable[[], ObjectStore]:
        url = f"memory://{uuid.uuid4().hex}"
        return lambda: open_store(url)


class TestS3(ObjectStoreSuite):
    @pytest.fixture
    def new_store(self, s3_env: object) -> Callable[[], ObjectStore]:
        url = f"s3://flows/test-{os.getpid()}-{uuid.uuid4().hex}/deep"
        return lambda: open_store(url)


@pytest.mark.gcs
class TestGoogleCloudStorage(ObjectStoreSuite):
    @pytest.fixture
    def new_store(self, gcs_env: object) -> Callable[[], ObjectStore]:
        url = f"gs://flows/{uuid.uuid4().hex}/deep"
        return lambda: open_store(url)


@pytest.mark.azure
class TestAzureBlobStorage(ObjectStoreSuite):
    @pytest.fixture
    def new_store(self, azure_env: object) -> Callable[[], ObjectStore]:
        url = f"az://flows/{uuid.uuid4().hex}/deep"
        return lambda: open_store(url)
