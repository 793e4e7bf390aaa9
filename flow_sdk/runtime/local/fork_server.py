"""The process that local tasks are forked from, as the scheduler sees it.

It is started by exec, so it has nothing of this process: no threads, no connections, none of the user's modules.
"""

import json
import os
import signal
import subprocess
import sys
from typing import IO, Any

from flow_sdk.authoring.flow import COMMAND_LINE
from flow_sdk.runtime.interpreter import interpreter_command
from flow_sdk.runtime.local.channel import Channel
from flow_sdk.runtime.local.program import Program
from flow_sdk.runtime.task.module_origins import loaded_modules

__all__ = ["ForkServer", "open_standard"]


class ForkServer:
    """Starts the process and asks it for tasks.

    Parameters
    ----------
    program : Program
        What the tasks execute.
    """

    def __init__(self, program: Program) -> None:
        open_standard()
        self.is_ready = False
        ours, theirs = Channel.make_pair()
        try:
            with _passed_file(json.dumps(_describe_preparation(program)).encode()) as fields:
                self.process = subprocess.Popen(
                    [*interpreter_command("flow_sdk.runtime.local.fork_server_main"), str(theirs.fileno())],
                    stdin=fields,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env=program.environment,  # packages may look at it when they are imported
                    cwd=program.folder if program.folder and os.path.isdir(program.folder) else None,
                    start_new_session=True,
                )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self.channel = ours

    def begin_run(self, plan: bytes, record: bytes, record_key: str, root: str) -> None:
        """Hand over what every task of the run would read.

        Parameters
        ----------
        plan : bytes
            The run's plan.
        record : bytes
            Its record.
        record_key : str
            The record's key in the store.
        root : str
            The store's address.
        """
        with _passed_file(plan) as first, _passed_file(record) as second:
            try:
                self.channel.send({"run": record_key, "root": root}, [first.fileno(), second.fileno()])
            except ConnectionError:
                pass  # it was killed: what receives its messages sees it, and the run ends with that reason

    def start(self, key: str, request: dict[str, Any], fds: list[int]) -> None:
        """Ask for a task's process.

        Parameters
        ----------
        key : str
            Names the process in what :meth:`receive` returns.
        request : dict
            Its request, as JSON data.
        fds : list of int
            Its stdout, stderr and report descriptors.
        """
        self.channel.send({"key": key, "request": request}, fds)

    def receive(self) -> dict[str, Any] | None:
        """Receive a message; waits for one.

        Returns
        -------
        dict or None
            ``{"ready": True}`` when tasks can be started, ``{"unusable": reason}`` when none can be; ``{"note": text}``
            for the user; ``{"key", "pid"}`` for a start, ``{"key", "status"}`` for an end; None when the process is
            gone.
        """
        received = self.channel.receive()
        if received is None:
            return None
        message, _ = received
        self.is_ready = self.is_ready or "ready" in message
        return message

    def close(self) -> None:
        """Let the process end and wait for it."""
        self.channel.close()
        if not self.is_ready:  # it may be importing for a long time yet
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()


def _passed_file(data: bytes) -> IO[bytes]:
    """Make a file to hand over to another process, at its beginning: in memory where the system has such files."""
    if hasattr(os, "memfd_create"):
        file: IO[bytes] = os.fdopen(os.memfd_create("flow-sdk"), "w+b")
    else:
        import tempfile

        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(data)
    file.flush()
    file.seek(0)
    return file


def _describe_preparation(program: Program) -> dict[str, Any]:
    """Return what the process needs before the first task."""
    loaded, own = loaded_modules()
    return {
        "file": program.file,
        "environment": program.environment,
        "folder": program.folder,
        "module": program.module,
        "imported": program.imported,
        "search_path": program.search_path,
        "loaded": loaded,
        "own": own,
        "ours": _modules_of_ours(),
    }


def _modules_of_ours() -> list[str]:
    """The modules of this package that the program has imported; those of the command line came after them."""
    names = list(sys.modules)
    if COMMAND_LINE in names:
        del names[names.index(COMMAND_LINE) :]
    return [name for name in names if name.startswith("flow_sdk.") and not name.startswith("flow_sdk.cli")]


def open_standard() -> None:
    """Have descriptors 0 to 2 open, so that no other file gets such a number, and Python's streams on them."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", buffering=1, closefd=False))  # noqa: SIM115
