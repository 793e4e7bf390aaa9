"""From a flow plan to the DAGs that run it: which tasks, mapped groups, loops and edges. Pure; no Airflow here.

What Airflow can express on 3.3 and 2.11 alike decides the form:

- A foreach becomes a *mapped task group* over the positions of its children; nothing else travels by XCom. Airflow
  can't nest mapped groups. So a foreach inside of one gets a task ``<step>.splits``, which joins the lists of all its
  tasks into one, and a mapped group of its own beside the outer one.
- Steps of a foreach that follow an inner foreach's join lie in a later group over the same list. The boundary is a
  barrier: no task of the later group starts before all of the earlier one are done.
- A step that a switch may not choose checks by itself whether it was chosen, and is skipped otherwise.
- A loop becomes one task, which starts a DAG of the loop's body again for each iteration.

The layout walks the tree of the plan (:mod:`flow_sdk.plan.tree`), once for each DAG.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.plan.tree import FlowTree, Loop, Node, NodeVisit, Sequence, Switch

__all__ = ["DagLayout", "Group", "TaskNode", "lay_out", "loop_dag_id"]

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
        The tasks that it waits for.
    is_certain : bool
        Whether it runs whatever the switches of its DAG choose.
    needs_chosen_check : bool
        Whether it must check in the store if it was chosen: its upstream tasks alone don't show it.
    """

    id: str
    kind: str
    step: StepPlan
    group: "Group | None" = None
    upstream: "list[TaskNode]" = field(default_factory=list)
    is_certain: bool = True
    needs_chosen_check: bool = False

    @property
    def allows_skipped_upstream(self) -> bool:
        """Whether an upstream task may be skipped, so that one success among them is enough."""
        return any(not node.is_certain for node in self.upstream)


@dataclass(slots=True)
class Group:
    """A mapped task group: the steps of one foreach between two barriers.

    Parameters
    ----------
    id : str
        ``<artifact>-each`` for a foreach over that artifact; ``<artifact>-each-from-<step>`` for a later one of the
        same foreach, which begins with that step.
    source : TaskNode
        The task whose output is the list of positions to map over.
    depth : int
        How many foreach steps enclose it in its DAG (>= 1).
    nodes : list of TaskNode
        Its tasks.
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
        All mapped groups, outer ones first.
    """

    loop: Loop | None
    nodes: list[TaskNode]
    groups: list[Group]


def loop_dag_id(dag_id: str, entry: str) -> str:
    """Return the name of the DAG that runs the body of the loop entered at step ``entry``."""
    return f"{dag_id}__loop.{entry}"


def lay_out(plan: FlowPlan) -> list[DagLayout]:
    """Translate a flow into the layout of its DAGs.

    Parameters
    ----------
    plan : FlowPlan
        The flow.

    Returns
    -------
    list of DagLayout
        The flow's own DAG first, then one for the body of each loop. Takes time in proportion to the plan's edges.
    """
    tree = plan.tree
    loops = [tree.loops[loop.entry] for loop in plan.loops]
    return [_DagBuilder(tree, tree.root).build(None), *(_DagBuilder(tree, loop.body).build(loop) for loop in loops)]


class _DagBuilder:
    """Builds the layout of one DAG.

    Parameters
    ----------
    tree : FlowTree
        The flow.
    body : Sequence
        What the DAG runs; a loop inside of it is one task.
    """

    def __init__(self, tree: FlowTree, body: Sequence) -> None:
        visits = sorted(body.visit(), key=lambda visit: tree.order[visit.node.step.name])
        self.visits = {visit.node.step.name: visit for visit in visits}
        self.nodes = {name: _make_task(visit) for name, visit in self.visits.items()}
        self.first = body.nodes[0].step.name
        self.stage: dict[str, int] = {}
        """How many barriers of its foreach lie before each task."""
        self.groups: dict[tuple[str, int], Group] = {}
        self.splits: dict[str, TaskNode] = {}

    def build(self, loop: Loop | None) -> DagLayout:
        """Lay the DAG out; ``loop`` is the one whose body it runs."""
        owner = {step.name: name for name, visit in self.visits.items() for step in _steps_of_task(visit.node)}
        for name, node in self.nodes.items():
            if name != self.first:
                parents = [owner[parent] for parent in node.step.parents if owner[parent] != name]
                node.upstream = [self.nodes[parent] for parent in dict.fromkeys(parents)]
        for name, node in self.nodes.items():
            self._assign_group(node, self._foreach_steps(name))
        for node in self.nodes.values():
            node.needs_chosen_check = self._must_check_choice(node)
        groups = sorted(self.groups.values(), key=lambda group: group.depth)
        return DagLayout(loop, self._ordered_nodes(), groups)

    def _foreach_steps(self, name: str) -> tuple[str, ...]:
        """Return the foreach steps of this DAG that enclose a task, outermost first."""
        return tuple(each.step.name for each in self.visits[name].enclosing)

    def _assign_group(self, node: TaskNode, enclosing: tuple[str, ...]) -> None:
        """Put a task into its mapped group, if any. The tasks that it waits for have theirs already."""
        stage = 0
        for upstream in node.upstream:
            theirs = self._foreach_steps(upstream.step.name)
            if len(theirs) > len(enclosing):
                stage = max(stage, self.stage[theirs[len(enclosing)]] + 1)
            elif len(theirs) == len(enclosing):
                stage = max(stage, self.stage[upstream.step.name])
        self.stage[node.step.name] = stage
        if not enclosing:
            return
        group = self.groups.get((enclosing[-1], stage))
        if group is None:
            group_id = self._group_id(enclosing[-1], node.step.name if stage else None)
            group = Group(group_id, self._list_source(enclosing[-1]), len(enclosing))
            self.groups[enclosing[-1], stage] = group
        node.group = group
        group.nodes.append(node)

    def _group_id(self, foreach: str, first: str | None) -> str:
        """Name a group after the artifact that its foreach goes over, with ``-`` in it, which no task's id has."""
        artifact = self.nodes[foreach].step.foreach or ""
        name = artifact if artifact.isascii() and artifact.isidentifier() else foreach
        if sum(self.nodes[other].step.foreach == artifact for other in self.nodes) > 1 and name != foreach:
            name = f"{name}-of-{foreach}"
        found = f"{name}-each" + (f"-from-{first}" if first else "")
        if len(found) <= LONGEST_GROUP:
            return found
        return f"{found[: LONGEST_GROUP - 17]}-{hashlib.sha256(found.encode()).hexdigest()[:16]}"

    def _list_source(self, foreach: str) -> TaskNode:
        """Return the task whose output lists the children of a foreach: the step itself, or its ``splits`` task."""
        opener = self.nodes[foreach]
        if opener.group is None:
            return opener
        if foreach not in self.splits:
            self.splits[foreach] = TaskNode(
                f"{foreach}.splits", "splits", opener.step, upstream=[opener], is_certain=opener.is_certain
            )
        return self.splits[foreach]

    def _must_check_choice(self, node: TaskNode) -> bool:
        if any(_chooses_target(self.visits[upstream.step.name].node) for upstream in node.upstream):
            return True
        # Airflow has every task of a mapped group wait for the group's list, too: some upstream task always succeeds.
        return node.group is not None and not node.is_certain

    def _ordered_nodes(self) -> list[TaskNode]:
        ordered: list[TaskNode] = []
        for name, node in self.nodes.items():
            ordered.append(node)
            if name in self.splits:
                ordered.append(self.splits[name])
        return ordered


def _make_task(visit: NodeVisit) -> TaskNode:
    step = visit.node.step
    if isinstance(visit.node, Loop):
        return TaskNode(f"{step.name}.loop", "loop", step, is_certain=visit.is_certain)
    return TaskNode(step.name, "step", step, is_certain=visit.is_certain)


def _steps_of_task(node: Node) -> Iterable[StepPlan]:
    """Return the steps that run in a node's task: all of a loop, and otherwise one."""
    return node.body.steps() if isinstance(node, Loop) else (node.step,)


def _chooses_target(node: Node) -> bool:
    """Return whether only one of several steps follows a node."""
    return len(node.cases if isinstance(node, Switch) else node.exits if isinstance(node, Loop) else ()) > 1
