"""Arithmetic on positions: the positions of a task's children and of the tasks around it. Pure."""

from collections.abc import Callable

from flow_sdk.ids import FOREACH, LOOP, Position
from flow_sdk.plan.model import Scope, StepPlan

__all__ = ["child_position", "enclosing_position", "known_numbers", "last_number", "numbered_scopes", "position_from"]

Numbers = dict[tuple[str, str], int]
"""A number for each (scope kind, scope step)."""


def numbered_scopes(step: StepPlan) -> tuple[Scope, ...]:
    """Return the scopes of a step that add a number to its position, outermost first."""
    return tuple(scope for scope in step.scopes if scope.kind in (FOREACH, LOOP))


def known_numbers(step: StepPlan, position: Position) -> Numbers:
    """Return the position as a number for each scope."""
    return {(scope.kind, scope.step): n for scope, n in zip(numbered_scopes(step), position, strict=True)}


def position_from(step: StepPlan, numbers: Numbers) -> Position:
    """Return the position of a task of ``step`` whose scopes have these numbers (KeyError if one is missing)."""
    return tuple(numbers[scope.kind, scope.step] for scope in numbered_scopes(step))


def child_position(parent: StepPlan, position: Position, child: StepPlan, index: int | None = None) -> Position:
    """Return the position of the child that a task leads to.

    Parameters
    ----------
    parent, child : StepPlan
        Two steps with an edge between them.
    position : tuple of int
        The parent's position.
    index : int, optional
        For a foreach, the item (>= 0).
    """
    numbers = known_numbers(parent, position)
    if index is not None:
        numbers[FOREACH, parent.name] = index
    if child.name in parent.back:
        numbers[LOOP, child.name] += 1
    else:
        numbers[LOOP, child.name] = 0
    return position_from(child, numbers)


def enclosing_position(step: StepPlan, position: Position, opener: StepPlan) -> Position:
    """Return the position of the task of ``opener`` whose split or foreach encloses a task of ``step``."""
    return position_from(opener, known_numbers(step, position))


def last_number(begun: Callable[[int], bool]) -> int | None:
    """Return the number of a loop's last iteration; each has begun only if the one before it has.

    Parameters
    ----------
    begun : callable
        Returns whether the iteration of that number (>= 0) has begun; called O(log iterations) times.

    Returns
    -------
    int or None
        Its number; None when not even the first has begun.
    """
    if not begun(0):
        return None
    low, high = 0, 1
    while begun(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if begun(middle) else (low, middle)
    return low
