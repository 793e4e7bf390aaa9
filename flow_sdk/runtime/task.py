"""The task runner: the one entry point that every orchestrator starts.

``python -m flow_sdk.runtime.task`` reads a :class:`~flow_sdk.runtime.request.TaskRequest` as JSON from stdin, runs one
attempt and exits with 0 (committed), 1 (failed; may be tried again) or 2 (failed; trying again can't help). On the file
descriptor named by ``FLOW_SDK_REPORT_FD`` it tells, one JSON object a line, the attempt's number and its outcome.
"""

import io
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from flow_sdk.errors import FlowSDKError, ParameterError, PlanError
from flow_sdk.plan.codec import from_json
from flow_sdk.runtime.attempt import Outcome, run_attempt
from flow_sdk.runtime.begin import begin, check_owner, read_record
from flow_sdk.runtime.code_folder import unpacked
from flow_sdk.runtime.flowfile import load_flow, load_packaged_flow
from flow_sdk.runtime.parents import RunView, is_first
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.tracebacks import LONGEST, one_line
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store

__all__ = [
    "FAILED",
    "FATAL",
    "OK",
    "REPORT_FD",
    "Report",
    "die_with_parent",
    "execute",
    "finish_process",
    "main",
    "reporter_to",
]

Report = Callable[[dict[str, Any]], None]

OK, FAILED, FATAL = 0, 1, 2
REPORT_FD = "FLOW_SDK_REPORT_FD"


def execute(request: TaskRequest, announce: Report) -> Outcome:
    """Run one attempt of a task in this process.

    Parameters
    ----------
    request : TaskRequest
        Which task of which run.
    announce : callable
        As :func:`flow_sdk.runtime.attempt.run_attempt` takes it.
    """
    store = open_store(request.root)
    artifacts = Artifacts(store)
    record = read_record(store, request.flow, request.run)
    pinned = (record.plan, record.package) if record else (request.plan, request.package)
    plan = from_json(artifacts.get_bytes(pinned[0], where=f"the plan of {request.flow}/{request.run}"))
    if request.step not in {step.name for step in plan.steps}:
        raise PlanError(
            f"The run {request.flow}/{request.run} began with a version of the flow that has no step {request.step!r}.",
            help="A newer version was deployed while it ran. Start a new run, which has the new version.",
        )
    if request.file is None and pinned[1] is not None:
        package = artifacts.get_bytes(pinned[1], where=f"the code package of {request.flow}/{request.run}")
        flow_class = load_packaged_flow(unpacked(package, pinned[1]), plan)
    else:
        flow_class = load_flow(
            request.file or plan.file,
            plan.flow,
            module=request.module,
            imported=request.imported,
            search_path=request.search_path,
        )
    if record is None:
        step = plan[request.step]
        if not is_first(step, step.position(request.task), plan):
            raise FlowSDKError(
                f"The run {request.flow}/{request.run} hasn't begun, but {request.step}/{request.task} was started.",
                help="The start task writes the run's record; look at its log first.",
            )
        record = begin(store, request, plan, flow_class)
    check_owner(record, request)
    return run_attempt(RunView(store, plan, request.flow, request.run), record, flow_class, request, announce)


def reporter_to(fd: int | None) -> Report:
    """Make a function that writes facts as JSON lines to a file descriptor, or nowhere."""

    def report(facts: dict[str, Any]) -> None:
        if fd is not None:
            try:
                os.write(fd, json.dumps(facts, separators=(",", ":")).encode() + b"\n")
            except BrokenPipeError:
                pass  # whoever started us is gone; the commit record tells the next one

    return report


def run_and_report(run: Callable[[Report], Outcome], report: Report) -> int:
    """Run an attempt, report what happens and its outcome, and return the exit code."""
    try:
        outcome = run(report)
    except FlowSDKError as error:
        print(error, file=sys.stderr, flush=True)
        report({"error": str(error).splitlines()[0][:LONGEST]})
        return FATAL if isinstance(error, ParameterError | PlanError) else FAILED
    manifest = outcome.manifest
    facts: dict[str, Any] = {
        "ok": manifest.ok,
        "next": manifest.next,
        "caught": manifest.ok and not manifest.successful,
    }
    if manifest.items is not None:
        facts["count"] = manifest.items.count
    if outcome.already:
        facts["already"] = True
    if not manifest.ok and manifest.exception:
        facts["error"] = one_line(manifest.exception)
    report(facts)
    if manifest.ok:
        return OK
    return FATAL if outcome.fatal else FAILED


def finish_process(code: int) -> None:
    """Flush, run what the user registered for the exit, and end this process without the parent's leftovers."""
    import atexit
    import threading

    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def die_with_parent() -> None:
    """On Linux, have this process ended when the one that supervises it is killed."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)


def main() -> None:
    """Read the request from stdin and run it."""
    die_with_parent()
    request = TaskRequest.from_json(sys.stdin.buffer.read())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    fd = os.environ.pop(REPORT_FD, None)
    report = reporter_to(int(fd) if fd else None)
    finish_process(run_and_report(lambda announce: execute(request, announce), report))


if __name__ == "__main__":
    from flow_sdk.runtime import task

    task.main()
