"""The metadata port: runs, their outcome and their tags."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from flow_sdk.plan.model import FlowPlan
from flow_sdk.store.records.model import Manifest, RunRecord

__all__ = ["CANCELLED", "FAILED", "RUNNING", "SUCCEEDED", "MetadataProvider", "RunOutcome"]

RUNNING = "running"
SUCCEEDED = "succeeded"
FAILED = "failed"
CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """The state of a run, and how it came to it.

    Parameters
    ----------
    state : {"running", "succeeded", "failed", "cancelled"}
        ``succeeded`` if and only if the end step's own code finished without an exception.
    reason : str or None
        Why it failed or was cancelled.
    time : float or None
        When it reached the state, in seconds since the epoch; None if it is running or the time isn't recorded.
    end : Manifest or None
        The committed end task.
    """

    state: str
    reason: str | None = None
    time: float | None = None
    end: Manifest | None = None


class MetadataProvider(Protocol):
    """Runs, their outcomes and tags. All implementations pass the suite in ``tests/conformance``."""

    def flows(self) -> list[str]:
        """Return the names of all flows that have runs, sorted."""
        ...

    def allocate(self, flow: str, make: Callable[[str], RunRecord]) -> RunRecord:
        """Start a run under the flow's next free integer id.

        ``make`` is called with an id and returns the run's record; it is called again with a higher id if another
        process takes the first. Ids are unique for any number of racing processes.
        """
        ...

    def create(self, record: RunRecord) -> RunRecord:
        """Start a run under the id in its record.

        Idempotent: if the run exists already, its record is returned unchanged, and what an earlier, killed caller
        didn't finish is completed.
        """
        ...

    def read(self, flow: str, run: str) -> RunRecord:
        """Return a run's record. Raises NotFound."""
        ...

    def read_plan(self, record: RunRecord) -> FlowPlan:
        """Return the plan that a run is pinned to."""
        ...

    def finish(self, flow: str, run: str, state: str, reason: str | None = None) -> None:
        """Record how a run ended; ``state`` is ``succeeded``, ``failed`` or ``cancelled``."""
        ...

    def record_abandonment(self, flow: str, run: str, by: str, reason: str, when: float | None = None) -> bool:
        """Record that an orchestrator abandoned a run before its last step; return whether that is new.

        The first record counts until :meth:`clear_end`. Nothing is recorded of a run that isn't in the store, or whose
        last step is committed.
        """
        ...

    def clear_end(self, flow: str, run: str) -> None:
        """Delete what :meth:`record_abandonment` recorded: the orchestrator continues the run."""
        ...

    def outcome(self, flow: str, run: str, plan: FlowPlan) -> RunOutcome:
        """Return a run's outcome, in a number of requests that doesn't grow with the run."""
        ...

    def state(self, flow: str, run: str, plan: FlowPlan) -> str:
        """Return a run's state."""
        ...

    def newest(self, flow: str, tag: str | None = None, limit: int | None = None) -> Iterator[str]:
        """List run ids with a tag (None: all), newest first by start time."""
        ...

    def newest_with(self, flow: str, tags: Sequence[str], limit: int | None = None) -> Iterator[str]:
        """List ids of runs that carry all of the tags, newest first by start time."""
        ...

    def expect_success(self, record: RunRecord) -> None:
        """Record that a run's last step is about to be committed as a success, so that it is found as such.

        Called before the commit, which alone shows whether the run succeeded.
        """
        ...

    def expect_caught(self, record: RunRecord) -> None:
        """Record that a run's last step is about to be committed with an exception that ``@catch`` took."""
        ...

    def record_failure(self, record: RunRecord, step: str, task: str, attempt: int, reason: str) -> None:
        """Record that a task of a run failed for good."""
        ...

    def latest_successful(self, flow: str, tag: str | None = None) -> str | None:
        """Return the newest run with a tag (None: of all) whose last step is committed as a success.

        The number of requests doesn't grow with the number of runs, whatever the state of newer ones.
        """
        ...

    def user_tags(self, flow: str, run: str) -> list[str]:
        """Return a run's user tags, sorted."""
        ...

    def add_tags(self, flow: str, run: str, tags: Iterable[str]) -> None:
        """Add user tags; those that the run has already, as user or system tags, are ignored.

        Raises UsageError for a bad tag or too many, having changed nothing.
        """
        ...

    def remove_tags(self, flow: str, run: str, tags: Iterable[str]) -> None:
        """Remove user tags; missing ones are ignored.

        Raises UsageError for a system tag, having changed nothing.
        """
        ...

    def replace_tags(self, flow: str, run: str, remove: Iterable[str], add: Iterable[str]) -> None:
        """Remove and add user tags; a tag in both stays."""
        ...
