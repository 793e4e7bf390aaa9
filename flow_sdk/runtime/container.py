"""What a container of a task runs: ``python -m flow_sdk.runtime.container``, set up by environment variables alone.

=========================  =============================================================================================
``FLOW_SDK_STORE``         root of the store
``FLOW_SDK_TASK``          ``Flow/run/step/task``
``FLOW_SDK_REQUEST``       hash of the task's request; without it the run's record holds the rest
``FLOW_SDK_MOST_ITEMS``    how many items a foreach may have
``FLOW_SDK_ORCHESTRATOR``  kind of the orchestrator; without it that of the run's record, or else of the request
=========================  =============================================================================================

What else an orchestrator passes, and what it reads of a task, its adapter knows (:mod:`flow_sdk.runtime.orchestrator`).

The exit code is the task runner's: 0 committed, 1 failed, 2 failed and of no use to try again. Where the orchestrator
ends a run by what is recorded in the store, the start of a run whose input can't be used ends with 0.
"""

import dataclasses
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from flow_sdk.errors import DeployError, FlowSDKError, ParameterError
from flow_sdk.ids import split_pathspec
from flow_sdk.plan.codec import from_json
from flow_sdk.plan.model import FlowPlan
from flow_sdk.runtime.batch.submit import read_request
from flow_sdk.runtime.orchestrator import ContainerTask, OrchestratorAdapter, find_adapter, named_adapter
from flow_sdk.runtime.report import FAILED, FATAL, OK
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.supervise import supervise
from flow_sdk.runtime.task.run_start import read_record
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store

__all__ = ["main", "run_container"]


class _Container:
    """One attempt of the task that an environment names."""

    def __init__(self, env: Mapping[str, str]) -> None:
        root = _required_variable(env, "FLOW_SDK_STORE")
        names = _parse_task(_required_variable(env, "FLOW_SDK_TASK"))
        self.env = env
        self.task = ContainerTask(env, open_store(root, create=False), root, *names)
        self.artifacts = Artifacts(self.task.store)

    def run_attempt(self) -> int:
        """Run the attempt, and leave what the orchestrator reads; return the exit code."""
        task = self.task
        base, plan = self._read_request()
        adapter = self._find_adapter(base)
        reason = adapter.find_fatal_failure(task)
        if reason is not None:
            print(f"{reason}\nThe try before ended with this; no other can help.", file=sys.stderr, flush=True)
            return FATAL
        try:
            request = adapter.complete_request(task, self._complete_request(base), plan)
        except ParameterError as error:
            return self._reject_input(adapter, str(error))
        result = supervise(request, _print_line, timeout=plan[task.step].timeout.seconds)
        if result.code == OK:
            adapter.publish_result(task, request, plan)
            return OK
        if result.attempt is None and "error" in result.outcome:
            print(result.outcome["error"], file=sys.stderr, flush=True)
        if result.code == FATAL and read_record(task.store, task.flow, task.run) is None:
            return self._reject_input(adapter, str(result.outcome.get("error", "The run can't begin.")))
        return result.code

    def _read_request(self) -> tuple[TaskRequest, FlowPlan]:
        """Read what the task was submitted with, and the plan of its run."""
        task = self.task
        record = read_record(task.store, task.flow, task.run)
        digest = self.env.get("FLOW_SDK_REQUEST")
        if digest:
            base = read_request(self.artifacts, self.env["FLOW_SDK_TASK"], digest)
        elif record is not None:
            base = TaskRequest(task.root, *task.key, record.plan, record.package, orchestrator=record.orchestrator)
        else:
            raise DeployError(
                f"The run {task.flow}/{task.run} hasn't begun, but {task.step}/{task.task} was started.",
                where=task.root,
                help="The start task writes the run's record; look at its log first.",
            )
        pinned = base.plan if record is None else record.plan
        return base, from_json(self.artifacts.get_bytes(pinned, where=f"the plan of {task.flow}/{task.run}"))

    def _find_adapter(self, base: TaskRequest) -> OrchestratorAdapter:
        kind = self.env.get("FLOW_SDK_ORCHESTRATOR")
        return named_adapter(kind) if kind else find_adapter(base.orchestrator.get("kind"))

    def _complete_request(self, base: TaskRequest) -> TaskRequest:
        """Add what the environment holds for any orchestrator."""
        task, changes = self.task, dict[str, Any]()
        if "FLOW_SDK_MOST_ITEMS" in self.env:
            changes["max_num_splits"] = int(self.env["FLOW_SDK_MOST_ITEMS"])
        return dataclasses.replace(
            base,
            root=task.root,
            flow=task.flow,
            run=task.run,
            step=task.step,
            task=task.task,
            environment={**base.environment, "batch": _describe_job(self.env)},
            **changes,
        )

    def _reject_input(self, adapter: OrchestratorAdapter, reason: str) -> int:
        """End the run before it begins; return the exit code."""
        print(reason, file=sys.stderr, flush=True)
        if not adapter.reject_input(self.task, reason):
            return FATAL
        print("The orchestrator ends the run with this reason.", file=sys.stderr, flush=True)
        return OK


def _required_variable(env: Mapping[str, str], name: str) -> str:
    value = env.get(name)
    if not value:
        raise DeployError(
            f"{name} isn't set.", help="This command is for the containers that Flow SDK starts; run a flow instead."
        )
    return value


def _parse_task(pathspec: str) -> tuple[str, str, str, str]:
    parts = split_pathspec(pathspec, 4)
    if len(parts) != 4:
        raise DeployError("FLOW_SDK_TASK isn't a task.", seen=pathspec, wanted="Flow/run/step/task")
    return parts[0], parts[1], parts[2], parts[3]


def _describe_job(env: Mapping[str, str]) -> dict[str, str]:
    """Return what AWS Batch passes of the job, for the task's metadata; empty elsewhere."""
    names = {"job": "AWS_BATCH_JOB_ID", "attempt": "AWS_BATCH_JOB_ATTEMPT", "queue": "AWS_BATCH_JQ_NAME"}
    return {key: env[name] for key, name in names.items() if name in env}


def _print_line(stream: str, line: str) -> None:
    print(line, file=sys.stdout if stream == "stdout" else sys.stderr, flush=True)


def run_container(env: Mapping[str, str]) -> int:
    """Run the attempt that an environment names.

    Parameters
    ----------
    env : mapping of str to str
        The environment variables.

    Returns
    -------
    int
        The exit code.
    """
    try:
        return _Container(env).run_attempt()
    except FlowSDKError as error:
        print(error, file=sys.stderr, flush=True)
        return FATAL if isinstance(error, ParameterError) else FAILED


def _exit_on_signal(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def main() -> None:
    """Run the attempt that this process's environment names. A stopped container ends the step first."""
    signal.signal(signal.SIGTERM, _exit_on_signal)
    sys.exit(run_container(os.environ))


if __name__ == "__main__":
    from flow_sdk.runtime import container

    container.main()
