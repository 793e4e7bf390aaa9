"""``Run``: one execution of a flow."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from flow_sdk.client.artifact import TaskData
from flow_sdk.client.local_time import local_time
from flow_sdk.client.objects import InRun, class_of_level
from flow_sdk.client.step import Step
from flow_sdk.client.task import Task
from flow_sdk.errors import UsageError
from flow_sdk.metadata.port import RunOutcome
from flow_sdk.metadata.runs import Runs

if TYPE_CHECKING:
    from flow_sdk.client.code import Code
    from flow_sdk.client.flow import Flow

__all__ = ["Run"]


class Run(InRun[Step]):
    """One run of a flow: ``Run("TrainFlow/5")``."""

    _form = "Flow/run"

    def _ensure_exists(self) -> None:
        self._run.record  # noqa: B018  (raises NotFound)

    def _iter_children(self) -> Iterator[Step]:
        return (Step._make_child(self, name) for name in self._run.started_steps())

    def _find_child(self, id: str) -> Step:
        step = Step._make_child(self, id)
        step._ensure_exists()
        return step

    @property
    def parent(self) -> "Flow":
        """The flow."""
        flow: Flow = class_of_level(1)._make_unchecked(self._parts[:1], self._url, self._namespace)
        return flow

    def steps(self, *tags: str) -> Iterator[Step]:
        """Iterate over the steps that have started, newest first.

        Parameters
        ----------
        *tags : str
            Tags that the run must carry for there to be any.
        """
        return self._children_if_tagged(tags)

    @property
    def end_task(self) -> Task | None:
        """The task of the last step; None until it has started."""
        step, task = self._run.end
        manifest = self._run.read_end_commit()
        if manifest is None and not self._run.has_task(step, task):
            return None
        return Task._make_task(Step._make_child(self, step), task, manifest)

    @property
    def data(self) -> TaskData | None:
        """The artifacts of the last step as attributes: ``run.data.x``; None until it has started."""
        end = self.end_task
        return None if end is None else end.data

    @property
    def _run_outcome(self) -> RunOutcome:
        return self._run.read_outcome()

    @property
    def state(self) -> str:
        """The state of the run: ``running``, ``succeeded``, ``failed`` or ``cancelled``.

        It has succeeded if and only if it is ``successful``.
        """
        return self._run_outcome.state

    @property
    def reason(self) -> str | None:
        """Why the run failed or was cancelled, for people; None otherwise."""
        return self._run_outcome.reason

    @property
    def last_seen(self) -> datetime:
        """When the run last wrote something, in local time: a result, a heartbeat, its end.

        For a ``running`` run this shows how long it has been silent. An orchestrator starts tasks when it likes, and
        doesn't record in the store when it abandons a run between two tasks: see docs/organising-results.md.
        """
        times = [self._run.record.started, self._run_outcome.time or 0.0, *self._run.activity_times()]
        return local_time(max(times))

    @property
    def successful(self) -> bool:
        """Whether the last step's own code finished without an exception."""
        end = self._run.read_end_commit()
        return end is not None and end.successful

    @property
    def finished(self) -> bool:
        """Whether the last step is done: it was successful, or ``@catch`` took its failure."""
        end = self._run.read_end_commit()
        return end is not None and end.ok

    @property
    def created_at(self) -> datetime:
        """When the run started, in local time."""
        return local_time(self._run.record.started)

    @property
    def finished_at(self) -> datetime | None:
        """When the last step was finished, in local time; None before."""
        end = self._run.read_end_commit()
        return local_time(end.finished) if end is not None and end.ok else None

    @property
    def code(self) -> "Code | None":
        """The code package that the run is pinned to; None for a run that used the files where they lie."""
        from flow_sdk.client.code import code_of

        return code_of(self._run)

    @property
    def trigger(self) -> None:
        """The events that started the run: None, as no event starts a run in this release."""
        return None

    @property
    def origin_pathspec(self) -> str | None:
        """The run that this one was resumed from; None for a run that wasn't."""
        origin = self._run.record.origin_run
        return f"{self._parts[0]}/{origin}" if origin else None

    @property
    def _run_metadata(self) -> Runs:
        return self._reader.runs

    def add_tag(self, tag: str | Iterable[str]) -> None:
        """Add a user tag (1 to 500 characters; a run has at most 50)."""
        self.add_tags(tag)

    def add_tags(self, tags: str | Iterable[str]) -> None:
        """Add user tags; those that the run has already are ignored."""
        self.replace_tags((), tags)

    def remove_tag(self, tag: str | Iterable[str]) -> None:
        """Remove a user tag; a missing one is ignored. System tags can't be removed."""
        self.remove_tags(tag)

    def remove_tags(self, tags: str | Iterable[str]) -> None:
        """Remove user tags; missing ones are ignored. System tags can't be removed."""
        self.replace_tags(tags, ())

    def replace_tag(self, tag_to_remove: str | Iterable[str], tag_to_add: str | Iterable[str]) -> None:
        """Remove a user tag and add another."""
        self.replace_tags(tag_to_remove, tag_to_add)

    def replace_tags(self, tags_to_remove: str | Iterable[str], tags_to_add: str | Iterable[str]) -> None:
        """Remove and add user tags; a tag in both stays."""
        try:
            self._run_metadata.replace_tags(
                self._run.flow, self._run.run, _as_tags(tags_to_remove), _as_tags(tags_to_add)
            )
        except UsageError as error:
            if error.help and "--namespace" in error.help:  # an option of the command line; this is Python
                error.help = f"To look for results in another namespace, call namespace({error.seen})."
            raise


def _as_tags(tags: str | Iterable[str]) -> Iterable[str]:
    return (tags,) if isinstance(tags, str) else tags
