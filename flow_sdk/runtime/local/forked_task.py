"""A process that was forked for a task: it becomes what a fresh interpreter would be, and runs the task."""

import io
import os
import sys
from typing import Any, NoReturn

from flow_sdk.metadata.runs import Runs  # noqa: F401 - the last task needs it: loaded once, before the fork
from flow_sdk.runtime.local.program import Program
from flow_sdk.runtime.local.randomness import renew_generators
from flow_sdk.runtime.report import Report, lowest_number, open_report
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.task.finalization import flush_file
from flow_sdk.runtime.task.process_end import end_forked_process, exit_code
from flow_sdk.runtime.task.runner import Prepared, die_with_parent, run_process

__all__ = ["prepare_streams", "run_forked_task"]


def run_forked_task(
    request: dict[str, Any],
    fds: list[int],
    program: Program,
    prepared: Prepared,
    generators: list[Any],
) -> NoReturn:
    """Run a task in this process, which has just been forked, and end it.

    Parameters
    ----------
    request : dict
        The task's request, as JSON data.
    fds : list of int
        Its stdout, stderr and report descriptors.
    program : Program
        What to execute.
    prepared : Prepared
        The compiled program and the run's plan.
    generators : list
        Random generators that modules made which were imported before the fork.
    """
    ended = 1
    try:
        report = _become_fresh(fds, program)
        renew_generators(generators)
        ended = run_process(TaskRequest.from_data(request), report, prepared)
    except BaseException as error:  # noqa: BLE001 - this is where a Python process would end of it
        ended = exit_code(error)
    end_forked_process(ended)


def _become_fresh(fds: list[int], program: Program) -> Report:
    """Make this process what an interpreter that has just been started would be."""
    os.setpgid(0, 0)
    die_with_parent()
    for number, fd in enumerate(fds[:2], 1):
        os.dup2(fd, number)
        os.close(fd)
    report = open_report(fds[2])
    if program.folder is not None:
        try:
            os.chdir(program.folder)
        except OSError:
            pass  # it was deleted
    threading: Any = sys.modules.get("threading")
    if threading is not None:
        threading.main_thread()._set_native_id()  # it is still that of the parent
    processes = sys.modules.get("multiprocessing.process")
    if processes is not None:
        processes.current_process().authkey = os.urandom(32)
    return report


def prepare_streams() -> None:
    """Have the standard streams expect pipes, which they will be in each task: a stream asks only once."""
    flush_file(sys.__stdout__)  # what modules have printed when they were imported isn't the tasks'
    flush_file(sys.__stderr__)
    read, write = os.pipe()
    for fd in (1, 2):
        os.dup2(write, fd)
    os.close(write)
    _renew_stream(sys.__stdout__, 1)
    _renew_stream(sys.__stderr__, 2)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    for fd, mode in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        null = os.open(os.devnull, mode)
        os.dup2(null, fd)
        os.close(null)
    os.close(read)
    lowest_number()


def _renew_stream(stream: Any, fd: int) -> None:
    """Have a standard stream see what its descriptor is now."""
    try:
        if type(stream) is not io.TextIOWrapper or stream.closed:
            return
    except ValueError:
        return  # a module that was imported has detached its buffer
    buffer: Any = stream.buffer
    raw = io.FileIO(fd, "wb", closefd=False)
    raw.name = "<stdout>" if fd == 1 else "<stderr>"
    # What handlers of logging may have already is made again in place.
    if type(buffer) is io.BufferedWriter:
        io.BufferedWriter.__init__(buffer, raw)  # the stream asks it
        return
    io.TextIOWrapper.__init__(
        stream,
        raw,
        encoding=stream.encoding,
        errors=stream.errors,
        newline="\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
