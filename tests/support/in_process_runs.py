"""Runs a flow in this process: the real scheduler, attempts and store. For fast tests of many graphs."""

import itertools
import os
import time
from collections.abc import Callable
from typing import Any

from flow_sdk.authoring.current import current
from flow_sdk.authoring.flow import FlowSpec
from flow_sdk.authoring.parameters import DeployContext
from flow_sdk.plan.codec import to_json
from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.model import FlowPlan
from flow_sdk.plan.parameters import plan_parameters, resolve_values
from flow_sdk.runtime.local.scheduler import Scheduler, TaskKey
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.task.attempt import Outcome, run_attempt
from flow_sdk.runtime.task.parents import RunView
from flow_sdk.runtime.task.run_start import start_artifacts
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.commits import read_task
from flow_sdk.store.records.model import Manifest, RunRecord

__all__ = ["InProcessRun", "load_source"]

_numbers = itertools.count()


def load_source(source: str, name: str, folder: str) -> type[FlowSpec]:
    """Make a flow class from its source text."""
    path = os.path.join(folder, f"flow_{next(_numbers)}.py")
    with open(path, "w", encoding="utf-8") as file:
        file.write(source)
    scope: dict[str, Any] = {"__name__": f"flow_under_test_{next(_numbers)}", "__file__": path}
    exec(compile(source, path, "exec"), scope)
    return scope[name]  # type: ignore[no-any-return]


class InProcessRun:
    """One run of a flow.

    Parameters
    ----------
    flow_class : type
        The flow.
    store : ObjectStore, optional
        A fresh memory store when not given.
    parameters : dict
        Values by name.
    pick : callable, optional
        Chooses, from the number of started tasks (>= 1), which one ends next; the oldest by default.
    """

    def __init__(
        self,
        flow_class: type[FlowSpec],
        *,
        store: ObjectStore | None = None,
        parameters: dict[str, Any] | None = None,
        max_workers: int = 4,
        pick: Callable[[int], int] = lambda n: 0,
        run: str = "1",
    ) -> None:
        self.flow_class = flow_class
        self.store = store if store is not None else MemoryStore(f"memory://inprocess-{next(_numbers)}")
        context = DeployContext(flow_class.__name__, "tester")
        self.plan: FlowPlan = compile_plan(flow_class, file="flow.py", parameters=plan_parameters(flow_class, context))
        self.view = RunView(self.store, self.plan, self.plan.flow, run)
        artifacts = Artifacts(self.store)
        refs, names = start_artifacts(
            artifacts, flow_class, self.plan, resolve_values(self.plan.parameters, parameters or {})
        )
        self.record = RunRecord(
            flow=self.plan.flow,
            run=run,
            plan=artifacts.put_bytes(to_json(self.plan)),
            package=None,
            artifacts=refs,
            parameters=names,
            user="tester",
            started=time.time(),
            orchestrator={"kind": "test"},
        )
        self.max_workers, self.pick = max_workers, pick
        self.order: list[tuple[str, str]] = []
        self.outcomes: list[Outcome] = []
        self.scheduler = Scheduler(self.plan, max_workers)

    def run(self, before: Callable[[], None] = lambda: None) -> "InProcessRun":
        """Run to the end or to the first task that fails for good; ``before`` is called before the first task."""
        self.scheduler.begin_run()
        before()
        active: list[tuple[TaskKey, int]] = []
        now = 0.0
        while True:
            self.scheduler.wake_delayed(now)
            active += self.scheduler.take_tasks()
            if not active:
                wake = self.scheduler.next_wake()
                if wake is None or self.scheduler.failed:
                    return self
                now = wake
                continue
            key, left = active.pop(self.pick(len(active)))
            outcome = self.attempt(key, left)
            manifest = outcome.manifest
            if manifest.ok:
                self.scheduler.task_committed(key, manifest.next, manifest.items.count if manifest.items else None)
            else:
                self.scheduler.attempt_failed(key, now, fatal=outcome.fatal)

    def attempt(self, key: TaskKey, left: int, **request: Any) -> Outcome:
        """Run one attempt of a task."""
        task = self.plan[key.step].task_id(key.position)
        self.order.append((key.step, self.plan[key.step].position_text(key.position)))
        wanted = TaskRequest(
            root="",
            flow=self.view.flow,
            run=self.view.run,
            step=key.step,
            task=task,
            plan="",
            tries_left=left,
            **request,
        )
        try:
            outcome = run_attempt(self.view, self.record, self.flow_class, wanted, lambda number: None)
        finally:
            current._clear_task()  # a task's process ends here; this one goes on
        self.outcomes.append(outcome)
        return outcome

    def id(self, step: str, position: str = "0") -> str:
        """A task's id, from its position."""
        return self.plan[step].task_id(self.plan[step].parse_position(position))

    def committed(self, step: str, position: str = "0") -> Manifest | None:
        """A task, if it is committed."""
        return read_task(self.store, self.view.flow, self.view.run, step, self.id(step, position))

    def task(self, step: str, position: str = "0") -> Manifest:
        """A committed task."""
        manifest = self.committed(step, position)
        assert manifest is not None, f"the task of {step} at {position} isn't committed"
        return manifest

    def value(self, step: str, name: str, position: str = "0") -> Any:
        """An artifact of a committed task."""
        manifest = self.task(step, position)
        ref = manifest.artifacts.get(name) or self.record.artifacts[name]
        return Artifacts(self.store).load(ref, where=f"{step}/{manifest.task}.{name}")

    def tasks(self) -> dict[tuple[str, str], Manifest]:
        """All committed tasks, by step and position."""
        found = {key: self.committed(*key) for key in set(self.order)}
        return {key: manifest for key, manifest in found.items() if manifest is not None}
