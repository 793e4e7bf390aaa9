"""Runs in AWS: executions of a state machine, started, listed, stopped and gone on with."""

import heapq
import json
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flow_sdk.aws import aws_errors, error_code
from flow_sdk.deploy.run_ids import STEP_FUNCTIONS_RUN_IDS, existing_run_error
from flow_sdk.deploy.step_functions.machine import StateMachine
from flow_sdk.deploy.step_functions.runtime import REFUSED_INPUT
from flow_sdk.errors import DeployError, ParameterError, UsageError

__all__ = ["STATUSES", "Execution", "Executions", "execution_name", "input_text"]

STATUSES = ("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
PREFIX = STEP_FUNCTIONS_RUN_IDS.prefix
"""What a run's id begins with; the execution's name follows."""

LARGEST_INPUT = 262_144
"""Bytes of an execution's input (AWS Step Functions, quotas)."""

REDRIVE_DAYS = 14
"""Days after its end in which AWS goes on with an execution (AWS Step Functions, RedriveExecution)."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Execution:
    """A run as AWS sees it.

    Parameters
    ----------
    name : str
        The execution's name.
    arn : str
        Its ARN.
    status : str
        One of :data:`STATUSES`, or ``PENDING_REDRIVE``.
    started : datetime
        When it started.
    stopped : datetime or None
        When it ended.
    version : int or None
        The version of the state machine that it runs.
    redrives : int
        How often it was gone on with.
    facts : dict
        All that AWS said of it.
    """

    name: str
    arn: str
    status: str
    started: datetime
    stopped: datetime | None
    version: int | None
    redrives: int
    facts: dict[str, Any]

    @property
    def run(self) -> str:
        """The run's id in the store."""
        return PREFIX + self.name

    @property
    def is_running(self) -> bool:
        """Whether it goes on."""
        return self.status in ("RUNNING", "PENDING_REDRIVE")

    @property
    def failed_job(self) -> dict[str, Any]:
        """The Batch job whose failure ended it, as DescribeJobs says it; empty where something else did."""
        try:
            job = _as_described(json.loads(self.facts.get("cause") or "{}"))
        except ValueError:
            return {}
        return job if isinstance(job, dict) and "jobId" in job else {}

    @classmethod
    def of(cls, facts: dict[str, Any]) -> "Execution":
        """Read what AWS says of an execution."""
        version = str(facts.get("stateMachineVersionArn") or "").rpartition(":")[2]
        return cls(
            facts["name"],
            facts["executionArn"],
            facts["status"],
            facts["startDate"],
            facts.get("stopDate"),
            int(version) if version.isdigit() else None,
            int(facts.get("redriveCount") or 0),
            facts,
        )


def _as_described(value: Any) -> Any:
    """What Step Functions says of a job in the letters of Batch itself, which begins names with a small one."""
    if isinstance(value, dict):
        return {f"{name[:1].lower()}{name[1:]}": _as_described(each) for name, each in value.items()}
    return [_as_described(each) for each in value] if isinstance(value, list) else value


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


class Executions:
    """The executions of one state machine.

    Parameters
    ----------
    machine : StateMachine
        The state machine.
    """

    def __init__(self, machine: StateMachine) -> None:
        self.machine, self.states = machine, machine.states

    def start(self, parameters: dict[str, Any], name: str | None = None) -> Execution:
        """Start a run of the version that the alias leads to.

        Parameters
        ----------
        parameters : dict
            Values by parameter name, as data.
        name : str, optional
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
        if name is None:
            name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"
        elif self._describe(name) is not None:  # with equal input AWS would give us the running one as if it were new
            raise self._existing(name)
        with aws_errors(f"start a run of {self.machine.name}", where=self.machine.alias_arn):
            try:
                answer = self.states.start_execution(stateMachineArn=self.machine.alias_arn, name=name, input=text)
            except ClientError as error:
                if error_code(error) != "ExecutionAlreadyExists":
                    raise
                raise self._existing(name) from None
        return Execution(name, answer["executionArn"], "RUNNING", answer["startDate"], None, None, 0, answer)

    def list(self, statuses: Iterable[str] = ()) -> Iterator[Execution]:
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
        return heapq.merge(*map(self._pages, wanted), key=lambda found: found.started, reverse=True)

    def _pages(self, wanted: dict[str, str]) -> Iterator[Execution]:
        token: dict[str, str] = {}
        while True:
            with aws_errors("list the runs", where=self.machine.arn):
                page = self.states.list_executions(stateMachineArn=self.machine.arn, **wanted, **token)
            yield from map(Execution.of, page["executions"])
            if not page.get("nextToken"):
                return
            token = {"nextToken": page["nextToken"]}

    def find(self, name: str) -> Execution:
        """Look at one run.

        Raises
        ------
        DeployError
            If there is none of that name.
        AwsError
            If AWS refuses.
        """
        found = self._describe(name)
        if found is None:
            raise DeployError(
                f"{self.machine.name} has no run {PREFIX}{name}.",
                where=str(self.machine.place),
                help="step-functions list-runs shows those there are; AWS forgets a run 90 days after its end.",
            )
        return found

    def _describe(self, name: str) -> Execution | None:
        from botocore.exceptions import ClientError

        arn = self.machine.place.execution(self.machine.name, name)
        with aws_errors(f"look at the run {PREFIX}{name}", where=arn):
            try:
                return Execution.of(self.states.describe_execution(executionArn=arn))
            except ClientError as error:
                if error_code(error) != "ExecutionDoesNotExist":
                    raise
        return None

    def _existing(self, name: str) -> DeployError:
        arn = self.machine.place.execution(self.machine.name, name)
        return existing_run_error(f"{PREFIX}{name}", "Step Functions", arn)

    def stop(self, run: Execution) -> None:
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

    def redrive(self, run: Execution) -> None:
        """Let a run go on where it stopped.

        Raises
        ------
        DeployError
            If AWS can't do that; says why.
        AwsError
            If AWS refuses.
        """
        check_redrive(run, datetime.now(UTC))
        with aws_errors(f"go on with the run {run.run}", where=run.arn):
            self.states.redrive_execution(executionArn=run.arn)


def check_redrive(run: Execution, now: datetime) -> None:
    """Refuse to go on with a run that AWS doesn't redrive.

    Raises
    ------
    DeployError
        If it is running, succeeded, or ended too long ago.
    """
    local = f"To run it again here from where it got to, use: resume --origin-run-id {run.run}"
    if run.is_running:
        raise DeployError(f"The run {run.run} is still running.", seen=run.status, where=run.arn)
    if run.facts.get("error") == REFUSED_INPUT:
        raise DeployError(
            f"The run {run.run} never began: its input was refused.",
            seen=str(run.facts.get("cause"))[:1000],
            where=run.arn,
            help="Start a new run, with other parameters.",
        )
    if run.status == "SUCCEEDED":
        raise DeployError(f"The run {run.run} has succeeded: there's nothing to go on with.", where=run.arn, help=local)
    if run.stopped is not None and now - run.stopped > timedelta(days=REDRIVE_DAYS):
        raise DeployError(
            f"The run {run.run} ended too long ago for AWS to go on with it.",
            seen=f"ended {(now - run.stopped).days} days ago",
            wanted=f"at most {REDRIVE_DAYS} days",
            where=run.arn,
            help=local,
        )
    if run.facts.get("redriveStatus") == "NOT_REDRIVABLE":
        raise DeployError(
            f"AWS can't go on with the run {run.run}.",
            seen=run.facts.get("redriveStatusReason"),
            where=run.arn,
            help=local,
        )
