"""Read the records that client objects show; shared by the objects of one run."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache
from typing import Any

from flow_sdk.client.context import is_safe
from flow_sdk.errors import NotFound, StoreUnavailable
from flow_sdk.ids import FOREACH, is_step_name, is_task_id
from flow_sdk.metadata.listing import ListingAge, RunListing
from flow_sdk.metadata.outcome import OpenRun, outcome_of_end
from flow_sdk.metadata.port import RunOutcome
from flow_sdk.metadata.runs import Runs
from flow_sdk.metadata.task_heartbeat import list_heartbeats
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.store.address import StoreAddress
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records import commits, layout
from flow_sdk.store.records.codec import decode_record
from flow_sdk.store.records.model import ArtifactRef, Manifest, RunRecord

__all__ = ["Reader", "RunReader", "open_reader", "read_ahead"]

_BATCH = 64
"""Tasks whose manifests are read together while a step's tasks are walked."""

_AT_ONCE = 16
"""Runs whose state is read at a time when many are shown."""


class Reader:
    """One store, read.

    Parameters
    ----------
    url : str
        What :func:`flow_sdk.store.open_store.open_store` opens.
    """

    def __init__(self, url: str) -> None:
        from flow_sdk.store.artifacts import Artifacts

        self.url = url
        self.store: ObjectStore = open_existing_store(url)
        self.runs = Runs(self.store)
        self.artifacts = Artifacts(self.store)

    def load(self, ref: ArtifactRef, where: str) -> Any:
        """Load an artifact, in safe mode without unpickling."""
        return self.artifacts.load(ref, where=where, safe=is_safe())


def open_existing_store(url: str) -> ObjectStore:
    """Open a store for Python code that reads results.

    Raises
    ------
    StoreUnavailable
        If there is none, or it can't be reached. Its help names what a notebook has, and no option of a command line.
    """
    from flow_sdk.store.open_store import open_store

    try:
        return open_store(url, create=False)
    except StoreUnavailable as error:
        if error.help and "--datastore-root" in error.help:
            error.help = (
                "Choose the store that your runs are in: metadata('local@/folder/of/the/flow') or "
                "metadata('s3@bucket/prefix')."
            )
        raise


@lru_cache(maxsize=16)
def _cached_reader(url: str, process: int, access: tuple[str | None, ...]) -> Reader:
    return Reader(url)


def open_reader(url: str) -> Reader:
    """Return the reader of a store; one for each process, as a store's client doesn't live through a fork."""
    access = StoreAddress.parse(url).access_values()
    return _cached_reader(url, os.getpid(), access)


class RunReader:
    """One run, read. What can't change is read once.

    Parameters
    ----------
    url : str
        The store.
    flow, run : str
        Which run.
    listing : RunListing, optional
        The listing that the run was found in, which may know some of it. It is asked once: who asks again wants to
        know what is new.
    """

    def __init__(self, url: str, flow: str, run: str, listing: RunListing | None = None) -> None:
        self.url = url
        self.flow = flow
        self.run = run
        self._of_end = self._of_tags = listing
        self._ended: Manifest | None = None
        self._listed: OpenRun | None = None
        self._glance = ListingAge()

    @property
    def reader(self) -> Reader:
        return open_reader(self.url)

    @cached_property
    def record(self) -> RunRecord:
        """What the run started with."""
        return self.reader.runs.read(self.flow, self.run)

    @cached_property
    def plan(self) -> FlowPlan:
        """The plan that the run is pinned to."""
        return self.reader.runs.read_plan(self.record)

    @property
    def end(self) -> tuple[str, str]:
        """The last step's name, and the id of its task."""
        return self.reader.runs.end_of(self.record)

    def read_end_commit(self) -> Manifest | None:
        """Return the end task's committed manifest, read once; None while there is none."""
        if self._ended is None and self.read_listed() is None:
            self._ended = self.read_commit(*self.end)
        return self._ended

    def read_listed(self) -> OpenRun | None:
        """Return the run as it was listed, if its last step wasn't committed and the listing is fresh."""
        if self._of_end is not None:
            self._glance = ListingAge()
            found, self._of_end = self._of_end.find_open_run(self.run, self.record.started), None
            self._listed = None if found is None else OpenRun(self.reader.store, self.record, found)
        if not self._glance.is_fresh:
            self._listed = None
        return self._listed

    def read_outcome(self) -> RunOutcome:
        """Return the run's outcome."""
        end = self.read_end_commit()
        if end is not None:
            return outcome_of_end(end)
        return (self.read_listed() or OpenRun(self.reader.store, self.record)).outcome

    def user_tags(self) -> frozenset[str]:
        listing, self._of_tags = self._of_tags, None
        listed = None if listing is None else listing.user_tags(self.run, self.record.started)
        if listed is not None:
            return listed
        return frozenset(self.reader.runs.user_tags(self.flow, self.run))

    def tags(self) -> frozenset[str]:
        return self.user_tags() | set(self.record.system_tags)

    def has_tag(self, tag: str) -> bool:
        """Return whether the run has a tag, looking at its user tags only where it must."""
        return tag in self.record.system_tags or tag in self.user_tags()

    def step_plan(self, step: str) -> StepPlan:
        """Return a step's plan. Raises NotFound with the nearest name."""
        try:
            return self.plan[step]
        except KeyError:
            from flow_sdk.text import suggest_name

            raise NotFound(
                f"Flow {self.flow!r} has no step {step!r}.",
                where=f"{self.flow}/{self.run}",
                help=suggest_name(step, [known.name for known in self.plan.steps]),
            ) from None

    def started_steps(self) -> list[str]:
        """Return the names of the steps that have started, the newest first."""
        started = set(self.reader.store.folders(layout.steps_prefix(self.flow, self.run)))
        return [step.name for step in reversed(self.plan.steps) if step.name in started]

    def activity_times(self) -> Iterator[float]:
        """Yield times (seconds since the epoch) at which the run wrote heartbeats and objects of its newest step."""
        store = self.reader.store
        beat = store.head(layout.run_heartbeat_key(self.flow, self.run))
        yield from (beat.modified,) if beat is not None else ()
        yield from (sign.time for sign in list_heartbeats(store, self.flow, self.run))
        for step in self.started_steps()[:1]:
            infos = store.list(layout.tasks_prefix(self.flow, self.run, step), limit=1000)
            yield from (info.modified for info in infos)

    def has_step(self, step: str) -> bool:
        return is_step_name(step) and self._has_objects(layout.tasks_prefix(self.flow, self.run, step))

    def has_task(self, step: str, task: str) -> bool:
        return (
            is_step_name(step)
            and is_task_id(task)
            and self._has_objects(layout.task_prefix(self.flow, self.run, step, task))
        )

    def _has_objects(self, prefix: str) -> bool:
        return any(True for _ in self.reader.store.list(prefix, limit=1))

    def list_tasks(self, step: str) -> list[str]:
        """Return the ids of a step's tasks: items of a foreach by index, iterations of a loop the newest first."""
        kinds = self.step_plan(step).kinds
        found = []
        for task in self.reader.store.folders(layout.tasks_prefix(self.flow, self.run, step)):
            if is_task_id(task):
                position = self.step_plan(step).position(task)
                found.append((tuple(n if k == FOREACH else -n for k, n in zip(kinds, position, strict=True)), task))
        return [task for _, task in sorted(found)]

    def read_commit(self, step: str, task: str) -> Manifest | None:
        """Read a task's committed manifest."""
        return commits.read_task(self.reader.store, self.flow, self.run, step, task)

    def read_commits(self, tasks: list[tuple[str, str]]) -> Iterator[Manifest | None]:
        """Read the committed manifests of many tasks, given as (step, task), some ahead of the caller."""
        for first in range(0, len(tasks), _BATCH):
            yield from commits.read_tasks(self.reader.store, self.flow, self.run, tasks[first : first + _BATCH])

    def list_attempts(self, step: str, task: str) -> list[int]:
        """Return the numbers of a task's attempts."""
        return commits.list_attempts(self.reader.store, self.flow, self.run, step, task)

    def read_attempt(self, step: str, task: str, number: int) -> Manifest | None:
        """Read one attempt's manifest; None when it wrote none."""
        return commits.read_attempt(self.reader.store, self.flow, self.run, step, task, number)

    def read_start_time(self, step: str, task: str, number: int = 0) -> float | None:
        """Return when an attempt was started, in seconds since the epoch; None if it wasn't."""
        info = self.reader.store.head(layout.start_key(self.flow, self.run, step, task, number))
        return None if info is None else info.modified


def read_ahead(runs: list[RunReader]) -> None:
    """Read what many runs of one flow started with and how they ended, several at once."""
    if not runs:
        return
    store = runs[0].reader.store
    keys = [layout.run_key(run.flow, run.run) for run in runs]
    for run, key, text in zip(runs, keys, store.get_many(keys), strict=True):
        if text is not None:
            run.record = decode_record(RunRecord, text, key)
    there = [run for run in runs if "record" in vars(run)]
    opened = [run for run in there if run.read_listed() is not None]
    ended = [run for run in there if run not in opened]
    ends = commits.read_commits(store, [(run.flow, run.run, *run.end) for run in ended])
    for run, end in zip(ended, ends, strict=True):
        run._ended = end
    if opened:
        with ThreadPoolExecutor(min(len(opened), _AT_ONCE)) as pool:
            list(pool.map(RunReader.read_outcome, opened))
