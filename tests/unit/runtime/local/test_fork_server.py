"""The scheduler's end of the fork server: it gets ready, forks, and ends when it is closed."""

import os
import sys
from pathlib import Path

import pytest

from flow_sdk.runtime.local.fork_server import ForkServer
from flow_sdk.runtime.local.program import Program
from tests.strategies.loading import flow_text

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="tasks are forked on Linux only")


def test_it_gets_ready_and_ends_with_the_connection(tmp_path: Path) -> None:
    path = tmp_path / "flow.py"
    path.write_text(flow_text("start: self.next(self.end)", "end:"))
    server = ForkServer(Program.of(str(path)))
    try:
        assert server.receive() == {"ready": True} and server.is_ready
        pid = server.process.pid
        os.kill(pid, 0)
    finally:
        server.close()
    assert server.process.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_is_gone_sends_nothing(tmp_path: Path) -> None:
    path = tmp_path / "flow.py"
    path.write_text(flow_text("start: self.next(self.end)", "end:"))
    server = ForkServer(Program.of(str(path)))
    try:
        server.process.kill()
        server.process.wait()
        while (message := server.receive()) is not None:
            assert "ready" in message
    finally:
        server.close()
