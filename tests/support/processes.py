"""Server processes of a test, each in a session of its own, which ends with the test or, at the latest, with pytest."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.guardian import guard_process

__all__ = ["ServerProcess", "end_all", "session_members"]


class ServerProcess:
    """A started server.

    Parameters
    ----------
    command : sequence of str
        What to start; no shell.
    environment : dict
        Its whole environment.
    log : Path
        File for its output.
    """

    def __init__(self, command: Sequence[str], environment: dict[str, str], log: Path, **options: object) -> None:
        self.log = log
        with open(log, "wb") as output:
            self.process = subprocess.Popen(  # type: ignore[call-overload]
                list(command),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )
        guard_process(self.process.pid)

    def check(self) -> None:
        """Raise, with the end of its log, if it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.log.stem} ended with {self.process.returncode}:\n{self.tail()}")

    def tail(self, characters: int = 4000) -> str:
        """The end of its log."""
        return self.log.read_text("utf-8", "replace")[-characters:]

    def ask_to_end(self) -> None:
        """Send SIGTERM to the process alone."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def end(self, deadline: float) -> None:
        """Wait until ``deadline`` (monotonic seconds), then kill what is left of its session."""
        try:
            self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        for pid in session_members(self.process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()


def end_all(servers: Sequence[ServerProcess], seconds: float = 15.0) -> None:
    """End servers together: ask all, wait for all, kill what is left of each."""
    deadline = time.monotonic() + seconds
    for server in servers:
        server.ask_to_end()
    for server in servers:
        server.end(deadline)


def session_members(session: int) -> list[int]:
    """The processes of a session; what a server started and left behind is among them."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.getsid(int(name)) == session:
                    found.append(int(name))
            except ProcessLookupError:
                continue
    return found
