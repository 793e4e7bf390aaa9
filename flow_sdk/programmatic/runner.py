"""``Runner``: run a flow file from Python."""

import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, TextIO

from flow_sdk.authoring.unsupported import UnsupportedName
from flow_sdk.client import Run
from flow_sdk.errors import RunFailed
from flow_sdk.programmatic.command import FlowFile, read_command_info
from flow_sdk.programmatic.failures import run_error
from flow_sdk.programmatic.process import Process, check_stream

__all__ = ["ExecutingRun", "Runner"]

RUN_ID = "run-id-file"
POLL_INTERVAL = 0.05
"""Seconds between two checks of a command."""


class ExecutingRun:
    """A run that was started: its process here, and what it leaves in the store.

    Parameters
    ----------
    process : Process
        The command.
    run_id_file : str or None
        File to write the run's id to, once it has begun.
    """

    def __init__(self, process: Process, run_id_file: str | None = None) -> None:
        self._process = process
        self._run_id_file = run_id_file
        self._found: Run | None = None

    @property
    def run(self) -> Run:
        """The run, for the client; whatever the current namespace is.

        Raises
        ------
        RunFailed
            If the command ended before a run began.
        """
        if self._found is None:
            self._found = self._find_run()
        if self._found is None:
            raise RunFailed("The run hasn't begun yet.", help="Wait for it, or use run() or async_run().")
        return self._found

    def _find_run(self) -> Run | None:
        info = read_command_info(self._process)
        path = self._process.file_path(RUN_ID)
        if info is None or not os.path.isfile(path):
            return None
        with open(path, encoding="utf-8") as file:
            run = file.read()
        return Run._make_unchecked((info["flow"], run), info["store"], None) if run else None

    def _has_begun(self) -> bool:
        """Return whether the run has begun.

        Raises
        ------
        UsageError, RunFailed
            If it never will.
        """
        ended = self._process.returncode is not None  # asked first: what it wrote is there by then
        if self._found is None:
            self._found = self._find_run()
        if self._found is None and ended:
            error = run_error(self._process)
            self._process.close_files()
            raise error
        if self._found is not None and self._run_id_file is not None:
            with open(self._run_id_file, "w", encoding="utf-8") as file:
                file.write(self._found.id)
            self._run_id_file = None
        return self._found is not None

    @property
    def status(self) -> str:
        """``running``, ``successful``, ``failed``, or ``timeout`` if :meth:`wait` ended it."""
        code = self._process.returncode
        if self._process.timed_out:
            return "timeout"
        return "running" if code is None else "failed" if code else "successful"

    @property
    def returncode(self) -> int | None:
        """The command's exit code; None while it runs."""
        return self._process.returncode

    @property
    def stdout(self) -> str:
        """What was printed to stdout so far: the steps' own output, line by line."""
        return self._process.read_text("stdout")

    @property
    def stderr(self) -> str:
        """What was printed to stderr so far: the run's progress."""
        return self._process.read_text("stderr")

    async def wait(self, timeout: float | None = None, stream: str | None = None) -> "ExecutingRun":
        """Wait until the run has ended.

        Parameters
        ----------
        timeout : float, optional
            Seconds (>= 0) to wait at most; then the run is ended, and its ``status`` is ``timeout``.
        stream : {"stdout", "stderr"}, optional
            What to print meanwhile.

        Returns
        -------
        ExecutingRun
            This one.
        """
        import asyncio

        end = None if timeout is None else time.monotonic() + timeout
        shown = OutputPrinter(self._process, {check_stream(stream): sys.stdout} if stream is not None else {})
        try:
            while self._process.returncode is None:
                if end is not None and time.monotonic() >= end:
                    self._process.timed_out = True
                    await asyncio.to_thread(self._process.end_process)
                    break
                shown.print_new()
                await asyncio.sleep(POLL_INTERVAL)
        except asyncio.CancelledError:
            self._process.end_process()
            raise
        shown.print_new()
        return self

    async def stream_log(self, stream: str, position: int | None = None) -> AsyncIterator[tuple[int, str]]:
        """Yield a stream's lines as they come, until the run has ended.

        Parameters
        ----------
        stream : {"stdout", "stderr"}
            Which.
        position : int, optional
            Where to begin: a position that was given before, in bytes.

        Yields
        ------
        (int, str)
            The position behind a line, and the line without its end.
        """
        import asyncio

        check_stream(stream)
        reached = position or 0
        while True:
            ended = self._process.returncode is not None
            for behind, line in self._process.read_lines(stream, reached):
                reached = behind
                yield behind, line
            if ended:
                return
            await asyncio.sleep(POLL_INTERVAL)

    async def kill(self) -> None:
        """End the run, as Ctrl-C does."""
        import asyncio

        await asyncio.to_thread(self._process.end_process)

    def __enter__(self) -> "ExecutingRun":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.close_files()

    def __repr__(self) -> str:
        name = repr(self._found) if self._found is not None else "not begun"
        return f"<ExecutingRun {name} ({self.status})>"


class Runner:
    """Run a flow file from Python: ``Runner("flow.py").run(alpha=0.5)``.

    Use it in a ``with``: then what is still running is ended, and its temporary files go.

    Parameters
    ----------
    flow_file : str
        Path of the flow file.
    show_output : bool
        Whether :meth:`run` and :meth:`resume` show what is printed.
    profile : str, optional
        The profile of settings to use.
    env : dict of str to str, optional
        Environment variables besides those of this process.
    cwd : str, optional
        The folder to run it in; this process's by default.
    file_read_timeout : int
        Known from elsewhere, and not needed: a run is waited for until it begins or its process ends.
    **kwargs : Any
        Options of every command, such as ``datastore``, ``datastore_root``, ``namespace``, ``branch``, ``production``,
        and ``decospecs`` for ``--with``.

    Raises
    ------
    UsageError
        If there is no such file or option.
    """

    def __init__(
        self,
        flow_file: str,
        show_output: bool = True,
        profile: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        file_read_timeout: int = 3600,
        **kwargs: Any,
    ) -> None:
        self.flow_file = flow_file
        self._file = FlowFile(flow_file, show_output, profile, env, cwd, kwargs)
        self._processes: list[Process] = []

    def __enter__(self) -> "Runner":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cleanup()

    async def __aenter__(self) -> "Runner":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import asyncio

        await asyncio.to_thread(self.cleanup)

    def run(self, **kwargs: Any) -> ExecutingRun:
        """Run the flow and wait for its end.

        Parameters
        ----------
        **kwargs : Any
            The flow's parameters, as data of any type that they take, and the options of ``run``: ``tags``,
            ``max_workers``, ``max_num_splits``, ...

        Returns
        -------
        ExecutingRun
            The run; its ``status`` says how it went.

        Raises
        ------
        UsageError
            If a parameter is unknown or not of its type.
        RunFailed
            If no run began, such as for a flow that the checks refuse.
        """
        return self._watch_run(self._start_command("run", kwargs))

    def resume(self, **kwargs: Any) -> ExecutingRun:
        """Resume a run and wait for its end. See :meth:`run`.

        Parameters
        ----------
        **kwargs : Any
            ``origin_run_id``, ``step_to_rerun``, and the options of ``resume``.
        """
        return self._watch_run(self._start_command("resume", kwargs))

    async def async_run(self, **kwargs: Any) -> ExecutingRun:
        """Run the flow, and return as soon as the run has begun. See :meth:`run`."""
        return await self._await_begin(self._start_command("run", kwargs))

    async def async_resume(self, **kwargs: Any) -> ExecutingRun:
        """Resume a run, and return as soon as the new one has begun. See :meth:`resume`."""
        return await self._await_begin(self._start_command("resume", kwargs))

    spin = UnsupportedName("Runner.spin")
    async_spin = UnsupportedName("Runner.async_spin")

    def cleanup(self) -> None:
        """End what is still running, and remove the temporary files."""
        for process in self._processes:
            process.close_files()
        self._processes.clear()

    def _start_command(self, command: str, given: dict[str, Any]) -> ExecutingRun:
        path = given.pop("run_id_file", None)
        step = given.pop("step_to_rerun", None) if command == "resume" else None
        process = self._file.start_command(command, given, (str(step),) if step is not None else (), (RUN_ID,))
        self._processes.append(process)
        return ExecutingRun(process, path)

    def _watch_run(self, run: ExecutingRun) -> ExecutingRun:
        process = run._process
        streams = {"stdout": sys.stdout, "stderr": sys.stderr} if self._file.show_output else {}
        shown = OutputPrinter(process, streams)
        try:
            while process.returncode is None:
                shown.print_new()
                time.sleep(POLL_INTERVAL)
            shown.print_new()
        except BaseException:
            process.end_process()
            raise
        run._has_begun()
        return run

    async def _await_begin(self, run: ExecutingRun) -> ExecutingRun:
        import asyncio

        try:
            while not run._has_begun():
                await asyncio.sleep(POLL_INTERVAL)
        except asyncio.CancelledError:
            run._process.close_files()
            raise
        return run


class OutputPrinter:
    """Shows what a command prints, as it comes.

    Parameters
    ----------
    process : Process
        The command.
    streams : dict of str to text stream
        Where each of its streams goes.
    """

    def __init__(self, process: Process, streams: dict[str, TextIO]) -> None:
        self._process = process
        self._streams = streams
        self._positions = dict.fromkeys(streams, 0)

    def print_new(self) -> None:
        """Show what has come since the last call."""
        for stream, target in self._streams.items():
            for behind, line in self._process.read_lines(stream, self._positions[stream]):
                self._positions[stream] = behind
                print(line, file=target, flush=True)
