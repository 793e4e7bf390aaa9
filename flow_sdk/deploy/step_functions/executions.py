"""Runs in AWS: executions of a state machine, started, listed, stopped and gone on with."""

import heapq
import json
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from flow_sdk.aws.errors import aws_errors, error_code
from flow_sdk.deploy.claims import TokenRegistry
from flow_sdk.deploy.port import DeployedRuns, DeploymentStatus, RunDetails, TargetRequest
from flow_sdk.deploy.run_ids import existing_run_error
from flow_sdk.deploy.step_functions.descriptions import describe_execution, describe_machine
from flow_sdk.deploy.step_functions.execution import PREFIX, Execution
from flow_sdk.deploy.step_functions.machine import StateMachine
from flow_sdk.deploy.step_functions.runtime import REFUSED_INPUT
from flow_sdk.deploy.step_functions.schedule import FlowSchedule
from flow_sdk.errors import DeployError, ParameterError, UsageError
from flow_sdk.text import shorten_line

__all__ = ["Executions", "execution_name", "input_text"]

LARGEST_INPUT = 262_144
"""Bytes of an execution's input (AWS Step Functions, quotas)."""

REDRIVE_DAYS = 14
"""Days after its end in which AWS redrives an execution (AWS Step Functions, RedriveExecution)."""

NEVER = datetime.fromtimestamp(0, UTC)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)


def execution_name(run: str, flow: str) -> str:
    """The name of the execution that a user means by ``sfn-...``, with or without the flow's name before it.

    Raises
    ------
    UsageError
        If it can't be one.
    """
    name = run.removeprefix(f"{flow}/").removeprefix(PREFIX)
    if not _NAME.fullmatch(name):
        raise UsageError("This isn't a run of Step Functions.", seen=repr(run)[:200], wanted="sfn-...: see list-runs")
    return name


def input_text(parameters: dict[str, Any]) -> str:
    """Parameters as the input of an execution. Pure.

    Raises
    ------
    ParameterError
        If they are too large, or can't be JSON.
    """
    try:
        text = json.dumps(parameters, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode("utf-8"))
    except ValueError as error:
        raise ParameterError("The parameters can't be sent to AWS.", seen=str(error)[:200]) from error
    if size > LARGEST_INPUT:
        name = max(parameters, key=lambda each: len(json.dumps(parameters[each])))
        raise ParameterError(
            "The parameters are too large for an execution of Step Functions.",
            seen=f"{size:,} bytes as JSON, most of them in {name!r}",
            wanted=f"at most {LARGEST_INPUT:,}",
            help="Put the data into a file in S3 and hand over its address.",
        )
    return text


class Executions(DeployedRuns[Execution]):
    """The executions of one state machine.

    Parameters
    ----------
    machine : StateMachine
        The state machine.
    token_registry : TokenRegistry, optional
        Where AWS keeps the claim on the deployed name.
    """

    def __init__(self, machine: StateMachine, token_registry: TokenRegistry | None = None) -> None:
        self.machine, self.states = machine, machine.states
        self.name, self.token_registry = machine.deployed_name, token_registry

    def check_deployed(self, request: TargetRequest) -> None:
        """Check that the state machine is there."""
        if self.machine.find_existing() is None:
            raise DeployError(
                f"{self.name} isn't deployed to Step Functions.",
                where=str(self.machine.account),
                help=f"Deploy it with: {request.program} step-functions create{request.naming}",
            )

    def start_run(self, parameters: dict[str, Any], run_id: str | None = None) -> Execution:
        """Start a run of the version that the alias leads to.

        Parameters
        ----------
        parameters : dict
            Values by parameter name, as data.
        run_id : str, optional
            The execution's name, as :func:`~flow_sdk.deploy.run_ids.check_run_id` returns it; one is made when left
            out.

        Raises
        ------
        ParameterError
            If the values are too large.
        DeployError
            If there is a run of that name.
        AwsError
            If AWS refuses.
        """
        from botocore.exceptions import ClientError

        text = input_text(parameters)
        # A name of our own makes the call safe to be sent twice: the second time AWS gives the same execution.
        name = run_id
        if name is None:
            name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"
        elif (
            self._describe_execution(name) is not None
        ):  # with equal input AWS would give us the running one as if it were new
            raise self._existing_run_error(name)
        with aws_errors(f"start a run of {self.machine.name}", where=self.machine.alias_arn):
            try:
                answer = self.states.start_execution(stateMachineArn=self.machine.alias_arn, name=name, input=text)
            except ClientError as error:
                if error_code(error) != "ExecutionAlreadyExists":
                    raise
                raise self._existing_run_error(name) from None
        return Execution(
            name=name,
            run=PREFIX + name,
            status="RUNNING",
            started=answer["startDate"],
            is_running=True,
            response=answer,
            arn=answer["executionArn"],
        )

    def list_runs(self, statuses: Iterable[str] = ()) -> Iterator[Execution]:
        """Runs, newest first.

        Parameters
        ----------
        statuses : iterable of str
            Only those; all when empty.

        Raises
        ------
        AwsError
            If AWS refuses.
        """
        wanted = [{"statusFilter": status} for status in statuses] or [{}]
        return heapq.merge(*map(self._list_pages, wanted), key=lambda found: found.started or NEVER, reverse=True)

    def _list_pages(self, wanted: dict[str, str]) -> Iterator[Execution]:
        token: dict[str, str] = {}
        while True:
            with aws_errors("list the runs", where=self.machine.arn):
                page = self.states.list_executions(stateMachineArn=self.machine.arn, **wanted, **token)
            yield from map(Execution.from_response, page["executions"])
            if not page.get("nextToken"):
                return
            token = {"nextToken": page["nextToken"]}

    def find_run(self, name: str) -> Execution:
        """Look at one run.

        Raises
        ------
        DeployError
            If there is none of that name.
        AwsError
            If AWS refuses.
        """
        found = self._describe_execution(name)
        if found is None:
            raise DeployError(
                f"{self.machine.name} has no run {PREFIX}{name}.",
                where=str(self.machine.account),
                help="step-functions list-runs shows those there are; AWS forgets a run 90 days after its end.",
            )
        return found

    def _describe_execution(self, name: str) -> Execution | None:
        from botocore.exceptions import ClientError

        arn = self._execution_arn(name)
        with aws_errors(f"look at the run {PREFIX}{name}", where=arn):
            try:
                return Execution.from_response(self.states.describe_execution(executionArn=arn))
            except ClientError as error:
                if error_code(error) != "ExecutionDoesNotExist":
                    raise
        return None

    def _existing_run_error(self, name: str) -> DeployError:
        return existing_run_error(f"{PREFIX}{name}", "Step Functions", self._execution_arn(name))

    def _execution_arn(self, name: str) -> str:
        return self.machine.account.execution_arn(self.machine.name, name)

    def stop_run(self, run: Execution) -> None:
        """Stop a run; AWS ends its Batch jobs.

        Raises
        ------
        DeployError
            If it has ended already.
        AwsError
            If AWS refuses.
        """
        if not run.is_running:
            raise DeployError(f"The run {run.run} isn't running.", seen=run.status, where=run.arn)
        with aws_errors(f"stop the run {run.run}", where=run.arn):
            self.states.stop_execution(executionArn=run.arn, error="Terminated", cause="Stopped with step-functions.")

    def redrive_run(self, run: Execution) -> None:
        """Continue a run where it stopped.

        Raises
        ------
        DeployError
            If AWS can't do that; says why.
        AwsError
            If AWS refuses.
        """
        check_redrive(run, datetime.now(UTC))
        with aws_errors(f"continue the run {run.run}", where=run.arn):
            self.states.redrive_execution(executionArn=run.arn)

    def start_message(self, request: TargetRequest, run: Execution) -> Sequence[str]:
        """Return how to watch the run."""
        return [
            f"{self.name} has started in {self.machine.account}. To watch it:\n"
            f"  {request.program} step-functions status {run.run}{request.naming}\n"
            f"  {self.run_page(run)}"
        ]

    def stop_message(self, run: Execution) -> str:
        """Return what becomes of the run's tasks."""
        return f"The run {run.run} is stopped; AWS Batch ends its jobs. Tasks that are committed stay readable."

    def run_page(self, run: Execution) -> str:
        """Return the address of a run's page in the AWS console."""
        return self.machine.account.console_url(run.arn)

    def failure_cause(self, run: Execution) -> str | None:
        """Return why a run failed that the store knows nothing of."""
        return shorten_line(str(self.find_run(run.name).response.get("cause") or "see status"), 200)

    def describe_deployment(self, request: TargetRequest) -> DeploymentStatus:
        """Return state machine, versions and schedule."""
        from flow_sdk.aws.clients import make_client

        machine = self.machine
        schedule = FlowSchedule(
            machine.deployed_name, machine.alias_arn, make_client("scheduler"), machine.account.prefix
        )
        return describe_machine(machine, schedule.find_schedule())

    def describe_run(self, request: TargetRequest, run: Execution) -> RunDetails:
        """Return version, error, logs and page of a run."""
        return describe_execution(request, run, self.run_page(run))


def check_redrive(run: Execution, now: datetime) -> None:
    """Refuse to continue a run that AWS doesn't redrive.

    Raises
    ------
    DeployError
        If it is running, succeeded, or ended too long ago.
    """
    local = f"To run it again here from where it got to, use: resume --origin-run-id {run.run}"
    if run.is_running:
        raise DeployError(f"The run {run.run} is still running.", seen=run.status, where=run.arn)
    if run.response.get("error") == REFUSED_INPUT:
        raise DeployError(
            f"The run {run.run} never began: its input was refused.",
            seen=str(run.response.get("cause"))[:1000],
            where=run.arn,
            help="Start a new run, with other parameters.",
        )
    if run.status == "SUCCEEDED":
        raise DeployError(f"The run {run.run} has succeeded: there's nothing to continue.", where=run.arn, help=local)
    if run.stopped is not None and now - run.stopped > timedelta(days=REDRIVE_DAYS):
        raise DeployError(
            f"The run {run.run} ended too long ago for AWS to continue it.",
            seen=f"ended {(now - run.stopped).days} days ago",
            wanted=f"at most {REDRIVE_DAYS} days",
            where=run.arn,
            help=local,
        )
    if run.response.get("redriveStatus") == "NOT_REDRIVABLE":
        raise DeployError(
            f"AWS can't continue the run {run.run}.",
            seen=run.response.get("redriveStatusReason"),
            where=run.arn,
            help=local,
        )
