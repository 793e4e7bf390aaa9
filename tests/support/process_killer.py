"""A process that forks others, which act and are killed at a chosen call. It holds no client of a store itself."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.disk_faults import kill_at, layer
from tests.support.store_writers import WRITERS, Place

__all__ = ["Killer"]

ROOT = Path(__file__).resolve().parents[2]


class Killer:
    """The process, from the outside.

    Parameters
    ----------
    env : dict
        Environment variables beside those of the test.
    """

    def __init__(self, env: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.process_killer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )

    def act(
        self,
        writer: str,
        place: Place,
        *,
        at: int | None = None,
        half: bool = False,
        begins: Callable[[int], Any] = lambda pid: None,
    ) -> int:
        """Act in a process of its own.

        Parameters
        ----------
        writer : str
            One of ``WRITERS``.
        place : Place
            Where.
        at : int, optional
            Before which call that changes the folder it is killed; at none when left out.
        half : bool
            Whether half of a write is done before.
        begins : callable
            Is told the process id before anything happens.

        Returns
        -------
        int
            The exit code, or minus the signal that ended it.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        order = {"writer": writer, "url": place.url, "folder": place.folder, "at": at, "half": half}
        print(json.dumps(order), file=self._process.stdin, flush=True)
        begins(int(self._process.stdout.readline()))
        print(file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process.stdout.close()


def _child(order: dict[str, Any]) -> None:
    place = Place(order["url"], order["folder"])
    if order["at"] is None:
        WRITERS[order["writer"]].act(place)
        return
    with layer(place.folder, kill_at(order["at"], order["half"])):
        WRITERS[order["writer"]].act(place)


def _warm_up() -> None:
    """Import what the acts import: a forked process has it then."""
    for name, writer in WRITERS.items():
        if name != "a large blob":
            with tempfile.TemporaryDirectory() as folder:
                place = Place(os.path.join(folder, "store"), folder)
                writer.prepare(place)
                writer.act(place)


def _main() -> None:
    _warm_up()
    for line in sys.stdin:
        order = json.loads(line)
        go, ready = os.pipe()
        pid = os.fork()
        if not pid:
            code = 1
            try:
                os.close(ready)
                os.read(go, 1)
                _child(order)
                code = 0
            except BaseException:  # noqa: BLE001 - a forked process never goes back
                traceback.print_exc()
            finally:
                os._exit(code)
        print(pid, flush=True)
        sys.stdin.readline()
        os.write(ready, b"g")
        os.close(go)
        os.close(ready)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    _main()
