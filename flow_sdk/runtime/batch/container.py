"""What a Batch container runs: ``python -m flow_sdk.runtime.batch.container``, told by environment variables alone.

=======================  ===============================================================================================
``FLOW_SDK_STORE``       root of the store
``FLOW_SDK_TASK``        ``Flow/run/step/task``
``FLOW_SDK_REQUEST``     hash of the task's request; without it the run's record says the rest
``FLOW_SDK_EXECUTION``   ARN of the Step Functions execution whose input holds the parameters (start of a run)
``FLOW_SDK_RETRIES``     how often Step Functions has tried the state again
``FLOW_SDK_MOST_ITEMS``  how many items a foreach may have
``FLOW_SDK_EVENTS``      what the history of the Step Functions execution has room for, as JSON
=======================  ===============================================================================================

It ends with the task runner's exit code: 0 committed, 1 failed, 2 failed and of no use to try again.
"""

import dataclasses
import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from flow_sdk.errors import DeployError, FlowSDKError, ObjectMissing, ParameterError
from flow_sdk.ids import split_pathspec
from flow_sdk.plan.codec import from_json
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.runtime.batch.submit import read_request
from flow_sdk.runtime.begin import read_record
from flow_sdk.runtime.handoff import write_handoff
from flow_sdk.runtime.parents import RunView
from flow_sdk.runtime.report import FAILED, FATAL, OK
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.supervise import supervise
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.attempts import attempts
from flow_sdk.store.layout import failure_key, start_key
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records import FAILURE_FIELDS
from flow_sdk.store.sealed import unseal
from flow_sdk.strict_json import parse_json

__all__ = ["STEP_FUNCTIONS", "execution_input", "main", "run_container", "run_id_of", "tries"]

STEP_FUNCTIONS = "step-functions"
"""The orchestrator's kind in the record of a run of Step Functions."""

COMMENT = "Comment"
"""AWS's console fills the input of a new execution with an object of this one key."""


def run_id_of(execution: str) -> str:
    """The run's id in the store, from the execution's name."""
    return f"sfn-{execution}"


def tries(step: StepPlan) -> int:
    """How often a step may be tried again, the try that only takes over for ``@catch`` included."""
    retry = step.decorator("retry") or {}
    return int(retry.get("times", 0)) + (1 if step.decorator("catch") is not None else 0)


def execution_input(arn: str) -> dict[str, Any]:
    """Read the parameters of a run from the input of its execution.

    Raises
    ------
    ParameterError
        If the input isn't a JSON object.
    AwsError
        If it can't be read.
    """
    from flow_sdk.aws import aws_errors, client

    states = client("stepfunctions")
    with aws_errors("read the execution's input", where=arn):
        text = states.describe_execution(executionArn=arn).get("input") or "{}"
    given = json.loads(text)
    if not isinstance(given, dict):
        raise ParameterError(
            "The execution's input isn't an object of parameters.",
            seen=text[:200],
            wanted='{"alpha": 0.5}, or {} for the defaults',
            where=arn,
        )
    return given


class _Container:
    """One job's attempt."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.root = _told(env, "FLOW_SDK_STORE")
        self.flow, self.run, self.step, self.task = _task_of(_told(env, "FLOW_SDK_TASK"))
        self.store = open_store(self.root, create=False)
        self.place = (self.store, self.flow, self.run, self.step, self.task)
        self.artifacts = Artifacts(self.store)

    def request(self) -> tuple[TaskRequest, FlowPlan]:
        """Put together what the task runner is told."""
        record = read_record(self.store, self.flow, self.run)
        digest = self.env.get("FLOW_SDK_REQUEST")
        if digest:
            base = read_request(self.artifacts, self.env["FLOW_SDK_TASK"], digest)
        elif record is not None:
            base = TaskRequest(self.root, self.flow, self.run, self.step, self.task, record.plan, record.package)
            base = dataclasses.replace(base, orchestrator=record.orchestrator)
        else:
            raise DeployError(
                f"The run {self.flow}/{self.run} hasn't begun, but {self.step}/{self.task} was started.",
                where=self.root,
                help="The start task writes the run's record; look at its log first.",
            )
        pinned = base.plan if record is None else record.plan
        plan = from_json(self.artifacts.get_bytes(pinned, where=f"the plan of {self.flow}/{self.run}"))
        return self._told_by_machine(base, plan), plan

    def _told_by_machine(self, base: TaskRequest, plan: FlowPlan) -> TaskRequest:
        env, step = self.env, plan[self.step]
        changes: dict[str, Any] = {
            "root": self.root,
            "flow": self.flow,
            "run": self.run,
            "step": self.step,
            "task": self.task,
            "environment": {**base.environment, "batch": _job_facts(env)},
        }
        if "FLOW_SDK_RETRIES" in env:
            changes["tries_left"] = tries_left(step, int(env["FLOW_SDK_RETRIES"]), self._jobs_before())
        if execution := env.get("FLOW_SDK_EXECUTION"):
            machine = execution.rpartition(":")[0].rpartition(":")[2]
            changes["orchestrator"] = {"kind": STEP_FUNCTIONS, "state_machine": machine, "execution": execution}
            given = execution_input(execution)
            known = {parameter.name for parameter in plan.parameters}
            changes["parameters"] = {k: v for k, v in given.items() if k != COMMENT or k in known}
        if "FLOW_SDK_MOST_ITEMS" in env:
            changes["max_num_splits"] = int(env["FLOW_SDK_MOST_ITEMS"])
        if "FLOW_SDK_EVENTS" in env:
            changes["events"] = json.loads(env["FLOW_SDK_EVENTS"])
        return dataclasses.replace(base, **changes)

    def _jobs_before(self) -> int:
        """How many jobs before this one have begun an attempt; Batch starts one whose machine was lost anew."""
        numbers = attempts(*self.place)
        texts = self.store.get_many([start_key(*self.place[1:], number) for number in numbers])
        noted = [_noted(text).get("batch") or {} for text in texts]
        jobs = {batch.get("job", number) for number, batch in zip(numbers, noted, strict=True)}
        return len(jobs - {self.env.get("AWS_BATCH_JOB_ID")})

    def _given_up(self) -> str | None:
        """Why the try before this one said that no other can help; None where it didn't.

        Step Functions sees no exit code, and starts a job all the same.
        """
        if int(self.env.get("FLOW_SDK_RETRIES") or 0) == 0:
            return None  # the first try, or one that a person asked for
        key = failure_key(*self.place[1:])
        try:
            mark = unseal(self.store.get(key), key, fields=FAILURE_FIELDS)
        except ObjectMissing:
            return None
        if mark["attempt"] != max(attempts(*self.place), default=0):
            return None
        (start,) = self.store.get_many([start_key(*self.place[1:], mark["attempt"])])
        # One that had no try left has marked the task, too: if there is one all the same, it may help.
        return None if _noted(start).get("tries_left") == 0 else str(mark["reason"])

    def supervise(self) -> int:
        """Run the attempt, and leave what the orchestrator reads."""
        reason = self._given_up()
        if reason is not None:
            print(f"{reason}\nThe try before ended with this; no other can help.", file=sys.stderr, flush=True)
            return FATAL
        request, plan = self.request()
        timeout = (plan[self.step].decorator("timeout") or {}).get("seconds")
        result = supervise(request, _show, timeout=float(timeout) if timeout else None)
        if result.code != OK:
            if result.attempt is None and "error" in result.facts:
                print(result.facts["error"], file=sys.stderr, flush=True)
            return result.code
        if request.orchestrator.get("kind") == STEP_FUNCTIONS:
            execution = request.orchestrator["execution"].rpartition(":")[2]
            write_handoff(RunView(self.store, plan, self.flow, self.run), plan[self.step], self.task, execution)
        return OK


def tries_left(step: StepPlan, retries: int, before: int) -> int:
    """How many tries follow the one that begins.

    Step Functions counts every retry, also of a call that was throttled, which made no job. The store knows every job,
    also those from before a redrive. A retry on account of the step is in both.

    Parameters
    ----------
    step : StepPlan
        The step.
    retries : int
        Step Functions' count (0 again after a redrive).
    before : int
        Jobs that have begun an attempt before.
    """
    return max(0, tries(step) - min(retries, before))


def _noted(start: bytes | None) -> dict[str, Any]:
    """What an attempt noted of its start; nothing where it wasn't written through before a power cut."""
    try:
        facts = parse_json(start or b"{}")
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _told(env: Mapping[str, str], name: str) -> str:
    value = env.get(name)
    if not value:
        raise DeployError(
            f"{name} isn't set.", help="This command is for the containers that Flow SDK starts; run a flow instead."
        )
    return value


def _task_of(pathspec: str) -> tuple[str, str, str, str]:
    parts = split_pathspec(pathspec, 4)
    if len(parts) != 4:
        raise DeployError("FLOW_SDK_TASK isn't a task.", seen=pathspec, wanted="Flow/run/step/task")
    return parts[0], parts[1], parts[2], parts[3]


def _job_facts(env: Mapping[str, str]) -> dict[str, str]:
    """What Batch says about the job, for people."""
    names = {"job": "AWS_BATCH_JOB_ID", "attempt": "AWS_BATCH_JOB_ATTEMPT", "queue": "AWS_BATCH_JQ_NAME"}
    return {key: env[name] for key, name in names.items() if name in env}


def _show(stream: str, line: str) -> None:
    print(line, file=sys.stdout if stream == "stdout" else sys.stderr, flush=True)


def run_container(env: Mapping[str, str]) -> int:
    """Run the attempt that the environment names.

    Returns
    -------
    int
        The exit code.
    """
    try:
        return _Container(env).supervise()
    except FlowSDKError as error:
        print(error, file=sys.stderr, flush=True)
        return FATAL if isinstance(error, ParameterError) else FAILED


def _stopped(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def main() -> None:
    """Run the attempt that this process's environment names. When Batch stops the job, the step is ended first."""
    signal.signal(signal.SIGTERM, _stopped)
    sys.exit(run_container(os.environ))


if __name__ == "__main__":
    from flow_sdk.runtime.batch import container

    container.main()
