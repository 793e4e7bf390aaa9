"""What ``step-functions create`` would make, worked out from flow and options. Pure: no network, store or token."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flow_sdk.deploy.plan_checks import refuse_inline_secrets, refuse_required_parameters
from flow_sdk.deploy.port import DeploymentOptions
from flow_sdk.deploy.step_functions.alerts import check_topic
from flow_sdk.deploy.step_functions.limits import INLINE_WORKERS, encode_definition, transitions_of_item
from flow_sdk.deploy.step_functions.names import machine_name
from flow_sdk.deploy.step_functions.runtime import KIND
from flow_sdk.deploy.step_functions.schedule import Schedule, wanted_schedule
from flow_sdk.errors import DeployError
from flow_sdk.plan.codec import to_json
from flow_sdk.plan.model import FlowPlan
from flow_sdk.plan.project import deployed_name
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.store.address import StoreAddress

if TYPE_CHECKING:
    from flow_sdk.runtime.batch.definition import BatchSettings, JobDefinition

__all__ = ["KIND", "PreparedDeployment", "StepFunctionsOptions", "check_options", "foreach_lines", "prepare_deployment"]

LONGEST_TIMEOUT = 99_999_999
"""Seconds (Amazon States Language, TimeoutSeconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFunctionsOptions(DeploymentOptions):
    """What the user chose for a deployment to Step Functions.

    Parameters
    ----------
    batch_tags : dict of str to str
        Tags for every Batch job.
    max_workers : int
        Most tasks of a foreach at a time (>= 1).
    workflow_timeout : int or None
        Seconds after which a run fails (1 to 99,999,999).
    use_distributed_map : bool
        Whether every foreach becomes a distributed map; else those do of which more than 40 items may run at a time.
    item_counts : dict of str to int
        Most items that a foreach step can have, for those of which the source says it.
    log_history : bool
        Whether AWS logs the history of every run.
    role : str or None
        ARN of the role that the state machine works with.
    scheduler_role : str or None
        ARN of the role that the schedule starts it with.
    log_group : str or None
        ARN of the log group for the history.
    prefix : str
        What names in the account begin with.
    alert_topic : str or None
        ARN of the SNS topic that alerts of runs that didn't succeed go to.
    """

    batch_tags: dict[str, str] = dataclasses.field(default_factory=dict)
    max_workers: int = 100
    workflow_timeout: int | None = None
    use_distributed_map: bool = False
    item_counts: dict[str, int] = dataclasses.field(default_factory=dict)
    log_history: bool = False
    role: str | None = None
    scheduler_role: str | None = None
    log_group: str | None = None
    prefix: str = ""
    alert_topic: str | None = None

    @property
    def logging_configuration(self) -> dict[str, Any]:
        """The state machine's logging. The data of states stays out of it: it would show the parameters."""
        if not self.log_history or self.log_group is None:
            return {"level": "OFF", "includeExecutionData": False}
        group = {"logGroupArn": self.log_group if self.log_group.endswith(":*") else f"{self.log_group}:*"}
        destination = {"cloudWatchLogsLogGroup": group}
        return {"level": "ALL", "includeExecutionData": False, "destinations": [destination]}


@dataclass(frozen=True, slots=True)
class PreparedDeployment:
    """A deployment, worked out and not yet made.

    Parameters
    ----------
    name : str
        The deployed name.
    plan : FlowPlan
        The flow.
    package : bytes or None
        Its code.
    request : TaskRequest
        The request of the start step of every run.
    definition : dict
        The state machine.
    jobs : tuple of JobDefinition
        The job definitions that it uses, each once.
    schedule : Schedule or None
        When it starts by itself.
    ignored_settings : tuple of str
        Settings of steps that have no effect here, as sentences.
    distributed : frozenset of str
        The foreach steps that become distributed maps.
    max_workers : int
        Most items of a foreach at a time.
    """

    name: str
    plan: FlowPlan
    package: bytes | None
    request: TaskRequest
    definition: dict[str, Any]
    jobs: "tuple[JobDefinition, ...]"
    schedule: Schedule | None
    ignored_settings: tuple[str, ...] = ()
    distributed: frozenset[str] = frozenset()
    max_workers: int = 100

    @property
    def definition_text(self) -> str:
        """The state machine as it is sent to AWS."""
        return encode_definition(self.definition)


def prepare_deployment(
    plan: FlowPlan,
    package: bytes | None,
    store: str,
    options: StepFunctionsOptions,
    settings: "BatchSettings",
    partition: str = "aws",
) -> PreparedDeployment:
    """Work a deployment out. Pure: no network, no store, no token.

    Parameters
    ----------
    plan : FlowPlan
        The flow.
    package : bytes or None
        Its code; None when the image holds the flow file.
    store : str
        ``s3://`` address of the store.
    options : StepFunctionsOptions
        What the user says; without a namespace the runs are in ``production:<name>``.
    settings : BatchSettings
        What steps get that don't say it themselves.
    partition : str
        ``aws``, ``aws-cn`` or ``aws-us-gov``.

    Raises
    ------
    DeployError
        If Step Functions couldn't run it.
    ConfigError
        If a setting is missing.
    """
    from flow_sdk.deploy.step_functions.definition import MachineOptions, job_definitions, state_machine
    from flow_sdk.runtime.batch.definition import find_ignored_requests
    from flow_sdk.store.blobs.blob import digest_of

    refuse_inline_secrets(plan)
    schedule = check_options(plan, store, options)
    name = options.name or deployed_name(plan)
    namespace = f"production:{name}" if options.namespace is None else options.namespace
    request = TaskRequest(
        store,
        *(plan.flow, "", "", ""),
        plan=digest_of((to_json(plan),)).hex(),
        package=None if package is None else digest_of((package,)).hex(),
        user=KIND,
        tags=options.tags,
        system_tags=(f"runtime:{KIND}", *([namespace] if namespace else ())),
        namespace=namespace,
        orchestrator={"kind": KIND, "state_machine": machine_name(name, options.prefix)},
    )
    machine = MachineOptions(
        store=store,
        request=digest_of((request.to_json(),)).hex(),
        settings=settings,
        max_workers=options.max_workers,
        use_distributed_map=options.use_distributed_map,
        item_counts=options.item_counts,
        workflow_timeout=options.workflow_timeout,
        batch_tags=options.batch_tags,
        partition=partition,
    )
    definition, jobs = state_machine(plan, machine), tuple(job_definitions(plan, machine))
    ignored = tuple(find_ignored_requests(plan.steps, settings))
    return PreparedDeployment(
        *(name, plan, package, request, definition, jobs, schedule, ignored),
        distributed=machine.distributed_steps(plan),
        max_workers=options.max_workers,
    )


def check_options(plan: FlowPlan, store: str, options: StepFunctionsOptions) -> Schedule | None:
    """Refuse options and plans that AWS can't run; return the schedule. Pure.

    Raises
    ------
    DeployError
        For the first thing.
    """
    if StoreAddress.parse(store).kind.name != "s3":
        raise DeployError(
            "Step Functions needs a store in S3: its tasks run on machines of AWS.",
            seen=store,
            wanted="s3://bucket/prefix",
            help="Give --datastore-root s3://..., or --datastore s3 with the setting DATASTORE_SYSROOT_S3.",
        )
    check_topic(options.alert_topic)
    seconds = options.workflow_timeout
    if seconds is not None and not 1 <= seconds <= LONGEST_TIMEOUT:
        raise DeployError(
            "--workflow-timeout is out of range.", seen=f"{seconds:,} seconds", wanted=f"1 to {LONGEST_TIMEOUT:,}"
        )
    schedule = wanted_schedule(plan)
    refuse_required_parameters(plan)
    return schedule


def foreach_lines(prepared: PreparedDeployment) -> list[str]:
    """Return for each foreach how its items run, and what one costs; empty for a flow without a foreach."""
    lines = []
    for step in prepared.plan.steps:
        if step.kind == "foreach":
            count = transitions_of_item(prepared.plan, step.name, prepared.distributed)
            cost = f"{count} state transition{'s' if count > 1 else ''}"
            if step.name in prepared.distributed:
                how = f"distributed map, {prepared.max_workers:,} items at a time; an item is an execution with {cost}"
            else:
                how = f"inline map, {min(prepared.max_workers, INLINE_WORKERS)} items at a time; an item has {cost}"
            lines.append(f"{step.name}: {how}")
    return lines
