"""Runs that are killed and resumed in one process: the real scheduler, attempts and store."""

import dataclasses
import random
from pathlib import Path

from flow_sdk import FlowSpec
from flow_sdk.metadata.runs import Runs
from flow_sdk.runtime.resume.reuse import Resume, Reuse
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.records import layout
from tests.support.in_process_runs import InProcessRun, load_source

__all__ = ["SMALL", "Told", "finished", "hashes", "resumed", "reuse_of", "small"]


class Told:
    """A reporter that remembers what was reused."""

    def __init__(self) -> None:
        self.steps: dict[str, tuple[int, int]] = {}
        self.messages: list[str] = []

    def reused(self, step: str, count: int, left: int, origin: str) -> None:
        assert step not in self.steps, "a step is told once"
        self.steps[step] = (count, left)

    def message(self, text: str) -> None:
        self.messages.append(text)


def finished(
    flow: type[FlowSpec], *, tasks: int | None = None, pick: random.Random | None = None, run_id: str = "1"
) -> InProcessRun:
    """A run of a flow, killed after some of its tasks."""
    run = InProcessRun(flow, pick=pick.randrange if pick else lambda n: 0, run=run_id)
    Runs(run.store).create(run.record)
    if tasks is None:
        return run.run()
    run.scheduler.begin_run()
    ready = run.scheduler.take_tasks()
    while ready and len(run.order) < tasks:
        key, left = ready.pop(run.pick(len(ready)))
        manifest = run.attempt(key, left).manifest
        run.scheduler.task_committed(key, manifest.next, manifest.items.count if manifest.items else None)
        ready += run.scheduler.take_tasks()
    return run


def reuse_of(
    first: InProcessRun, flow: type[FlowSpec], step: str | None = None, run: str = "2"
) -> tuple[Reuse, InProcessRun]:
    second = InProcessRun(flow, store=first.store, run=run)
    return Resume(first.record.run, step).open_origin(first.store, second.plan, "tester"), second


def resumed(
    first: InProcessRun, flow: type[FlowSpec], step: str | None = None, run: str = "2"
) -> tuple[InProcessRun, Told]:
    reuse, second = reuse_of(first, flow, step, run)
    refs, names = reuse.start_artifacts(Artifacts(first.store), flow)
    second.record = dataclasses.replace(second.record, artifacts=refs, parameters=names, origin_run=first.record.run)
    Runs(first.store).create(second.record)
    told = Told()
    second.run(before=lambda: reuse.commit_reused(second.scheduler, run, told))  # type: ignore[arg-type]
    return second, told


def hashes(run: InProcessRun) -> dict[tuple[str, str, str], str]:
    """All artifacts of all committed tasks."""
    found = {}
    prefix = layout.steps_prefix(run.view.flow, run.view.run)
    for info in run.store.list(prefix):
        if info.key.endswith("/commit.json"):
            step, task, _ = info.key.removeprefix(prefix).split("/")
            position = run.plan[step].position_text(run.plan[step].position(task))
            for name, ref in {**run.task(step, position).artifacts, **run.record.artifacts}.items():
                found[step, task, name] = ref.hash
    return found


SMALL = """
from flow_sdk import FlowSpec, Parameter, catch, step


class Small(FlowSpec):
{head}
    @step
    def start(self):
        self.items = [1, 2, 3]
        self.next(self.work, foreach="items")

    @catch(var="problem")
    @step
    def work(self):
        self.own = self.input
        {work}
        self.next(self.{after})

{more}
    @step
    def join(self, inputs):
        self.own = [getattr(i, "own", None) for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def small(folder: Path, *, head: str = "", work: str = "pass", after: str = "join", more: str = "") -> type[FlowSpec]:
    return load_source(SMALL.format(head=head, work=work, after=after, more=more), "Small", str(folder))
