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
    """How a run stands.

    Parameters
    ----------
    state : {"running", "succeeded", "failed", "cancelled"}
        ``succeeded`` if and only if the end step's own code finished without an exception.
    reason : str or None
        Why it failed or was cancelled, for people.
    time : float or None
        When that became so, in seconds since the epoch; None for a running one, or when nobody noted it.
    end : Manifest or None
        The committed end task.
    """

    state: str
    reason: str | None = None
    time: float | None = None
    end: Manifest | None = None


class MetadataProvider(Protocol):
    """Knows runs. All implementations give the same results and errors; ``tests/conformance`` holds them to it."""

    def flows(self) -> list[str]:
        """Names of all flows that have runs, sorted."""
        ...

    def allocate(self, flow: str, make: Callable[[str], RunRecord]) -> RunRecord:
        """Start a run under the flow's next free integer id.

        ``make`` is called with an id and returns the run's record; it may be called again with a higher id when
        somebody else takes the first. Ids are unique for any number of racing starters.
        """
        ...

    def create(self, record: RunRecord) -> RunRecord:
        """Start a run under the id in its record.

        Idempotent: if the run exists already, its record is returned unchanged, and whatever an earlier,
        killed caller didn't get to is made good.
        """
        ...

    def read(self, flow: str, run: str) -> RunRecord:
        """Return what a run started with. Raises NotFound."""
        ...

    def read_plan(self, record: RunRecord) -> FlowPlan:
        """Return the plan that a run is pinned to."""
        ...

    def finish(self, flow: str, run: str, state: str, reason: str | None = None) -> None:
        """Note how a run ended; ``state`` is ``succeeded``, ``failed`` or ``cancelled``."""
        ...

    def record_abandonment(self, flow: str, run: str, by: str, reason: str, when: float | None = None) -> bool:
        """Note that an orchestrator has ended a run that hasn't got to its end; tell whether that was news.

        The first word counts until :meth:`clear_end`. Nothing is noted of a run that isn't in the store, or whose
        last step is done.
        """
        ...

    def clear_end(self, flow: str, run: str) -> None:
        """Take back what :meth:`record_abandonment` noted: the orchestrator goes on with the run."""
        ...

    def outcome(self, flow: str, run: str, plan: FlowPlan) -> RunOutcome:
        """Tell how a run stands, in a number of requests that doesn't grow with the run."""
        ...

    def state(self, flow: str, run: str, plan: FlowPlan) -> str:
        """Return the state alone."""
        ...

    def newest(self, flow: str, tag: str | None = None, limit: int | None = None) -> Iterator[str]:
        """List run ids with a tag (None: all), newest first by start time."""
        ...

    def newest_with(self, flow: str, tags: Sequence[str], limit: int | None = None) -> Iterator[str]:
        """List ids of runs that carry all of the tags, newest first by start time."""
        ...

    def expect_success(self, record: RunRecord) -> None:
        """Note that a run's last step is about to be committed as a success: it may then be the latest successful one.

        Called before the commit. Whether it came to that is seen by the commit alone.
        """
        ...

    def expect_caught(self, record: RunRecord) -> None:
        """Note that a run's last step is about to be committed, its exception taken by ``@catch``."""
        ...

    def record_failure(self, record: RunRecord, step: str, task: str, attempt: int, reason: str) -> None:
        """Note that a task of a run has failed for good."""
        ...

    def latest_successful(self, flow: str, tag: str | None = None) -> str | None:
        """Return the newest run with a tag (None: of all) whose last step is committed as a success.

        The number of requests doesn't grow with the number of runs, whatever became of those that are newer.
        """
        ...

    def user_tags(self, flow: str, run: str) -> list[str]:
        """Return a run's user tags, sorted."""
        ...

    def add_tags(self, flow: str, run: str, tags: Iterable[str]) -> None:
        """Add user tags; those that are there already, as user or system tags, are passed over.

        Raises UsageError for a bad tag or too many, having changed nothing.
        """
        ...

    def remove_tags(self, flow: str, run: str, tags: Iterable[str]) -> None:
        """Remove user tags; missing ones are passed over.

        Raises UsageError for a system tag, having changed nothing.
        """
        ...

    def replace_tags(self, flow: str, run: str, remove: Iterable[str], add: Iterable[str]) -> None:
        """Remove and add user tags; a tag in both stays."""
        ...
