"""Local runs with real processes, and what their reporter receives."""

import sys
from pathlib import Path
from typing import Any

from flow_sdk.errors import RunFailed
from flow_sdk.metadata.runs import Runs
from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.model import FlowPlan
from flow_sdk.runtime.local.run import RunOptions, run_flow
from flow_sdk.store.open_store import open_store
from tests.strategies.loading import flow_text, load_flow

__all__ = ["ISOLATIONS", "Events", "plan_of", "run"]


class Events:
    """A reporter that collects what it receives."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.lines: list[tuple[str, str, str]] = []
        self.reason: str | None = None

    def task_output(self, step: str, task: str, attempt: int, stream: str, line: str) -> None:
        self.lines.append((step, stream, line))

    def task_failed(self, step: str, task: str, attempt: int, reason: str, **more: Any) -> None:
        self.names.append(f"task_failed {step} {more['retry_in']}")

    def run_finished(self, flow: str, run: str, seconds: float, state: str, reason: str | None) -> None:
        self.names.append(f"run_finished {state}")
        self.reason = reason

    def __getattr__(self, name: str) -> Any:
        return lambda *values, **more: self.names.append(name)


def run(folder: Path, isolation: str, *steps: str) -> Events:
    flow = load_flow(flow_text(*steps) + "\n\nif __name__ == '__main__':\n    Small()\n", folder)
    plan = compile_plan(flow, file="flow.py")
    options = RunOptions(
        root=str(folder / "store"),
        file=str(folder / "flow.py"),
        user="anne",
        isolation=isolation,
        run_id_file=str(folder / "id"),
    )
    events = Events()
    try:
        run_flow(flow, plan, {}, options, events)
    except RunFailed as error:
        assert error.seen == events.reason
        events.names.append("RunFailed")
    return events


def plan_of(folder: Path) -> FlowPlan:
    store = open_store(str(folder / "store"))
    return Runs(store).read_plan(Runs(store).read("Small", "1"))


ISOLATIONS = ["spawn", *(["fork"] if sys.platform == "linux" else [])]
