"""``Step``: all tasks of one step of a run."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flow_sdk.client.local_time import local_time
from flow_sdk.client.objects import InRun
from flow_sdk.client.task import Task
from flow_sdk.errors import NotFound
from flow_sdk.plan.model import StepPlan

if TYPE_CHECKING:
    from flow_sdk.client.run import Run

__all__ = ["Step"]


class Step(InRun[Task]):
    """One step of a run, as far as it has started: ``Step("TrainFlow/5/fit")``."""

    _form = "Flow/run/step"

    def _ensure_exists(self) -> None:
        self._run.step_plan(self.id)
        if not self._run.has_step(self.id):
            raise NotFound(
                f"Step {self.pathspec!r} hasn't started.",
                where=self._url,
                help=f"Started so far: {', '.join(self._run.started_steps()) or 'none'}.",
            )

    def _iter_children(self) -> Iterator[Task]:
        return self._find_tasks(self._run.list_tasks(self.id))

    def _find_tasks(self, ids: list[str]) -> Iterator[Task]:
        """The tasks with these ids, which are there."""
        manifests = self._run.read_commits([(self.id, task) for task in ids])
        for task, manifest in zip(ids, manifests, strict=True):
            yield Task._make_task(self, task, manifest)

    def _find_child(self, id: str) -> Task:
        task = Task._make_task(self, id)
        task._ensure_exists()
        return task

    @property
    def parent(self) -> "Run":
        """The run."""
        return self._make_ancestor(2)  # type: ignore[no-any-return]

    @property
    def task(self) -> Task | None:
        """A task of the step: of a foreach the first, of a loop the newest; None when there is none."""
        ids = self._run.list_tasks(self.id)
        return Task._make_task(self, ids[0]) if ids else None

    def tasks(self, *tags: str) -> Iterator[Task]:
        """Iterate over the tasks: those of a foreach by index, iterations of a loop newest first.

        Parameters
        ----------
        *tags : str
            Tags that the run must carry for there to be any.
        """
        return self._children_if_tagged(tags)

    @property
    def control_task(self) -> Task | None:
        """The task that starts the others of a parallel step: None, as there are no such steps in this release."""
        return None

    def control_tasks(self, *tags: str) -> Iterator[Task]:
        """Iterate over the tasks that start the others of a parallel step: there are none in this release.

        Parameters
        ----------
        *tags : str
            Not used.
        """
        return iter(())

    @property
    def created_at(self) -> datetime:
        """When the step's first task started, in local time."""
        return min((task.created_at for task in self), default=local_time(self._run.record.started))

    @property
    def finished_at(self) -> datetime | None:
        """When the last of its tasks was finished, in local time; None while one isn't."""
        latest = None
        for task in self:
            if not task.finished:
                return None
            ended = task.finished_at
            latest = ended if latest is None or (ended is not None and ended > latest) else latest
        return latest

    @property
    def parent_steps(self) -> Iterator["Step"]:
        """The steps that lead to this one, as far as they have run."""
        return self._related_steps(self._step_plan.parents)

    @property
    def child_steps(self) -> Iterator["Step"]:
        """The steps that this one leads to, as far as they have started."""
        return self._related_steps(self._step_plan.next)

    @property
    def _step_plan(self) -> StepPlan:
        return self._run.step_plan(self.id)

    def _related_steps(self, names: tuple[str, ...]) -> Iterator["Step"]:
        for name in names:
            if self._run.has_step(name):
                yield Step._make_related(self, (*self._parts[:2], name))

    @property
    def environment_info(self) -> dict[str, Any] | None:
        """What is known of where the step's first task ran (see :attr:`Task.environment_info`)."""
        task = self.task
        return None if task is None else task.environment_info

    @property
    def origin_pathspec(self) -> str | None:
        """The same step of the run that this run was resumed from; None for a run that wasn't."""
        origin = self._run.record.origin_run
        return f"{self._parts[0]}/{origin}/{self.id}" if origin else None
