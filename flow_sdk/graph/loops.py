"""Loops of a graph: dominators, back edges, natural loops and a topological order of what is left.

A loop is natural when one step, its entry, lies on every way into it: the entry dominates the step that leads back.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

__all__ = ["Edges", "LoopNest", "find_loops"]

Edges = dict[str, tuple[str, ...]]


class LoopNest(NamedTuple):
    """The loops of a graph.

    Parameters
    ----------
    order : tuple of str
        The reachable steps, each after all that lead to it but for back edges; ties in the order of the source.
    back : frozenset of (str, str)
        The edges that lead back to a loop's entry.
    bodies : dict of frozenset
        All steps of each loop by its entry, an outer loop before those inside it.
    irreducible : tuple of (str, str)
        Edges that go round a cycle with more than one way in; not followed by ``order``.
    """

    order: tuple[str, ...]
    back: frozenset[tuple[str, str]]
    bodies: dict[str, frozenset[str]]
    irreducible: tuple[tuple[str, str], ...]


def find_loops(edges: Edges, start: str) -> LoopNest:
    """Find the loops that can be reached from ``start``.

    Parameters
    ----------
    edges : dict of tuple of str
        The steps each step leads to; its own order is the order of the source.
    start : str
        The first step.
    """
    postorder, retreating = _depth_first(edges, start)
    parents: dict[str, list[str]] = {name: [] for name in postorder}
    for name in postorder:
        for target in edges[name]:
            parents[target].append(name)
    dominator = _find_dominators(postorder, parents, start)
    back = [(tail, head) for tail, head in retreating if _is_dominated(dominator, head, tail)]
    dropped = set(retreating)
    order = _find_order(edges, parents, dropped)
    bodies: dict[str, set[str]] = {}
    for tail, head in back:
        bodies.setdefault(head, {head}).update(_find_body(parents, tail, head))
    return LoopNest(
        order=order,
        back=frozenset(back),
        bodies={entry: frozenset(bodies[entry]) for entry in order if entry in bodies},
        irreducible=tuple(edge for edge in retreating if edge not in set(back)),
    )


def _depth_first(edges: Edges, start: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the steps in postorder, and the edges that lead to a step still being walked."""
    postorder: list[str] = []
    retreating: list[tuple[str, str]] = []
    state = {start: "open"}
    stack = [(start, iter(edges[start]))]
    while stack:
        name, targets = stack[-1]
        for target in targets:
            if target not in state:
                state[target] = "open"
                stack.append((target, iter(edges[target])))
                break
            if state[target] == "open":
                retreating.append((name, target))
        else:
            state[name] = "done"
            postorder.append(name)
            stack.pop()
    return postorder, retreating


def _find_dominators(postorder: list[str], parents: dict[str, list[str]], start: str) -> dict[str, str]:
    """Return each step's immediate dominator (Cooper, Harvey and Kennedy's iteration)."""
    rank = {name: number for number, name in enumerate(postorder)}
    found = {start: start}
    changed = True
    while changed:
        changed = False
        for name in reversed(postorder):
            if name == start:
                continue
            new: str | None = None
            for parent in parents[name]:
                if parent not in found:
                    continue
                if new is None:
                    new = parent
                    continue
                other = parent
                while new != other:
                    if rank[new] < rank[other]:
                        new = found[new]
                    else:
                        other = found[other]
            if new is not None and found.get(name) != new:
                found[name] = new
                changed = True
    return found


def _is_dominated(dominator: dict[str, str], head: str, name: str) -> bool:
    while name != head:
        above = dominator[name]
        if above == name:
            return False
        name = above
    return True


def _find_body(parents: dict[str, list[str]], tail: str, head: str) -> set[str]:
    """Return what can reach ``tail`` without passing ``head``."""
    found = {tail}
    todo = [tail]
    while todo:
        name = todo.pop()
        if name != head:
            for parent in parents[name]:
                if parent not in found:
                    found.add(parent)
                    todo.append(parent)
    return found


def _find_order(edges: Edges, parents: dict[str, list[str]], dropped: set[tuple[str, str]]) -> tuple[str, ...]:
    rank = {name: number for number, name in enumerate(edges)}
    waiting = {name: sum((parent, name) not in dropped for parent in above) for name, above in parents.items()}
    ready = [(rank[name], name) for name, count in waiting.items() if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        _, name = heapq.heappop(ready)
        order.append(name)
        for target in edges[name]:
            if (name, target) not in dropped:
                waiting[target] -= 1
                if not waiting[target]:
                    heapq.heappush(ready, (rank[target], target))
    return tuple(order)
