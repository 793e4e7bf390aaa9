"""A started command of a flow file: what it prints, how it ends, and that it doesn't outlive its starter."""

import atexit
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from flow_sdk.cli.caller import REQUEST
from flow_sdk.errors import UsageError

__all__ = ["STREAMS", "CellFile", "Process", "check_stream", "temporary_folder"]

STREAMS = ("stdout", "stderr")

GRACE = 10.0
"""Seconds that an interrupted command has to end its tasks."""

KEPT = 16 << 20
"""Bytes of each stream that are still known after :meth:`Process.close`."""

_running: "set[Process]" = set()


class CellFile(Protocol):
    """A temporary flow file that is removed when nothing refers to it any more."""

    def restore_file(self) -> None:
        """Write the file again if it was removed."""


class Process:
    """A command, in a session of its own: Ctrl-C reaches its starter, which interrupts it in an orderly way.

    Parameters
    ----------
    arguments : sequence of str
        The command; no shell.
    parameters : dict
        The flow's parameters, as JSON data.
    environment : mapping
        Its whole environment.
    cwd : str or None
        Its folder.
    folder : str
        A temporary folder of its own: what it prints is kept there. Removed with :meth:`close`.
    cell : CellFile or None
        The temporary flow file of a notebook's cell, kept while the command needs it. No command line can call it.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        parameters: dict[str, Any],
        environment: Mapping[str, str],
        cwd: str | None,
        folder: str,
        *,
        cell: CellFile | None = None,
    ) -> None:
        self.command = list(arguments)
        self.folder = folder
        self.timed_out = False
        self._cell = cell
        self._kept: dict[str, str] = {}
        self._owner = os.getpid()
        # Its other end is ours until we end, however that comes about.
        life, self._life = os.pipe()
        with open(self.file_path(REQUEST), "w", encoding="utf-8") as file:
            json.dump({"parameters": parameters, "life": life, "notebook": cell is not None}, file)
        try:
            with open(self.file_path("stdout"), "wb") as out, open(self.file_path("stderr"), "wb") as err:
                self._popen = subprocess.Popen(
                    self.command, env=dict(environment), cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                    start_new_session=True, pass_fds=(life,),
                )  # fmt: skip
        except (OSError, ValueError) as error:
            os.close(self._life)
            raise UsageError(
                "The flow file can't be started.", seen=str(error), where=" ".join(self.command[:2])
            ) from error
        finally:
            os.close(life)
        _running.add(self)

    def file_path(self, name: str) -> str:
        """Return the path of a file in the command's temporary folder."""
        return os.path.join(self.folder, name)

    @property
    def pid(self) -> int:
        """The command's process id."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code; None while it runs."""
        code = self._popen.poll()
        if code is not None:
            try:
                _running.remove(self)  # one of several threads that ask gets to close the pipe
            except KeyError:
                return code
            os.close(self._life)
        return code

    def read_text(self, stream: str) -> str:
        """Return what it has printed to a stream so far."""
        if stream in self._kept:
            return self._kept[stream]
        with open(self.file_path(check_stream(stream)), "rb") as file:
            return file.read().decode("utf-8", "replace")

    def read_lines(self, stream: str, position: int = 0) -> Iterator[tuple[int, str]]:
        """Yield the whole lines after a position in bytes, each with the position behind it.

        Once the command has ended, the last line needs no end.
        """
        if stream in self._kept:
            return
        ended = self.returncode is not None
        with open(self.file_path(check_stream(stream)), "rb") as file:
            file.seek(position)
            for line in file:
                if not line.endswith(b"\n") and not ended:
                    return
                position += len(line)
                yield position, line.decode("utf-8", "replace").rstrip("\n")

    def end_process(self, grace: float = GRACE) -> None:
        """End it, and wait until it has: first as Ctrl-C does, at last by force."""
        for sign, seconds in ((signal.SIGINT, grace), (signal.SIGTERM, 3.0), (signal.SIGKILL, 10.0)):
            if self.returncode is not None:
                return
            try:
                if sign == signal.SIGKILL:
                    os.killpg(self.pid, sign)
                else:
                    os.kill(self.pid, sign)
                self._popen.wait(seconds)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        self.returncode  # noqa: B018  (takes it off the list)

    def close_files(self) -> None:
        """End it, and remove its folder; the end of what it printed stays known."""
        if self._kept:
            return
        self.end_process()
        for stream in STREAMS:
            with open(self.file_path(stream), "rb") as file:
                file.seek(max(0, os.path.getsize(file.name) - KEPT))
                self._kept[stream] = file.read().decode("utf-8", "replace")
        shutil.rmtree(self.folder, ignore_errors=True)


def check_stream(stream: str) -> str:
    """Return the name of a stream; refuses another word."""
    if stream not in STREAMS:
        raise UsageError(f"There's no stream {stream!r}.", wanted=" or ".join(STREAMS))
    return stream


def temporary_folder() -> str:
    """Make the folder of one command."""
    return tempfile.mkdtemp(prefix="flow-sdk-run-")


def _end_all() -> None:
    mine = [process for process in _running if process._owner == os.getpid()]
    for process in mine:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGINT)
    deadline = time.monotonic() + GRACE
    for process in mine:
        process.end_process(max(0.0, deadline - time.monotonic()))
        process.close_files()


atexit.register(_end_all)
