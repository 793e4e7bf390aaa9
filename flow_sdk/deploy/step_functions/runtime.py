"""What Step Functions needs of the tasks of its runs: the adapter that their containers and processes load.

A state machine passes to a container, beside what :mod:`flow_sdk.runtime.container` reads:

========================  ==============================================================================================
``FLOW_SDK_EXECUTION``    ARN of the execution whose input holds the parameters (start of a run)
``FLOW_SDK_REFUSABLE``    set where the state machine reads from the store whether the run's input was refused
``FLOW_SDK_RETRIES``      how often Step Functions has tried the state again
``FLOW_SDK_EVENTS``       what the history of the execution has room for, as JSON
========================  ==============================================================================================

Step Functions sees no exit code, and starts every job again that ends with another one than 0.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from flow_sdk.deploy.step_functions.execution_input import parse_parameters, read_execution_input
from flow_sdk.deploy.step_functions.history_budget import reserve_events
from flow_sdk.deploy.step_functions.run_ids import STEP_FUNCTIONS_RUN_IDS
from flow_sdk.deploy.step_functions.state_data import (
    accepted_input,
    refused_input,
    write_input_state,
    write_state_data,
)
from flow_sdk.errors import ObjectMissing
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.plan.parameters import resolve_values
from flow_sdk.runtime.orchestrator import ContainerTask, FinishedStep, PlainAdapter
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.task.parents import RunView
from flow_sdk.store.records.checksummed_json import decode_checksummed
from flow_sdk.store.records.codec import FAILURE_FIELDS
from flow_sdk.store.records.commits import list_attempts
from flow_sdk.store.records.layout import failure_key, start_key
from flow_sdk.strict_json import parse_json

__all__ = ["KIND", "REFUSED_INPUT", "RUN_ID_PREFIX", "StepFunctionsAdapter", "count_tries_left", "run_id_of"]

KIND = "step-functions"
"""The orchestrator's kind in the record of a run of Step Functions."""

RUN_ID_PREFIX = STEP_FUNCTIONS_RUN_IDS.prefix
"""What the id of a run in the store has before the name of its execution."""

REFUSED_INPUT = "FlowSDK.RefusedInput"
"""The error of an execution whose input can't be used; its cause says why."""


def run_id_of(execution: str) -> str:
    """Return a run's id in the store, from the execution's name."""
    return RUN_ID_PREFIX + execution


class StepFunctionsAdapter(PlainAdapter):
    """Runs of Step Functions."""

    run_id_prefix = RUN_ID_PREFIX
    foreach_limit_help = (
        "AWS ends an execution at 25,000 events. Deploy with --use-distributed-map, where each item "
        "has an execution of its own, and there may be 87,000; or make fewer, larger items."
    )

    def store_run_id(self, flow: str, orchestrator: Mapping[str, Any]) -> str:
        """Return the run's id, from the execution's ARN."""
        return run_id_of(_name_in_arn(orchestrator["execution"]))

    def job_run_id(self, run: str) -> str:
        """Return the execution's name, which a state machine tags its jobs with."""
        return run.removeprefix(RUN_ID_PREFIX)

    def explain_missing_run(self, run: str, command: str) -> str | None:
        """Return the command that shows the execution."""
        return f"If it failed before it began, this says why: {command} step-functions status {run}"

    def check_next_tasks(self, finished: FinishedStep, data: Any) -> None:
        """Reserve the events that the following tasks add to the execution's history."""
        if data is not None:
            reserve_events(finished, data)

    def complete_request(self, task: ContainerTask, request: TaskRequest, plan: FlowPlan) -> TaskRequest:
        """Add the parameters, the tries that are left and the room in the history."""
        env, changes = task.env, dict[str, Any]()
        if "FLOW_SDK_RETRIES" in env:
            retries = int(env["FLOW_SDK_RETRIES"])
            changes["tries_left"] = count_tries_left(plan[task.step], retries, count_earlier_jobs(task))
        if execution := env.get("FLOW_SDK_EXECUTION"):
            machine = execution.rpartition(":")[0].rpartition(":")[2]
            changes["orchestrator"] = {"kind": KIND, "state_machine": machine, "execution": execution}
            changes["parameters"] = parse_parameters(read_execution_input(execution), plan)
            resolve_values(plan.parameters, changes["parameters"])
        if "FLOW_SDK_EVENTS" in env:
            changes["adapter_data"] = json.loads(env["FLOW_SDK_EVENTS"])
        return dataclasses.replace(request, **changes)

    def find_fatal_failure(self, task: ContainerTask) -> str | None:
        """Return why the try before this one found that no other can help: it is started all the same."""
        if int(task.env.get("FLOW_SDK_RETRIES") or 0) == 0:
            return None  # the first try, or one that a user asked for
        key = failure_key(*task.key)
        try:
            mark = decode_checksummed(task.store.get(key), key, fields=FAILURE_FIELDS)
        except ObjectMissing:
            return None
        if mark["attempt"] != max(list_attempts(task.store, *task.key), default=0):
            return None
        (start,) = task.store.get_many([start_key(*task.key, mark["attempt"])])
        # One that had no try left has marked the task, too: if there is one all the same, it may help.
        return None if _parse_start(start).get("tries_left") == 0 else str(mark["reason"])

    def reject_input(self, task: ContainerTask, reason: str) -> bool:
        """Write the reason where the state machine reads it, if it does."""
        if not task.env.get("FLOW_SDK_REFUSABLE"):
            return False
        name = _name_in_arn(task.env["FLOW_SDK_EXECUTION"])
        write_input_state(task.store, task.flow, task.run, refused_input(name, reason))
        return True

    def publish_result(self, task: ContainerTask, request: TaskRequest, plan: FlowPlan) -> None:
        """Write the state data that follow a foreach, a switch and the start of a run."""
        if task.env.get("FLOW_SDK_REFUSABLE"):
            accepted = accepted_input(plan, _name_in_arn(task.env["FLOW_SDK_EXECUTION"]))
            write_input_state(task.store, task.flow, task.run, accepted)
        if request.orchestrator.get("kind") == KIND:
            view = RunView(task.store, plan, task.flow, task.run)
            write_state_data(view, plan[task.step], task.task, _name_in_arn(request.orchestrator["execution"]))


def count_tries_left(step: StepPlan, retries: int, earlier_jobs: int) -> int:
    """Return how many tries follow the one that begins (>= 0).

    Step Functions counts every retry, also of a call that was throttled, which made no job. The store knows every job,
    also those from before a redrive. A retry on account of the step is in both.

    Parameters
    ----------
    step : StepPlan
        The step.
    retries : int
        Step Functions' count (0 again after a redrive).
    earlier_jobs : int
        Jobs that have begun an attempt before.
    """
    return max(0, step.max_extra_attempts - min(retries, earlier_jobs))


def count_earlier_jobs(task: ContainerTask) -> int:
    """Return how many jobs before this one have begun an attempt; Batch starts a job again whose machine was lost."""
    numbers = list_attempts(task.store, *task.key)
    texts = task.store.get_many([start_key(*task.key, number) for number in numbers])
    started = [_parse_start(text).get("batch") or {} for text in texts]
    jobs = {batch.get("job", number) for number, batch in zip(numbers, started, strict=True)}
    return len(jobs - {task.env.get("AWS_BATCH_JOB_ID")})


def _parse_start(start: bytes | None) -> dict[str, Any]:
    """Return what an attempt recorded of its start; nothing if that didn't reach the disk before a power cut."""
    try:
        found = parse_json(start or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _name_in_arn(arn: str) -> str:
    return arn.rpartition(":")[2]
