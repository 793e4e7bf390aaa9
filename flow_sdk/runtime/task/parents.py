"""A task's parents, found from the plan, its position and the commits of the run."""

from dataclasses import dataclass

from flow_sdk.errors import TransitionError
from flow_sdk.ids import FOREACH, LOOP, Position
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.plan.positions import Numbers, enclosing_position, known_numbers, last_number, position_from
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.commits import read_task, read_tasks
from flow_sdk.store.records.layout import commit_key
from flow_sdk.store.records.model import Manifest

__all__ = ["RunView", "find_parents", "is_first"]


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as its tasks see it: the store, the plan it is pinned to, and its ids."""

    store: ObjectStore
    plan: FlowPlan
    flow: str
    run: str

    def read(self, step: StepPlan, position: Position) -> Manifest | None:
        """Read a committed task."""
        return read_task(self.store, self.flow, self.run, step.name, step.task_id(position))

    def read_all(self, tasks: list[tuple[StepPlan, Position]]) -> list[Manifest | None]:
        """Read several committed tasks at once."""
        return read_tasks(self.store, self.flow, self.run, [(s.name, s.task_id(p)) for s, p in tasks])

    def read_opener(self, step: StepPlan, position: Position, name: str) -> Manifest:
        """Read the task of step ``name`` whose split or foreach encloses the given task."""
        opener = self.plan[name]
        found = self.read(opener, enclosing_position(step, position, opener))
        if found is None:
            raise TransitionError(
                f"Task {step.name}/{step.task_id(position)} was started before the split {name!r} around it finished.",
                help="The orchestrator ran tasks out of order. Run the flow again; if it stays, report it.",
            )
        return found

    opener = read_opener
    """The name that the Airflow provider of release 0.1.0 calls."""


def is_first(step: StepPlan, position: Position, plan: FlowPlan) -> bool:
    """Return whether a task is the run's first one."""
    return step.name == plan.start.name and not any(position)


def find_parents(view: RunView, step: StepPlan, position: Position) -> list[Manifest]:
    """Find the committed tasks that a task takes its inputs from.

    Returns
    -------
    list of Manifest
        None for the run's first task; one for an ordinary step; for a join one for each branch or item, in order.
        Empty for a step that no switch chose.

    Raises
    ------
    TransitionError
        If a branch of a join has no committed task that leads to it.
    """
    if is_first(step, position, view.plan):
        return []
    if step.joins is None:
        return _only_parent(view, step, position)
    split = view.plan[step.joins]
    numbers = known_numbers(step, position)
    branches: list[tuple[list[StepPlan], Numbers]] = []
    if split.kind == FOREACH:
        opener = view.read_opener(step, position, split.name)
        count = opener.items.count if opener.items else 0
        ends = [view.plan[name] for name in step.parents]
        branches = [(ends, {**numbers, (FOREACH, split.name): i}) for i in range(count)]
    else:
        for target in split.next:
            ends = [view.plan[name] for name in step.parents if view.plan[name].branch_of(split.name) == target]
            branches.append((ends, numbers))
    return _join_parents(view, step, position, branches)


def _join_parents(
    view: RunView, step: StepPlan, position: Position, branches: list[tuple[list[StepPlan], Numbers]]
) -> list[Manifest]:
    wanted: list[tuple[StepPlan, Position]] = []
    owner: list[int] = []
    for number, (ends, numbers) in enumerate(branches):
        for end in ends:
            at = _exit_position(view, end, numbers)
            if at is not None:
                wanted.append((end, at))
                owner.append(number)
    found: dict[int, Manifest] = {}
    for number, manifest in zip(owner, view.read_all(wanted) if wanted else [], strict=True):
        if manifest is not None and step.name in manifest.next:
            found[number] = manifest
    missing = [number for number in range(len(branches)) if number not in found]
    if missing:
        raise TransitionError(
            f"Join {step.name!r} can't start: {len(missing)} of {len(branches)} branches have not reached it.",
            seen=f"no finished task of {', '.join(end.name for end in branches[missing[0]][0])} leads to it "
            f"in branch {missing[0]}",
            where=f"task {step.name}/{step.task_id(position)}",
        )
    return [found[number] for number in range(len(branches))]


def _only_parent(view: RunView, step: StepPlan, position: Position) -> list[Manifest]:
    numbers = known_numbers(step, position)
    passed = numbers.get((LOOP, step.name))
    wanted: list[tuple[StepPlan, Position]] = []
    for name in step.parents:
        parent = view.plan[name]
        back = step.name in parent.back
        if passed is not None and back != (passed > 0):
            continue
        known = {**numbers, (LOOP, step.name): passed - 1} if back and passed is not None else numbers
        at = _exit_position(view, parent, known)
        if at is not None:
            wanted.append((parent, at))
    found = view.read_all(wanted) if wanted else []
    return [manifest for manifest in found if manifest is not None and step.name in manifest.next][:1]


def _exit_position(view: RunView, step: StepPlan, numbers: Numbers) -> Position | None:
    """Position of the task of ``step`` with these numbers, at the last pass of each loop not among them.

    None when such a loop was never entered.
    """
    numbers = dict(numbers)
    for entry in step.loop_entries:
        if (LOOP, entry) not in numbers:
            last = _last_pass(view, view.plan[entry], numbers)
            if last is None:
                return None
            numbers[LOOP, entry] = last
    return position_from(step, numbers)


def _last_pass(view: RunView, entry: StepPlan, numbers: Numbers) -> int | None:
    """Number of a loop's last pass: the highest at which its entry is committed. Looks at O(log passes) objects."""

    def committed(n: int) -> bool:
        at = position_from(entry, {**numbers, (LOOP, entry.name): n})
        return view.store.head(commit_key(view.flow, view.run, entry.name, entry.task_id(at))) is not None

    return last_number(committed)
