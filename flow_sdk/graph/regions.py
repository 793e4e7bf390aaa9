"""Regions of a graph: which splits, foreaches and loops enclose each step, and which join closes which split.

The levels are passed along the edges in topological order: a split, a foreach or a loop's entry adds one, a join
takes the innermost split or foreach away, and leaving a loop's body takes the loop away.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from flow_sdk.graph.loops import LoopNest, find_loops
from flow_sdk.graph.model import Fault, Graph, NextCall, Node, Scope, SourceSpan

__all__ = ["Regions", "find_regions"]

Levels = tuple[Scope, ...]


class Regions:
    """What encloses what.

    Attributes
    ----------
    order : tuple of str
        The reachable steps in topological order.
    loops : dict of tuple of str
        The steps of each loop in topological order, by its entry; an outer loop first.
    scopes : dict of tuple of Scope
        The levels around each step, outermost first.
    parents : dict of tuple of str
        The steps with an edge to each step; for a join by branch.
    back : dict of tuple of str
        Those targets of each step that lead back to a loop's entry.
    joins : dict of str
        For each join, the step whose split or foreach it closes.
    faults : list of Fault
        What doesn't match.
    """

    __slots__ = ("back", "faults", "joins", "loops", "order", "parents", "scopes")

    def __init__(self) -> None:
        self.order: tuple[str, ...] = ()
        self.loops: dict[str, tuple[str, ...]] = {}
        self.scopes: dict[str, Levels] = {}
        self.parents: dict[str, tuple[str, ...]] = {}
        self.back: dict[str, tuple[str, ...]] = {}
        self.joins: dict[str, str] = {}
        self.faults: list[Fault] = []


def find_regions(graph: Graph) -> Regions:
    """Match splits with joins and find loops.

    Targets that are the start, or no steps, are passed over, so that the rest of a faulty graph can be checked too.

    Returns
    -------
    Regions
        Empty when the flow has no step to start with. With ``faults``, the rest is a best effort.
    """
    if not graph.starts:
        return Regions()
    start = graph.starts[0]
    known = graph.nodes.keys() - {start}
    edges = {name: tuple(target for target in node.next if target in known) for name, node in graph.nodes.items()}
    if len(graph.ends) == 1:
        edges[graph.ends[0]] = ()
    return _RegionFinder(graph, find_loops(edges, start), edges).find_all()


class _Arrival(NamedTuple):
    """An edge into a step, with the levels as they are along it."""

    parent: str
    levels: Levels


class _RegionFinder:
    def __init__(self, graph: Graph, nest: LoopNest, edges: dict[str, tuple[str, ...]]) -> None:
        self.graph = graph
        self.nest = nest
        self.edges = edges
        self.source_order = {name: number for number, name in enumerate(graph.nodes)}
        self.forward: dict[str, list[str]] = {name: [] for name in nest.order}
        for name in nest.order:
            for target in edges[name]:
                if (name, target) not in nest.back and (name, target) not in nest.irreducible:
                    self.forward[target].append(name)
        self.found = Regions()
        self.found.order = nest.order
        self.found.loops = {entry: tuple(n for n in nest.order if n in body) for entry, body in nest.bodies.items()}
        self.found.back = {name: tuple(t for t in edges[name] if (name, t) in nest.back) for name in nest.order}
        self.joined: dict[str, list[str]] = {}
        """The joins found for each splitting step."""

    def find_all(self) -> Regions:
        for tail, head in self.nest.irreducible:
            self.add_fault("loop-entered-twice", tail, self.target_span(tail, head), entry=head)
        for name in self.nest.order:
            self.visit_step(self.graph.nodes[name])
        for tail, head in sorted(self.nest.back, key=lambda edge: self.nest.order.index(edge[0])):
            self.check_back_edge(tail, head)
        for entry, body in self.found.loops.items():
            if all(target in body for name in body for target in self.edges[name]):
                self.add_fault("loop-without-exit", entry, self.graph.nodes[entry].span, body=", ".join(body))
        return self.found

    def add_fault(self, kind: str, step: str, span: SourceSpan, **details: str) -> None:
        self.found.faults.append(Fault(kind, step, span, details))

    def target_span(self, name: str, target: str) -> SourceSpan:
        call = self.graph.nodes[name].call
        spans = [t.span for t in call.targets if t.name == target] if call else []
        return spans[0] if spans else self.graph.nodes[name].span

    def visit_step(self, node: Node) -> None:
        arrivals = [self.follow_edge(parent, node.name) for parent in self.forward[node.name]]
        levels = self.join_levels(node, arrivals) if node.is_join else self.merge_levels(node, arrivals)
        if node.name in self.nest.bodies:
            levels = (*levels, Scope("loop", node.name))
        self.found.scopes[node.name] = levels
        back = [name for name in self.nest.order if node.name in self.found.back[name]]
        entering = [arrival.parent for arrival in arrivals]
        self.found.parents[node.name] = tuple(
            entering if node.is_join else sorted(entering + back, key=self.source_order.__getitem__)
        )
        if not self.edges[node.name]:
            self.check_end(node, levels)

    def levels_after(self, name: str, target: str) -> Levels:
        """Return the levels along an edge, before the loops it leaves are taken away."""
        node = self.graph.nodes[name]
        levels = self.found.scopes[name]
        if node.kind in ("foreach", "parallel"):
            return (*levels, Scope("foreach", name))
        if node.kind == "split" and len(node.next) > 1:
            return (*levels, Scope("split", name, target))
        return levels

    def follow_edge(self, parent: str, target: str) -> _Arrival:
        levels = self.levels_after(parent, target)
        left = [number for number, scope in enumerate(levels) if self.leaves_loop(scope, target)]
        if not left:
            return _Arrival(parent, levels)
        still_open = next((scope for scope in levels[left[0] :] if scope.kind != "loop"), None)
        if still_open and not self.graph.nodes[target].is_join:
            span = self.target_span(parent, target)
            self.add_fault("loop-left-inside-split", parent, span, loop=levels[left[0]].step, split=still_open.step)
            levels = levels[: left[0]]
        return _Arrival(parent, tuple(scope for number, scope in enumerate(levels) if number not in left))

    def leaves_loop(self, scope: Scope, target: str) -> bool:
        return scope.kind == "loop" and target not in self.nest.bodies[scope.step]

    def merge_levels(self, node: Node, arrivals: list[_Arrival]) -> Levels:
        """Work out the levels of an ordinary step: every way in must have the same."""
        if not arrivals:
            return ()
        first = min(arrivals, key=lambda arrival: len(arrival.levels))
        for other in arrivals:
            inner = next((s for s in reversed(other.levels) if s not in first.levels and s.kind != "loop"), None)
            if inner is None:
                continue
            same = [i for i, scope in enumerate(first.levels) if (scope.kind, scope.step) == (inner.kind, inner.step)]
            if same:
                names = {"first": first.parent, "second": other.parent, "split": inner.step}
                self.add_fault("merge-without-inputs", node.name, node.span, **names)
                # Continue as if it were a join, so that the missing argument isn't reported again further down.
                return first.levels[: same[0]]
            span = self.target_span(other.parent, node.name)
            self.add_fault("left-unjoined", other.parent, span, split=inner.step, target=node.name)
            break
        return first.levels

    def join_levels(self, node: Node, arrivals: list[_Arrival]) -> Levels:
        """Match a join with the split or foreach it closes, and return the levels that are left."""
        tops = [_innermost_scope(arrival.levels) for arrival in arrivals]
        open_tops = [(len(arrival.levels), top) for arrival, top in zip(arrivals, tops, strict=True) if top]
        if not open_tops:
            self.add_fault("join-without-split", node.name, node.span, parents=", ".join(a.parent for a in arrivals))
            return min((a.levels for a in arrivals), key=len, default=())
        _, chosen = min(open_tops, key=lambda item: item[0])
        opener = chosen.step
        self.check_arrivals(node, arrivals, tops, opener)
        mine = [a for a, top in zip(arrivals, tops, strict=True) if top and top.step == opener]
        levels = mine[0].levels
        index = max(i for i, scope in enumerate(levels) if scope.step == opener and scope.kind != "loop")
        if any(scope.kind == "loop" for scope in levels[index + 1 :]):
            loop = levels[-1].step
            self.add_fault("loop-crosses-join", node.name, node.span, loop=loop, split=opener)
        self.record_join(node, opener)
        branches = self.branch_names(opener)
        arrivals.sort(key=lambda a: self.branch_number(a, opener, branches))
        return levels[:index]

    def check_arrivals(self, node: Node, arrivals: list[_Arrival], tops: list[Scope | None], opener: str) -> None:
        for arrival, top in zip(arrivals, tops, strict=True):
            span = self.target_span(arrival.parent, node.name)
            if arrival.parent == opener:
                kind = "empty-foreach" if self.graph.nodes[opener].kind == "foreach" else "empty-branch"
                self.add_fault(kind, opener, span, join=node.name)
            if top is None:
                self.add_fault("join-from-outside", arrival.parent, span, join=node.name, split=opener)
            elif top.step != opener:
                outer = [scope for scope in arrival.levels if scope.step == opener and scope.kind != "loop"]
                kind = "join-of-unclosed" if outer else "join-of-two"
                self.add_fault(kind, arrival.parent, span, join=node.name, split=opener, inner=top.step)

    def record_join(self, node: Node, opener: str) -> None:
        self.found.joins[node.name] = opener
        others = self.joined.setdefault(opener, [])
        if others:
            self.add_fault("joined-twice", node.name, node.span, split=opener, other=others[0])
        others.append(node.name)

    def branch_names(self, opener: str) -> tuple[str | None, ...]:
        node = self.graph.nodes[opener]
        return self.edges[opener] if node.kind == "split" else (None,)

    def branch_number(self, arrival: _Arrival, opener: str, branches: tuple[str | None, ...]) -> tuple[int, int]:
        """Return the sort key for a join's parents: branch first, then the order of the source."""
        branch = next((s.branch for s in reversed(arrival.levels) if s.step == opener and s.kind != "loop"), None)
        return branches.index(branch) if branch in branches else len(branches), self.source_order[arrival.parent]

    def check_end(self, node: Node, levels: Iterable[Scope]) -> None:
        open_steps = [scope.step for scope in levels if scope.kind != "loop"]
        if open_steps and node.name in self.graph.ends:
            split = self.graph.nodes[open_steps[-1]]
            call: NextCall | None = split.call
            self.add_fault("never-joined", split.name, call.span if call else split.span, end=node.name)

    def check_back_edge(self, tail: str, head: str) -> None:
        """Check that a back edge leaves loops only, no split or foreach, and doesn't lead to a join."""
        span = self.target_span(tail, head)
        node = self.graph.nodes[head]
        wanted = self.found.scopes[head]
        seen = self.levels_after(tail, head)
        if node.is_join:
            self.add_fault("back-to-join", tail, span, entry=head)
        elif seen[: len(wanted)] != wanted:
            self.add_fault("back-into-split", tail, span, entry=head)
        elif any(scope.kind != "loop" for scope in seen[len(wanted) :]):
            inner = next(scope for scope in seen[len(wanted) :] if scope.kind != "loop")
            self.add_fault("back-out-of-split", tail, span, entry=head, split=inner.step)


def _innermost_scope(levels: Levels) -> Scope | None:
    """Return the innermost split or foreach."""
    return next((scope for scope in reversed(levels) if scope.kind != "loop"), None)
