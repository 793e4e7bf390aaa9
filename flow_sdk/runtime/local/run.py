"""A local run: drives the scheduler with real processes, clock and store."""

import time
from typing import TYPE_CHECKING, Any

from flow_sdk.authoring.flow import FlowSpec
from flow_sdk.metadata.run_heartbeat import LOCAL, describe_process
from flow_sdk.metadata.runs import Runs
from flow_sdk.plan.codec import to_json
from flow_sdk.plan.model import FlowPlan
from flow_sdk.runtime.local.driver import Driver, RunOptions
from flow_sdk.runtime.local.fork_server import ForkServer
from flow_sdk.runtime.local.program import Program
from flow_sdk.runtime.local.reporter import Reporter
from flow_sdk.runtime.task.run_start import date_tag, project_tags, start_artifacts
from flow_sdk.store.open_store import open_store
from flow_sdk.store.pickling.flow_modules import register_flow_module
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.codec import encode_record
from flow_sdk.store.records.layout import run_key
from flow_sdk.store.records.model import RunRecord

if TYPE_CHECKING:
    from flow_sdk.runtime.resume.reuse import Resume, Reuse

__all__ = ["RunOptions", "run_flow"]


def run_flow(
    flow_class: type[FlowSpec],
    plan: FlowPlan,
    parameters: dict[str, Any],
    options: RunOptions,
    reporter: Reporter,
    resume: "Resume | None" = None,
    server: ForkServer | None = None,
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
        Receives the run's events.
    resume : Resume, optional
        The run to resume.
    server : ForkServer, optional
        What tasks are forked from, where it was started early. It is closed.

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

    program = Program.of(options.file, options.module, options.imported)
    if flow_class.__module__ == "__main__":
        register_flow_module("__main__")  # its source is read now: what is stored of the file is known by the same hash
    if options.isolation == "spawn":
        server = None
    elif server is None:
        server = ForkServer(program)
    try:
        store = open_store(options.root, create=resume is None)
        reuse = resume.open_origin(store, plan, options.user) if resume is not None else None
        record = _create_run(store, flow_class, plan, parameters, options, reuse)
        if options.run_id_file:
            with open(options.run_id_file, "w", encoding="utf-8") as file:
                file.write(record.run)
        if server is not None:
            key = run_key(record.flow, record.run)
            server.begin_run(to_json(plan), encode_record(record, key), key, options.root)
        Driver(store, plan, record, options, reporter, program, server, reuse).run()
        return record.run
    finally:
        if server is not None:
            server.close()


def _create_run(
    store: ObjectStore,
    flow_class: type[FlowSpec],
    plan: FlowPlan,
    parameters: dict[str, Any],
    options: RunOptions,
    reuse: "Reuse | None",
) -> RunRecord:
    """Store what the run starts with, and create its record."""
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
            orchestrator={"kind": LOCAL, **describe_process()},
            end=plan.end.name,
            end_task=plan.end_task,
        )

    return Runs(store).allocate(plan.flow, make)
