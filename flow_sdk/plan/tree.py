"""The control flow of a plan as a tree: sequences, parallels, foreach bodies, switches and loops inside each other.

A plan stores for each step its edges and the flat list of its scopes. :attr:`FlowPlan.tree` derives the nesting from
both; it isn't stored. Whatever translates or draws a flow walks the tree:

- A :class:`Sequence` is a list of nodes in topological order. Control enters its first node, and moves from a node to
  one that follows, or out of the sequence.
- A node is a :class:`SingleStep`, a :class:`Switch`, a :class:`Parallel`, a :class:`ForEach` or a :class:`Loop`. Each
  but the loop runs its own ``step`` first. The bodies inside follow it.
- The join of a parallel or foreach is the node after it in the same sequence.
- The body of a case holds what this case alone leads to. Where cases meet again, the step follows the switch in
  the sequence around it. A case that leads straight to such a step, to the join around the switch, or back to the entry
  of a loop has an empty body. So every flow that passes the checks has exactly one tree; no step is doubled.
- A loop that is left in several ways has its exits as a switch has its cases.

Nodes and sequences are equal only if they are the same object. Match on the classes to translate a flow. This function
returns one as nested lists::

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

    outline(plan.tree.root)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from flow_sdk.plan.model import StepPlan

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
]


@dataclass(frozen=True, slots=True, eq=False)
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
            nodes, enclosing, is_certain = stack[-1]
            found = next(nodes, None)
            if found is None:
                stack.pop()
                continue
            node = found[0]
            is_certain = is_certain and found[1]
            yield NodeVisit(node, enclosing, is_certain)
            bodies = node.bodies
            match node:
                case ForEach():
                    enclosing = (*enclosing, node)
                case Switch():
                    is_certain = False
                case Loop():
                    bodies, is_certain = bodies[1:], False
            stack.extend(_Walked(body.check_certainty(), enclosing, is_certain) for body in reversed(bodies))


class _Walked(NamedTuple):
    """A sequence that is being visited: its nodes that are left, and what holds for all of them."""

    nodes: Iterator[tuple[Node, bool]]
    enclosing: tuple[ForEach, ...]
    is_certain: bool


class NodeVisit(NamedTuple):
    """A node as :meth:`Sequence.visit` yields it.

    Parameters
    ----------
    node : Node
        The node.
    enclosing : tuple of ForEach
        The foreach nodes in the visited sequence that enclose the node, outermost first.
    is_certain : bool
        Whether the node runs, once for each combination of their items, whatever a switch chooses.
    """

    node: Node
    enclosing: tuple[ForEach, ...]
    is_certain: bool


@dataclass(frozen=True, slots=True, eq=False)
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


@dataclass(frozen=True, slots=True, eq=False)
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


@dataclass(frozen=True, slots=True, eq=False)
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


@dataclass(frozen=True, slots=True, eq=False)
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


@dataclass(frozen=True, slots=True, eq=False)
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


@dataclass(frozen=True, slots=True, eq=False)
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


@dataclass(frozen=True, slots=True, eq=False)
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
