"""Kills what a test process has started once that process is gone: ``python guardian_program.py PARENT MARK``.

It reads lines from its input: ``process PID START`` for a server, ``containers ENGINE LABEL`` for the containers that
have a label. When its parent has ended, however it ended, it kills

- the servers, and every member of a session that one of them leads,
- every process whose environment has the mark: what was started with the parent's own environment,
- the descendants of all these, and the members of sessions that those lead.

They are stopped before the first of them is killed, so that none starts another one meanwhile.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

__all__ = ["Process", "find_family", "read_processes"]

POLL_SECONDS = 0.2
"""How often it checks whether its parent is there: a pipe alone isn't enough, as forked processes hold its end, too."""

OWN_NAME = Path(__file__).name.encode()

SWEEP_SECONDS = 30.0
"""How long it tries to kill what doesn't end."""


class Process(NamedTuple):
    """A process that runs.

    Attributes
    ----------
    parent : int
        Id of its parent.
    session : int
        Id of its session, which is that of the process that began the session.
    start : str
        When it began; with the id it names one process, as ids are used again.
    """

    parent: int
    session: int
    start: str


def read_processes() -> dict[int, Process]:
    """Return all processes of this machine by their ids, without those that have ended and wait for their parent."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                words = Path("/proc", name, "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            except OSError:
                continue
            if words[0] != "Z":
                found[int(name)] = Process(int(words[1]), int(words[3]), words[19])
    return found


def find_family(roots: Iterable[int], processes: dict[int, Process]) -> set[int]:
    """Return the roots that run, their descendants, and the members of sessions that any of them leads."""
    family = set(roots)
    while True:
        more = {pid for pid, one in processes.items() if one.parent in family or one.session in family} - family
        if not more:
            return family & processes.keys()
        family |= more


class Guardian:
    """What is to be killed.

    Parameters
    ----------
    parent : int
        Id of the process whose end is waited for.
    mark : str
        What is found in the environment of all that was started with the parent's own environment.
    """

    def __init__(self, parent: int, mark: str) -> None:
        self.parent, self.mark = parent, mark.encode()
        self.servers: dict[int, str] = {}
        self.containers: list[list[str]] = []

    def wait_for_end(self) -> None:
        """Read what is to be guarded until the parent has ended."""
        unread = b""
        while os.getppid() == self.parent:
            if not select.select([0], [], [], POLL_SECONDS)[0]:
                continue
            data = os.read(0, 65536)
            if not data:
                return
            *lines, unread = (unread + data).split(b"\n")
            for line in lines:
                self._remember(line.decode().split())

    def _remember(self, words: list[str]) -> None:
        if words[0] == "process":
            self.servers[int(words[1])] = words[2]
        else:
            self.containers.append(words[1:])

    def kill_all(self) -> None:
        """Kill everything that is left."""
        deadline = time.monotonic() + SWEEP_SECONDS
        while (family := self._stop_family()) and time.monotonic() < deadline:
            for pid in family:
                _send(pid, signal.SIGKILL)
            time.sleep(0.02)
        for engine, label in self.containers:
            _remove_containers(engine, label)

    def _stop_family(self) -> set[int]:
        stopped: set[int] = set()
        while more := self._find_family() - stopped:
            for pid in more:
                _send(pid, signal.SIGSTOP)
            stopped |= more
        return stopped

    def _find_family(self) -> set[int]:
        # Guardians of the tests' own pytests end by themselves, after what they guard.
        processes = {pid: one for pid, one in read_processes().items() if OWN_NAME not in _read(pid, "cmdline")}
        # The id of a server that has ended may be another process's by now, unless its session goes on without it.
        roots = {pid for pid, start in self.servers.items() if pid not in processes or processes[pid].start == start}
        roots |= {pid for pid in processes if self.mark in _read(pid, "environ")}
        return find_family(roots, processes) - {self.parent}


def _read(pid: int, file: str) -> bytes:
    try:
        return Path("/proc", str(pid), file).read_bytes()
    except OSError:
        return b""


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def _remove_containers(engine: str, label: str) -> None:
    listed = [engine, "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={label}"]
    found = subprocess.run(listed, capture_output=True, text=True, check=False).stdout.split()
    if found:
        subprocess.run([engine, "rm", "--force", *found], capture_output=True, check=False)


def main() -> None:
    """Guard until the parent has ended; then kill."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    guardian = Guardian(int(sys.argv[1]), sys.argv[2])
    guardian.wait_for_end()
    guardian.kill_all()


if __name__ == "__main__":
    main()
