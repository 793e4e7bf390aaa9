"""What a stored plan may hold: names and paths that users with write access to the store could have changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.errors import PlanError
from flow_sdk.plan.codec import from_data, to_data
from tests.strategies.transitions import plan_of

FLOW = "start: self.a, foreach='x'\na: {1: self.a, 2: self.j}, condition='c'\nj(inputs): self.end\nend:"

Change = Callable[[dict[str, Any]], object]


def at(path: str, value: object) -> Change:
    """Set what is at a path such as ``steps.1.name``."""

    def change(data: dict[str, Any]) -> None:
        found: Any = data
        *above, last = path.split(".")
        for part in above:
            found = found[int(part)] if part.isdigit() else found[part]
        found[last] = value

    return change


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Any]:
    found = to_data(plan_of(FLOW, tmp_path))
    found["parameters"] = [{"name": "alpha", "type": "int", "default": 1}]
    found["configs"] = [{"name": "settings", "value": {}}]
    return found


def test_what_the_compiler_writes_is_accepted(data: dict[str, Any]) -> None:
    assert from_data(data).flow == "F"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("flow", "../x"),
        ("flow", 3),
        ("file", "/etc/passwd"),
        ("file", "a/../../b"),
        ("file", "a//b"),
        ("module", "a..b"),
        ("module", "a/b"),
        ("paths", ["../up"]),
        ("steps", []),
        ("steps", "none"),
        ("steps.0.name", "a/b"),
        ("steps.1.name", "start"),
        ("steps.0.kind", "parallel"),
        ("steps.0.next", ["nowhere"]),
        ("steps.0.foreach", "x y"),
        ("steps.1.condition", "1"),
        ("steps.1.cases", [["x"]]),
        ("steps.1.cases", [["x", "nowhere"]]),
        ("steps.1.parents", ["nowhere"]),
        ("steps.1.back", [1]),
        ("steps.1.scopes", [{"kind": "block", "step": "start"}]),
        ("steps.1.scopes", [{"kind": "foreach", "step": "nowhere"}]),
        ("steps.1.scopes", ["foreach"]),
        ("steps.2.joins", "nowhere"),
        ("steps.0.decorators", ["retry"]),
        ("steps.0.decorators", [["retry", []]]),
        ("steps.0.wrappers", [["a b", {}]]),
        ("loops.0.entry", "nowhere"),
        ("loops.0.body", ["nowhere"]),
        ("parameters.0.name", "--alpha"),
        ("parameters.0.type", "date"),
        ("parameters.0.attribute", "a.b"),
        ("configs.0.name", "a b"),
        ("configs.0.attribute", "1"),
        ("constants", ["a-b"]),
        ("decorators", [["schedule", {"cron": None}]]),
    ],
)
def test_what_no_compiler_writes_is_refused(data: dict[str, Any], path: str, value: object) -> None:
    at(path, value)(data)
    with pytest.raises(PlanError, match="isn't as Flow SDK writes it"):
        from_data(data)
