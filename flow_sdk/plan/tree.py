"""The control flow of a plan as a tree: sequences, parallels, foreachs, switches and loops inside each other.

A plan stores for each step its edges and the flat list of its scopes. :func:`build_tree` derives the nesting from
both. The tree isn't stored. Whatever translates or draws a flow walks it:

- A :class:`Sequence` is a list of nodes in topological order. Control enters its first node, and moves from a node to
  one that follows, or out of the sequence.
- A node is a :class:`SingleStep`, a :class:`Switch`, a :class:`Parallel`, a :class:`ForEach` or a :class:`Loop`. Each
  but the loop runs its own ``step`` first. The bodies inside follow it.
- The join of a parallel or foreach is the node after it in the same sequence.
- The body of a case holds what this case alone leads to. Where cases meet again, the step stands after the switch in
  the sequence around it. A case that leads straight to such a step, to the join around the switch, or back to the entry
  of a loop has an empty body. So every flow that passes the checks has exactly one tree; no step is doubled.
- A loop that is left in several ways has its exits as a switch has its cases.

Match on the classes to translate a flow. This prints one as nested lists::

    def outline(sequence: Sequence) -> list:
        lines = []
        for node in sequence.nodes:
            match node:
                case SingleStep(step):
                    lines.append(step.name)
                case Switch(step, cases):
                    lines.append([step.name, *(outline(case.body) for case in cases)])
                case Parallel(step, branches):
                    lines.append([step.name, *(outline(branch.body) for branch in branches)])
                case ForEach(step, body):
                    lines.append([step.name, outline(body)])
                case Loop(_, body, exits):
                    lines.append([outline(body), *(outline(way.body) for way in exits)])
        return lines

    outline(build_tree(plan).root)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from flow_sdk.errors import PlanError
from flow_sdk.graph.model import Scope
from flow_sdk.ids import FOREACH, LOOP

if TYPE_CHECKING:
    from flow_sdk.plan.model import FlowPlan, StepPlan

__all__ = [
    "Branch",
    "FlowTree",
    "ForEach",
    "Loop",
    "Node",
    "NodeVisit",
    "Parallel",
    "Sequence",
    "SingleStep",
    "StepNode",
    "Switch",
    "SwitchCase",
    "build_tree",
]


@dataclass(frozen=True, slots=True)
class Sequence:
    """Nodes that control passes through one after another.

    Parameters
    ----------
    nodes : tuple of Node
        The nodes in topological order; empty for a case that leads straight out of its switch.
    targets : tuple of str
        Steps outside of the sequence that control can move to from it, and the entry of a loop that it leads back to.
    """

    nodes: tuple[Node, ...] = ()
    targets: tuple[str, ...] = ()

    def walk(self) -> Iterator[Node]:
        """Yield every node in the sequence, at any depth, each before those inside it."""
        stack = [iter(self.nodes)]
        while stack:
            node = next(stack[-1], None)
            if node is None:
                stack.pop()
                continue
            yield node
            stack.extend(iter(body.nodes) for body in reversed(node.bodies))

    def steps(self) -> Iterator[StepPlan]:
        """Yield every step in the sequence, at any depth, exactly once and in topological order."""
        return (node.step for node in self.walk() if not isinstance(node, Loop))

    def check_certainty(self) -> Iterator[tuple[Node, bool]]:
        """Yield each of ``nodes``, and whether every way through the sequence passes it."""
        reachable = {node.step.name for node in self.nodes[:1]}
        for node in self.nodes:
            name = node.step.name
            yield node, reachable == {name}
            reachable.discard(name)
            reachable.update(node.targets)

    def visit(self) -> Iterator[NodeVisit]:
        """Yield every node in the sequence, but those inside of loops, each before those inside it."""
        stack = [_Walked(self.check_certainty(), (), True)]
        while stack:
            nodes, foreachs, is_certain = stack[-1]
            found = next(nodes, None)
            if found is None:
                stack.pop()
                continue
            node = found[0]
            is_certain = is_certain and found[1]
            yield NodeVisit(node, foreachs, is_certain)
            bodies = node.bodies
            match node:
                case ForEach():
                    foreachs = (*foreachs, node)
                case Switch():
                    is_certain = False
                case Loop():
                    bodies, is_certain = bodies[1:], False
            stack.extend(_Walked(body.check_certainty(), foreachs, is_certain) for body in reversed(bodies))


class _Walked(NamedTuple):
    """A sequence that is being visited: its nodes that are left, and what holds for all of them."""

    nodes: Iterator[tuple[Node, bool]]
    foreachs: tuple[ForEach, ...]
    is_certain: bool


class NodeVisit(NamedTuple):
    """A node as :meth:`Sequence.visit` yields it.

    Parameters
    ----------
    node : Node
        The node.
    foreachs : tuple of ForEach
        The foreachs in the visited sequence that enclose the node, outermost first.
    is_certain : bool
        Whether the node runs, once for each combination of their items, whatever a switch chooses.
    """

    node: Node
    foreachs: tuple[ForEach, ...]
    is_certain: bool


@dataclass(frozen=True, slots=True)
class SingleStep:
    """A step with one target, or with none: an ordinary step, a join, the last step.

    Parameters
    ----------
    step : StepPlan
        The step.
    targets : tuple of str
        The step that control moves to; empty for the last step.
    """

    step: StepPlan
    targets: tuple[str, ...]

    @property
    def bodies(self) -> tuple[Sequence, ...]:
        """The sequences inside of the node: none."""
        return ()


@dataclass(frozen=True, slots=True)
class SwitchCase:
    """One target of a switch, or one exit of a loop.

    Parameters
    ----------
    target : str
        The step that it leads to.
    values : tuple of str, bool, int or float
        The values of the condition that choose it, in source order; empty for an exit of a loop.
    body : Sequence
        What this case alone leads to. Empty where ``target`` is a step in which cases meet, the join around the
        switch, or the entry of a loop around it.
    """

    target: str
    values: tuple[Any, ...]
    body: Sequence


@dataclass(frozen=True, slots=True)
class Switch:
    """A step that chooses one of its targets.

    Parameters
    ----------
    step : StepPlan
        The step; it runs first.
    cases : tuple of SwitchCase
        Its targets, each once, in the order of the source.
    targets : tuple of str
        Steps outside of the switch and its cases that control can move to from any of them.
    """

    step: StepPlan
    cases: tuple[SwitchCase, ...]
    targets: tuple[str, ...]

    @property
    def bodies(self) -> tuple[Sequence, ...]:
        """The sequences inside of the node."""
        return tuple(case.body for case in self.cases)


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch of a parallel.

    Parameters
    ----------
    target : str
        The step that it begins with.
    body : Sequence
        Its steps, up to the join.
    """

    target: str
    body: Sequence


@dataclass(frozen=True, slots=True)
class Parallel:
    """A step that starts several branches at once.

    Parameters
    ----------
    step : StepPlan
        The splitting step; it runs first.
    branches : tuple of Branch
        The branches, in the order of the source.
    join : str
        The step that waits for all branches: the next node of the sequence begins with it.
    """

    step: StepPlan
    branches: tuple[Branch, ...]
    join: str

    @property
    def bodies(self) -> tuple[Sequence, ...]:
        """The sequences inside of the node."""
        return tuple(branch.body for branch in self.branches)

    @property
    def targets(self) -> tuple[str, ...]:
        """The step that control moves to: the join."""
        return (self.join,)


@dataclass(frozen=True, slots=True)
class ForEach:
    """A step that starts its body once for each item of a list.

    Parameters
    ----------
    step : StepPlan
        The step that makes the list; it runs first.
    body : Sequence
        The steps of one item, up to the join.
    join : str
        The step that waits for all items: the next node of the sequence begins with it.
    """

    step: StepPlan
    body: Sequence
    join: str

    @property
    def bodies(self) -> tuple[Sequence, ...]:
        """The sequences inside of the node."""
        return (self.body,)

    @property
    def targets(self) -> tuple[str, ...]:
        """The step that control moves to: the join."""
        return (self.join,)


@dataclass(frozen=True, slots=True)
class Loop:
    """Steps that run again until a switch among them leads out.

    Parameters
    ----------
    step : StepPlan
        The entry: the one step through which the loop is entered, and to which its back edges lead.
    body : Sequence
        The steps of one iteration; the first node begins with the entry.
    exits : tuple of SwitchCase
        The steps that the loop can lead to, each once. With a single exit, its body is empty and ``target`` follows
        the loop.
    targets : tuple of str
        Steps outside of the loop and its exits that control can move to from any of them.
    """

    step: StepPlan
    body: Sequence
    exits: tuple[SwitchCase, ...]
    targets: tuple[str, ...]

    @property
    def bodies(self) -> tuple[Sequence, ...]:
        """The sequences inside of the node: an iteration, and what each exit alone leads to."""
        return (self.body, *(way.body for way in self.exits))


StepNode = SingleStep | Switch | Parallel | ForEach
"""A node that runs a step of its own."""

Node = StepNode | Loop


class FlowTree:
    """The tree of a flow, with access by step.

    Parameters
    ----------
    root : Sequence
        The whole flow.
    order : dict of str to int
        Number of each step in the order of the plan.
    """

    def __init__(self, root: Sequence, order: dict[str, int]) -> None:
        self.root = root
        self.order = order
        self.loops: dict[str, Loop] = {}
        """The loops by the name of their entry, an outer loop before those inside it."""
        self.nodes: dict[str, StepNode] = {}
        """The nodes by the name of their step."""
        for node in root.walk():
            if isinstance(node, Loop):
                self.loops[node.step.name] = node
            else:
                self.nodes[node.step.name] = node

    def region(self, body: Sequence) -> list[StepNode]:
        """Return the nodes of one thread of control, in the order of the plan.

        Parameters
        ----------
        body : Sequence
            The whole flow, a branch of a parallel, the body of a foreach, or part of one.

        Returns
        -------
        list of StepNode
            The nodes of the sequence, and those inside of its switches and loops. What runs in the branches of a
            parallel, or for the items of a foreach, is a region of its own.
        """
        found: list[StepNode] = []
        stack = [body]
        while stack:
            for node in stack.pop().nodes:
                if not isinstance(node, Loop):
                    found.append(node)
                if isinstance(node, Switch | Loop):
                    stack.extend(node.bodies)
        return sorted(found, key=lambda node: self.order[node.step.name])


def build_tree(plan: FlowPlan) -> FlowTree:
    """Derive the tree of a plan from the edges and scopes of its steps.

    Parameters
    ----------
    plan : FlowPlan
        The plan of a flow that passed the checks. Takes time in proportion to its edges.

    Raises
    ------
    PlanError
        If the scopes of the steps don't fit their edges: the plan was changed by hand.
    """
    try:
        return FlowTree(_TreeBuilder(plan).build(), {step.name: number for number, step in enumerate(plan.steps)})
    except (KeyError, IndexError, ValueError) as error:
        raise PlanError(
            "The scopes of the plan's steps don't fit its edges.",
            seen=f"{type(error).__name__}: {error}",
            where=f"the plan of flow {plan.flow}",
            help="The plan is damaged, or was changed. Deploy the flow again.",
        ) from error


_Scopes = tuple[Scope, ...]


class _TreeBuilder:
    """Builds the sequences of a plan, those inside of others first."""

    def __init__(self, plan: FlowPlan) -> None:
        self.plan = plan
        self.steps = {step.name: step for step in plan.steps}
        self.order = {step.name: number for number, step in enumerate(plan.steps)}
        self.joins = {step.joins: step.name for step in plan.steps if step.joins is not None}
        self.bodies: dict[_Scopes, Sequence] = {}
        """The finished sequences by the scopes that enclose them."""

    def build(self) -> Sequence:
        members: dict[_Scopes, list[str]] = {(): []}
        for step in self.plan.steps:
            for depth in range(len(step.scopes) + 1):
                members.setdefault(step.scopes[:depth], [])
            members[step.scopes].append(step.name)
            if step.scopes and step.scopes[-1] == Scope(LOOP, step.name):
                members[step.scopes[:-1]].append(step.name)  # for the whole loop
        for scopes in sorted(members, key=len, reverse=True):
            self.bodies[scopes] = _LevelBuilder(self, scopes, members[scopes]).build()
        placed = sum(1 for _ in self.bodies[()].steps())
        if placed != len(self.plan.steps):
            raise ValueError(f"{len(self.plan.steps) - placed} steps can't be reached")
        return self.bodies[()]


class _LevelBuilder:
    """Builds the sequence of the steps and loops in the same scopes.

    A step or loop that chooses between targets dominates those that only it leads to; these make up the bodies of its
    cases. Where cases meet, the step is dominated by the switch as well, and follows it. Sequences are assembled from
    the last step to the first, as lists in reverse order, without recursion: a flow may have thousands of steps.
    """

    def __init__(self, tree: _TreeBuilder, scopes: _Scopes, names: list[str]) -> None:
        self.tree, self.scopes, self.names = tree, scopes, names
        self.targets = {name: self._find_targets(name) for name in names}
        self.parents: dict[str, list[str]] = {name: [] for name in names}
        for name in names:
            for target in self.targets[name]:
                if self._is_inside(name, target):
                    self.parents[target].append(name)

    def _inner_loop(self, name: str) -> Sequence | None:
        """The body of the loop that ``name`` stands for on this level; None for a step."""
        inner = (*self.scopes, Scope(LOOP, name))
        return self.tree.bodies.get(inner) if self.tree.steps[name].scopes != self.scopes else None

    def _find_targets(self, name: str) -> tuple[str, ...]:
        """The steps that control can move to after a step with what it splits into, or after a loop."""
        step = self.tree.steps[name]
        if step.scopes != self.scopes:
            body = self.tree.bodies[*self.scopes, Scope(LOOP, name)]
            return tuple(target for target in body.targets if target != name)
        return (self.tree.joins[name],) if step.kind in ("split", FOREACH) else step.next

    def _is_inside(self, name: str, target: str) -> bool:
        """Whether an edge stays on this level and leads forward."""
        return target in self.parents and self.tree.order[target] > self.tree.order[name]

    def build(self) -> Sequence:
        chains: dict[str, list[Node]] = {}
        children = self._find_children()
        for name in reversed(self.names):
            chooses = len(self.targets[name]) > 1
            own = [child for child in children[name] if chooses and len(self.parents[child]) == 1]
            chain: list[Node] = []
            for child in reversed([child for child in children[name] if child not in own]):
                following = chains.pop(child)
                if chain:
                    chain.extend(following)
                else:
                    chain = following
            chain.append(self._make_node(name, {child: _as_sequence(chains.pop(child)) for child in own}))
            chains[name] = chain
        first = self.names[0]
        return _as_sequence(chains[first])

    def _find_children(self) -> dict[str, list[str]]:
        """The names that each one dominates immediately, in the order of the plan."""
        number = {name: index for index, name in enumerate(self.names)}
        dominator: dict[str, str] = {}
        children: dict[str, list[str]] = {name: [] for name in self.names}
        for name in self.names[1:]:
            found, *others = self.parents[name]
            for other in others:
                while found != other:
                    if number[found] > number[other]:
                        found = dominator[found]
                    else:
                        other = dominator[other]
            dominator[name] = found
            children[found].append(name)
        return children

    def _make_node(self, name: str, own: dict[str, Sequence]) -> Node:
        """Make the node of a step or loop; ``own`` are the bodies of those targets that only it leads to."""
        step = self.tree.steps[name]
        body = self._inner_loop(name)
        ways = [SwitchCase(target, (), own.get(target, Sequence())) for target in self.targets[name]]
        left = _unique(target for way in ways for target in (way.body.targets if way.target in own else (way.target,)))
        if body is not None:
            return Loop(step, body, tuple(ways), left)
        if step.kind == "split":
            found = (Branch(to, self.tree.bodies[*self.scopes, Scope("split", name, to)]) for to in step.next)
            return Parallel(step, tuple(found), self.tree.joins[name])
        if step.kind == FOREACH:
            return ForEach(step, self.tree.bodies[*self.scopes, Scope(FOREACH, name)], self.tree.joins[name])
        if step.kind == "switch":
            cases = (
                SwitchCase(way.target, tuple(value for value, to in step.cases if to == way.target), way.body)
                for way in ways
            )
            return Switch(step, tuple(cases), left)
        return SingleStep(step, left)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _as_sequence(chain: list[Node]) -> Sequence:
    """Make a sequence of nodes in reverse order."""
    nodes = tuple(reversed(chain))
    number = {node.step.name: index for index, node in enumerate(nodes)}
    left = (target for index, node in enumerate(nodes) for target in node.targets if number.get(target, index) <= index)
    return Sequence(nodes, _unique(left))
