"""``step-functions delete``: what starts runs, the runs, the state machine and its claim. Artifacts stay."""

from collections.abc import Iterable

from flow_sdk.deploy.port import Removal, RemovedPart
from flow_sdk.deploy.step_functions.account import AwsServices
from flow_sdk.deploy.step_functions.alerts import AlertRule
from flow_sdk.deploy.step_functions.execution import Execution
from flow_sdk.deploy.step_functions.executions import Executions
from flow_sdk.deploy.step_functions.machine import StateMachine
from flow_sdk.deploy.step_functions.parameter_store import ParameterStore
from flow_sdk.deploy.step_functions.schedule import FlowSchedule

__all__ = ["StateMachineRemoval"]


class StateMachineRemoval(Removal[Execution]):
    """The removal of a state machine, its schedule, alerts and claim.

    Parameters
    ----------
    machine : StateMachine
        The state machine, known to be ours.
    services : AwsServices
        The AWS account.
    store : str
        URL of the store, for what remains.
    """

    location = "Step Functions"
    claim_title = "the claim on its name in the SSM Parameter Store"

    def __init__(self, machine: StateMachine, services: AwsServices, store: str = "") -> None:
        self.name, self.result = machine.deployed_name, machine.name
        self.token_registry = ParameterStore(services)
        self._machine, self._services, self._store = machine, services, store
        self._is_there = False

    def stop_starts(self) -> list[RemovedPart]:
        """Remove schedule and alias."""
        machine, services = self._machine, self._services
        schedule = FlowSchedule(machine.deployed_name, machine.alias_arn, services.scheduler, services.account.prefix)
        had_schedule = schedule.find_schedule() is not None and schedule.remove_schedule()
        self._is_there = machine.find_existing() is not None
        if self._is_there:
            machine.delete_alias()
        return [RemovedPart("the schedule", had_schedule)]

    def running_runs(self) -> Iterable[Execution]:
        """Return the executions that are running."""
        return Executions(self._machine).list_runs(("RUNNING",)) if self._is_there else ()

    def stop_run(self, run: Execution) -> None:
        """Stop an execution."""
        Executions(self._machine).stop_run(run)

    def remove_definition(self) -> list[RemovedPart]:
        """Remove the state machine with its versions, then the rule for alerts."""
        if self._is_there:
            self._machine.delete_machine()
        # The rule last: it reports the runs that were just stopped, too.
        alerts = AlertRule(self.name, self._machine.account, self._services.events)
        had_alerts = alerts.needed_change(None) == "remove" and alerts.remove_rule()
        return [
            RemovedPart("the rule for alerts", had_alerts),
            RemovedPart("the state machine with its versions", self._is_there),
        ]

    def describe_remaining(self, token: str) -> str:
        """Return what ``delete`` leaves."""
        return (
            f"What remains: all runs and artifacts in {self._store}, {token} there,\n"
            "and the job definitions in AWS Batch, which cost nothing."
        )
