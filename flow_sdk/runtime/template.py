"""The warm template process: forked once with the flow imported, it forks a child for each task.

It holds no threads, sockets or store clients but the one socket to the scheduler. When the scheduler goes away, it
ends its children and itself.
"""

import io
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["Template", "open_standard"]

_LIMIT = 256 * 1024


class Template:
    """The scheduler's side: starts the template process and asks it for children.

    Parameters
    ----------
    run_child : callable
        Called in each child with the request's data and the report descriptor; returns the exit code.
    """

    def __init__(self, run_child: Callable[[dict[str, Any], int], int]) -> None:
        import blake3  # noqa: F401 - what every child needs is imported once, before the fork

        open_standard()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                ours.close()
                _serve(theirs, run_child)
                code = 0
            finally:
                os._exit(code)
        theirs.close()
        self.socket = ours

    def start(self, key: str, request: dict[str, Any], fds: list[int]) -> None:
        """Ask for a child.

        Parameters
        ----------
        key : str
            Names the child in what :meth:`receive` returns.
        request : dict
            Its request, as JSON data.
        fds : list of int
            Its stdout, stderr and report descriptors.
        """
        socket.send_fds(self.socket, [json.dumps({"key": key, "request": request}).encode()], fds)

    def receive(self) -> dict[str, Any] | None:
        """Receive what happened.

        Returns
        -------
        dict or None
            ``{"key", "pid"}`` for a start, ``{"key", "status"}`` for an end; None when the template is gone.
        """
        try:
            data = self.socket.recv(_LIMIT)
        except ConnectionError:
            return None
        return json.loads(data) if data else None

    def close(self) -> None:
        """Let the template end and wait for it."""
        self.socket.close()
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            pass


def _serve(channel: socket.socket, run_child: Callable[[dict[str, Any], int], int]) -> None:
    """The template's loop: fork on request, tell of ends."""
    import gc
    import selectors

    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    os.set_blocking(wake_read, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    gc.collect()
    gc.freeze()
    children: dict[int, str] = {}
    selector = selectors.DefaultSelector()
    selector.register(channel, selectors.EVENT_READ)
    selector.register(wake_read, selectors.EVENT_READ)
    try:
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if wake_read in ready:
                os.read(wake_read, 4096)
                _reap(channel, children)
            if channel in ready:
                data, fds, _, _ = socket.recv_fds(channel, _LIMIT, 3)
                if not data:
                    return
                message = json.loads(data)
                try:
                    pid = os.fork()
                except OSError as error:
                    _no_child(channel, message["key"], fds, error)
                    continue
                if pid == 0:
                    selector.close()
                    _child(channel, message["request"], fds, run_child)
                _set_group(pid)
                for fd in fds:
                    os.close(fd)
                children[pid] = message["key"]
                channel.send(json.dumps({"key": message["key"], "pid": pid}).encode())
    except (BrokenPipeError, ConnectionError):
        return
    finally:
        for pid in children:
            _kill_group(pid)


def open_standard() -> None:
    """Have descriptors 0 to 2 open, so that no other file gets such a number, and Python's streams on them."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", buffering=1, closefd=False))  # noqa: SIM115


def _set_group(pid: int) -> None:
    """Put a child in a group of its own. It does so itself, too: who comes first, nobody signals it too early."""
    try:
        os.setpgid(pid, pid)
    except OSError:
        pass  # it has ended already


def _no_child(channel: socket.socket, key: str, fds: list[int], error: OSError) -> None:
    """Say that a child can't be started: its attempt has failed."""
    os.write(fds[1], f"The task's process can't be started: {error}\n".encode())
    for fd in fds:
        os.close(fd)
    channel.send(json.dumps({"key": key, "status": 1}).encode())


def _reap(channel: socket.socket, children: dict[int, str]) -> None:
    while children:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        key = children.pop(pid, None)
        if key is not None:
            channel.send(json.dumps({"key": key, "status": os.waitstatus_to_exitcode(status)}).encode())


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _child(
    channel: socket.socket, request: dict[str, Any], fds: list[int], run_child: Callable[[dict[str, Any], int], int]
) -> None:
    """Become a task's process; never returns."""
    code = 1
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        channel.close()
        os.dup2(fds[0], 1)
        os.dup2(fds[1], 2)
        os.close(fds[0])
        os.close(fds[1])
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)
        code = run_child(request, fds[2])
    except BaseException:  # noqa: BLE001 - the child must never return into the template's loop
        import traceback

        traceback.print_exc()
    finally:
        from flow_sdk.runtime.task import finish_process

        finish_process(code)
