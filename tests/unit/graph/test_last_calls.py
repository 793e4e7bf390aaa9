"""Where ``self.next`` ends a path through a step."""

from __future__ import annotations

import ast
import textwrap

import pytest

from flow_sdk.graph.last_calls import last_calls


def lines_of(body: str) -> list[int]:
    """The lines, from 1, of the calls of ``go()`` that end a path."""
    statements = ast.parse(textwrap.dedent(body).strip()).body
    found = last_calls(statements, lambda call: isinstance(call.func, ast.Name) and call.func.id == "go")
    return sorted(call.lineno for call in found)


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("go()", [1]),
        ("go()\nreturn", [1]),
        ("go()\nreturn None", [1]),
        ("if a:\n    go()\n    return\ngo()", [2, 4]),
        ("if a:\n    go()\nelse:\n    go()", [2, 4]),
        ("if a:\n    go()\nelif b:\n    go()\nelse:\n    raise E", [2, 4]),
        ("with a:\n    go()", [2]),
        ("try:\n    x()\nexcept E:\n    go()\n    return\ngo()", [4, 6]),
        ("try:\n    x()\nexcept E:\n    go()\nelse:\n    go()", [4, 6]),
        ("for a in b:\n    if a:\n        go()\n        return\ngo()", [3, 5]),
        ("while a:\n    go()\n    return\nelse:\n    go()\n    return\ngo()", [2, 5, 7]),
        ("match a:\n    case 1:\n        go()\n    case _:\n        go()", [3, 5]),
        ("if a:\n    go()\n    return\nif b:\n    go()\n    return\ngo()", [2, 5, 7]),
    ],
)
def test_calls_that_end_a_path(body: str, lines: list[int]) -> None:
    assert lines_of(body) == lines


@pytest.mark.parametrize(
    "body",
    [
        "if a:\n    go()",
        "if a:\n    go()\n    return",
        "if a:\n    go()\nelif b:\n    go()",
        "for a in b:\n    go()",
        "while a:\n    go()",
        "match a:\n    case 1:\n        go()\n    case 2:\n        go()",
        "match a:\n    case 1:\n        go()\n    case _ if b:\n        go()",
        "try:\n    go()\nexcept E:\n    pass",
        "try:\n    go()\nfinally:\n    x()",
    ],
)
def test_bodies_that_can_end_without_a_call(body: str) -> None:
    assert lines_of(body) == []


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("if a:\n    go()\n    x()\n    return\ngo()", [5]),
        ("if a:\n    go()\ngo()", [3]),
        ("for a in b:\n    go()\ngo()", [3]),
        ("try:\n    go()\n    return\nfinally:\n    x()\ngo()", [6]),
        ("go()\nreturn 1\ngo()", [3]),
    ],
)
def test_calls_after_which_something_is_done(body: str, lines: list[int]) -> None:
    assert lines_of(body) == lines
