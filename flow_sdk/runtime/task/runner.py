"""The task runner: the one entry point that every orchestrator starts.

``python -m flow_sdk.runtime.task`` reads a :class:`~flow_sdk.runtime.request.TaskRequest` as JSON from stdin, runs one
attempt and exits with 0 (committed), 1 (failed; may be tried again) or 2 (failed; trying again can't help). On the file
descriptor named by ``FLOW_SDK_REPORT_FD`` it reports, one JSON object a line, the attempt's number and its outcome.
"""

import io
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flow_sdk.authoring.flow import FlowSpec
from flow_sdk.errors import FlowSDKError, ParameterError, PlanError
from flow_sdk.plan.codec import from_json
from flow_sdk.plan.model import FlowPlan
from flow_sdk.runtime.report import FAILED, FATAL, OK, REPORT_FD, Report, open_report
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.task.attempt import Outcome, fail_to_load, run_attempt
from flow_sdk.runtime.task.flow_loading import CompiledFile, load_flow, load_packaged_flow
from flow_sdk.runtime.task.interpreter_choice import execute_in_chosen_interpreter
from flow_sdk.runtime.task.parents import RunView, is_first
from flow_sdk.runtime.task.process_end import LEAST_SECONDS, c_library, limit_end
from flow_sdk.runtime.task.run_start import begin_run, check_owner, read_record
from flow_sdk.runtime.tracebacks import LONGEST, summarize_exception
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.model import RunRecord

__all__ = ["Prepared", "die_with_parent", "execute_request", "main", "run_and_report", "run_process"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a process has that was forked from one that prepared it.

    Parameters
    ----------
    file : CompiledFile or None
        The flow file; None where a module is imported or the file couldn't be compiled.
    run : (RunRecord, FlowPlan) or None
        The record of a run, and its plan.
    store : (str, ObjectStore) or None
        The address of a store, and the store.
    """

    file: CompiledFile | None = None
    run: tuple[RunRecord, FlowPlan] | None = None
    store: tuple[str, ObjectStore] | None = None


def execute_request(request: TaskRequest, announce: Report, prepared: Prepared | None = None) -> Outcome:
    """Run one attempt of a task in this process.

    Parameters
    ----------
    request : TaskRequest
        Which task of which run.
    announce : callable
        As :func:`flow_sdk.runtime.task.attempt.run_attempt` takes it.
    prepared : Prepared, optional
        What needn't be read any more.
    """
    owner = os.getpid()
    if prepared is not None and prepared.store is not None and prepared.store[0] == request.root:
        store = prepared.store[1]
    else:
        store = open_store(request.root)
    artifacts = Artifacts(store)
    if prepared is not None and prepared.run is not None:
        record: RunRecord | None
        record, plan = prepared.run
        pinned = (record.plan, record.package)
    else:
        record = read_record(store, request.flow, request.run)
        pinned = (record.plan, record.package) if record else (request.plan, request.package)
        plan = from_json(artifacts.get_bytes(pinned[0], where=f"the plan of {request.flow}/{request.run}"))
    if request.step not in {step.name for step in plan.steps}:
        raise PlanError(
            f"The run {request.flow}/{request.run} began with a version of the flow that has no step {request.step!r}.",
            help="A newer version was deployed while it ran. Start a new run, which has the new version.",
        )
    view = RunView(store, plan, request.flow, request.run)
    try:
        execute_in_chosen_interpreter(plan[request.step], request, announce)
        flow_class = _load_flow(request, plan, artifacts, pinned[1], prepared)
    except Exception as error:
        if record is None or os.getpid() != owner:
            raise
        return fail_to_load(view, record, request, error, announce)
    if os.getpid() != owner:
        raise SystemExit(0)  # a process that the flow file has forked at its import isn't the task
    if record is None:
        step = plan[request.step]
        if not is_first(step, step.position(request.task), plan):
            raise FlowSDKError(
                f"The run {request.flow}/{request.run} hasn't begun, but {request.step}/{request.task} was started.",
                help="The start task writes the run's record; look at its log first.",
            )
        record = begin_run(store, request, plan, flow_class)
    check_owner(record, request)
    return run_attempt(view, record, flow_class, request, announce)


def _load_flow(
    request: TaskRequest, plan: FlowPlan, artifacts: Artifacts, package: str | None, prepared: Prepared | None
) -> type[FlowSpec]:
    """Load the flow: where it lies for a local run, else from its code package."""
    arguments = ("step", request.step, "--run-id", request.run, "--task-id", request.task)
    if package is not None and request.file is None:
        from flow_sdk.runtime.task.code_folder import unpack_once

        data = artifacts.get_bytes(package, where=f"the code package of {request.flow}/{request.run}")
        return load_packaged_flow(unpack_once(data, package), plan, arguments)
    return load_flow(
        request.file or plan.file,
        plan.flow,
        module=request.module,
        imported=request.imported,
        search_path=request.search_path,
        arguments=arguments,
        compiled=None if prepared is None else prepared.file,
    )


def run_and_report(run: Callable[[Report], Outcome], report: Report) -> int:
    """Run an attempt, report what happens and its outcome, and return the exit code."""
    owner = os.getpid()
    try:
        outcome = run(report)
    except FlowSDKError as error:
        if os.getpid() != owner:
            raise
        print(error, file=sys.stderr, flush=True)
        report({"error": str(error).splitlines()[0][:LONGEST]})
        return FATAL if isinstance(error, ParameterError | PlanError) else FAILED
    manifest = outcome.manifest
    outcome_fields: dict[str, Any] = {
        "ok": manifest.ok,
        "next": manifest.next,
        "caught": manifest.ok and not manifest.successful,
    }
    if manifest.items is not None:
        outcome_fields["count"] = manifest.items.count
    if outcome.already:
        outcome_fields["already"] = True
    if not manifest.ok and manifest.exception:
        outcome_fields["error"] = summarize_exception(manifest.exception)
    report(outcome_fields)
    if manifest.ok:
        return OK
    return FATAL if outcome.fatal else FAILED


def run_process(request: TaskRequest, report: Report, prepared: Prepared | None = None) -> int:
    """Run an attempt as the one purpose of this process, and limit how long the process's end takes.

    Parameters
    ----------
    request : TaskRequest
        The task.
    report : callable
        Takes fields to report.
    prepared : Prepared, optional
        As :func:`execute_request` takes it.

    Returns
    -------
    int
        The exit code.
    """
    began, timeout = time.monotonic(), None

    def run(announce: Report) -> Outcome:
        nonlocal timeout
        outcome = execute_request(request, announce, prepared)
        timeout = outcome.timeout
        return outcome

    code = run_and_report(run, report)
    left = None
    if timeout is not None:
        left = max(timeout - (time.monotonic() - began), LEAST_SECONDS)
        report({"running": left})
    limit_end(f"{request.step}/{request.task}", left, code)
    return code


def die_with_parent() -> None:
    """On Linux, have this process ended when the one that supervises it is killed."""
    if sys.platform == "linux":
        c_library().prctl(1, signal.SIGTERM, 0, 0, 0)


def main() -> None:
    """Read the request from stdin and run it."""
    die_with_parent()
    request = TaskRequest.from_json(sys.stdin.buffer.read())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    fd = os.environ.pop(REPORT_FD, None)
    report = open_report(int(fd) if fd else None)
    sys.exit(run_process(request, report))


if __name__ == "__main__":
    from flow_sdk.runtime.task import runner

    runner.main()
