"""Beginning a run: its parameters, constants and record."""

import json
import time
from typing import Any

from flow_sdk.authoring.declarations import apply_parsers
from flow_sdk.authoring.flow import FlowSpec
from flow_sdk.errors import DeployError, ObjectMissing
from flow_sdk.plan.codec import ordered_json
from flow_sdk.plan.model import FlowPlan
from flow_sdk.plan.parameters import resolve_values
from flow_sdk.plan.project import project_of
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.codec import decode_record
from flow_sdk.store.records.layout import run_key
from flow_sdk.store.records.model import ArtifactRef, RunRecord

__all__ = ["begin_run", "check_owner", "date_tag", "project_tags", "read_record", "start_artifacts"]


def project_tags(plan: FlowPlan) -> tuple[str, ...]:
    """Return the system tags of the runs of a flow with ``@project``; none without it."""
    project = project_of(plan)
    return () if project is None else project.system_tags


PRODUCTION = "production:"
"""Before a token: the namespace of a deployment's runs."""


def date_tag(started: float) -> str:
    """Return the system tag with the day (UTC) on which a run started, in seconds since the epoch."""
    return time.strftime("date:%Y-%m-%d", time.gmtime(started))


def start_artifacts(
    artifacts: Artifacts, flow_class: type[FlowSpec], plan: FlowPlan, values: dict[str, Any]
) -> tuple[dict[str, ArtifactRef], tuple[str, ...]]:
    """Store a run's parameters, class constants and configs.

    Parameters
    ----------
    artifacts : Artifacts
        Where to.
    flow_class : type
        The flow, for its constants and parsers.
    plan : FlowPlan
        What it compiled to.
    values : dict
        Parameter values by artifact name, as :func:`flow_sdk.plan.parameters.resolve_values` gives them. The parsers of
        files are run over them here.

    Returns
    -------
    (dict of str to ArtifactRef, tuple of str)
        All of them by artifact name, and the parameters' names.
    """
    refs: dict[str, ArtifactRef] = {}
    for name in plan.constants:
        refs[name] = artifacts.save(getattr(flow_class, name), where=f"class constant {name!r} of {plan.flow}")
    if plan.configs:
        refs.update(_store_configs(artifacts, flow_class, plan))
    for name, value in apply_parsers(flow_class, values).items():
        refs[name] = artifacts.save(value, where=f"parameter {name!r} of {plan.flow}")
    return refs, tuple(values)


def _store_configs(artifacts: Artifacts, flow_class: type[FlowSpec], plan: FlowPlan) -> dict[str, ArtifactRef]:
    """Store a run's configs, and give the flow's class their values: on a worker it has only the plan's."""
    from flow_sdk.authoring.configs import ConfigValue
    from flow_sdk.authoring.resolved_flow import provide_configs

    provide_configs(flow_class, lambda: {config.name: config.value for config in plan.configs}, replace=False)
    refs = {}
    for config in plan.configs:
        value = json.loads(ordered_json(config.value))  # as the stored plan has it: the same artifact on a laptop
        if isinstance(value, dict) and not config.plain:
            value = ConfigValue(value)
        refs[config.artifact] = artifacts.save(value, where=f"config {config.name!r} of {plan.flow}")
    return refs


def read_record(store: ObjectStore, flow: str, run: str) -> RunRecord | None:
    """Read a run's record; None when the run hasn't begun."""
    key = run_key(flow, run)
    try:
        text = store.get(key)
    except ObjectMissing:
        return None
    return decode_record(RunRecord, text, key)


def begin_run(store: ObjectStore, request: TaskRequest, plan: FlowPlan, flow_class: type[FlowSpec]) -> RunRecord:
    """Write the record of an orchestrated run, unless a first try of its start task already has.

    Raises
    ------
    ParameterError
        If a parameter is missing, unknown or mistyped.
    DeployError
        If the run id belongs to a run of another orchestrator or deployment.
    """
    from flow_sdk.metadata.runs import Runs

    now = time.time()
    own = tuple(tag for tag in request.tags if tag.startswith(PRODUCTION))
    refs, parameters = start_artifacts(
        Artifacts(store), flow_class, plan, resolve_values(plan.parameters, request.parameters)
    )
    record = RunRecord(
        flow=request.flow,
        run=request.run,
        plan=request.plan,
        package=request.package,
        artifacts=refs,
        parameters=parameters,
        user=request.user,
        started=now,
        # A deployment in a namespace of the user's choice passes its own on as a tag, which mustn't be removed.
        system_tags=tuple(dict.fromkeys((*request.system_tags, *own, date_tag(now), *project_tags(plan)))),
        tags=tuple(tag for tag in request.tags if tag not in own),
        namespace=request.namespace,
        orchestrator=request.orchestrator,
        end=plan.end.name,
        end_task=plan.end_task,
    )
    return check_owner(Runs(store).create(record), request)


def check_owner(record: RunRecord, request: TaskRequest) -> RunRecord:
    """Return the record, unless another orchestrator began the run under the same id."""
    if record.orchestrator != request.orchestrator:
        raise DeployError(
            f"The run {record.flow}/{record.run} belongs to another orchestrator.",
            seen=str(record.orchestrator),
            wanted=str(request.orchestrator),
            help="Two installations share this store and flow name. Deploy one of them under another --name.",
        )
    return record
