"""What this process starts for tests ends with it, even when it is killed: another process sees to that.

`start_guardian` is called once, when pytest begins. From then on whatever is started with this process's environment is
guarded; a server that may change its environment or is given another one is named by `guard_process` besides.
"""

import os
import subprocess
import sys
import uuid
from pathlib import Path

from tests.support.guardian_program import read_processes

__all__ = ["MARK", "guard_containers", "guard_process", "start_guardian"]

MARK = "FLOW_TEST_OWNER"
"""The environment variable by which a guardian finds processes: one word for each guardian, the newest last."""

PROGRAM = Path(__file__).with_name("guardian_program.py")

_guardian: "subprocess.Popen[bytes] | None" = None


def start_guardian() -> None:
    """Start the guardian of this process, unless it has one."""
    global _guardian
    if _guardian is not None:
        return
    own = uuid.uuid4().hex
    _guardian = subprocess.Popen(
        [sys.executable, "-I", "-S", str(PROGRAM), str(os.getpid()), own],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        env={name: value for name, value in os.environ.items() if name != MARK},
    )
    os.environ[MARK] = f"{os.environ.get(MARK, '')} {own}".strip()


def guard_process(pid: int) -> None:
    """Have a process killed after this one's end, with its descendants and the session that it leads.

    Parameters
    ----------
    pid : int
        A running process; one that has ended already is ignored.
    """
    process = read_processes().get(pid)
    if process is not None:
        _send(f"process {pid} {process.start}")


def guard_containers(engine: str, label: str) -> None:
    """Have the containers that carry a label removed after this process's end.

    Parameters
    ----------
    engine : str
        The container engine's command.
    label : str
        ``name=value``.
    """
    _send(f"containers {engine} {label}")


def _send(line: str) -> None:
    start_guardian()
    assert _guardian is not None and _guardian.stdin is not None
    _guardian.stdin.write(f"{line}\n".encode())
    _guardian.stdin.flush()
