"""What a Batch container runs: ``python -m flow_sdk.runtime.batch.container``, told by environment variables alone.

=======================  ===============================================================================================
``FLOW_SDK_STORE``       root of the store
``FLOW_SDK_TASK``        ``Flow/run/step/task``
``FLOW_SDK_REQUEST``     hash of the task's request; without it the run's record says the rest
``FLOW_SDK_EXECUTION``   ARN of the Step Functions execution whose input holds the parameters (start of a run)
``FLOW_SDK_REFUSABLE``   set where the state machine reads from the store whether the run's input was refused
``FLOW_SDK_RETRIES``     how often Step Functions has tried the state again
``FLOW_SDK_MOST_ITEMS``  how many items a foreach may have
``FLOW_SDK_EVENTS``      what the history of the Step Functions execution has room for, as JSON
=======================  ===============================================================================================

It ends with the task runner's exit code: 0 committed, 1 failed, 2 failed and of no use to try again. Where the state
machine reads it, the start of a run whose input can't be used ends with 0: Step Functions sees no exit code, and tries
every job again that ends with another one.
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
from flow_sdk.plan.parameters import resolve
from flow_sdk.runtime.batch.submit import read_request
from flow_sdk.runtime.begin import read_record
from flow_sdk.runtime.handoff import accepted_input, refused_input, write_handoff, write_input_handoff
from flow_sdk.runtime.parents import RunView
from flow_sdk.runtime.report import FAILED, FATAL, OK
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.supervise import supervise
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records.checksummed_json import unseal
from flow_sdk.store.records.commits import attempts
from flow_sdk.store.records.layout import failure_key, start_key
from flow_sdk.store.records.model import FAILURE_FIELDS
from flow_sdk.strict_json import parse_json

__all__ = [
    "REFUSED_INPUT",
    "STEP_FUNCTIONS",
    "execution_input",
    "given_parameters",
    "main",
    "run_container",
    "run_id_of",
    "tries",
]

STEP_FUNCTIONS = "step-functions"
"""The orchestrator's kind in the record of a run of Step Functions."""

COMMENT = "Comment"
"""AWS's console fills the input of a new execution with an object of this one key."""

PARAMETERS = "Parameters"
"""The key under which Metaflow's tools, and rules written for them, give the parameters, as JSON in a text."""

REFUSED_INPUT = "FlowSDK.RefusedInput"
"""The error of an execution whose input can't be used; its cause says why."""


def run_id_of(execution: str) -> str:
    """The run's id in the store, from the execution's name."""
    return f"sfn-{execution}"


def tries(step: StepPlan) -> int:
    """How often a step may be tried again, the try that only takes over for ``@catch`` included."""
    retry = step.decorator("retry") or {}
    return int(retry.get("times", 0)) + (1 if step.decorator("catch") is not None else 0)


def execution_input(arn: str) -> Any:
    """Read the input of an execution.

    Raises
    ------
    ParameterError
        If Python can't read the JSON, such as for numbers of thousands of digits.
    AwsError
        If AWS doesn't give it.
    """
    from flow_sdk.aws import aws_errors, client

    states = client("stepfunctions")
    with aws_errors("read the execution's input", where=arn):
        text = states.describe_execution(executionArn=arn).get("input") or "{}"
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refused_form(text, f"The execution's input can't be read: {error}.") from None


def given_parameters(given: Any, plan: FlowPlan) -> dict[str, Any]:
    """Find the parameters in the input of an execution. Pure.

    Parameters
    ----------
    given : JSON value
        The input: an object of parameters, as ``trigger`` makes it; or an object with the one key ``Parameters``, which
        holds such an object or its JSON as text. In a flow with a parameter of that name ``Parameters`` is always this
        parameter. The console's key ``Comment`` is passed over, unless the flow has such a parameter.
    plan : FlowPlan
        The flow.

    Returns
    -------
    dict
        Values by name; the names may be wrong.

    Raises
    ------
    ParameterError
        If the input has another form.
    """
    known = {parameter.name for parameter in plan.parameters}
    if not isinstance(given, dict):
        raise _refused_form(given, "The execution's input isn't an object of parameters.")
    found = {name: value for name, value in given.items() if name != COMMENT or name in known}
    if PARAMETERS not in found or PARAMETERS in known:
        return found
    if len(found) > 1:
        others = ", ".join(repr(name) for name in found if name != PARAMETERS)
        raise _refused_form(given, f"The execution's input has {others[:200]} beside {PARAMETERS!r}.")
    inner = found[PARAMETERS]
    if isinstance(inner, str):
        try:
            inner = json.loads(inner)
        except (ValueError, RecursionError) as error:
            raise _refused_form(found[PARAMETERS], f"The text under {PARAMETERS!r} isn't JSON: {error}.") from None
    if not isinstance(inner, dict):
        raise _refused_form(inner, f"What the input has under {PARAMETERS!r} isn't an object of parameters.")
    return inner


def _refused_form(seen: Any, headline: str) -> ParameterError:
    text = seen if isinstance(seen, str) else json.dumps(seen, ensure_ascii=False)
    wanted = '{"alpha": 0.5}, or {"Parameters": "{\\"alpha\\": 0.5}"}, or {} for the defaults'
    return ParameterError(headline, seen=text[:200], wanted=wanted)


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
        """Put together what the task runner is told.

        Raises
        ------
        ParameterError
            If the run can't begin with the execution's input.
        """
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
            changes["parameters"] = given_parameters(execution_input(execution), plan)
            resolve(plan.parameters, changes["parameters"])
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

    @property
    def _execution(self) -> str:
        """Name of the execution that the job begins."""
        return self.env["FLOW_SDK_EXECUTION"].rpartition(":")[2]

    def _refuse_input(self, reason: str) -> int:
        """End the run before it begins; returns the exit code."""
        print(reason, file=sys.stderr, flush=True)
        if not self.env.get("FLOW_SDK_REFUSABLE"):
            return FATAL
        write_input_handoff(self.store, self.flow, self.run, refused_input(self._execution, reason))
        print("The state machine ends the run with this reason.", file=sys.stderr, flush=True)
        return OK

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
        try:
            request, plan = self.request()
        except ParameterError as error:
            return self._refuse_input(str(error))
        timeout = (plan[self.step].decorator("timeout") or {}).get("seconds")
        result = supervise(request, _show, timeout=float(timeout) if timeout else None)
        if result.code != OK:
            if result.attempt is None and "error" in result.facts:
                print(result.facts["error"], file=sys.stderr, flush=True)
            if result.code == FATAL and read_record(self.store, self.flow, self.run) is None:
                return self._refuse_input(str(result.facts.get("error", "The run can't begin.")))
            return result.code
        if self.env.get("FLOW_SDK_REFUSABLE"):
            write_input_handoff(self.store, self.flow, self.run, accepted_input(plan, self._execution))
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
