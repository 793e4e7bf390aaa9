"""The deploy-target port: what an orchestrator has to offer, and what the commands and the pipeline hand to it.

A target is a :class:`DeployTarget`. It makes three kinds of objects, each for one command:

- a :class:`DeploymentDraft` for ``create``, which :mod:`flow_sdk.deploy.pipeline` checks, claims, uploads, publishes;
- :class:`DeployedRuns` for ``trigger``, ``list-runs``, ``status`` and ``terminate``;
- a :class:`Removal` for ``delete``, whose steps the pipeline calls in order.

What differs between targets is declared in a :class:`~flow_sdk.deploy.declaration.TargetDeclaration`; nothing tests a
target's type. The conformance suite is :mod:`flow_sdk.testing.deploy_targets`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flow_sdk.deploy.declaration import RunStatus, TargetCommand, TargetDeclaration
from flow_sdk.deploy.deployed_runs import FAILURES, DeployedRun, DeployedRuns, DeploymentStatus, RunDetails, RunT
from flow_sdk.deploy.deployment import (
    CreatedDeployment,
    DeploymentDraft,
    DeploymentOptions,
    DeploymentPreview,
    DeploymentSource,
)
from flow_sdk.deploy.removal import Removal, RemovedPart
from flow_sdk.deploy.request import TargetRequest
from flow_sdk.deploy.run_ids import RunIdRule
from flow_sdk.plan.model import FlowPlan

if TYPE_CHECKING:
    from flow_sdk.deploy.claims import TokenRegistry
    from flow_sdk.deploy.doctor import Check

__all__ = [
    "FAILURES",
    "CommandOutcome",
    "CreatedDeployment",
    "DeployTarget",
    "DeployedRun",
    "DeployedRuns",
    "DeploymentDraft",
    "DeploymentOptions",
    "DeploymentPreview",
    "DeploymentSource",
    "DeploymentStatus",
    "Removal",
    "RemovedPart",
    "RunDetails",
    "RunIdRule",
    "RunStatus",
    "RunT",
    "TargetCommand",
    "TargetDeclaration",
    "TargetRequest",
]


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """What a command of one target has done.

    Parameters
    ----------
    result : str
        What is printed.
    messages : tuple of str
        What the user should know.
    """

    result: str
    messages: tuple[str, ...] = ()


class DeployTarget(ABC):
    """An orchestrator that flows are deployed to.

    Parameters
    ----------
    declaration : TargetDeclaration
        Its names, commands and options.
    """

    run_ids: RunIdRule
    """Which ids its runs can have, and how they begin in the store."""

    def __init__(self, declaration: TargetDeclaration) -> None:
        self.declaration = declaration

    def check_request(self, request: TargetRequest) -> None:
        """Refuse a ``create`` or ``delete`` that lacks something, before the flow is compiled.

        Raises
        ------
        UsageError
            If it does.
        """
        return None

    @abstractmethod
    def begin_deployment(self, request: TargetRequest, plan: FlowPlan) -> DeploymentDraft:
        """Begin a deployment: read its options, and reach the orchestrator where that is needed at once.

        Raises
        ------
        UsageError, DeployError
            If an option or setting can't be used.
        """

    @abstractmethod
    def open_runs(self, request: TargetRequest) -> DeployedRuns[Any]:
        """Reach the runs of a deployed flow, whether it is deployed or not."""

    @abstractmethod
    def begin_removal(self, request: TargetRequest) -> Removal[Any]:
        """Begin to delete a deployed flow: check what needs no token.

        Raises
        ------
        DeployError
            If what is there isn't this deployment.
        """

    def run_prefix(self, request: TargetRequest) -> str:
        """Return what the ids of the deployed flow's runs begin with in the store."""
        return self.run_ids.prefix

    def run_name(self, deployed: str, flow: str, run: str) -> str:
        """Return what the orchestrator calls a run, from its id in the store.

        Parameters
        ----------
        deployed, flow : str
            The deployed name and the flow's.
        run : str
            The run's id in the store.
        """
        return run

    def parse_run(self, request: TargetRequest, run: str) -> str:
        """Return what :meth:`DeployedRuns.find` takes, from the id that a user gives.

        Raises
        ------
        UsageError
            If it can't be the id of a run.
        """
        return run

    def check_parameters(self, parameters: dict[str, Any]) -> None:
        """Refuse parameters that the orchestrator couldn't take, before it is asked.

        Raises
        ------
        ParameterError
            If it couldn't.
        """
        return None

    def run_command(
        self, request: TargetRequest, verb: str, check_holder: Callable[["TokenRegistry | None"], None]
    ) -> CommandOutcome:
        """Run a command that only this target has.

        Parameters
        ----------
        request : TargetRequest
            The command.
        verb : str
            Its name after the target's.
        check_holder : callable
            Checks that the user holds the production token; takes where the orchestrator keeps the claim.
        """
        raise NotImplementedError(f"{self.declaration.name} declares {verb} and doesn't implement it")

    def health_checks(self, seconds: float) -> "list[Check]":
        """Check whether the orchestrator of the settings is there and can be used; never changes anything.

        Parameters
        ----------
        seconds : float
            How long it may take (> 0).
        """
        return []
