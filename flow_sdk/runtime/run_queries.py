"""Queries of an orchestrator without switches or loops of its own: was a step chosen, where did an iteration end.

It names a task by its step and the text of its position: that stays what it is when another version of the flow is
deployed while a run is running, or one whose tasks have other ids.
"""

from flow_sdk.errors import TransitionError
from flow_sdk.ids import Position
from flow_sdk.metadata.runs import Runs
from flow_sdk.plan.codec import from_json
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.plan.positions import child_position, enclosing_position
from flow_sdk.runtime.task.parents import RunView, find_parents, is_first
from flow_sdk.runtime.task.run_start import read_record
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records.codec import decode_record
from flow_sdk.store.records.layout import run_key
from flow_sdk.store.records.model import RunRecord

__all__ = ["find_task_id", "foreach_children", "is_chosen", "loop_outcome", "open_run"]


def open_run(root: str, flow: str, run: str) -> RunView:
    """Open a run with the plan that its record pins.

    Raises
    ------
    ObjectMissing
        If the run hasn't begun.
    """
    store = open_store(root)
    key = run_key(flow, run)
    record = decode_record(RunRecord, store.get(key), key)
    plan = from_json(Artifacts(store).get_bytes(record.plan, where=f"the plan of {flow}/{run}"))
    return RunView(store, plan, flow, run)


def find_task_id(root: str, flow: str, run: str, deployed: tuple[str, FlowPlan], step: str, position: str) -> str:
    """Find the id of a task in a run, which may have begun with another version of the flow than is deployed now.

    Parameters
    ----------
    root, flow, run : str
        The run, which may not have begun.
    deployed : tuple of (str, FlowPlan)
        The plan that is deployed, after its hash.
    step, position : str
        The step, and the text of the task's position.

    Raises
    ------
    PathspecError
        If the step's tasks have no such position.
    """
    store = open_store(root)
    record = read_record(store, flow, run)
    digest, plan = deployed
    if record is not None and record.plan != digest:
        begun = Runs(store).read_plan(record)
        # A step that the run's own version lacks is refused by the task runner, which says why.
        plan = begun if step in {known.name for known in begun.steps} else plan
    return plan[step].task_id(plan[step].parse_position(position))


def is_chosen(view: RunView, step: str, position: str) -> bool:
    """Return whether the run reached a task: whether a finished task leads to it."""
    if step not in {known.name for known in view.plan.steps}:
        return True  # a version deployed later has it: the task runner refuses it with the reason
    plan = view.plan[step]
    at = plan.parse_position(position)
    if is_first(plan, at, view.plan):
        return True
    if plan.joins is not None:
        opener = view.plan[plan.joins]
        return view.read(opener, enclosing_position(plan, at, opener)) is not None
    return bool(find_parents(view, plan, at))


def foreach_children(view: RunView, step: str, position: str) -> list[str]:
    """Positions of the children that a finished foreach task starts, in order; empty when it was never reached."""
    plan = view.plan[step]
    at = plan.parse_position(position)
    manifest = view.read(plan, at)
    if manifest is None or manifest.items is None:
        return []
    child = view.plan[plan.next[0]]
    return [child.position_text(child_position(plan, at, child, i)) for i in range(manifest.items.count)]


def loop_outcome(view: RunView, entry: str, position: str) -> str | None:
    """Find where an iteration of a loop ended.

    Parameters
    ----------
    view : RunView
        The run.
    entry : str
        The loop's entry step.
    position : str
        Position of the entry in this iteration.

    Returns
    -------
    str or None
        None when the iteration led back to the entry; else the step outside the loop that it led to.

    Raises
    ------
    TransitionError
        If the iteration isn't finished.
    """
    body = view.plan.loop(entry).body
    step, at = view.plan[entry], view.plan[entry].parse_position(position)
    while True:
        step, at, target = _skip_splits(view, step, at)
        if target == entry and entry in step.back:
            return None
        if target not in body:
            return target
        at = child_position(step, at, view.plan[target])
        step = view.plan[target]


def _skip_splits(view: RunView, step: StepPlan, position: Position) -> tuple[StepPlan, Position, str]:
    """Return the next task with a single target, its position and target; splits are skipped to their joins."""
    while True:
        manifest = view.read(step, position)
        if manifest is None:
            raise TransitionError(
                f"The loop's iteration isn't finished: task {step.name}/{step.task_id(position)} has no result.",
                where=f"{view.flow}/{view.run}",
            )
        if step.kind not in ("split", "foreach"):
            return step, position, manifest.next[0]
        (join,) = (view.plan[name] for name in view.plan.tree.nodes[step.name].targets)
        step, position = join, enclosing_position(step, position, join)
