"""From a flow plan to the DAGs that run it: which tasks, mapped groups, loops and edges. Pure; no Airflow here.

What Airflow can express on 3.3 and 2.11 alike decides the form:

- A foreach becomes a *mapped task group* over the positions of its children; nothing else travels by XCom. Airflow
  can't nest mapped groups, so a foreach inside one gets a task ``<step>.splits`` that joins the lists of all its
  tasks into one, and a mapped group of its own beside the outer one.
- Steps of one foreach level that follow an inner foreach's join lie in a later group over the same list. The boundary
  is a barrier: no task of the later group starts before all of the earlier one are done.
- A step that a switch may pass by looks for itself whether it was chosen, and is skipped otherwise.
- A loop becomes one task, which starts a DAG of the loop's body again for each pass.
"""

import hashlib
from dataclasses import dataclass, field
from fractions import Fraction

from flow_sdk.ids import FOREACH, LOOP
from flow_sdk.plan.model import FlowPlan, Loop, StepPlan

__all__ = ["DagLayout", "Group", "TaskNode", "lay_out", "loop_dag_id"]

ONE = Fraction(1)

LONGEST_GROUP = 200
"""Most characters of a task group's id (Airflow 2.11 and 3.3, ``validate_group_key``)."""


@dataclass(slots=True)
class TaskNode:
    """One task of a DAG.

    Parameters
    ----------
    id : str
        Its Airflow task id: the step's name, ``<step>.splits`` or ``<entry>.loop``.
    kind : {"step", "splits", "loop"}
        Runs a step; joins the lists of a foreach's tasks; runs a loop.
    step : StepPlan
        The step, the foreach step, or the loop's entry.
    group : Group or None
        The mapped group it lies in.
    upstream : list of TaskNode
        What it waits for.
    share : Fraction
        1 for a task that no switch can pass by, less than 1 otherwise.
    asks : bool
        Whether it must look for itself if it was chosen: its upstream tasks alone don't tell.
    """

    id: str
    kind: str
    step: StepPlan
    group: "Group | None" = None
    upstream: "list[TaskNode]" = field(default_factory=list)
    share: Fraction = ONE
    asks: bool = False

    @property
    def tolerant(self) -> bool:
        """Whether an upstream task may be skipped, so that one success among them is enough."""
        return any(node.share < 1 for node in self.upstream)


@dataclass(slots=True)
class Group:
    """A mapped task group: the steps of one foreach level between two barriers.

    Parameters
    ----------
    id : str
        ``<artifact>-each`` for a foreach over that artifact; ``<artifact>-each-from-<step>`` for a later one of the
        same level, which begins with that step.
    source : TaskNode
        The task whose output is the list of positions to map over.
    depth : int
        How many foreach levels enclose it in its DAG (>= 1).
    """

    id: str
    source: TaskNode
    depth: int
    nodes: list[TaskNode] = field(default_factory=list)


@dataclass(slots=True)
class DagLayout:
    """One DAG: the flow's own, or the body of a loop.

    Parameters
    ----------
    loop : Loop or None
        The loop this is the body of.
    nodes : list of TaskNode
        All tasks, each after those it waits for.
    groups : list of Group
        All mapped groups, outer levels first.
    """

    loop: Loop | None
    nodes: list[TaskNode]
    groups: list[Group]


def loop_dag_id(dag_id: str, entry: str) -> str:
    """Name of the DAG that runs the body of the loop entered at step ``entry``."""
    return f"{dag_id}__loop.{entry}"


def lay_out(plan: FlowPlan) -> list[DagLayout]:
    """Lay a flow out as DAGs.

    Parameters
    ----------
    plan : FlowPlan
        The flow.

    Returns
    -------
    list of DagLayout
        The flow's own DAG first, then one for the body of each loop. Takes time in proportion to the plan's edges.
    """
    steps = {step.name: step for step in plan.steps}
    loops = {loop.entry: loop for loop in plan.loops}
    return [_Dag(steps, loops, entry).build() for entry in (None, *loops)]


class _Dag:
    """Builds the layout of one DAG."""

    def __init__(self, steps: dict[str, StepPlan], loops: dict[str, Loop], entry: str | None) -> None:
        self.steps = steps
        self.loops = loops
        self.entry = entry
        self.above = _levels(steps[entry]) if entry is not None else ()
        self.nodes: dict[str, TaskNode] = {}
        self.stage: dict[str, int] = {}
        self.groups: dict[tuple[str, int], Group] = {}
        self.splits: dict[str, TaskNode] = {}

    def build(self) -> DagLayout:
        names = self.loops[self.entry].body if self.entry is not None else tuple(self.steps)
        for name in names:
            owner, kind = self._owner(name)
            if owner == name:
                self.nodes[name] = TaskNode(name if kind == "step" else f"{name}.loop", kind, self.steps[name])
        for node in self.nodes.values():
            self._connect(node)
        self._share_out()
        for node in self.nodes.values():
            self._place(node)
        for node in self.nodes.values():
            node.asks = self._must_ask(node)
        groups = sorted(self.groups.values(), key=lambda group: group.depth)
        loop = None if self.entry is None else self.loops[self.entry]
        return DagLayout(loop, self._in_order(), groups)

    def _owner(self, name: str) -> tuple[str, str]:
        """The step whose task stands for step ``name`` in this DAG, and that task's kind."""
        for level in _levels(self.steps[name])[len(self.above) :]:
            if level[0] == LOOP:
                return level[1], "loop"
        return name, "step"

    def _node(self, name: str) -> TaskNode:
        return self.nodes[self._owner(name)[0]]

    def _foreachs(self, step: StepPlan) -> tuple[str, ...]:
        """The foreach steps that enclose a task of this DAG within it, outermost first."""
        found: list[str] = []
        for kind, name in _levels(step)[len(self.above) :]:
            if kind == LOOP:
                break
            found.append(name)
        return tuple(found)

    def _connect(self, node: TaskNode) -> None:
        """Find what a task waits for: the forward edges into it."""
        if node.step.name == self.entry:
            return
        inside = self.loops[node.step.name].body if node.kind == "loop" else ()
        for parent in node.step.parents:
            if parent not in inside and node.step.name not in self.steps[parent].back:
                upstream = self._node(parent)
                if upstream not in node.upstream:
                    node.upstream.append(upstream)

    def _share_out(self) -> None:
        """Give each task its share: a switch divides its own among its targets, a merge adds up, a join restores."""
        share = dict.fromkeys(self.nodes, Fraction(0))
        for number, (name, node) in enumerate(self.nodes.items()):
            if number == 0:
                share[name] = ONE
            elif node.step.joins is not None:
                share[name] = share[self._owner(node.step.joins)[0]]
            node.share = share[name]
            targets, ways = self._targets(node)
            for target in targets:
                if self.steps[target].joins is None:
                    share[self._owner(target)[0]] += share[name] / ways

    def _targets(self, node: TaskNode) -> tuple[list[str], int]:
        """The steps in this DAG that a task hands on to, and among how many ways out its share is divided."""
        if node.kind == "step":
            out = list(node.step.next)
            ways = len(out) if node.step.kind == "switch" else 1
        else:
            body = self.loops[node.step.name].body
            out = list(dict.fromkeys(t for name in body for t in self.steps[name].next if t not in body))
            ways = len(out)
        back = node.step.back if node.kind == "step" else ()
        return [t for t in out if t not in back and t != self.entry and self._owner(t)[0] in self.nodes], ways

    def _place(self, node: TaskNode) -> None:
        """Put a task into its mapped group, if any. The tasks it waits for have theirs already."""
        levels = self._foreachs(node.step)
        stage = 0
        for upstream in node.upstream:
            theirs = self._foreachs(upstream.step)
            if len(theirs) > len(levels):
                stage = max(stage, self.stage[theirs[len(levels)]] + 1)
            elif len(theirs) == len(levels):
                stage = max(stage, self.stage[upstream.step.name])
        self.stage[node.step.name] = stage
        if not levels:
            return
        group = self.groups.get((levels[-1], stage))
        if group is None:
            group_id = self._group_id(levels[-1], node.step.name if stage else None)
            group = Group(group_id, self._source(levels[-1]), len(levels))
            self.groups[levels[-1], stage] = group
        node.group = group
        group.nodes.append(node)

    def _group_id(self, foreach: str, first: str | None) -> str:
        """Name a group after the artifact that its foreach goes over, with ``-`` in it, which no task's id has."""
        artifact = self.steps[foreach].foreach or ""
        name = artifact if artifact.isascii() and artifact.isidentifier() else foreach
        if sum(self.nodes[other].step.foreach == artifact for other in self.nodes) > 1 and name != foreach:
            name = f"{name}-of-{foreach}"
        found = f"{name}-each" + (f"-from-{first}" if first else "")
        if len(found) <= LONGEST_GROUP:
            return found
        return f"{found[: LONGEST_GROUP - 17]}-{hashlib.sha256(found.encode()).hexdigest()[:16]}"

    def _source(self, foreach: str) -> TaskNode:
        """The task whose output lists the children of a foreach: the step itself, or its ``splits`` task."""
        opener = self.nodes[foreach]
        if opener.group is None:
            return opener
        if foreach not in self.splits:
            self.splits[foreach] = TaskNode(
                f"{foreach}.splits", "splits", opener.step, upstream=[opener], share=opener.share
            )
        return self.splits[foreach]

    def _must_ask(self, node: TaskNode) -> bool:
        if any(self._targets(upstream)[1] > 1 for upstream in node.upstream):
            return True
        # Airflow has every task of a mapped group wait for the group's list, too: some upstream task always succeeds.
        return node.group is not None and node.share < 1

    def _in_order(self) -> list[TaskNode]:
        ordered: list[TaskNode] = []
        for name, node in self.nodes.items():
            ordered.append(node)
            if name in self.splits:
                ordered.append(self.splits[name])
        return ordered


def _levels(step: StepPlan) -> tuple[tuple[str, str], ...]:
    """The foreach and loop levels around a step as (kind, step), outermost first."""
    return tuple((scope.kind, scope.step) for scope in step.scopes if scope.kind in (FOREACH, LOOP))
