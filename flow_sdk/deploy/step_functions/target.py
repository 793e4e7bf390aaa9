"""The Step Functions target: state machine, executions and removal for the commands and the pipeline."""

from collections.abc import Callable
from typing import Any

from flow_sdk.config import read_setting
from flow_sdk.deploy.claims import TokenRegistry
from flow_sdk.deploy.doctor import Check, failed_check
from flow_sdk.deploy.port import CommandOutcome, DeployTarget, TargetRequest
from flow_sdk.deploy.run_states import RunStateSync
from flow_sdk.deploy.step_functions.account import AwsServices, name_prefix
from flow_sdk.deploy.step_functions.create import StateMachineDraft
from flow_sdk.deploy.step_functions.delete import StateMachineRemoval
from flow_sdk.deploy.step_functions.doctor import aws_checks
from flow_sdk.deploy.step_functions.executions import Executions, execution_name, input_text
from flow_sdk.deploy.step_functions.machine import StateMachine
from flow_sdk.deploy.step_functions.parameter_store import ParameterStore
from flow_sdk.deploy.step_functions.prepare import StepFunctionsOptions
from flow_sdk.deploy.step_functions.rollback import choose_version
from flow_sdk.deploy.step_functions.run_ids import STEP_FUNCTIONS_RUN_IDS
from flow_sdk.errors import FlowSDKError, UsageError
from flow_sdk.plan.model import FlowPlan

__all__ = ["StepFunctionsTarget"]


class StepFunctionsTarget(DeployTarget):
    """AWS Step Functions, with AWS Batch for the tasks."""

    run_ids = STEP_FUNCTIONS_RUN_IDS

    def begin_deployment(self, request: TargetRequest, plan: FlowPlan) -> StateMachineDraft:
        """Read options and settings."""
        from flow_sdk.runtime.batch.definition import BatchSettings

        options = _read_options(request)
        return StateMachineDraft(plan, options, BatchSettings.from_config(), AwsServices(), request)

    def open_runs(self, request: TargetRequest) -> Executions:
        """Connect to AWS."""
        services = AwsServices()
        return Executions(_make_machine(request, services), ParameterStore(services))

    def begin_removal(self, request: TargetRequest) -> StateMachineRemoval:
        """Check that the state machine, where there is one, is ours."""
        services = AwsServices()
        machine = _make_machine(request, services)
        machine.find_existing()
        return StateMachineRemoval(machine, services, request.store)

    def parse_run(self, request: TargetRequest, run: str) -> str:
        """Return the execution's name."""
        return execution_name(run, request.flow)

    def check_parameters(self, parameters: dict[str, Any]) -> None:
        """Refuse parameters that are too large for an execution."""
        input_text(parameters)

    def run_command(
        self, request: TargetRequest, verb: str, check_holder: Callable[[TokenRegistry | None], None]
    ) -> CommandOutcome:
        """Resume a run, or move the deployed flow back to an earlier version."""
        return _resume_run(self, request) if verb == "resume" else _roll_back(self, request, check_holder)

    def health_checks(self, seconds: float) -> list[Check]:
        """Check what Batch and Step Functions need."""
        try:
            return aws_checks(seconds)
        except FlowSDKError as error:
            return [failed_check("AWS", error)]


def _make_machine(request: TargetRequest, services: AwsServices) -> StateMachine:
    """Return the state machine of the flow, whether it is there or not."""
    return StateMachine(request.name, services.account, services.states)


def _resume_run(target: StepFunctionsTarget, request: TargetRequest) -> CommandOutcome:
    name = target.parse_run(request, request.arguments[0])
    runs = target.open_runs(request)
    runs.check_deployed(request)
    run = runs.find_run(name)
    runs.redrive_run(run)
    RunStateSync(request).clear_end(run)
    message = (
        f"The run {run.run} continues where it stopped, with the code it began with. "
        "What is committed isn't run again.\n"
        f"To watch it: {request.program} step-functions status {run.run}{request.naming}"
    )
    return CommandOutcome(run.run, (message,))


def _roll_back(
    target: StepFunctionsTarget, request: TargetRequest, check_holder: Callable[[TokenRegistry | None], None]
) -> CommandOutcome:
    wanted = request.arguments[0] if request.arguments else None
    runs = target.open_runs(request)
    runs.check_deployed(request)
    check_holder(runs.token_registry)
    machine = runs.machine
    before, version = machine.find_live(), choose_version(machine, wanted)
    if not machine.point_alias(version):
        return CommandOutcome(str(version), (f"{machine.deployed_name} is at version {version} already.",))
    message = (
        f"{machine.deployed_name} is moved from version {before} to {version}. New runs start with it; those that "
        "are running continue as they began.\nThe schedule stays as it is. The next create moves on to a new version."
    )
    return CommandOutcome(str(version), (message,))


def _read_options(request: TargetRequest) -> StepFunctionsOptions:
    from flow_sdk.graph.item_counts import item_counts
    from flow_sdk.metadata.tags import check_tags

    return StepFunctionsOptions(
        name=request.name,
        namespace=request["namespace"],
        tags=tuple(check_tags(request["tag"])),
        batch_tags=_batch_tags(request["aws-batch-tag"]),
        max_workers=request["max-workers"],
        workflow_timeout=request["workflow-timeout"],
        use_distributed_map=request["use-distributed-map"],
        item_counts=item_counts(request.flow_class),
        log_history=request["log-execution-history"],
        role=read_setting("SFN_IAM_ROLE").value,
        scheduler_role=read_setting("EVENTS_SFN_ACCESS_IAM_ROLE").value,
        log_group=read_setting("SFN_EXECUTION_LOG_GROUP_ARN").value,
        prefix=name_prefix(),
        alert_topic=request["alert-topic"],
    )


def _batch_tags(given: tuple[str, ...]) -> dict[str, str]:
    from flow_sdk.authoring.decorators.batch import check_resource_tags

    tags: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or tags.get(key, value) != value:
            seen = text if not equals else f"{key}={tags[key]} and {text}"
            raise UsageError("--aws-batch-tag takes a key and a value, each key once.", seen=seen, wanted="KEY=VALUE")
        tags[key] = value
    try:
        return check_resource_tags(tags)
    except UsageError as error:
        headline = f"--aws-batch-tag can't be used: {error.headline}"
        raise UsageError(headline, seen=error.seen, wanted=error.wanted, help=error.help) from None
