"""From the flat scopes of a plan's steps to its tree: the dominators of each level give the bodies of cases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flow_sdk.errors import PlanError
from flow_sdk.graph.model import Scope
from flow_sdk.ids import FOREACH, LOOP
from flow_sdk.plan.tree import Branch, FlowTree, ForEach, Loop, Node, Parallel, Sequence, SingleStep, Switch, SwitchCase

if TYPE_CHECKING:
    from flow_sdk.plan.model import FlowPlan

__all__ = ["build_tree"]


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
        return FlowTree(
            _TreeBuilder(plan).build_sequence(), {step.name: number for number, step in enumerate(plan.steps)}
        )
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

    def build_sequence(self) -> Sequence:
        members: dict[_Scopes, list[str]] = {(): []}
        for step in self.plan.steps:
            for depth in range(len(step.scopes) + 1):
                members.setdefault(step.scopes[:depth], [])
            members[step.scopes].append(step.name)
            if step.scopes and step.scopes[-1] == Scope(LOOP, step.name):
                members[step.scopes[:-1]].append(step.name)  # for the whole loop
        for scopes in sorted(members, key=len, reverse=True):
            self.bodies[scopes] = _LevelBuilder(self, scopes, members[scopes]).build_sequence()
        reached = sum(1 for _ in self.bodies[()].steps())
        if reached != len(self.plan.steps):
            raise ValueError(f"{len(self.plan.steps) - reached} steps can't be reached")
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
        """Return the body of the loop that ``name`` stands for on this level; None for a step."""
        inner = (*self.scopes, Scope(LOOP, name))
        return self.tree.bodies.get(inner) if self.tree.steps[name].scopes != self.scopes else None

    def _find_targets(self, name: str) -> tuple[str, ...]:
        """Return the steps that control can move to after a step and what it splits into, or after a loop."""
        step = self.tree.steps[name]
        if step.scopes != self.scopes:
            body = self.tree.bodies[*self.scopes, Scope(LOOP, name)]
            return tuple(target for target in body.targets if target != name)
        return (self.tree.joins[name],) if step.kind in ("split", FOREACH) else step.next

    def _is_inside(self, name: str, target: str) -> bool:
        """Return whether an edge stays on this level and leads forward."""
        return target in self.parents and self.tree.order[target] > self.tree.order[name]

    def build_sequence(self) -> Sequence:
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
        """Return the names that each one dominates immediately, in the order of the plan."""
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
        left = _unique_names(
            target for way in ways for target in (way.body.targets if way.target in own else (way.target,))
        )
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


def _unique_names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _as_sequence(chain: list[Node]) -> Sequence:
    """Make a sequence of nodes in reverse order."""
    nodes = tuple(reversed(chain))
    number = {node.step.name: index for index, node in enumerate(nodes)}
    left = (target for index, node in enumerate(nodes) for target in node.targets if number.get(target, index) <= index)
    return Sequence(nodes, _unique_names(left))
