"""The removal of a deployment: the part of ``delete`` that each target does itself."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

from flow_sdk.deploy.deployed_runs import RunT
from flow_sdk.store.port import ObjectStore

if TYPE_CHECKING:
    from flow_sdk.deploy.claims import TokenRegistry
    from flow_sdk.deploy.tokens import DeployAuthorizer

__all__ = ["Removal", "RemovedPart"]


@dataclass(frozen=True, slots=True)
class RemovedPart:
    """A part of a deployment that ``delete`` removes.

    Parameters
    ----------
    name : str
        What it is, for people: ``the schedule``.
    is_removed : bool
        Whether it was there and is gone.
    """

    name: str
    is_removed: bool


class Removal(ABC, Generic[RunT]):
    """The removal of a deployment. The pipeline calls its methods in the order in which they stand here.

    Attributes
    ----------
    name : str
        The deployed name.
    location : str
        Where it is deployed, as in ``isn't deployed to ...``.
    result : str
        What ``delete`` prints.
    token_registry : TokenRegistry or None
        Where the orchestrator keeps the claim on the name.
    claim_title : str
        What that claim is called: ``the claim on its name in ...``.
    """

    name: str
    location: str
    result: str
    token_registry: "TokenRegistry | None" = None
    claim_title: str = "the claim on its name"

    def check_holder(self, store: ObjectStore | None, gate: "DeployAuthorizer") -> None:
        """Check that the user holds the production token of what is deleted.

        Raises
        ------
        DeployError
            If the user doesn't.
        """
        gate.check_holder(store)

    @abstractmethod
    def stop_starts(self) -> list[RemovedPart]:
        """Remove what starts runs by itself, so that none starts while runs are being stopped."""

    @abstractmethod
    def running_runs(self) -> Iterable[RunT]:
        """Return the runs that haven't ended."""

    @abstractmethod
    def stop_run(self, run: RunT) -> None:
        """Stop one of them."""

    @abstractmethod
    def remove_definition(self) -> list[RemovedPart]:
        """Remove the definition and all that belongs to it, but the claim on the name."""

    @abstractmethod
    def describe_remaining(self, token: str) -> str:
        """Return what stays, for people; ``token`` names the production token."""
