"""The calls of ``self.next`` that are the last statement on their path through a function."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

__all__ = ["last_calls"]


def last_calls(body: list[ast.stmt], is_next: Callable[[ast.Call], bool]) -> set[ast.Call]:
    """Find the calls of ``self.next`` after which the function has nothing left to do.

    Parameters
    ----------
    body : list of ast.stmt
        The function's statements.
    is_next : callable
        Returns whether a call is one of ``self.next``.

    Returns
    -------
    set of ast.Call
        Those followed by the function's end or a bare ``return``. Empty where the function's end can also be reached
        without such a call, as after an ``if`` without ``else``.
    """
    reader = _Paths(is_next)
    reader.read_block(body, ends=True)
    return reader.found if _always_ends_in_call(body, reader.found) else set()


class _Paths:
    """Reads the blocks of a function and collects the calls that end a path."""

    def __init__(self, is_next: Callable[[ast.Call], bool]) -> None:
        self.is_next = is_next
        self.found: set[ast.Call] = set()

    def read_block(self, body: list[ast.stmt], *, ends: bool) -> None:
        """Read one block; ``ends``: after its last statement the function is at its end."""
        for statement, following in zip(body, [*body[1:], None][: len(body)], strict=True):
            is_last = ends if following is None else _is_bare_return(following)
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                if is_last and self.is_next(statement.value):
                    self.found.add(statement.value)
                continue
            if getattr(statement, "finalbody", None):
                continue  # what finally holds runs after a call in the try: no call in there is the last thing done
            for inner, may_end in _find_blocks(statement):
                self.read_block(inner, ends=is_last and may_end)


def _find_blocks(statement: ast.stmt) -> Iterable[tuple[list[ast.stmt], bool]]:
    """Yield the blocks of a statement, and whether what follows a block is what follows the statement."""
    if isinstance(statement, (ast.If, ast.With)):
        yield statement.body, True
        yield getattr(statement, "orelse", []), True
    elif isinstance(statement, ast.Try):
        yield statement.body, not statement.orelse
        yield statement.orelse, True
        yield from ((handler.body, True) for handler in statement.handlers)
    elif isinstance(statement, ast.Match):
        yield from ((case.body, True) for case in statement.cases)
    elif isinstance(statement, (ast.For, ast.While)):
        yield statement.body, False
        yield statement.orelse, True


def _always_ends_in_call(body: list[ast.stmt], calls: set[ast.Call]) -> bool:
    """Return whether every way to a block's end goes through one of the calls."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, (ast.Return, ast.Raise)):
        return isinstance(last, ast.Raise) or _always_ends_in_call(body[:-1], calls)
    if isinstance(last, ast.Expr):
        return last.value in calls
    if isinstance(last, ast.If):
        return _always_ends_in_call(last.body, calls) and _always_ends_in_call(last.orelse, calls)
    if isinstance(last, ast.With):
        return _always_ends_in_call(last.body, calls)
    if isinstance(last, ast.Try):
        inner = _always_ends_in_call(last.orelse or last.body, calls)
        return inner and all(_always_ends_in_call(handler.body, calls) for handler in last.handlers)
    if isinstance(last, ast.Match):
        complete = any(_is_default(case) for case in last.cases)
        return complete and all(_always_ends_in_call(case.body, calls) for case in last.cases)
    return False


def _is_bare_return(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Return) else statement
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def _is_default(case: ast.match_case) -> bool:
    return case.guard is None and isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None
