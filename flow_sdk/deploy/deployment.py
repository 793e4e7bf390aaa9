"""Deployments: what the user chose, what is deployed, and the part of ``create`` that each target does itself."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flow_sdk.plan.model import FlowPlan
from flow_sdk.store.port import ObjectStore

if TYPE_CHECKING:
    from flow_sdk.deploy.claims import TokenRegistry
    from flow_sdk.deploy.tokens import DeployAuthorizer, Grant

__all__ = ["CreatedDeployment", "DeploymentDraft", "DeploymentOptions", "DeploymentPreview", "DeploymentSource"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentOptions:
    """What the user chose for a deployment to any target.

    Parameters
    ----------
    name : str or None
        The deployed name; that of the flow, or of project and branch, when None.
    namespace : str or None
        The namespace of the runs; that of the token when None. With "" their steps read results of every namespace.
    tags : tuple of str
        Tags of every run.
    """

    name: str | None = None
    namespace: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeploymentSource:
    """What is deployed, and from where.

    Parameters
    ----------
    plan : FlowPlan
        The flow.
    package : bytes or None
        Its code package; None where the flow file is there already when a task starts.
    store : str
        URL of the store.
    """

    plan: FlowPlan
    package: bytes | None
    store: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedDeployment:
    """A deployment that was made.

    Parameters
    ----------
    name : str
        The deployed name.
    result : str
        What ``create`` prints: the file, ARN or address by which the orchestrator knows it.
    namespace : str
        The namespace of its runs.
    is_changed : bool
        Whether it differs from what was deployed before.
    summary, hints : tuple of str
        What the user should know: what was done, and what follows.
    details : dict of str to JSON value
        What ``create --output json`` has in addition; the target documents its keys.
    """

    name: str
    result: str
    namespace: str
    is_changed: bool
    summary: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentPreview:
    """What ``create`` would do.

    Parameters
    ----------
    name, location : str
        The deployed name, and the orchestrator for people.
    rows : tuple of (str, str)
        Each part of the deployment, and what would become of it.
    limits : tuple of (str, int, int)
        What is limited, what would be used, and what is allowed.
    hints : tuple of str
        What the user should know in addition.
    difference : tuple of str
        How the definition differs from what is deployed, as lines of a diff.
    """

    name: str
    location: str
    rows: tuple[tuple[str, str], ...]
    limits: tuple[tuple[str, int, int], ...] = ()
    hints: tuple[str, ...] = ()
    difference: tuple[str, ...] = ()


class DeploymentDraft(ABC):
    """A deployment that isn't made yet. The pipeline calls its methods in the order in which they stand here.

    Attributes
    ----------
    target : str
        The target's name, for the record of the release.
    name : str
        The deployed name.
    options : DeploymentOptions
        What the user chose; the pipeline puts in namespace and tags once the token is known.
    token_registry : TokenRegistry or None
        Where the orchestrator keeps the claim on the name; None where it keeps none.
    grant : Grant or None
        The production token and its claim, once they are known; None without a token.
    excluded_files : tuple of str
        Files that are no part of the flow's code, though they may be in its folder.
    location_argument : str or None
        The positional argument with which another machine deploys to the same location.
    """

    target: str
    name: str
    options: DeploymentOptions
    token_registry: "TokenRegistry | None" = None
    grant: "Grant | None" = None
    excluded_files: tuple[str, ...] = ()
    location_argument: str | None = None

    @abstractmethod
    def check_source(self, source: DeploymentSource) -> None:
        """Check whatever can be checked without writing; the orchestrator may be asked.

        Raises
        ------
        DeployError, UsageError
            If the orchestrator couldn't run the flow, or the user asks for something that can't be done.
        """

    def check_origin(
        self, source: DeploymentSource, store: ObjectStore | None, gate: "DeployAuthorizer | None"
    ) -> None:
        """Check that what would be replaced is of this deployment; the token is known to be right.

        Raises
        ------
        DeployError
            If it is another deployment's.
        """
        return None

    @abstractmethod
    def collect_blobs(self, source: DeploymentSource) -> Mapping[str, bytes | None]:
        """Return what the deployment needs of the store, by what each is; ``options`` are final now.

        ``plan`` must be among them: ``from_deployment`` reads it. None stands for what there isn't.
        """

    def register_resources(self) -> None:
        """Register what the definition refers to, such as job definitions. Nothing runs because of it."""
        return None

    @abstractmethod
    def publish_definition(self, source: DeploymentSource, stored: Mapping[str, str | None]) -> None:
        """Write the definition; from then on runs start with it. ``stored`` has the hashes of the blobs."""

    @abstractmethod
    def complete_deployment(self) -> CreatedDeployment:
        """Set the schedule, alerts and the like, and return what was made."""

    def wait_until_visible(self) -> None:
        """Wait until the orchestrator shows the deployment, where the user asks for that.

        Raises
        ------
        DeployError
            If the orchestrator can't read it, or doesn't show it in time.
        """
        return None

    def render_definition(self, source: DeploymentSource) -> str:
        """Return the definition as text, without a request to any service. For targets with ``render_help``."""
        raise NotImplementedError(f"{self.target} declares no render_help")

    def preview_changes(self, source: DeploymentSource, store: ObjectStore | None, grant: "Grant") -> DeploymentPreview:
        """Compare with what is deployed; ``options`` are final. For targets with ``preview_help``."""
        raise NotImplementedError(f"{self.target} declares no preview_help")
