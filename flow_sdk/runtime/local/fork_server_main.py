"""The process that tasks are forked from: ``launcher.py flow_sdk.runtime.local.fork_server_main SOCKET [EXCLUDED]``.

It imports this package and the installed modules that the flow needs, and forks a process for each task. The user's
modules are executed in the task's process. It has no threads, connections or store clients, as these don't survive a
fork. When the scheduler goes away, it ends its tasks and itself.

The standard input is a file with what :func:`flow_sdk.runtime.local.fork_server._describe_preparation` gives.
"""

import ast
import dataclasses
import gc
import json
import os
import select
import sys

# Not the module signal, whose functions make enumerations of what they are given: each task would copy that memory.
from _signal import SIGCHLD, SIGKILL, set_wakeup_fd  # type: ignore[import-not-found]
from _signal import signal as set_handler
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flow_sdk.errors import FlowSDKError
from flow_sdk.plan.codec import from_json
from flow_sdk.runtime.interpreter import interpreter_command
from flow_sdk.runtime.local.channel import Channel
from flow_sdk.runtime.local.early_imports import imports_before_effects
from flow_sdk.runtime.local.import_leftovers import Leftovers
from flow_sdk.runtime.local.preload import AND_LATER, Excluded, preload_modules
from flow_sdk.runtime.local.program import Program
from flow_sdk.runtime.task.flow_loading import CompiledFile
from flow_sdk.runtime.task.process_end import find_c_functions, mark_inherited_modules
from flow_sdk.store.records.codec import decode_record
from flow_sdk.store.records.layout import commit_key, parse_key
from flow_sdk.store.records.model import RunRecord

if TYPE_CHECKING:
    from flow_sdk.runtime.task.runner import Prepared
    from flow_sdk.store.port import ObjectStore

__all__ = ["main"]

MOST_RESTARTS = 8
"""Most modules that are left out one by one; then none of the user's choice is imported before the fork."""

EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class _Child:
    """What a forked process is to do."""

    request: dict[str, Any]
    fds: list[int]


class _FlowSource:
    """The program, ready to be executed in each task."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.program = Program(
            file=fields["file"],
            environment=fields["environment"],
            folder=fields["folder"],
            module=fields["module"],
            imported=fields["imported"],
            search_path=tuple(fields["search_path"]),
        )
        self.loaded: dict[str, str] = fields["loaded"]
        self.own: dict[str, str] = fields["own"]
        self.ours: list[str] = fields["ours"]
        self.compiled: CompiledFile | None = None

    def compile(self) -> list[str]:
        """Compile the program once for all tasks; returns the modules that it imports before anything else."""
        program = self.program
        try:
            with open(program.file, "rb") as file:
                source = file.read()
            tree = ast.parse(source, program.file)
            if not program.imported:
                self.compiled = CompiledFile(source, compile(tree, program.file, "exec", dont_inherit=True))
            return imports_before_effects(tree, program.module, program.imported, self.own)
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            return []  # what the program is lacking, a task says


def main() -> None:
    """Prepare, then fork a process for each request; in such a process, run the task."""
    channel = Channel(int(sys.argv[1]))
    os.set_inheritable(channel.fileno(), False)
    excluded: list[str] = json.loads(sys.argv[2]) if len(sys.argv) > 2 else []
    with open(0, "rb", closefd=False) as file:
        program = _FlowSource(json.load(file))
    sys.argv = [program.program.file]
    try:
        names = program.compile()
        left_out, generators = _import_all([*program.ours, *names], program.loaded, excluded)
    except BaseException as error:
        channel.send({"unusable": f"{type(error).__name__}: {error}"})
        raise
    if left_out is not None:
        if EVERYTHING in excluded or left_out.name == EVERYTHING:
            channel.send({"unusable": f"starting Python {left_out.reason}"})
            return
        name, others = left_out.name, ""
        if left_out.changes_others:
            name, others = f"{name}{AND_LATER}", ", and what is imported after it,"
        text = f"Each task imports {left_out.name}{others} by itself, as importing it {left_out.reason}."
        channel.send({"note": text})
        _start_again(channel, [*excluded, name], program.program)
    from flow_sdk.runtime.local.forked_task import prepare_streams, run_forked_task
    from flow_sdk.runtime.task.runner import Prepared

    prepare_streams()
    gc.collect()
    gc.freeze()
    channel.send({"ready": True})
    mark_inherited_modules()
    server = _Server(channel, Prepared(program.compiled))
    child = server.serve()
    if child is not None:
        run_forked_task(child.request, child.fds, program.program, server.prepared, generators)


def _import_all(names: list[str], loaded: dict[str, str], excluded: list[str]) -> tuple[Excluded | None, list[Any]]:
    """Import what every task needs, and what the flow needs; as :func:`preload_modules`."""
    with Leftovers() as leftovers:
        import blake3  # noqa: F401

        import flow_sdk.runtime.local.forked_task
        import flow_sdk.store.backends.local

        if "flow_sdk.store.backends.object_storage" in loaded:
            import flow_sdk.store.backends.object_storage  # noqa: F401
        find_c_functions()
        reason = leftovers.describe_found()
    if reason is not None:
        return Excluded(EVERYTHING, reason), []
    return preload_modules([] if EVERYTHING in excluded else names, loaded, set(excluded))


def _start_again(channel: Channel, excluded: list[str], program: Program) -> None:
    """Start this process again, without what mustn't be imported: nothing else gets rid of threads."""
    if len(excluded) > MOST_RESTARTS:
        excluded = [EVERYTHING]
    os.lseek(0, 0, os.SEEK_SET)
    os.set_inheritable(channel.fileno(), True)
    command = interpreter_command("flow_sdk.runtime.local.fork_server_main")
    if program.folder is not None and os.path.isdir(program.folder):
        os.chdir(program.folder)
    os.execve(command[0], [*command, str(channel.fileno()), json.dumps(excluded)], program.environment)


class _Server:
    """Forks on request and reports ends."""

    def __init__(self, channel: Channel, prepared: "Prepared") -> None:
        self.channel = channel
        self.prepared = prepared
        self.children: dict[int, str] = {}

    def serve(self) -> _Child | None:
        """Serve until the scheduler goes away; returns in each forked process what it is to do."""
        before = set_handler(SIGCHLD, lambda *_: None)
        read, write = os.pipe()
        os.set_blocking(write, False)
        os.set_blocking(read, False)
        set_wakeup_fd(write, warn_on_full_buffer=False)
        waiting, requests = select.poll(), self.channel.fileno()
        waiting.register(requests, select.POLLIN)
        waiting.register(read, select.POLLIN)
        child: _Child | None = None
        try:
            while child is None:
                ready = dict(waiting.poll())
                if read in ready:
                    os.read(read, 4096)
                    self._report_ended()
                if requests in ready:
                    received = self.channel.receive()
                    if received is None:
                        break
                    child = self._handle_message(*received)
        except ConnectionError:
            pass
        if child is None:
            for pid in self.children:
                _kill_group(pid)
            return None
        set_wakeup_fd(-1)
        set_handler(SIGCHLD, before)
        self.channel.close()
        os.close(read)
        os.close(write)
        return child

    def _handle_message(self, message: dict[str, Any], fds: list[int]) -> _Child | None:
        """Do what a message asks for; returns something in the forked process only."""
        if "run" in message:
            with open(fds[0], "rb") as plan, open(fds[1], "rb") as record:
                run = decode_record(RunRecord, record.read(), message["run"]), from_json(plan.read())
            parse_key(commit_key(run[0].flow, run[0].run, "any", "0"))  # compiles the patterns that tasks need
            self.prepared = dataclasses.replace(self.prepared, run=run, store=_opened_store(message["root"]))
            gc.collect()
            gc.freeze()
            return None
        key = message["key"]
        try:
            pid = os.fork()
        except OSError as error:
            os.write(fds[1], f"The task's process can't be started: {error}\n".encode())
            _close_descriptors(fds)
            self.channel.send({"key": key, "status": 1})
            return None
        if pid == 0:
            return _Child(message["request"], fds)
        try:
            os.setpgid(pid, pid)  # it does so itself, too: the first of both counts
        except OSError:
            pass  # it has ended already
        _close_descriptors(fds)
        self.children[pid] = key
        self.channel.send({"key": key, "pid": pid})
        return None

    def _report_ended(self) -> None:
        while self.children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            key = self.children.pop(pid, None)
            if key is not None:
                self.channel.send({"key": key, "status": os.waitstatus_to_exitcode(status)})


def _close_descriptors(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


def _opened_store(root: str) -> "tuple[str, ObjectStore] | None":
    """Open a store on this machine once for all tasks; None for another, whose connections no fork carries."""
    if not os.path.isabs(root):
        return None
    from flow_sdk.store.open_store import open_store

    try:
        return root, open_store(root, create=False)
    except FlowSDKError:
        return None  # a task says it


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
