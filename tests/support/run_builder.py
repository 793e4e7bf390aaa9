"""Builds small runs by hand: a plan of every shape, run records, manifests and logs, straight into a store.

The ids of the tasks are those of a plan of format 1, without the number of the step: ``work/1-0`` is item 1, iteration
0 of the step ``work``.
"""

import time
from collections.abc import Iterable
from typing import Any

from flow_sdk.ids import FOREACH, LOOP
from flow_sdk.metadata.runs import Runs
from flow_sdk.plan.codec import to_json
from flow_sdk.plan.model import FlowPlan, LoopPlan, Scope, StepPlan
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records import commits, layout
from flow_sdk.store.records.model import ArtifactRef, Manifest, ParentRef, RunRecord

EACH = Scope(FOREACH, "start")
PASS = Scope(LOOP, "work")

# start -foreach-> work (goes round by a switch) -> done -> collect -split-> a, b -> merge -> end
PLAN = FlowPlan(
    flow="Shapes",
    file="shapes.py",
    doc="",
    steps=(
        StepPlan("start", "foreach", next=("work",), foreach="items"),
        StepPlan(
            "work",
            "switch",
            next=("work", "done"),
            condition="again",
            cases=((True, "work"), (False, "done")),
            scopes=(EACH, PASS),
            parents=("start", "work"),
            back=("work",),
        ),
        StepPlan("done", "linear", next=("collect",), scopes=(EACH,), parents=("work",)),
        StepPlan("collect", "split", is_join=True, next=("a", "b"), parents=("done",), joins="start"),
        StepPlan("a", "linear", next=("merge",), scopes=(Scope("split", "collect", "a"),), parents=("collect",)),
        StepPlan("b", "linear", next=("merge",), scopes=(Scope("split", "collect", "b"),), parents=("collect",)),
        StepPlan("merge", "linear", is_join=True, next=("end",), parents=("a", "b"), joins="collect"),
        StepPlan("end", "end", parents=("merge",)),
    ),
    loops=(LoopPlan("work", ("work",)),),
)


class Builder:
    """Writes runs of the flow ``Shapes`` into the store at ``url``."""

    def __init__(self, url: str, plan: FlowPlan = PLAN) -> None:
        self.store = open_store(url)
        self.artifacts = Artifacts(self.store)
        self.runs = Runs(self.store)
        self.plan = plan
        self.hash = self.artifacts.put_bytes(to_json(plan))

    def run(
        self, run: str = "1", *, started: float = 1_700_000_000.5, tags: Iterable[str] = (), **more: Any
    ) -> RunRecord:
        """Create a run; keywords are fields of its record, ``values`` its parameters."""
        values = more.pop("values", {})
        record = RunRecord(
            flow=self.plan.flow,
            run=run,
            plan=self.hash,
            package=more.pop("package", None),
            artifacts={name: self.ref(value) for name, value in values.items()},
            parameters=tuple(values),
            user=more.pop("user", "anne"),
            started=started,
            system_tags=more.pop("system_tags", ("user:anne", "runtime:local")),
            tags=tuple(tags),
            end=more.pop("end", self.plan.end.name),
            **more,
        )
        return self.runs.create(record)

    def ref(self, value: object) -> ArtifactRef:
        return self.artifacts.save(value, where="test")

    def manifest(self, run: str, step: str, task: str = "0", attempt: int = 0, **more: Any) -> Manifest:
        """Make a manifest; ``parents`` are given as ``step/task``, ``values`` are the artifacts."""
        values = more.pop("values", {})
        parents = [ParentRef(*parent.split("/")) for parent in more.pop("parents", ())]
        return Manifest(
            self.plan.flow,
            run,
            step,
            task,
            attempt,
            ok=more.pop("ok", True),
            successful=more.pop("successful", True),
            artifacts={name: self.ref(value) for name, value in values.items()},
            own=tuple(values),
            parents=tuple(parents),
            started=more.pop("started", 1_700_000_001.0),
            finished=more.pop("finished", 1_700_000_002.0),
            **more,
        )

    def start(self, run: str, step: str, task: str = "0") -> int:
        """Claim the next attempt, as a runner does."""
        return commits.claim_attempt(self.store, self.plan.flow, run, step, task, {"time": time.time()})

    def commit(self, run: str, step: str, task: str = "0", **more: Any) -> Manifest:
        """Start and commit a task."""
        attempt = self.start(run, step, task)
        manifest = self.manifest(run, step, task, attempt, **more)
        if step == self.plan.end.name:
            record = self.runs.read(self.plan.flow, run)
            (self.runs.expect_success if manifest.successful else self.runs.expect_caught)(record)
        return commits.commit_attempt(self.store, manifest)

    def fail(self, run: str, step: str, task: str = "0", *, for_good: bool = False, **more: Any) -> None:
        """Start an attempt and let it fail."""
        attempt = self.start(run, step, task)
        more.setdefault("exception", {"type": "ValueError", "message": "bad", "stacktrace": "line 1\nValueError: bad"})
        commits.record_failed_attempt(
            self.store, self.manifest(run, step, task, attempt, ok=False, successful=False, **more)
        )
        if for_good:
            self.runs.record_failure(self.runs.read(self.plan.flow, run), step, task, attempt, "ValueError: bad")

    def log(self, run: str, step: str, task: str, *chunks: str, attempt: int = 0) -> None:
        """Write log chunks as they are."""
        for number, chunk in enumerate(chunks):
            self.store.put(layout.log_key(self.plan.flow, run, step, task, attempt, number), chunk.encode())

    def whole_run(self, run: str = "1", **more: Any) -> None:
        """Create a run of two items that went well: item 0 went round twice, item 1 once."""
        self.run(run, values={"alpha": 0.5}, **more)
        items = self.artifacts.save_items(["x", "y"], where="test")
        self.commit(run, "start", values={"items": ["x", "y"], "_hidden": 1}, next=("work",), items=items)
        self.commit(run, "work", "0-0", parents=["start/0"], next=("work",), values={"n": 0})
        self.commit(run, "work", "0-1", parents=["work/0-0"], next=("done",), values={"n": 1})
        self.commit(run, "work", "1-0", parents=["start/0"], next=("done",), values={"n": 0})
        self.commit(run, "done", "0", parents=["work/0-1"], next=("collect",), values={"n": 1})
        self.commit(run, "done", "1", parents=["work/1-0"], next=("collect",), values={"n": 0})
        self.commit(run, "collect", parents=["done/0", "done/1"], next=("a", "b"), values={"total": 1})
        self.commit(run, "a", parents=["collect/0"], next=("merge",), values={"total": 1, "side": "a"})
        self.commit(run, "b", parents=["collect/0"], next=("merge",), values={"total": 1, "side": "b"})
        self.commit(run, "merge", parents=["a/0", "b/0"], next=("end",), values={"total": 1})
        self.commit(run, "end", parents=["merge/0"], values={"total": 1, "result": {"ok": True}})
