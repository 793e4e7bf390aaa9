"""Names and ids: flows, runs, steps, tasks, pathspecs. Pure.

A task is (run, step, position). The position is one number for each ``foreach`` and each loop
that encloses the step, outermost first; which is which is fixed by the step's scopes in the plan.
A task's id is the number of its step in the plan, and a readable, injective form of its position:

========================================  =================  ===========
where a task of the fourth step runs      text of position   task id
========================================  =================  ===========
outside any foreach and loop              ``0``              ``3``
item 3 of a foreach                       ``3``              ``3.3``
item 1 of the foreach inside item 3       ``3.1``            ``3.3.1``
third iteration of a loop                 ``0-2``            ``3-2``
second iteration of a loop in item 3      ``3-1``            ``3.3-1``
========================================  =================  ===========

In a run whose plan has format 1 the text of the position is the task's id: steps of such a plan have no number.
"""

from __future__ import annotations

import re

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.errors import PathspecError

if TYPE_CHECKING:
    from typing import Final

__all__ = [
    "FOREACH",
    "LOOP",
    "Position",
    "is_flow_name",
    "is_run_id",
    "is_step_name",
    "is_task_id",
    "parse_position",
    "position_of",
    "position_text",
    "split_pathspec",
    "task_id",
]

FOREACH: Final = "foreach"
LOOP: Final = "loop"

Position = tuple[int, ...]

_FLOW = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_STEP = re.compile(r"[a-z0-9][a-z0-9_]{0,127}", re.ASCII)
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,249}", re.ASCII)
_TASK = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))*(?:-(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))*)?", re.ASCII)


def is_flow_name(name: str) -> bool:
    """Return whether ``name`` can be a flow's name: an ASCII identifier of at most 128 characters."""
    return _FLOW.fullmatch(name) is not None


def is_step_name(name: str) -> bool:
    """Return whether ``name`` can be a step's name: ``[a-z0-9_]``, no leading ``_``, at most 128 characters."""
    return _STEP.fullmatch(name) is not None


def is_run_id(run_id: str) -> bool:
    """Return whether ``run_id`` can be a run's id in the store: at most 250 characters, none of them a path's."""
    return _RUN.fullmatch(run_id) is not None and ".." not in run_id


def is_task_id(text: str) -> bool:
    """Return whether ``text`` has the form of a task id."""
    return _TASK.fullmatch(text) is not None


def position_text(kinds: tuple[str, ...], position: Position) -> str:
    """Render a position as text.

    Parameters
    ----------
    kinds : tuple of str
        ``FOREACH`` or ``LOOP`` for each enclosing scope of the step, outermost first.
    position : tuple of int
        One number (>= 0) for each scope.

    Returns
    -------
    str
        The text. Injective for the scopes of one step, and the same for all steps in the same scopes.
    """
    indices, iterations = _split_numbers(kinds, position)
    return _join_numbers(indices or ["0"], iterations)


def task_id(kinds: tuple[str, ...], position: Position, number: int | None) -> str:
    """Render a position as a task id.

    Parameters
    ----------
    kinds, position : tuple of str, tuple of int
        As for :func:`position_text`.
    number : int
        The step's number in the plan, from 0; None for a step of a plan of format 1.

    Returns
    -------
    str
        The task id. Injective for the steps of one plan, unless its format is 1.
    """
    if number is None:
        return position_text(kinds, position)
    indices, iterations = _split_numbers(kinds, position)
    return _join_numbers([str(number), *indices], iterations)


def _split_numbers(kinds: tuple[str, ...], position: Position) -> tuple[list[str], list[str]]:
    """Return the foreach indices and the loop iterations of a position."""
    if len(kinds) != len(position):
        raise PathspecError(
            f"A task position has {len(position)} numbers, the step has {len(kinds)} scopes.",
            seen=".".join(map(str, position)) or "none",
        )
    numbered = list(zip(kinds, position, strict=True))
    return [str(n) for kind, n in numbered if kind == FOREACH], [str(n) for kind, n in numbered if kind == LOOP]


def _join_numbers(indices: list[str], iterations: list[str]) -> str:
    return ".".join(indices) + ("-" + ".".join(iterations) if iterations else "")


def parse_position(kinds: tuple[str, ...], text: str) -> Position:
    """Read the text of a position back.

    Parameters
    ----------
    kinds : tuple of str
        The step's scopes, as for :func:`position_text`.
    text : str
        What that function returned.

    Returns
    -------
    tuple of int
        One number for each scope.

    Raises
    ------
    PathspecError
        If the text isn't a position in these scopes.
    """
    return position_of(kinds, text, None)


def position_of(kinds: tuple[str, ...], text: str, number: int | None) -> Position:
    """Read a task id back into the position it was made from.

    Parameters
    ----------
    kinds : tuple of str
        The step's scopes, as for :func:`task_id`.
    text : str
        A task id.
    number : int
        The step's number, as for :func:`task_id`.

    Returns
    -------
    tuple of int
        One number for each scope.

    Raises
    ------
    PathspecError
        If the text isn't the id of a task of a step with this number and these scopes.
    """
    if is_task_id(text):
        head, _, tail = text.partition("-")
        iterations = [int(n) for n in tail.split(".")] if tail else []
        indices = [int(n) for n in head.split(".")]
        wanted = kinds.count(FOREACH)
        if number is not None or not wanted:
            first, *indices = indices
            fits = first == (number or 0)
        else:
            fits = True
        if fits and len(iterations) == kinds.count(LOOP) and len(indices) == wanted:
            numbers = {FOREACH: iter(indices), LOOP: iter(iterations)}
            return tuple(next(numbers[kind]) for kind in kinds)
    raise PathspecError(
        f"{text!r} isn't the id of a task of this step.",
        wanted=f"{kinds.count(FOREACH)} foreach indices and {kinds.count(LOOP)} loop iterations, such as "
        f"{task_id(kinds, (0,) * len(kinds), number)!r}",
    )


def split_pathspec(pathspec: str, most: int = 5) -> list[str]:
    """Split ``Flow/run/step/task/artifact`` into its components.

    Parameters
    ----------
    pathspec : str
        1 to ``most`` components with ``/`` between them.
    most : int
        The largest number of components that is right here (1 to 5).

    Returns
    -------
    list of str
        The components, none of them empty.

    Raises
    ------
    PathspecError
        If there are too many components, or one is empty or holds a control character.
    """
    parts = pathspec.split("/")
    if len(parts) > most or any(not p or p in (".", "..") or not p.isprintable() for p in parts):
        raise PathspecError(
            f"{pathspec!r} isn't a pathspec.",
            wanted="/".join(("Flow", "run", "step", "task", "artifact")[:most]),
        )
    return parts


def __getattr__(name: str) -> object:
    """Return what earlier releases had here: the Airflow provider of release 0.1.0 imports it."""
    if name in ("airflow_run_id", "airflow_run_prefix"):
        from importlib import import_module

        found: object = getattr(import_module("flow_sdk.deploy.airflow.runtime"), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
