"""Resuming: a new run takes over, by reference, what an earlier one finished, and runs the rest with the code of today.

A task is reused if the origin has it committed and successful, its place in the flow is what it was, it doesn't come
after the step that is to run again, and the very attempts it took its inputs from are reused (a task that was cleared
since, and committed again, may hand on something else). So all that can be reused is known before the first task
starts.
"""

import dataclasses
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from flow_sdk.authoring.flow import FlowSpec
from flow_sdk.errors import NotFound, ParameterError, UsageError
from flow_sdk.metadata.port import RUNNING
from flow_sdk.metadata.runs import Runs
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.plan.parameters import resolve
from flow_sdk.runtime.begin import start_artifacts
from flow_sdk.runtime.events import Reporter
from flow_sdk.runtime.scheduler import Scheduler, TaskKey
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.commits import commit, read_tasks
from flow_sdk.store.records.layout import failure_key, failures_prefix, resumed_prefix, run_key, tasks_prefix
from flow_sdk.store.records.model import ArtifactRef, Manifest, RunRecord
from flow_sdk.text import suggest_name

__all__ = ["Forecast", "Resume", "Reuse", "find_origin", "hold_origin"]

BATCH = 256
"""Tasks whose manifests are read, and written, together."""
FAILED, STOPPED, GOES_ON, NOT_BEGUN = "failed", "was stopped", "goes on", "hadn't begun"
"""How a task can stand that isn't committed. What has begun, and neither went through nor failed, was stopped with its
run, or goes on in it."""
WRITERS = 16
"""Most manifests being written at a time: the store's waits overlap, on a laptop's disk too."""


@dataclass(frozen=True, slots=True)
class Resume:
    """What a user asks to be resumed.

    Parameters
    ----------
    origin : str or None
        The run, as its id or as ``Flow/id``; None for the user's last run that isn't a resume.
    step : str or None
        The step that runs again with all that comes after it, though it succeeded.
    """

    origin: str | None = None
    step: str | None = None

    def open(self, store: ObjectStore, plan: FlowPlan, user: str) -> "Reuse":
        """Find the origin.

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


def find_origin(runs: Runs, flow: str, user: str, asked: str | None) -> tuple[RunRecord, str]:
    """Find the run to resume: the one asked for, or else the user's last run that isn't itself a resume.

    Returns
    -------
    (RunRecord, str)
        The run, and why it is this one.

    Raises
    ------
    UsageError
        If it is a run of another flow.
    NotFound
        If there is none.
    """
    if asked is None:
        return _last_run(runs, flow, user)
    if "/" in asked:
        other, _, asked = asked.partition("/")
        if other != flow:
            raise UsageError(
                f"This flow can't resume a run of {other!r}.", seen=f"{other}/{asked}", wanted=f"{flow}/..."
            )
    return _read(runs, flow, asked), "it was named"


def _last_run(runs: Runs, flow: str, user: str) -> tuple[RunRecord, str]:
    """Find what a user's last ``run`` has started, and say why it is this one.

    Resumes don't count: however often a run is resumed, the next resume is one of the same run.
    """
    owner, resumed = f"user:{user}", None
    for run in runs.newest(flow, owner):
        record = runs.read(flow, run)
        # Somebody else's run with a tag of that text isn't the user's, and one that an orchestrator has started isn't.
        if owner not in record.system_tags or _is_orchestrated(record):
            continue
        if record.origin_run is None:
            why = f"it is the last run of {user!r}"
            if resumed is not None:
                why += f"; to go on from the newest resume, give --origin-run-id {resumed}"
            return record, why
        resumed = resumed or run
    known = ", ".join(runs.newest(flow, limit=5))
    help = f"Name somebody's with --origin-run-id, such as one of {known}." if known else "Start one with: run"
    if resumed is not None:
        help = f"Resumes don't count. To go on from the newest one, give --origin-run-id {resumed}."
    raise NotFound(f"There is no run of {flow!r} by {user!r} to resume.", where=runs.store.url, help=help)


def _is_orchestrated(record: RunRecord) -> bool:
    return any(tag.startswith("runtime:") and tag != "runtime:local" for tag in record.system_tags)


def hold_origin(store: ObjectStore, flow: str, run: str) -> None:
    """Keep a collector of garbage from removing a run that is going to be resumed (see upkeep/run_removal.py).

    Raises
    ------
    NotFound
        If it is being removed just now.
    """
    store.put(resumed_prefix(flow, run) + uuid.uuid4().hex, b"", durable=False)
    if store.head(run_key(flow, run)) is None:
        raise NotFound(f"The run {flow}/{run} was removed from the store just now.", where=store.url)


def _read(runs: Runs, flow: str, run: str) -> RunRecord:
    try:
        return runs.read(flow, run)
    except NotFound as error:
        # Of a number no other one is a misspelling: the error names the newest runs.
        close = "" if run.isdecimal() else suggest_name(run, list(runs.newest(flow, limit=100)))
        if close.startswith("Did"):
            error.help = close
        raise


@dataclass(slots=True)
class Forecast:
    """What would become of a step.

    Parameters
    ----------
    step : str
        Its name.
    reused, again : int
        How many of its tasks are reused, and how many are known to run again (>= 0).
    more : bool
        Whether more may run, which nobody knows yet.
    why : str
        Why they run again: how many failed, were stopped or hadn't begun, or else the reason of the first.
    """

    step: str
    reused: int = 0
    again: int = 0
    more: bool = False
    why: str = ""


class Reuse:
    """Decides what of an origin is reused, and takes it over.

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
        self._seen: str | None = None
        self._failed: set[str] | None = None
        """Tasks of the origin that failed for good, once it is known."""
        self._begun: dict[str, set[str]] = {}
        """By step, the tasks of the origin that have begun."""
        self._whole_step = dict.fromkeys(_after(plan, step), f"it comes after {step!r}") if step else {}
        if step:
            self._whole_step[step] = "it was named"
        self._before = {known.name: known for known in origin_plan.steps}
        for now in plan.steps:
            change = _change(self._before.get(now.name), now)
            if change:
                self._whole_step.setdefault(now.name, f"{change} since run {origin.run}")

    def start_artifacts(
        self, artifacts: Artifacts, flow_class: type[FlowSpec]
    ) -> tuple[dict[str, ArtifactRef], tuple[str, ...]]:
        """Give the origin's parameters, constants and configs by reference, and store those that are new.

        Returns
        -------
        (dict of str to ArtifactRef, tuple of str)
            As :func:`flow_sdk.runtime.begin.start_artifacts` does.

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
        stored, _ = start_artifacts(artifacts, flow_class, fresh, resolve(added, {}, paths=True))
        return {**refs, **stored}, tuple(parameter.artifact for parameter in plan.parameters)

    def take_over(self, scheduler: Scheduler, run: str, reporter: Reporter) -> None:
        """Commit in the new run all that is reused; leave the rest to the scheduler.

        Parameters
        ----------
        scheduler : Scheduler
            The new run's, which has begun.
        run : str
            The new run's id.
        reporter : Reporter
            Is told of each step of which tasks are reused.
        """
        from concurrent.futures import ThreadPoolExecutor

        reporter.message(self.told())
        reused = dict.fromkeys((step.name for step in self.plan.steps), 0)
        rest: list[TaskKey] = []

        def take(found: tuple[TaskKey, Manifest | None, str]) -> None:
            _, manifest, why = found
            if manifest is not None and not why:
                if manifest.step == self.plan.end.name:
                    runs = Runs(self.store)
                    runs.expect_success(runs.read(manifest.flow, run))
                commit(self.store, self._taken(manifest, run))

        with ThreadPoolExecutor(WRITERS) as pool:
            for batch in self._batches(scheduler):
                looked = list(self._look(batch, peek=False))
                for _ in pool.map(take, looked):
                    pass
                for key, manifest, why in looked:
                    if manifest is None or why:
                        rest.append(key)
                    else:
                        reused[key.step] += 1
                        scheduler.committed(key, manifest.next, _count(manifest))
        scheduler.admit(rest)
        waiting = dict.fromkeys(reused, 0)
        for key in rest:
            waiting[key.step] += 1
        for name, count in reused.items():
            if count:
                reporter.reused(name, count, waiting[name], self.origin.run)

    def told(self) -> str:
        """Say what is resumed, and why it is this run."""
        text = f"Resuming {self.origin.flow}/{self.origin.run} ({self._why_this_run})"
        if self._state() == RUNNING:
            return f"{text}, which is still running: what it hasn't finished by now runs here too"
        return text

    def forecast(self) -> list[Forecast]:
        """Say what would be reused and what would run, if each task that runs again hands on as it did.

        Returns
        -------
        list of Forecast
            One for each step, in the plan's order.
        """
        found = {step.name: Forecast(step.name) for step in self.plan.steps}
        stands = {step.name: Counter[str]() for step in self.plan.steps}
        scheduler = Scheduler(self.plan, 1)
        scheduler.begin()
        for batch in self._batches(scheduler):
            for key, manifest, why in self._look(batch, peek=True):
                step, line = self.plan[key.step], found[key.step]
                if why:
                    line.again += 1
                    if manifest is None and key.step not in self._whole_step:
                        stands[key.step][self._stands(key)] += 1
                    else:
                        line.why = line.why or why
                else:
                    line.reused += 1
                if manifest is not None and _hands_on(manifest, step):
                    scheduler.committed(key, manifest.next, _count(manifest))
                elif step.kind in ("linear", "split", "end"):
                    scheduler.committed(key, step.next, None)
                else:  # how many items, or which case, only the task itself can tell
                    for name in _after(self.plan, key.step):
                        found[name].more = True
                        found[name].why = found[name].why or f"it comes after {key.step!r}"
        for name, counts in stands.items():
            found[name].why = self._in_words(counts, found[name].why)
        return list(found.values())

    def _name(self, key: TaskKey) -> tuple[str, str]:
        """A task's step and id in the origin, whose plan may be another; "" where the step has no such task there."""
        before = self._before.get(key.step)
        if before is None or before.kinds != self.plan[key.step].kinds:
            return key.step, ""
        return key.step, before.task_id(key.position)

    def _stands(self, key: TaskKey) -> str:
        """How a task stands in the origin that isn't committed there."""
        task, place = self._name(key)[1], (self.origin.flow, self.origin.run)
        if self._failed is None:
            self._failed = {info.key for info in self.store.list(failures_prefix(*place))}
        if failure_key(*place, key.step, task) in self._failed:
            return FAILED
        if key.step not in self._begun:
            self._begun[key.step] = set(self.store.folders(tasks_prefix(*place, key.step)))
        if task not in self._begun[key.step]:
            return NOT_BEGUN
        return GOES_ON if self._state() == RUNNING else STOPPED

    def _state(self) -> str:
        """How the origin stands, as it was first seen."""
        if self._seen is None:
            self._seen = Runs(self.store).state(self.origin.flow, self.origin.run, self._origin_plan)
        return self._seen

    def _in_words(self, counts: Counter[str], other: str) -> str:
        """Why tasks of a step run again; ``other`` is the reason of those that don't stand among the counts."""
        if not counts:
            return other
        one = len(counts) == 1 and not other
        kinds = (FAILED, STOPPED, GOES_ON, NOT_BEGUN)
        parts = [kind if one else f"{counts[kind]} {_plural(kind, counts[kind])}" for kind in kinds if counts[kind]]
        text = f"{'it ' if one else ''}{', '.join(parts)} in run {self.origin.run}"
        return f"{text}; {other}" if other else text

    def _batches(self, scheduler: Scheduler) -> Iterator[list[TaskKey]]:
        while offered := scheduler.offer():
            keys = iter(offered)
            while batch := list(islice(keys, BATCH)):
                yield batch

    def _look(self, keys: list[TaskKey], *, peek: bool) -> Iterator[tuple[TaskKey, Manifest | None, str]]:
        """Look at tasks whose parents have been looked at.

        Parameters
        ----------
        keys : list of TaskKey
            The tasks.
        peek : bool
            Whether to read also what isn't reused.

        Yields
        ------
        tuple of (TaskKey, Manifest or None, str)
            The task, its manifest in the origin, and why it runs again ("" if it is reused).
        """
        names = [self._name(key) for key in keys]
        wanted = [name for name in names if name[1] and (peek or name[0] not in self._whole_step)]
        read = read_tasks(self.store, self.origin.flow, self.origin.run, wanted) if wanted else []
        manifests = dict(zip(wanted, read, strict=True))
        for key, name in zip(keys, names, strict=True):
            manifest = manifests.get(name)
            why = self._whole_step.get(key.step) or self._why(manifest, self.plan[key.step])
            if not why and manifest is not None:
                self._reused[name] = manifest.attempt
            yield key, manifest, why

    def _why(self, manifest: Manifest | None, step: StepPlan) -> str:
        if manifest is None:
            return f"it didn't finish in run {self.origin.run}"
        if not (manifest.ok and manifest.successful):
            return f"it failed in run {self.origin.run}, and @catch took its failure"
        if not _hands_on(manifest, step):
            return f"it hands on to other steps since run {self.origin.run}"
        for parent in manifest.parents:
            reused = self._reused.get((parent.step, parent.task))
            if reused is None:
                return f"it comes after {parent.step}/{parent.task}, which runs again"
            if reused != parent.attempt:
                return f"it finished before {parent.step}/{parent.task} was cleared and ran again"
        return ""

    def _taken(self, manifest: Manifest, run: str) -> Manifest:
        """The manifest as it is in the new run.

        The attempt's number stays: so the number, the logs and the other attempts that are read from the origin agree.
        """
        origin = manifest.origin or f"{manifest.flow}/{manifest.run}/{manifest.step}/{manifest.task}"
        task, parents = self._id_here(manifest.step, manifest.task), manifest.parents
        parents = tuple(dataclasses.replace(parent, task=self._id_here(parent.step, parent.task)) for parent in parents)
        return dataclasses.replace(manifest, run=run, task=task, parents=parents, generation=0, origin=origin)

    def _id_here(self, step: str, task: str) -> str:
        """The id in the new run of a task of the origin: the plans may have different versions."""
        return self.plan[step].task_id(self._before[step].position(task))


def _plural(kind: str, count: int) -> str:
    return {STOPPED: "were stopped", GOES_ON: "go on"}.get(kind, kind) if count > 1 else kind


def _count(manifest: Manifest) -> int | None:
    return manifest.items.count if manifest.items else None


def _after(plan: FlowPlan, name: str) -> set[str]:
    """All steps that a step leads to, around loops too."""
    after: set[str] = set()
    ahead = list(plan[name].next)
    while ahead:
        step = ahead.pop()
        if step not in after:
            after.add(step)
            ahead += plan[step].next
    return after


def _shape(step: StepPlan) -> tuple[Any, ...]:
    # A switch may have got further cases, and further steps may lead here: neither changes what a task did.
    return step.kind, step.is_join, step.scopes, step.joins, step.foreach, step.next if step.kind != "switch" else ()


def _change(before: StepPlan | None, now: StepPlan) -> str:
    """Say what makes a step another one than it was."""
    if before is None:
        return "it has been added"
    return "" if _shape(before) == _shape(now) else "its place in the flow has changed"


def _hands_on(manifest: Manifest, step: StepPlan) -> bool:
    """Tell whether a task handed on as its step does now."""
    if step.kind == "switch":
        return len(manifest.next) == 1 and manifest.next[0] in step.next
    return manifest.next == step.next and (step.kind == "foreach") == (manifest.items is not None)
