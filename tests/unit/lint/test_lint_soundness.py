"""What the rules let pass can be run: right flows are spoilt at random, what is still accepted is walked through."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.plan.compile import check_class, compile_plan
from flow_sdk.plan.model import FlowPlan
from tests.strategies.flows import flow_source
from tests.strategies.loading import load_flow
from tests.unit.plan.interpreter import Interpreter, Task

ENOUGH = 400
"""Tasks after which a walk stops: its loops are left by chance only."""


class Stopped(Exception):
    """The walk was long enough."""


class Walker(Interpreter):
    """Walks through a plan without running code, deciding by chance."""

    def __init__(self, plan: FlowPlan, rng: random.Random) -> None:
        super().__init__(object, plan)
        self.rng = rng

    def run(self) -> dict[tuple[str, str], Task]:
        try:
            return super().run()
        except Stopped:
            return self.tasks

    def execute(self, task: Task) -> None:
        key = task.step.name, task.step.task_id(task.position)
        assert key not in self.tasks, f"{key} runs twice"
        self.tasks[key] = task
        if len(self.tasks) > ENOUGH:
            raise Stopped
        for target, branch, item in self.chosen(task):
            self.hand_on(task, self.plan[target], branch, item)

    def chosen(self, task: Task) -> list[tuple[str, int, Any]]:
        step = task.step
        if step.kind == "foreach":
            count = self.rng.randint(1, 2)
            return [(step.next[0], number, (count, number)) for number in range(count)]
        if step.kind == "switch":
            return [(self.rng.choice(step.next), 0, None)]
        return [(target, number, None) for number, target in enumerate(step.next)]


def spoil(rng: random.Random, text: str) -> str:
    """Lead one transition elsewhere, or give a step the other number of arguments."""
    names = re.findall(r"def (\w+)\(self", text)
    if rng.random() < 0.75:
        line = rng.choice(list(re.finditer(r"self\.next\(.*\)", text)))
        target = rng.choice(list(re.finditer(r"self\.(\w+)(?=[,)}])", line.group())))
        first, last = line.start() + target.start(1), line.start() + target.end(1)
        return text[:first] + rng.choice(names) + text[last:]
    head = rng.choice(list(re.finditer(r"def (\w+)\(self(, inputs)?\)", text)))
    new = f"def {head.group(1)}(self)" if head.group(2) else f"def {head.group(1)}(self, inputs)"
    return text[: head.start()] + new + text[head.end() :]


@pytest.mark.parametrize("block", range(10))
def test_what_is_accepted_can_be_run(block: int, tmp_path: Path) -> None:
    accepted = 0
    for seed in range(block * 40, block * 40 + 40):
        rng = random.Random(seed)
        flow = load_flow(spoil(rng, flow_source(seed).text), tmp_path)
        found = check_class(flow)
        if found:
            assert all(str(diagnostic) for diagnostic in found)
            continue
        accepted += 1
        plan = compile_plan(flow, file="flow.py")
        for _ in range(4):
            Walker(plan, rng).run()
    assert 0 < accepted < 30, "the spoiling is too strong or too weak to say anything"
