"""The connection between the scheduler and its fork server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flow_sdk.runtime.local.channel import Channel

pytestmark = pytest.mark.slow  # starts processes or servers


def test_messages_keep_their_bounds_and_bring_descriptors() -> None:
    one, other = Channel.make_pair()
    read, write = os.pipe()
    one.send({"first": "ü" * 20_000}, [write])
    one.send({"second": None})
    os.close(write)
    message, fds = other.receive() or ({}, [])
    assert message == {"first": "ü" * 20_000} and len(fds) == 1
    os.write(fds[0], b"through a copy")
    os.close(fds[0])
    assert os.read(read, 100) == b"through a copy" and os.read(read, 100) == b""
    os.close(read)
    assert other.receive() == ({"second": None}, [])
    one.close()
    other.close()


def test_the_end_of_the_other_side_is_seen() -> None:
    one, other = Channel.make_pair()
    one.send({"last": 1})
    one.close()
    assert other.receive() == ({"last": 1}, [])
    assert other.receive() is None
    with pytest.raises(ConnectionError):
        other.send({"nobody": "reads it"})
    other.close()


def test_a_message_that_was_not_read_is_no_error_of_the_reader() -> None:
    one, other = Channel.make_pair()
    one.send({"unread": 1})
    other.close()
    assert one.receive() is None
    one.close()


def test_other_programs_do_not_inherit_it() -> None:
    one, other = Channel.make_pair()
    assert not os.get_inheritable(one.fileno()) and not os.get_inheritable(other.fileno())
    one.close()
    other.close()


MODULES_FLOW = """
import sys
BEFORE = sorted(sys.modules)
from flow_sdk import FlowSpec, step
class Modules(FlowSpec):
    @step
    def start(self):
        print("loaded", *BEFORE)
        self.next(self.end)
    @step
    def end(self):
        pass
if __name__ == "__main__":
    Modules()
"""


def test_a_task_is_forked_without_what_makes_forks_slow(tmp_path: Path) -> None:
    """Each of these adds to the time of every task: handlers for forks, libraries that are mapped, enumerations."""
    (tmp_path / "modules_flow.py").write_text(MODULES_FLOW)
    environment = {**os.environ, "FLOW_SDK_USER": "me"}
    done = subprocess.run(
        [sys.executable, "modules_flow.py", "run", "--isolation", "fork"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    loaded = next(line for line in (done.stdout + done.stderr).splitlines() if "loaded" in line).split()
    assert "flow_sdk.runtime.local.forked_task" in loaded, json.dumps(loaded)
    bare = subprocess.run([sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True)
    loaded = sorted(set(loaded) - set(bare.stdout.split()))
    assert not {"threading", "random", "socket", "subprocess", "_hashlib", "uuid", "tempfile"} & set(loaded)
