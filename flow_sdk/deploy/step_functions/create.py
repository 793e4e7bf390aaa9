"""``step-functions create``: check everything, then claim the name, upload, register, and move the alias last."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flow_sdk.deploy.releases import note_release
from flow_sdk.deploy.step_functions.alerts import AlertRule, check_topic
from flow_sdk.deploy.step_functions.machine import StateMachine
from flow_sdk.deploy.step_functions.place import Services
from flow_sdk.deploy.step_functions.prepare import KIND, CreateOptions, Prepared, check_options, prepare
from flow_sdk.deploy.step_functions.roles import check_roles, find_roles
from flow_sdk.deploy.step_functions.schedule import Schedule, Scheduler
from flow_sdk.deploy.tokens import TokenGate, existing_store
from flow_sdk.plan.codec import to_json
from flow_sdk.plan.model import FlowPlan

if TYPE_CHECKING:
    from flow_sdk.runtime.batch.definition import BatchSettings

__all__ = ["Deployed", "create_deployment", "examine"]


@dataclass(frozen=True, slots=True)
class Deployed:
    """What was deployed.

    Parameters
    ----------
    arn : str
        ARN of the state machine.
    name : str
        Its name.
    version : int
        The version that the alias leads to now.
    changed : bool
        Whether it or the alias had to be changed.
    namespace : str
        The namespace of its runs.
    registered : tuple of str
        Job definitions that were registered now.
    schedule : Schedule or None
        When it starts by itself.
    schedule_change : str or None
        ``create``, ``update``, ``remove``, or None.
    schedule_off : bool
        Whether the schedule was switched off in AWS.
    alert_change : str or None
        What was done with the rule for alerts: ``create``, ``update``, ``remove``, or None.
    unprefixed : str or None
        Name of the state machine that the flow was deployed as before names had a prefix, if that is still there.
    prepared : Prepared
        What it was worked out to be.
    """

    arn: str
    name: str
    version: int
    changed: bool
    namespace: str
    registered: tuple[str, ...]
    schedule: Schedule | None
    schedule_change: str | None
    schedule_off: bool
    alert_change: str | None
    unprefixed: str | None
    prepared: Prepared


def create_deployment(
    plan: FlowPlan,
    package: bytes | None,
    store: str,
    options: CreateOptions,
    settings: "BatchSettings",
    gate: TokenGate,
    services: Services,
) -> Deployed:
    """Deploy a flow to AWS Step Functions. Killed at any moment, it can be called again and ends right.

    Parameters
    ----------
    plan : FlowPlan
        The flow.
    package : bytes or None
        Its code; None when the image holds the flow file.
    store : str
        ``s3://`` address of the store.
    options : CreateOptions
        What the user says.
    settings : BatchSettings
        What steps get that don't say it themselves.
    gate : TokenGate
        Asks for the production token and gives the runs' namespace.
    services : Services
        The AWS account.

    Returns
    -------
    Deployed
        What was deployed.

    Raises
    ------
    DeployError
        If Step Functions couldn't run it, or the token isn't right. Nothing is written then.
    AwsError
        If AWS refuses, or doesn't answer.
    StoreError
        If the store can't be used.
    """
    from flow_sdk.runtime.batch.register import ensure_registered
    from flow_sdk.store.artifacts import Artifacts
    from flow_sdk.store.open_store import open_store

    settings, prepared, machine, scheduler, alerts = examine(plan, package, store, options, settings, services)
    gate.check(existing_store(store))
    artifacts = Artifacts(open_store(store))
    grant = gate.claim(artifacts.store)
    namespace, tags = grant.runs_in(options.namespace, options.tags)
    options = dataclasses.replace(options, namespace=namespace, tags=tags)
    prepared = prepare(plan, package, artifacts.store.url, options, settings, services.place.partition)
    blobs = {"plan": to_json(plan), "package": package, "request": prepared.request.to_json()}
    stored = {what: None if blob is None else artifacts.put_bytes(blob) for what, blob in blobs.items()}
    note_release(artifacts.store, KIND, prepared.name, stored)
    registered = ensure_registered(services.batch, prepared.jobs)
    gate.confirm(artifacts.store)
    assert options.role is not None
    version, changed = machine.put(prepared.text, options.role, options.logging)
    moved = machine.point(version)
    gate.confirm(artifacts.store, deployed=True)
    off = (scheduler.find() or {}).get("State") == "DISABLED"
    change = scheduler.set(prepared.schedule, options.scheduler_role)
    alert_change = alerts.set(options.alert_topic)
    return Deployed(
        machine.arn,
        machine.name,
        version,
        changed or moved,
        namespace or grant.namespace,
        tuple(registered),
        prepared.schedule,
        change,
        schedule_off=off,
        alert_change=alert_change,
        unprefixed=machine.unprefixed(),
        prepared=prepared,
    )


def examine(
    plan: FlowPlan,
    package: bytes | None,
    store: str,
    options: CreateOptions,
    settings: "BatchSettings",
    services: Services,
) -> "tuple[BatchSettings, Prepared, StateMachine, Scheduler, AlertRule]":
    """Check all that can be checked without writing anything.

    Returns
    -------
    (BatchSettings, Prepared, StateMachine, Scheduler, AlertRule)
        The settings with what AWS says of the queues, what would be deployed, and where.

    Raises
    ------
    DeployError, ConfigError
        If it can't be deployed.
    AwsError
        If AWS can't be asked.
    """
    from flow_sdk.runtime.batch.register import check_log_groups, find_platforms

    schedule = check_options(plan, store, options)
    roles = check_roles(options, scheduled=schedule is not None)
    find_roles(roles, services)
    check_topic(options.alert_topic, services.place)
    settings = find_platforms(services.batch, plan.steps, settings)
    check_log_groups(lambda: services.logs, plan.steps)
    prepared = prepare(plan, package, store, options, settings, services.place.partition)
    machine = StateMachine(prepared.name, services.place, services.states)
    machine.existing()
    scheduler = Scheduler(prepared.name, machine.alias_arn, services.scheduler, services.place.prefix)
    scheduler.find()
    alerts = AlertRule(prepared.name, services.place, services.events)
    alerts.change(options.alert_topic)
    return settings, prepared, machine, scheduler, alerts
