"""A local run: drives the scheduler with real processes, clock and store."""

import tempfile
import time
from typing import TYPE_CHECKING, Any

from flow_sdk.errors import FlowSDKError
from flow_sdk.metadata.heartbeat import LOCAL, this_process
from flow_sdk.metadata.runs import Runs  # the last task needs it too: forked tasks have what is imported by now
from flow_sdk.plan.codec import to_json
from flow_sdk.plan.model import FlowPlan
from flow_sdk.runtime.attempt import Outcome, run_attempt
from flow_sdk.runtime.begin import date_tag, project_tags, read_record, start_artifacts
from flow_sdk.runtime.driver import Driver, RunOptions
from flow_sdk.runtime.events import Reporter
from flow_sdk.runtime.parents import RunView
from flow_sdk.runtime.randomness import keeps_seed, own_randomness, random_state
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.task import Report, reporter_to, run_and_report
from flow_sdk.runtime.template import Template
from flow_sdk.spec.flow import FlowSpec
from flow_sdk.store.open_store import open_store
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records import RunRecord
from flow_sdk.store.sources import by_value_module

if TYPE_CHECKING:
    from flow_sdk.runtime.resume import Resume, Reuse

__all__ = ["RunOptions", "run_flow"]


def run_flow(
    flow_class: type[FlowSpec],
    plan: FlowPlan,
    parameters: dict[str, Any],
    options: RunOptions,
    reporter: Reporter,
    resume: "Resume | None" = None,
) -> str:
    """Run a flow on this machine.

    Parameters
    ----------
    flow_class : type
        The user's class.
    plan : FlowPlan
        What it compiled to.
    parameters : dict
        A value for each parameter, by name; a resumed run has its origin's.
    options : RunOptions
        How.
    reporter : Reporter
        Is told what happens.
    resume : Resume, optional
        The run to resume.

    Returns
    -------
    str
        The run id.

    Raises
    ------
    RunFailed
        If a task failed for good, or the run was interrupted.
    StoreError
        If the store can't be used; then no run was started, or its state says so.
    """

    keep_seed, state = keeps_seed(options.file), random_state()

    def child(data: dict[str, Any], report_fd: int) -> int:
        own_randomness(keep_seed, state)
        request = TaskRequest(**data)

        def execute(announce: Report) -> Outcome:
            store = open_store(options.root)
            record = read_record(store, request.flow, request.run)
            if record is None:
                raise FlowSDKError(f"The record of run {request.flow}/{request.run} is gone from the store.")
            view = RunView(store, plan, request.flow, request.run)
            same_image = record.origin_run is None  # a resumed run has the constants of its origin
            return run_attempt(view, record, flow_class, request, announce, same_image=same_image)

        return run_and_report(execute, reporter_to(report_fd))

    if flow_class.__module__ == "__main__":
        by_value_module("__main__")  # its source is read now: all tasks know the file by the same hash
    tempfile.gettempdir()  # it tries the folder by writing there: once for all tasks
    # the template is forked before this process opens a store: clients have threads, which a fork would break
    template = Template(child) if options.isolation == "fork" else None
    try:
        store = open_store(options.root, create=resume is None)
        reuse = resume.open(store, plan, options.user) if resume is not None else None
        record = _allocate(store, flow_class, plan, parameters, options, reuse)
        if options.run_id_file:
            with open(options.run_id_file, "w", encoding="utf-8") as file:
                file.write(record.run)
        Driver(store, plan, record, options, reporter, template, reuse).run()
        return record.run
    finally:
        if template is not None:
            template.close()


def _allocate(
    store: ObjectStore,
    flow_class: type[FlowSpec],
    plan: FlowPlan,
    parameters: dict[str, Any],
    options: RunOptions,
    reuse: "Reuse | None",
) -> RunRecord:
    """Store what the run starts with and claim its id."""
    from flow_sdk.store.artifacts import Artifacts

    artifacts = Artifacts(store)
    if reuse is None:
        refs, names = start_artifacts(artifacts, flow_class, plan, parameters)
    else:
        refs, names = reuse.start_artifacts(artifacts, flow_class)
    plan_digest = artifacts.put_bytes(to_json(plan))
    package = artifacts.put_bytes(options.package) if options.package is not None else None
    now = time.time()

    def make(run_id: str) -> RunRecord:
        return RunRecord(
            flow=plan.flow,
            run=run_id,
            plan=plan_digest,
            package=package,
            artifacts=refs,
            parameters=names,
            user=options.user,
            started=now,
            system_tags=(
                f"user:{options.user}",
                "runtime:local",
                date_tag(now),
                *project_tags(plan),
            ),
            tags=options.tags,
            namespace=options.namespace if options.namespace is not None else f"user:{options.user}",
            origin_run=reuse.origin.run if reuse is not None else None,
            orchestrator={"kind": LOCAL, **this_process()},
            end=plan.end.name,
            end_task=plan.end_task,
        )

    return Runs(store).allocate(plan.flow, make)
