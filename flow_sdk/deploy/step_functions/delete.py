"""``step-functions delete``: runs stopped, then schedule, state machine and claim removed. Artifacts stay."""

from collections.abc import Callable
from dataclasses import dataclass

from flow_sdk.deploy.step_functions.alerts import AlertRule
from flow_sdk.deploy.step_functions.executions import Execution, Executions
from flow_sdk.deploy.step_functions.machine import StateMachine
from flow_sdk.deploy.step_functions.parameter_store import ParameterStore
from flow_sdk.deploy.step_functions.place import Services
from flow_sdk.deploy.step_functions.schedule import Scheduler

__all__ = ["Deleted", "delete_deployment"]


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was there and is gone.

    Parameters
    ----------
    machine, schedule, claim : bool
        State machine, schedule, and the claim in the SSM Parameter Store.
    stopped : int
        How many runs were stopped.
    alerts : bool
        The rule for alerts.
    """

    machine: bool
    schedule: bool
    claim: bool
    stopped: int
    alerts: bool

    def named(self) -> list[tuple[bool, str]]:
        """Each thing's name for people, and whether it is gone now."""
        return [
            (self.schedule, "the schedule"),
            (self.alerts, "the rule for alerts"),
            (self.machine, "the state machine with its versions"),
            (self.claim, "the claim on its name in the SSM Parameter Store"),
        ]


def delete_deployment(machine: StateMachine, services: Services, on_stop: Callable[[Execution], None]) -> Deleted:
    """Delete what ``create`` has made in AWS. Killed at any moment, it can be called again.

    Parameters
    ----------
    machine : StateMachine
        The state machine, known to be ours.
    services : Services
        The AWS account.
    on_stop : callable
        Told of each run that is about to be stopped.

    Raises
    ------
    AwsError
        If AWS refuses.
    """
    # Schedule and alias first, so that nothing starts while runs are being stopped.
    schedule = Scheduler(machine.deployed_name, machine.alias_arn, services.scheduler, services.place.prefix)
    had_schedule = schedule.find() is not None and schedule.remove()
    there, stopped = machine.existing() is not None, 0
    if there:
        machine.delete_alias()
        runs = Executions(machine)
        for run in list(runs.list(("RUNNING",))):
            on_stop(run)
            runs.stop(run)
            stopped += 1
        machine.delete()
    # Last of what tells of runs: those that were stopped just now are told of, too.
    alerts = AlertRule(machine.deployed_name, machine.place, services.events)
    had_alerts = alerts.change(None) == "remove" and alerts.remove()
    had_claim = ParameterStore(services).remove(machine.deployed_name)
    return Deleted(there, had_schedule, had_claim, stopped, had_alerts)
