"""moto's server as a process of its own: S3 (and the rest of AWS that it imitates) on a free port."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.guardian import guard_process
from tests.support.ports import free_port

__all__ = ["MotoServer"]

ACCOUNT = "123456789012"


class MotoServer:
    """moto's server.

    Parameters
    ----------
    buckets : str
        Buckets to make once it runs.
    """

    def __init__(self, *buckets: str) -> None:
        self.buckets = buckets
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def env(self) -> dict[str, str]:
        """Environment variables that make a process use it."""
        # LocalStack and moto take a key id of twelve digits as the account.
        return {
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def program(self) -> list[str]:
        """The command that starts it, without address and port."""
        # This file's own folder mustn't be where `moto` is looked for.
        return [sys.executable, "-P", str(Path(__file__).with_name("moto_program.py"))]

    def start(self) -> Self:
        """Start it and make the buckets; returns itself."""
        for _ in range(3):
            self.port = free_port()
            self._process = subprocess.Popen(
                [*self.program(), "-H", "127.0.0.1", "-p", str(self.port)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            guard_process(self._process.pid)
            if self._wait(30):
                try:
                    for bucket in self.buckets:
                        self.make_bucket(bucket)
                except BaseException:
                    self.stop()
                    raise
                return self
            self.stop()
        raise RuntimeError("moto's server didn't start")

    def make_bucket(self, name: str) -> None:
        """Make a bucket."""
        request = urllib.request.Request(f"{self.url}/{name}", method="PUT")
        urllib.request.urlopen(request, timeout=10).close()

    def forget(self) -> None:
        """Forget all that it holds, but its buckets, which are empty then."""
        request = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")
        urllib.request.urlopen(request, timeout=60).close()
        for bucket in self.buckets:
            self.make_bucket(bucket)

    def stop(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is None:
            return
        for sign, patience in ((signal.SIGTERM, 3), (signal.SIGKILL, 10)):
            if process.poll() is None:
                os.killpg(process.pid, sign)
            try:
                process.wait(patience)
                return
            except subprocess.TimeoutExpired:
                continue

    def _wait(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._process is not None and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/moto-api/", timeout=2).close()
                return True
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        return False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
