"""From a flow plan to a state machine in Amazon States Language. Pure.

- A step is one ``Task``, which submits a Batch job and waits for it. Environment variables name the task.
- A state's data are ``{"run"}``: the execution's name; inside a foreach also ``"split"``, the indices (``3.1``), and in
  a flow with loops ``"loops"``, for each loop ``{"pass": number}``. No artifact or result passes through them.
- A static split is a ``Parallel`` with a branch for each target, a foreach a ``Map`` over the indices of its children.
  The steps up to the join are states inside of it. An inline map has a state before it that reads the list from S3, a
  distributed one reads it itself. Which one a foreach becomes depends on the number of items that run at a time.
- Where an input may be refused, states after the start step read whether its task accepted it. If not, the execution
  ends there, with the reason. A failed job would be tried again, as a state sees no exit code.
- A switch is followed by a state that reads its target from S3, and by a ``Choice``; for a loop, also the iteration.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flow_sdk.deploy.step_functions.limits import (
    INLINE_WORKERS,
    check_definition,
    checks_input,
    distributed_maps,
    event_budget,
    most_items,
)
from flow_sdk.deploy.step_functions.runtime import REFUSED_INPUT, run_id_of
from flow_sdk.deploy.step_functions.state_data import accepted_input
from flow_sdk.deploy.step_functions.state_names import (
    fill_template,
    job_name_stem,
    map_label,
    state_name,
    template_text,
)
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.plan.tree import ForEach, Parallel, Sequence, StepNode, Switch
from flow_sdk.runtime.batch.definition import BatchSettings, JobDefinition, job_definition, job_queue, job_tags
from flow_sdk.store.address import StoreAddress
from flow_sdk.store.records.layout import orchestrator_output_key, run_input_key

__all__ = ["MachineOptions", "job_definitions", "state_machine"]

JSON = Any
State = dict[str, Any]
SUBMIT = "arn:{partition}:states:::batch:submitJob.sync"
GET_OBJECT = "arn:{partition}:states:::aws-sdk:s3:getObject"
READ_ITEMS = "arn:{partition}:states:::s3:getObject"

THROTTLED: State = {
    "ErrorEquals": ["Batch.AWSBatchException"],
    "IntervalSeconds": 2,
    "BackoffRate": 2,
    "MaxDelaySeconds": 60,
    "MaxAttempts": 10,
    "JitterStrategy": "FULL",
}
"""A call of Batch that was refused, mostly because of too many at once: not the step's failure."""

READ_AGAIN: State = {**THROTTLED, "ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 6}


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineOptions:
    """What a state machine depends on beside the plan.

    Parameters
    ----------
    store : str
        ``s3://bucket/prefix`` of the store.
    request : str
        Hash of the blob with what every run begins with.
    settings : BatchSettings
        Queue, image and roles of steps that don't say it themselves.
    max_workers : int
        Most items of a foreach at a time (>= 1); an inline map has 40 at most.
    use_distributed_map : bool
        Whether each item of every foreach is an execution of its own. Otherwise only those of foreach
        steps are of which an inline map may run too few items at a time.
    item_counts : mapping of str to int
        Most items that a foreach step can have, for those of which it is known.
    workflow_timeout : int or None
        Seconds after which a run fails (> 0).
    batch_tags : dict of str to str
        Tags of every job.
    partition : str
        ``aws``, ``aws-cn`` or ``aws-us-gov``.
    """

    store: str
    request: str
    settings: BatchSettings
    max_workers: int = 100
    use_distributed_map: bool = False
    item_counts: Mapping[str, int] = field(default_factory=dict)
    workflow_timeout: int | None = None
    batch_tags: dict[str, str] = field(default_factory=dict)
    partition: str = "aws"

    def distributed_steps(self, plan: FlowPlan) -> frozenset[str]:
        """The foreach steps of a flow whose map is distributed."""
        return distributed_maps(
            plan, self.max_workers, use_distributed_map=self.use_distributed_map, item_counts=self.item_counts
        )


def job_definitions(plan: FlowPlan, options: MachineOptions) -> list[JobDefinition]:
    """The job definitions that a flow's state machine refers to, each once, in the order of the steps."""
    found = (job_definition(step, options.settings, options.store) for step in plan.steps)
    return list({definition.name: definition for definition in found}.values())


def state_machine(plan: FlowPlan, options: MachineOptions) -> State:
    """Translate a flow.

    Parameters
    ----------
    plan : FlowPlan
        The flow.
    options : MachineOptions
        What else it depends on.

    Returns
    -------
    dict
        The state machine's definition.

    Raises
    ------
    DeployError
        If Step Functions couldn't run it; says which limit it passes.
    ConfigError
        If a job queue, image or role isn't known.
    """
    definition = _Machine(plan, options).build_machine()
    check_definition(plan, definition, options.distributed_steps(plan))
    return definition


class _Machine:
    def __init__(self, plan: FlowPlan, options: MachineOptions) -> None:
        self.plan, self.options, self.distributed = plan, options, options.distributed_steps(plan)
        address = StoreAddress.parse(options.store)
        self.bucket, self.prefix = address.bucket, address.path
        self.tree = plan.tree

    def build_machine(self) -> State:
        words = self.plan.doc.partition("\n")[0]
        found: State = {"Comment": f"{self.plan.flow}: {words}" if words else self.plan.flow}
        found["StartAt"] = state_name(self.plan.start.name)
        if self.options.workflow_timeout is not None:
            found["TimeoutSeconds"] = self.options.workflow_timeout
        return {**found, "States": self._make_states(self.tree.root)}

    def _make_states(self, body: Sequence) -> State:
        """The states of the steps of one region: the flow, a branch of a parallel, or the body of a foreach."""
        found: State = {}
        for node in self.tree.region(body):
            states = dict(self._of_node(node))
            checked = node.step is self.plan.start and checks_input(self.plan)
            found.update(self._with_input_check(states) if checked else states)
        return found

    def _of_node(self, node: StepNode) -> Iterator[tuple[str, State]]:
        """The states that stand for a step, in the order in which they come."""
        step = node.step
        task = self._task_state(step)
        match node:
            case Parallel():
                yield state_name(step.name), {**task, "Next": state_name(step.name, "branches")}
                yield state_name(step.name, "branches"), self._parallel_state(node)
            case ForEach():
                read = "each" if step.name in self.distributed else "items"
                yield state_name(step.name), {**task, "Next": state_name(step.name, read)}
                if read == "items":
                    yield state_name(step.name, "items"), self._read_output(step)
                yield state_name(step.name, "each"), self._map_state(node)
            case Switch():
                yield state_name(step.name), {**task, "Next": state_name(step.name, "next")}
                yield state_name(step.name, "next"), self._read_output(step)
                yield state_name(step.name, "choose"), self._choice_state(step)
                if any(self._leaves_scope(target) for target in step.next):
                    yield state_name(step.name, "done"), {"Type": "Pass", "Result": {}, "End": True}
            case _ if step.next:
                yield from self._linear_states(step, task)
            case _:
                yield state_name(step.name), {**task, "End": True}

    def _linear_states(self, step: StepPlan, task: State) -> Iterator[tuple[str, State]]:
        target = step.next[0]
        if self._leaves_scope(target):
            yield state_name(step.name), {**task, "ResultSelector": {}, "ResultPath": "$", "End": True}
        elif target in step.back:
            yield state_name(step.name), {**task, "Next": state_name(step.name, "again")}
            add = {"pass.$": f"States.MathAdd($.loops.{target}.pass, 1)"}
            again = {"Type": "Pass", "Parameters": add, "ResultPath": f"$.loops.{target}", "Next": state_name(target)}
            yield state_name(step.name, "again"), again
        else:
            yield state_name(step.name), {**task, **self._entry_state(step, target), "Next": state_name(target)}

    def _leaves_scope(self, target: str) -> bool:
        """Whether an edge leads out of its region: to the join that closes it."""
        return self.plan[target].joins is not None

    def _entry_state(self, step: StepPlan, target: str) -> State:
        """What the result of a task is made into where a loop begins after it: the number of its first pass."""
        if target not in self.tree.loops or step is self.plan.start:
            return {}
        return {"ResultSelector": {"pass": 0}, "ResultPath": f"$.loops.{target}"}

    def _first_data(self) -> JSON:
        """Return the state data after the start step, whose own task gets the execution's input instead."""
        if checks_input(self.plan):
            return {}  # they are read, with the answer
        return {"run.$": "$$.Execution.Name", **{k: v for k, v in accepted_input(self.plan, "").items() if k != "run"}}

    def _with_input_check(self, states: State) -> State:
        """The start step's states, with those that end the execution where its task refused the input.

        What they read are the data of the states that follow, or the reason.
        """
        name = self.plan.start.name
        (first, task), *further = states.items()
        names = {part: state_name(name, part) for part in ("input", "accepted", "refused", "done")}
        goes_on = task.get("Next", names["done"])
        task = {key: value for key, value in task.items() if key not in ("Next", "End")}
        read = self._get_object(
            self._object_arguments(run_input_key(self.plan.flow, run_id_of("{}")), "$$.Execution.Name")
        )
        refused = {"Variable": "$.refused", "IsPresent": True, "Next": names["refused"]}
        return {
            first: {**task, "Next": names["input"]},
            names["input"]: {**read, "OutputPath": "$.read", "Next": names["accepted"]},
            names["accepted"]: {"Type": "Choice", "Choices": [refused], "Default": goes_on},
            names["refused"]: {"Type": "Fail", "Error": REFUSED_INPUT, "CausePath": "$.refused"},
            **({} if "Next" in states[first] else {names["done"]: {"Type": "Pass", "End": True}}),
            **dict(further),
        }

    # Tasks

    def _task_state(self, step: StepPlan) -> State:
        start = step is self.plan.start
        run = "$$.Execution.Name" if start else "$.run"
        settings, options = self.options.settings, self.options
        task_id, numbers = self._task_id(step)
        pathspec = fill_template(f"{self.plan.flow}/{run_id_of('{}')}/{step.name}/{task_id}", run, *numbers)
        variables: list[State] = [{"Name": "FLOW_SDK_TASK", "Value.$": pathspec}]
        if start:
            variables.append({"Name": "FLOW_SDK_REQUEST", "Value": options.request})
            variables.append({"Name": "FLOW_SDK_EXECUTION", "Value.$": "$$.Execution.Id"})
            if checks_input(self.plan):
                variables.append({"Name": "FLOW_SDK_REFUSABLE", "Value": "1"})
        variables += self._budget_variables(step)
        again = step.max_extra_attempts
        if again:
            variables.append({"Name": "FLOW_SDK_RETRIES", "Value.$": "States.Format('{}', $$.State.RetryCount)"})
        tags = {
            **job_tags(step, settings),
            **options.batch_tags,
            "flow_sdk.flow": self.plan.flow,
            "flow_sdk.run.$": run,
        }
        tags["flow_sdk.step"] = step.name
        tags |= {"flow_sdk.task.$": fill_template(task_id, *numbers)} if numbers else {"flow_sdk.task": task_id}
        state: State = {
            "Type": "Task",
            "Resource": SUBMIT.format(partition=options.partition),
            "Parameters": {
                "JobName.$": fill_template(f"{job_name_stem(self.plan.flow, step.name)}-{{}}", run),
                "JobQueue": job_queue(step, settings),
                "JobDefinition": job_definition(step, settings, options.store).name,
                "ContainerOverrides": {"Environment": variables},
                "Tags": tags,
            },
            "Retry": [THROTTLED, *([_retry_rule(step, again)] if again else [])],
        }
        return {**state, **({"ResultSelector": self._first_data()} if start else {"ResultPath": None})}

    def _budget_variables(self, step: StepPlan) -> list[State]:
        """Return the variables of a task that starts items or a further iteration."""
        variables: list[State] = []
        if step.kind == "foreach":
            variables.append(
                {"Name": "FLOW_SDK_MOST_ITEMS", "Value": str(most_items(self.plan, step, self.distributed))}
            )
        budget = event_budget(self.plan, step, self.distributed)
        if budget is not None:
            variables.append({"Name": "FLOW_SDK_EVENTS", "Value": json.dumps(budget, separators=(",", ":"))})
        return variables

    def _task_id(self, step: StepPlan) -> tuple[str, list[str]]:
        """A step's task id as a template, and the paths of what fills it."""
        passes = [f"$.loops.{entry}.pass" for entry in step.loop_entries]
        in_foreach = bool(step.foreach_steps)
        indices = ["{}"] if in_foreach else []
        indices = [str(step.number), *indices] if step.number is not None else indices or ["0"]
        text = ".".join(indices) + ("-" + ".".join("{}" for _ in passes) if passes else "")
        return text, (["$.split"] if in_foreach else []) + passes

    # What a foreach and a switch read

    def _output_object(self, step: StepPlan) -> State:
        """Where a task of the step says where it leads: the arguments of S3's GetObject."""
        task_id, numbers = self._task_id(step)
        return self._object_arguments(
            orchestrator_output_key(self.plan.flow, run_id_of("{}"), step.name, task_id), "$.run", *numbers
        )

    def _object_arguments(self, key: str, *paths: str) -> State:
        """Return the arguments of GetObject for an object of the store; the paths fill each ``{}`` of its key."""
        prefix = f"{template_text(self.prefix, 'folder of the store')}/" if self.prefix else ""
        return {"Bucket": self.bucket, "Key.$": fill_template(prefix + key, *paths)}

    def _get_object(self, arguments: State) -> State:
        """Return a state that reads an object of the store as JSON, into ``$.read``."""
        return {
            "Type": "Task",
            "Resource": GET_OBJECT.format(partition=self.options.partition),
            "Parameters": arguments,
            "Retry": [READ_AGAIN],
            "ResultSelector": {"read.$": "States.StringToJson($.Body)"},
        }

    def _read_output(self, step: StepPlan) -> State:
        state = self._get_object(self._output_object(step))
        if step.kind == "foreach":
            return {**state, "ResultPath": "$.items", "Next": state_name(step.name, "each")}
        return {**state, "OutputPath": "$.read", "Next": state_name(step.name, "choose")}

    def _choice_state(self, step: StepPlan) -> State:
        rules = [
            {
                "Variable": "$.next",
                "StringEquals": target,
                "Next": state_name(step.name, "done") if self._leaves_scope(target) else state_name(target),
            }
            for target in dict.fromkeys(step.next)
        ]
        return {"Type": "Choice", "Choices": rules}

    # What encloses other states

    def _parallel_state(self, node: Parallel) -> State:
        step = node.step
        branches = [{"StartAt": state_name(one.target), "States": self._make_states(one.body)} for one in node.branches]
        state: State = {"Type": "Parallel", "Branches": branches, "ResultPath": None}
        data = self._data_inside(step, step.next)
        if data is not None:
            state["Parameters"] = {**({"split.$": "$.split"} if self._in_foreach(step) else {}), **data}
        return {**state, "Next": state_name(node.join)}

    def _map_state(self, node: ForEach) -> State:
        step = node.step
        target = step.next[0]
        selector = self._data_inside(step, (target,)) or self._state_data()
        processor: State = {"StartAt": state_name(target), "States": self._make_states(node.body)}
        state: State = {"Type": "Map", "ItemSelector": {**selector, "split.$": "$$.Map.Item.Value"}}
        if step.name in self.distributed:
            state["Label"] = map_label(step.name)
            reader = {"InputType": "JSON"}
            resource = READ_ITEMS.format(partition=self.options.partition)
            state["ItemReader"] = {
                "Resource": resource,
                "ReaderConfig": reader,
                "Parameters": self._output_object(step),
            }
            state["MaxConcurrency"] = self.options.max_workers
            state["ItemProcessor"] = {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                **processor,
            }
            state["ResultPath"] = None
        else:
            state["ItemsPath"] = "$.items.read"
            state["MaxConcurrency"] = min(self.options.max_workers, INLINE_WORKERS)
            state["ItemProcessor"] = {"ProcessorConfig": {"Mode": "INLINE"}, **processor}
            state["ResultSelector"] = {}  # the list has done its work; what the items give back is empty
            state["ResultPath"] = "$.items"
        return {**state, "Next": state_name(node.join)}

    def _in_foreach(self, step: StepPlan) -> bool:
        return bool(step.foreach_steps)

    def _state_data(self) -> State:
        """State data but for the foreach indices, handed on as they are."""
        return {"run.$": "$.run", **({"loops.$": "$.loops"} if self.plan.loops else {})}

    def _data_inside(self, step: StepPlan, targets: tuple[str, ...]) -> State | None:
        """State data for a body or branches of which some begin with a loop; None where none does."""
        begun = [target for target in targets if target in self.tree.loops]
        if not begun:
            return None
        loops: State = {f"{name}.$": f"$.loops.{name}" for name in step.loop_entries}
        loops |= {name: {"pass": 0} for name in begun}
        return {"run.$": "$.run", "loops": loops}


def _retry_rule(step: StepPlan, times: int) -> State:
    """The rule for a step's own failures. Step Functions waits a second at least."""
    seconds = max(1, round(step.retry.delay))
    return {"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": seconds, "BackoffRate": 1, "MaxAttempts": times}
