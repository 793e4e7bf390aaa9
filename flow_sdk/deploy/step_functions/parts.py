"""What a deployment consists of in AWS."""

from dataclasses import dataclass

from flow_sdk.deploy.step_functions.alerts import AlertRule
from flow_sdk.deploy.step_functions.machine import StateMachine
from flow_sdk.deploy.step_functions.roles import DeploymentRoles
from flow_sdk.deploy.step_functions.schedule import FlowSchedule

__all__ = ["DeploymentParts"]


@dataclass(frozen=True, slots=True)
class DeploymentParts:
    """What a deployment consists of in AWS, checked against what AWS has."""

    roles: DeploymentRoles
    machine: StateMachine
    scheduler: FlowSchedule
    alerts: AlertRule
