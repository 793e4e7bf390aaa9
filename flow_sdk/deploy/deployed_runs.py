"""Runs of deployed flows, as their orchestrators see them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from flow_sdk.deploy.request import TargetRequest

if TYPE_CHECKING:
    from flow_sdk.deploy.claims import TokenRegistry

__all__ = ["FAILURES", "DeployedRun", "DeployedRuns", "DeploymentStatus", "RunDetails", "RunT", "time_text"]

FAILURES = frozenset({"FAILED", "TIMED_OUT", "ABORTED"})
"""The statuses of runs that have ended without success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedRun:
    """A run as its orchestrator sees it.

    Parameters
    ----------
    name : str
        What the orchestrator calls it.
    run : str
        The run's id in the store.
    status : str
        One of those that the target declares; another word where the orchestrator has a state of its own.
    started, stopped : datetime or None
        When it started, and when it ended; with a time zone.
    is_running : bool
        Whether it is running, or waits to begin.
    column : str or int or None
        What the last column of ``list-runs`` shows.
    response : dict
        All that the orchestrator answered of it.
    """

    name: str
    run: str
    status: str
    started: datetime | None = None
    stopped: datetime | None = None
    is_running: bool = False
    column: str | int | None = None
    response: dict[str, Any] = field(default_factory=dict)


RunT = TypeVar("RunT", bound=DeployedRun)
"""A target's own class of runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetails:
    """What a target shows of one run besides id, status and times.

    Parameters
    ----------
    rows : tuple of (str, str)
        Names and values for people.
    log_lines : tuple of str
        The end of the failed job's log, as it was printed.
    details : dict of str to JSON value
        What ``status RUN --output json`` has in addition; the target documents its keys.
    """

    rows: tuple[tuple[str, str], ...] = ()
    log_lines: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentStatus:
    """What a target shows of a deployed flow.

    Parameters
    ----------
    rows : tuple of (str, str)
        Names and values for people.
    details : dict of str to JSON value
        What ``status --output json`` has in addition; the target documents its keys.
    """

    rows: tuple[tuple[str, str], ...]
    details: Mapping[str, Any] = field(default_factory=dict)


class DeployedRuns(ABC, Generic[RunT]):
    """The runs of one deployed flow, and the flow itself, in its orchestrator.

    Attributes
    ----------
    name : str
        The deployed name.
    token_registry : TokenRegistry or None
        Where the orchestrator keeps the claim on the name.
    """

    name: str
    token_registry: "TokenRegistry | None" = None

    @abstractmethod
    def check_deployed(self, request: TargetRequest) -> None:
        """Check that the flow is deployed.

        Raises
        ------
        DeployError
            If it isn't.
        """

    def check_startable(self, request: TargetRequest) -> None:
        """Check that a run can be started, where :meth:`start` itself wouldn't say it clearly."""
        self.check_deployed(request)

    @abstractmethod
    def start_run(self, parameters: dict[str, Any], run_id: str | None = None) -> RunT:
        """Start a run.

        Parameters
        ----------
        parameters : dict
            Values by parameter name, as data.
        run_id : str, optional
            The orchestrator's id of the run; one is made when left out.

        Raises
        ------
        DeployError
            If the orchestrator refuses, or has a run of that id.
        """

    @abstractmethod
    def list_runs(self, statuses: Iterable[str] = ()) -> Iterator[RunT]:
        """Return runs, newest first: those of the statuses, all when there are none."""

    @abstractmethod
    def find_run(self, run: str) -> RunT:
        """Return a run by what :meth:`DeployTarget.parse_run` makes of an id.

        Raises
        ------
        DeployError
            If there is no such run.
        """

    @abstractmethod
    def stop_run(self, run: RunT) -> None:
        """Stop a run; its orchestrator ends its tasks.

        Raises
        ------
        DeployError
            If it isn't running, or the orchestrator refuses.
        """

    @abstractmethod
    def start_message(self, request: TargetRequest, run: RunT) -> Sequence[str]:
        """Return the message about a run that was started, in paragraphs."""

    @abstractmethod
    def stop_message(self, run: RunT) -> str:
        """Return the message about a run that was stopped."""

    @abstractmethod
    def describe_deployment(self, request: TargetRequest) -> DeploymentStatus:
        """Return what there is to know of the deployed flow."""

    @abstractmethod
    def describe_run(self, request: TargetRequest, run: RunT) -> RunDetails:
        """Return what there is to know of a run."""

    def failure_cause(self, run: RunT) -> str | None:
        """Return why a run failed before its first task began; None where that isn't known."""
        return None


def time_text(moment: datetime | None) -> str:
    """Return a time for people, in UTC; empty for none."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
