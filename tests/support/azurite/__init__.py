"""Azurite, an emulator of Azure Blob Storage, as a process of its own: an npm package, run by Node."""

import base64
import hashlib
import hmac
import http.client
import os
import socket
import tempfile
import time
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import Self

from flow_sdk.store.backends.azure import DEVELOPMENT_KEY
from tests.support.ports import free_port
from tests.support.processes import ServerProcess, end_all

__all__ = ["AzuriteServer"]

ACCOUNT = "devstoreaccount1"
VERSION = "2021-08-06"


class AzuriteServer:
    """Azurite on a free port; all that it holds is in its memory.

    Parameters
    ----------
    containers : str
        Containers to make once it runs.
    """

    def __init__(self, *containers: str) -> None:
        self.containers = containers
        self.port = 0
        self._process: ServerProcess | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def url(self) -> str:
        """The address of its account."""
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    def env(self) -> dict[str, str]:
        """Environment variables that make a process use it."""
        parts = {
            "DefaultEndpointsProtocol": "http",
            "AccountName": ACCOUNT,
            "AccountKey": DEVELOPMENT_KEY,
            "BlobEndpoint": self.url,
        }
        text = ";".join(f"{name}={value}" for name, value in parts.items())
        return {"AZURE_STORAGE_CONNECTION_STRING": text, "NO_PROXY": "127.0.0.1,localhost"}

    def __enter__(self) -> Self:
        """Start it and make the containers."""
        main = Path(os.environ["FLOW_TEST_AZURITE"], "azurite", "dist", "src", "blob", "main.js")
        self._folder = tempfile.TemporaryDirectory(prefix="azurite-")
        self.port = free_port()
        options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
        self._process = ServerProcess(
            ["node", str(main), "--blobHost", "127.0.0.1", "--blobPort", str(self.port), *options],
            dict(os.environ),
            Path(self._folder.name, "log"),
            cwd=self._folder.name,
        )
        try:
            self._wait()
            for container in self.containers:
                self.make_container(container)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            end_all([self._process])
        if self._folder is not None:
            self._folder.cleanup()
        self._process = self._folder = None

    def _wait(self) -> None:
        assert self._process is not None
        end = time.monotonic() + 60
        while True:
            self._process.check()
            try:
                socket.create_connection(("127.0.0.1", self.port), 2).close()
                return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def make_container(self, name: str) -> None:
        """Make a container: obstore can't."""
        now = formatdate(usegmt=True)
        signed = "\n".join(
            ("PUT", *([""] * 11), f"x-ms-date:{now}", f"x-ms-version:{VERSION}", f"/{ACCOUNT}/{ACCOUNT}/{name}")
        )
        digest = hmac.new(base64.b64decode(DEVELOPMENT_KEY), f"{signed}\nrestype:container".encode(), hashlib.sha256)
        headers = {
            "x-ms-date": now,
            "x-ms-version": VERSION,
            "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest.digest()).decode()}",
            "Content-Length": "0",
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest("PUT", f"/{ACCOUNT}/{name}?restype=container")
            for header, value in headers.items():
                connection.putheader(header, value)
            connection.endheaders()
            answer = connection.getresponse()
            if answer.status != 201:
                raise RuntimeError(f"Azurite made no container {name}: {answer.status} {answer.read()!r}")
        finally:
            connection.close()
