"""A smallest interpreter of plans, in memory and in one process: what a plan means, without any store or scheduler.

It checks on the way that positions are unique and that a join gets one input for each branch or item.
"""

from __future__ import annotations

import copy
from collections import deque
from typing import Any

from flow_sdk.ids import FOREACH, LOOP, Position
from flow_sdk.plan.model import FlowPlan, StepPlan


class Task:
    """One task: what a step's code sees, and what it left."""

    def __init__(
        self, step: StepPlan, position: Position, stack: list[tuple[int, int, Any]], parents: list[Task]
    ) -> None:
        self.step, self.position, self.stack, self.parents = step, position, stack, parents
        self.data: dict[str, Any] = {}

    @property
    def index(self) -> int | None:
        return self.stack[-1][0] if self.stack else None

    @property
    def input(self) -> Any:
        return self.stack[-1][2] if self.stack else None

    def foreach_stack(self) -> list[tuple[int, int, Any]]:
        return self.stack

    def load_artifact(self, name: str) -> Any:
        raise AttributeError(name)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["data"][name]
        except KeyError:
            raise AttributeError(name) from None

    def merge_artifacts(self, flow: Any, inputs: Inputs, include: Any, exclude: Any) -> None:
        names = dict.fromkeys(name for each in inputs for name in each.data)
        for name in names:
            if name in vars(flow) or name in (exclude or ()) or (include is not None and name not in include):
                continue
            values = [each.data[name] for each in inputs if name in each.data]
            assert all(value == values[0] for value in values), f"{name} conflicts: {values}"
            setattr(flow, name, values[0])


class Inputs(list[Any]):
    """A join's inputs."""

    def __getattr__(self, name: str) -> Any:
        return next(each for each in self if each.step.name == name)


class Interpreter:
    """Runs a plan over a flow class; ``tasks`` then holds every task by (step, task id)."""

    def __init__(self, flow: type[Any], plan: FlowPlan) -> None:
        self.flow, self.plan = flow, plan
        self.tasks: dict[tuple[str, str], Task] = {}
        self.waiting: dict[tuple[str, Position], list[tuple[int, Task]]] = {}
        self.ready: deque[Task] = deque()

    def run(self) -> dict[tuple[str, str], Task]:
        self.ready.append(Task(self.plan.start, (), [], []))
        while self.ready:
            self.execute(self.ready.popleft())
            assert len(self.tasks) < 1000, "the flow doesn't end"
        assert not self.waiting, f"joins that never got all inputs: {list(self.waiting)}"
        assert (self.plan.end.name, self.plan.end.task_id(())) in self.tasks
        return self.tasks

    def execute(self, task: Task) -> None:
        key = task.step.name, task.step.task_id(task.position)
        assert key not in self.tasks, f"{key} runs twice"
        self.tasks[key] = task
        flow = self.flow(use_cli=False)
        arguments = []
        if task.step.is_join:
            arguments = [Inputs(task.parents)]
        elif task.parents:
            for name, value in copy.deepcopy(task.parents[0].data).items():
                setattr(flow, name, value)
        flow.__dict__["__flow_task__"] = task
        getattr(type(flow), task.step.name)(flow, *arguments)
        transition = flow.__dict__.pop("__flow_transition__", None)
        task.data = {name: value for name, value in vars(flow).items() if not name.startswith("__")}
        assert (transition is None) == (task.step.kind == "end")
        for target, branch, item in self.chosen(task):
            self.hand_on(task, self.plan[target], branch, item)

    def chosen(self, task: Task) -> list[tuple[str, int, Any]]:
        """(target, number of the branch or item, the foreach's (number of items, item))."""
        step = task.step
        if step.kind == "foreach":
            value = task.data[step.foreach or ""]
            items = list(value.items()) if isinstance(value, dict) else list(value)
            return [(step.next[0], number, (len(items), item)) for number, item in enumerate(items)]
        if step.kind == "switch":
            value = task.data[step.condition or ""]
            return [next((target, 0, None) for case, target in step.cases if case == value)]
        return [(target, number, None) for number, target in enumerate(step.next)]

    def hand_on(self, task: Task, target: StepPlan, number: int, item: Any) -> None:
        numbers = dict(zip(self.numbered(task.step), task.position, strict=True))
        stack = task.stack
        if task.step.kind == "foreach":
            numbers[FOREACH, task.step.name] = number
            stack = [*stack, (number, *item)]
        if target.name in task.step.back:
            numbers[LOOP, target.name] += 1
        position = tuple(numbers.get(scope, 0) for scope in self.numbered(target))
        if not target.is_join:
            self.ready.append(Task(target, position, stack, [task]))
            return
        opener = self.plan[target.joins or ""]
        if opener.kind == "foreach":
            branch, wanted = numbers[FOREACH, opener.name], stack[-1][1]
            stack = stack[:-1]
        else:
            scopes = task.step.scopes if task.step.name != opener.name else ()
            taken = next(s.branch for s in scopes if s.step == opener.name and s.kind == "split")
            branch, wanted = opener.next.index(taken or ""), len(opener.next)
        arrived = self.waiting.setdefault((target.name, position), [])
        arrived.append((branch, task))
        if len(arrived) == wanted:
            del self.waiting[target.name, position]
            arrived.sort(key=lambda pair: pair[0])
            assert [branch for branch, _ in arrived] == list(range(wanted))
            self.ready.append(Task(target, position, stack, [parent for _, parent in arrived]))

    def numbered(self, step: StepPlan) -> list[tuple[str, str]]:
        return [(scope.kind, scope.step) for scope in step.scopes if scope.kind in (FOREACH, LOOP)]
