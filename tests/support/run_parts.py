"""Run pytest in parts beside each other: ``run_parts [--beside TARGET OF THE MAKEFILE] [ARGUMENT OF PYTEST ...]``.

The output of the last part, ``rest``, is shown at once; that of the others when they have ended. When this process is
ended, or the make that started it, the parts end, too, with all servers.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tests.support.guardian import start_guardian
from tests.support.parts import PARTS

__all__ = ["run_parts"]

NOTHING_TO_RUN = 5
"""What pytest ends with where no test of a part is left."""

POLL_SECONDS = 0.2

SECONDS_TO_END = 30.0
"""How long parts may take to end their servers after an interrupt, before they are killed."""


class _Interrupted(Exception):
    """This process is to end."""


class _Part:
    """A part that runs.

    Parameters
    ----------
    name : str
        The part's name.
    command : sequence of str
        What to run.
    log : Path, optional
        File for its output; this process's own output when not given.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path | None) -> None:
        self.name, self.log = name, log
        output = None if log is None else open(log, "wb")  # noqa: SIM115 - closed below, in this process
        try:
            # In a group of its own, so that an interrupt reaches it once: from here.
            self.process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output and subprocess.STDOUT,
                process_group=0,
            )
        finally:
            if output is not None:
                output.close()

    def interrupt(self) -> None:
        """Ask it to end, and with it the processes of its group."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """End it."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def run_parts(arguments: Sequence[str], beside: Sequence[str] = ()) -> int:
    """Run all parts, and return the exit code of the first one that failed.

    Parameters
    ----------
    arguments : sequence of str
        pytest's arguments.
    beside : sequence of str
        Targets of the Makefile to make meanwhile.

    Returns
    -------
    int
        0 if no part and no target failed.
    """
    pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    commands = {name: [*pytest, "-m", chosen, *arguments] for name, chosen in PARTS.items()}
    shown_at_once = commands.pop("rest")
    commands |= {target: [os.environ.get("MAKE", "make"), "--no-print-directory", target] for target in beside}
    parts: list[_Part] = []
    with tempfile.TemporaryDirectory(prefix="test-parts-") as folder:
        try:
            for name, command in commands.items():
                parts.append(_Part(name, command, Path(folder, name)))
            parts.append(_Part("rest", shown_at_once, None))
            _wait(parts)
        except _Interrupted:
            _end(parts)
            raise
        finally:
            for part in parts:
                part.kill()
        for part in parts:
            if part.log is not None:
                print(f"\n{part.name}:\n{part.log.read_text('utf-8', 'replace')}", flush=True)
    codes = [part.process.returncode for part in parts]
    return next((code for code in codes if code not in (0, NOTHING_TO_RUN)), 0)


def _wait(parts: Sequence[_Part]) -> None:
    parent = os.getppid()
    while any(part.process.poll() is None for part in parts):
        if os.getppid() != parent:
            raise _Interrupted
        time.sleep(POLL_SECONDS)


def _end(parts: Sequence[_Part]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for part in parts:
        part.interrupt()
    deadline = time.monotonic() + SECONDS_TO_END
    while any(part.process.poll() is None for part in parts) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise _Interrupted


def main() -> int:
    """Run the parts that the command line asks for.

    Returns
    -------
    int
        The exit code; 130 after an interrupt.
    """
    parser = argparse.ArgumentParser(prog="tests.support.run_parts", description=__doc__)
    parser.add_argument("--beside", action="append", default=[], help="a target of the Makefile to make meanwhile")
    given, arguments = parser.parse_known_args()
    start_guardian()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return run_parts(arguments, given.beside)
    except _Interrupted:
        print("\nInterrupted: the tests and their servers are ended.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
