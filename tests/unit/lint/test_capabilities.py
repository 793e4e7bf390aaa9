"""What deploy targets refuse."""

from __future__ import annotations

import pytest

from flow_sdk.errors import UsageError
from flow_sdk.lint.capabilities import check_target
from flow_sdk.plan.model import FlowPlan, StepPlan

PLAN = FlowPlan(flow="Train", file="train.py", doc="", steps=(StepPlan("start", "end"),))


@pytest.mark.parametrize("name", [None, "Train", "project.user.anne.Train-1_x", "x" * 250])
def test_airflow_takes(name: str | None) -> None:
    assert check_target(PLAN, "airflow", name) == []


@pytest.mark.parametrize("name", ["", "with space", "größe", "a/b", "x\n", "x" * 251, "{{ x }}"])
def test_airflow_refuses(name: str) -> None:
    found = check_target(PLAN, "airflow", name)
    assert [d.code for d in found] == ["FS701"]
    assert "--name" in found[0].help


def test_an_unknown_target_comes_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="airflow"):
        check_target(PLAN, "airflw")
