"""Which of an origin's tasks a new run reuses, and the commits by which it does.

A task is reused if the origin has it committed and successful, its position in the flow is what it was, it doesn't come
after the step that is to run again, and the very attempts it took its inputs from are reused (a task that was cleared
since, and committed again, may take another transition). So all that can be reused is known before the first task
starts.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from flow_sdk.authoring.flow import FlowSpec
from flow_sdk.errors import ParameterError, UsageError
from flow_sdk.metadata.port import RUNNING
from flow_sdk.metadata.runs import Runs
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.plan.parameters import resolve_values
from flow_sdk.runtime.local.reporter import Reporter
from flow_sdk.runtime.local.scheduler import Scheduler, TaskKey
from flow_sdk.runtime.resume.origin import find_origin, hold_origin
from flow_sdk.runtime.task.run_start import start_artifacts
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.commits import commit_attempt, read_tasks
from flow_sdk.store.records.model import ArtifactRef, Manifest, RunRecord
from flow_sdk.text import suggest_name

__all__ = ["Resume", "Reuse", "count_items", "following_steps", "keeps_transition", "ready_batches"]

BATCH = 256
"""Tasks whose manifests are read, and written, together."""
WRITERS = 16
"""Most manifests being written at a time: the store's waits overlap, on a laptop's disk too."""


@dataclass(frozen=True, slots=True)
class Resume:
    """What a user wants to resume.

    Parameters
    ----------
    origin : str or None
        The run, as its id or as ``Flow/id``; None for the user's last run that isn't a resume.
    step : str or None
        The step that runs again with all that comes after it, though it succeeded.
    """

    origin: str | None = None
    step: str | None = None

    def open_origin(self, store: ObjectStore, plan: FlowPlan, user: str) -> "Reuse":
        """Find the origin.

        Parameters
        ----------
        store : ObjectStore
            The store of both runs.
        plan : FlowPlan
            The new run's plan.
        user : str
            The user who resumes.

        Raises
        ------
        UsageError
            If the flow has no such step, or the origin is a run of another flow.
        NotFound
            If there is no such run.
        """
        names = [step.name for step in plan.steps]
        if self.step is not None and self.step not in names:
            raise UsageError(f"Flow {plan.flow!r} has no step {self.step!r}.", help=suggest_name(self.step, names))
        runs = Runs(store)
        origin, why = find_origin(runs, plan.flow, user, self.origin)
        return Reuse(store, plan, origin, runs.read_plan(origin), self.step, why)


class Reuse:
    """Decides which tasks of an origin are reused, and commits them in the new run.

    Parameters
    ----------
    store : ObjectStore
        The store of both runs.
    plan : FlowPlan
        The new run's plan.
    origin : RunRecord
        The run that is resumed.
    origin_plan : FlowPlan
        Its plan.
    step : str or None
        The step that runs again with all that comes after it.
    why : str
        Why it is this run that is resumed.
    """

    def __init__(
        self, store: ObjectStore, plan: FlowPlan, origin: RunRecord, origin_plan: FlowPlan, step: str | None, why: str
    ) -> None:
        self.store, self.plan, self.origin, self._origin_plan = store, plan, origin, origin_plan
        self._why_this_run = why
        self._reused: dict[tuple[str, str], int] = {}
        """By step and task, as the origin names it, the attempt that is reused."""
        self._whole_step = dict.fromkeys(following_steps(plan, step), f"it comes after {step!r}") if step else {}
        if step:
            self._whole_step[step] = "it was named"
        self._before = {known.name: known for known in origin_plan.steps}
        for now in plan.steps:
            change = _describe_change(self._before.get(now.name), now)
            if change:
                self._whole_step.setdefault(now.name, f"{change} since run {origin.run}")

    def start_artifacts(
        self, artifacts: Artifacts, flow_class: type[FlowSpec]
    ) -> tuple[dict[str, ArtifactRef], tuple[str, ...]]:
        """Return the origin's parameters, constants and configs by reference, and store those that are new.

        Returns
        -------
        (dict of str to ArtifactRef, tuple of str)
            As :func:`flow_sdk.runtime.task.run_start.start_artifacts` does.

        Raises
        ------
        ParameterError
            If the flow has got a parameter since that must be given.
        NotFound
            If the origin is being removed from the store just now.
        """
        hold_origin(self.store, self.origin.flow, self.origin.run)
        plan, known = self.plan, self.origin.artifacts
        names = [*plan.constants, *(parameter.artifact for parameter in plan.parameters)]
        names += [config.artifact for config in plan.configs]
        refs = {name: known[name] for name in names if name in known}
        added = tuple(parameter for parameter in plan.parameters if parameter.artifact not in refs)
        for parameter in added:
            if parameter.required:
                raise ParameterError(
                    f"The run {self.origin.flow}/{self.origin.run} has no value for the parameter {parameter.name!r}.",
                    help="Give it a default, or start a new run: a resumed one has its origin's parameters.",
                )
        fresh = dataclasses.replace(
            plan,
            constants=tuple(name for name in plan.constants if name not in refs),
            configs=tuple(config for config in plan.configs if config.artifact not in refs),
        )
        stored, _ = start_artifacts(artifacts, flow_class, fresh, resolve_values(added, {}, paths=True))
        return {**refs, **stored}, tuple(parameter.artifact for parameter in plan.parameters)

    def commit_reused(self, scheduler: Scheduler, run: str, reporter: Reporter) -> None:
        """Commit in the new run all that is reused; leave the rest to the scheduler.

        Parameters
        ----------
        scheduler : Scheduler
            The new run's, which has begun.
        run : str
            The new run's id.
        reporter : Reporter
            Receives each step of which tasks are reused.
        """
        from concurrent.futures import ThreadPoolExecutor

        reporter.message(self.describe_origin())
        reused = dict.fromkeys((step.name for step in self.plan.steps), 0)
        rest: list[TaskKey] = []

        def commit_task(inspected: tuple[TaskKey, Manifest | None, str]) -> None:
            _, manifest, why = inspected
            if manifest is not None and not why:
                if manifest.step == self.plan.end.name:
                    runs = Runs(self.store)
                    runs.expect_success(runs.read(manifest.flow, run))
                commit_attempt(self.store, self._reused_manifest(manifest, run))

        with ThreadPoolExecutor(WRITERS) as pool:
            for batch in ready_batches(scheduler):
                inspected = list(self.inspect_tasks(batch, read_all=False))
                for _ in pool.map(commit_task, inspected):
                    pass
                for key, manifest, why in inspected:
                    if manifest is None or why:
                        rest.append(key)
                    else:
                        reused[key.step] += 1
                        scheduler.task_committed(key, manifest.next, count_items(manifest))
        scheduler.admit_tasks(rest)
        waiting = dict.fromkeys(reused, 0)
        for key in rest:
            waiting[key.step] += 1
        for name, count in reused.items():
            if count:
                reporter.reused(name, count, waiting[name], self.origin.run)

    def describe_origin(self) -> str:
        """Return a line with the run that is resumed, and why it is this one."""
        text = f"Resuming {self.origin.flow}/{self.origin.run} ({self._why_this_run})"
        if self.origin_state == RUNNING:
            return f"{text}, which is still running: what it hasn't finished by now runs here too"
        return text

    @cached_property
    def origin_state(self) -> str:
        """The origin's state when it was first read."""
        return Runs(self.store).state(self.origin.flow, self.origin.run, self._origin_plan)

    def runs_whole_step(self, step: str) -> bool:
        """Return whether all tasks of a step run again, whatever the origin has of them."""
        return step in self._whole_step

    def origin_task(self, key: TaskKey) -> tuple[str, str]:
        """Return a task's step and id in the origin, whose plan may differ; id "" where it has no such task."""
        before = self._before.get(key.step)
        if before is None or before.kinds != self.plan[key.step].kinds:
            return key.step, ""
        return key.step, before.task_id(key.position)

    def inspect_tasks(self, keys: list[TaskKey], *, read_all: bool) -> Iterator[tuple[TaskKey, Manifest | None, str]]:
        """Decide which tasks are reused. Their parents have been inspected before.

        Parameters
        ----------
        keys : list of TaskKey
            The tasks.
        read_all : bool
            Whether to read also what isn't reused.

        Yields
        ------
        tuple of (TaskKey, Manifest or None, str)
            The task, its manifest in the origin, and why it runs again ("" if it is reused).
        """
        names = [self.origin_task(key) for key in keys]
        wanted = [name for name in names if name[1] and (read_all or name[0] not in self._whole_step)]
        read = read_tasks(self.store, self.origin.flow, self.origin.run, wanted) if wanted else []
        manifests = dict(zip(wanted, read, strict=True))
        for key, name in zip(keys, names, strict=True):
            manifest = manifests.get(name)
            why = self._whole_step.get(key.step) or self._explain_rerun(manifest, self.plan[key.step])
            if not why and manifest is not None:
                self._reused[name] = manifest.attempt
            yield key, manifest, why

    def _explain_rerun(self, manifest: Manifest | None, step: StepPlan) -> str:
        """Return why a task runs again; "" if it is reused."""
        if manifest is None:
            return f"it didn't finish in run {self.origin.run}"
        if not (manifest.ok and manifest.successful):
            return f"it failed in run {self.origin.run}, and @catch took its failure"
        if not keeps_transition(manifest, step):
            return f"it leads to other steps since run {self.origin.run}"
        for parent in manifest.parents:
            reused = self._reused.get((parent.step, parent.task))
            if reused is None:
                return f"it comes after {parent.step}/{parent.task}, which runs again"
            if reused != parent.attempt:
                return f"it finished before {parent.step}/{parent.task} was cleared and ran again"
        return ""

    def _reused_manifest(self, manifest: Manifest, run: str) -> Manifest:
        """Return an origin's manifest as it is in the new run.

        The attempt's number stays: so the number, the logs and the other attempts that are read from the origin agree.
        """
        origin = manifest.origin or f"{manifest.flow}/{manifest.run}/{manifest.step}/{manifest.task}"
        task, parents = self._new_task_id(manifest.step, manifest.task), manifest.parents
        parents = tuple(
            dataclasses.replace(parent, task=self._new_task_id(parent.step, parent.task)) for parent in parents
        )
        return dataclasses.replace(manifest, run=run, task=task, parents=parents, generation=0, origin=origin)

    def _new_task_id(self, step: str, task: str) -> str:
        """Return the id in the new run of a task of the origin: the plans may have different versions."""
        return self.plan[step].task_id(self._before[step].position(task))


def ready_batches(scheduler: Scheduler) -> Iterator[list[TaskKey]]:
    """Yield all that is ready in batches, until nothing is; the caller commits tasks in between."""
    while offered := scheduler.offer_tasks():
        keys = iter(offered)
        while batch := list(islice(keys, BATCH)):
            yield batch


def count_items(manifest: Manifest) -> int | None:
    """Return the number of items of a foreach task; None for any other."""
    return manifest.items.count if manifest.items else None


def following_steps(plan: FlowPlan, name: str) -> set[str]:
    """Return all steps that a step leads to, around loops too."""
    after: set[str] = set()
    ahead = list(plan[name].next)
    while ahead:
        step = ahead.pop()
        if step not in after:
            after.add(step)
            ahead += plan[step].next
    return after


def keeps_transition(manifest: Manifest, step: StepPlan) -> bool:
    """Return whether a task took a transition that its step has now."""
    if step.kind == "switch":
        return len(manifest.next) == 1 and manifest.next[0] in step.next
    return manifest.next == step.next and (step.kind == "foreach") == (manifest.items is not None)


def _step_shape(step: StepPlan) -> tuple[Any, ...]:
    # A switch may have got further cases, and further steps may lead here: neither changes what a task did.
    return step.kind, step.is_join, step.scopes, step.joins, step.foreach, step.next if step.kind != "switch" else ()


def _describe_change(before: StepPlan | None, now: StepPlan) -> str:
    """Return what makes a step another one than it was; "" for nothing."""
    if before is None:
        return "it has been added"
    return "" if _step_shape(before) == _step_shape(now) else "its position in the flow has changed"
