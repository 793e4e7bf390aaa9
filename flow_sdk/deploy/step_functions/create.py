"""``step-functions create``: everything is checked, job definitions are registered, and the alias moves last."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flow_sdk.deploy.next_starts import declared_schedule, next_starts_text
from flow_sdk.deploy.port import CreatedDeployment, DeploymentDraft, DeploymentPreview, DeploymentSource, TargetRequest
from flow_sdk.deploy.step_functions.account import AwsServices
from flow_sdk.deploy.step_functions.alerts import AlertRule, check_topic
from flow_sdk.deploy.step_functions.changes import find_changes
from flow_sdk.deploy.step_functions.machine import StateMachine
from flow_sdk.deploy.step_functions.parameter_store import ParameterStore
from flow_sdk.deploy.step_functions.parts import DeploymentParts
from flow_sdk.deploy.step_functions.prepare import (
    KIND,
    PreparedDeployment,
    StepFunctionsOptions,
    check_options,
    foreach_lines,
    prepare_deployment,
)
from flow_sdk.deploy.step_functions.roles import check_roles, find_roles
from flow_sdk.deploy.step_functions.schedule import FlowSchedule, Schedule
from flow_sdk.deploy.tokens import Grant
from flow_sdk.plan.codec import to_json
from flow_sdk.plan.model import FlowPlan
from flow_sdk.plan.project import deployed_name
from flow_sdk.store.port import ObjectStore

if TYPE_CHECKING:
    from flow_sdk.runtime.batch.definition import BatchSettings

__all__ = ["StateMachineDeployment", "StateMachineDraft"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMachineDeployment(CreatedDeployment):
    """A deployment to Step Functions. Its result is the ARN of the state machine.

    Parameters
    ----------
    machine : str
        Name of the state machine.
    version : int
        The version that the alias leads to now.
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

    machine: str
    version: int
    registered: tuple[str, ...]
    schedule: Schedule | None
    schedule_change: str | None
    schedule_off: bool
    alert_change: str | None
    unprefixed: str | None
    prepared: PreparedDeployment


class StateMachineDraft(DeploymentDraft):
    """A state machine that isn't deployed yet.

    Parameters
    ----------
    plan : FlowPlan
        The flow.
    options : StepFunctionsOptions
        What the user chose.
    settings : BatchSettings
        What steps get that don't say it themselves.
    services : AwsServices
        The AWS account.
    request : TargetRequest, optional
        The command, for its messages.
    """

    target = KIND
    options: StepFunctionsOptions

    def __init__(
        self,
        plan: FlowPlan,
        options: StepFunctionsOptions,
        settings: "BatchSettings",
        services: AwsServices,
        request: TargetRequest | None = None,
    ) -> None:
        self.options, self.settings, self.services = options, settings, services
        self.name = options.name or deployed_name(plan)
        self.token_registry = ParameterStore(services)
        self._request = request
        self._checked: DeploymentParts | None = None
        self._prepared: PreparedDeployment | None = None
        self._registered: list[str] = []
        self._version, self._is_changed = 0, False

    @property
    def checked_parts(self) -> "DeploymentParts":
        """What :meth:`check` has found."""
        if self._checked is None:
            raise RuntimeError("check() comes first")
        return self._checked

    @property
    def prepared(self) -> PreparedDeployment:
        """The deployment, worked out with the options as they are now."""
        if self._prepared is None:
            raise RuntimeError("blobs() or prepare() comes first")
        return self._prepared

    def check_source(self, source: DeploymentSource) -> None:
        """Check options, roles, queues and limits, and what AWS has under the names."""
        from flow_sdk.runtime.batch.register import check_log_groups, find_platforms

        plan, options, services = source.plan, self.options, self.services
        schedule = check_options(plan, source.store, options)
        roles = check_roles(options, scheduled=schedule is not None)
        find_roles(roles, services)
        check_topic(options.alert_topic, services.account)
        self.settings = find_platforms(services.batch, plan.steps, self.settings)
        check_log_groups(lambda: services.logs, plan.steps)
        prepared = self.prepare_source(source)
        machine = StateMachine(prepared.name, services.account, services.states)
        machine.find_existing()
        scheduler = FlowSchedule(prepared.name, machine.alias_arn, services.scheduler, services.account.prefix)
        scheduler.find_schedule()
        alerts = AlertRule(prepared.name, services.account, services.events)
        alerts.needed_change(options.alert_topic)
        self._checked = DeploymentParts(roles, machine, scheduler, alerts)

    def prepare_source(self, source: DeploymentSource) -> PreparedDeployment:
        """Work the deployment out with the options as they are now."""
        partition = self.services.account.partition
        self._prepared = prepare_deployment(
            source.plan, source.package, source.store, self.options, self.settings, partition
        )
        return self._prepared

    def collect_blobs(self, source: DeploymentSource) -> dict[str, bytes | None]:
        """Return plan, package, and the request that every run begins with."""
        prepared = self.prepare_source(source)
        return {"plan": to_json(source.plan), "package": source.package, "request": prepared.request.to_json()}

    def register_resources(self) -> None:
        """Register the job definitions that AWS doesn't have."""
        from flow_sdk.runtime.batch.register import ensure_registered

        self._registered = ensure_registered(self.services.batch, self.prepared.jobs)

    def publish_definition(self, source: DeploymentSource, stored: Mapping[str, str | None]) -> None:
        """Create or update the state machine, and move its alias to the new version."""
        machine, role = self.checked_parts.machine, self.checked_parts.roles.machine
        self._version, is_changed = machine.put_version(
            self.prepared.definition_text, role, self.options.logging_configuration
        )
        self._is_changed = machine.point_alias(self._version) or is_changed

    def complete_deployment(self) -> StateMachineDeployment:
        """Set schedule and alerts, and return what was made."""
        machine, scheduler = self.checked_parts.machine, self.checked_parts.scheduler
        is_off = (scheduler.find_schedule() or {}).get("State") == "DISABLED"
        change = scheduler.apply_schedule(self.prepared.schedule, self.options.scheduler_role)
        alert_change = self.checked_parts.alerts.apply_topic(self.options.alert_topic)
        namespace = self.options.namespace or ("" if self.grant is None else self.grant.namespace)
        state = "is deployed as" if self._is_changed else "hasn't changed: it stays at"
        made = StateMachineDeployment(
            name=self.name,
            result=machine.arn,
            namespace=namespace,
            is_changed=self._is_changed,
            summary=(f"State machine {machine.name} {state} version {self._version}; runs are in {namespace}.",),
            details={
                "state_machine": machine.name,
                "version": self._version,
                "registered_job_definitions": [*self._registered],
                "schedule": None if self.prepared.schedule is None else str(self.prepared.schedule),
            },
            machine=machine.name,
            version=self._version,
            registered=tuple(self._registered),
            schedule=self.prepared.schedule,
            schedule_change=change,
            schedule_off=is_off,
            alert_change=alert_change,
            unprefixed=machine.find_unprefixed(),
            prepared=self.prepared,
        )
        if self._request is None:
            return made
        from dataclasses import replace

        return replace(made, hints=tuple(_deployment_hints(self._request, made)))

    def render_definition(self, source: DeploymentSource) -> str:
        """Return the state machine as JSON, without asking AWS or the store."""
        prepared = prepare_deployment(source.plan, source.package, source.store, self.options, self.settings)
        return json.dumps(prepared.definition, indent=2, ensure_ascii=False)

    def preview_changes(self, source: DeploymentSource, store: ObjectStore | None, grant: Grant) -> DeploymentPreview:
        """Compare with what AWS has."""
        return find_changes(
            self.prepare_source(source), store, grant, self.options, self.checked_parts, self.services
        ).to_preview()


def _deployment_hints(request: TargetRequest, made: StateMachineDeployment) -> list[str]:
    """Return what the user should know of a deployment."""
    hints = [*made.prepared.ignored_settings]
    if made.prepared.distributed:
        hints.append("\n".join(foreach_lines(made.prepared)))
        if not request["use-distributed-map"]:
            hints.append(
                "With --max-workers 40 or less, the items of a foreach run in the execution of the run itself."
            )
    if made.registered:
        count = len(made.registered)
        hints.append(f"{count} new job definition{'s were' if count > 1 else ' was'} registered in AWS Batch.")
    hints += _schedule_hints(request, made)
    if made.unprefixed is not None:
        hints.append(
            f"There is still the state machine {made.unprefixed} of this flow, from before SFN_STATE_MACHINE_PREFIX"
            " was set; if it has a schedule, it starts as well. Unset that, and call step-functions delete."
        )
    if made.alert_change == "remove":
        hints.append("It sends no alerts any more; the rule in EventBridge was removed.")
    elif made.alert_change is not None:
        hints.append(f"Runs that fail, time out or are stopped are reported to {request['alert-topic']}.")
    if not request.in_notebook:
        hints.append(f"Start a run with: {request.program} step-functions trigger{request.naming}")
    return hints


def _schedule_hints(request: TargetRequest, made: StateMachineDeployment) -> list[str]:
    if made.schedule_change == "remove":
        return ["It has no schedule any more; the one in AWS was removed."]
    if made.schedule is None:
        return []
    hints = [f"It starts by itself: {made.schedule}."]
    schedule = declared_schedule(request.flow_class)
    if schedule is not None and not made.schedule_off:
        hints.append(f"Next: {next_starts_text(schedule)}")
    if made.schedule_off:
        hints.append("But the schedule was switched off in AWS, and stays so. Switch it on in EventBridge Scheduler.")
    return hints
