"""fake-gcs-server, an emulator of Google Cloud Storage, behind a gateway that gives it the XML API.

obstore speaks the XML API of Google Cloud Storage. The emulator takes uploads, listings and preconditions in the JSON
API only. So the gateway translates: a PUT with ``x-goog-if-generation-match: 0`` becomes an upload of the JSON API with
``ifGenerationMatch=0``, and the emulator itself decides which of several such puts is the first. Downloads, heads and
deletions pass through as they are.
"""

import os
import socket
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.fake_gcs.gateway import Gateway, XmlRequest
from tests.support.ports import free_port
from tests.support.processes import ServerProcess, end_all

__all__ = ["FakeGcsServer"]


class FakeGcsServer:
    """fake-gcs-server with its gateway, each on a free port; all that it holds is in its memory.

    Parameters
    ----------
    buckets : str
        Buckets to make once it runs.
    """

    def __init__(self, *buckets: str) -> None:
        self.buckets = buckets
        self._process: ServerProcess | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._port = 0
        self._gateway: Gateway | None = None

    @property
    def url(self) -> str:
        """The address of the gateway."""
        assert self._gateway is not None
        return f"http://127.0.0.1:{self._gateway.port}"

    @property
    def requests(self) -> list[XmlRequest]:
        """The requests that the gateway has received so far."""
        assert self._gateway is not None
        return self._gateway.requests

    def env(self) -> dict[str, str]:
        """Environment variables that make a process use it."""
        return {"STORAGE_EMULATOR_HOST": self.url, "NO_PROXY": "127.0.0.1,localhost"}

    def __enter__(self) -> Self:
        """Start both and make the buckets."""
        self._folder = tempfile.TemporaryDirectory(prefix="fake-gcs-")
        self._port = free_port()
        command = [os.environ["FLOW_TEST_FAKE_GCS"], "-scheme", "http", "-host", "127.0.0.1", "-backend", "memory"]
        host = f"127.0.0.1:{self._port}"
        self._process = ServerProcess(
            [*command, "-port", str(self._port), "-public-host", host],
            dict(os.environ),
            Path(self._folder.name, "log"),
            cwd=self._folder.name,
        )
        try:
            self._wait()
            for bucket in self.buckets:
                self.make_bucket(bucket)
            self._gateway = Gateway(self._port)
            self._gateway.__enter__()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End both."""
        if self._gateway is not None:
            self._gateway.__exit__(None, None, None)
        if self._process is not None:
            end_all([self._process])
        if self._folder is not None:
            self._folder.cleanup()
        self._gateway = self._process = self._folder = None

    def make_bucket(self, name: str) -> None:
        """Make a bucket."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/storage/v1/b",
            data=b'{"name":"%s"}' % name.encode(),
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=20).close()

    def _wait(self) -> None:
        assert self._process is not None
        end = time.monotonic() + 30
        while True:
            self._process.check()
            try:
                socket.create_connection(("127.0.0.1", self._port), 2).close()
                return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
