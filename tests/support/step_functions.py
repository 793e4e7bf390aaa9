"""AWS on this machine: Step Functions of LocalStack, and Batch, S3 and the rest of moto."""

import json
import os
import sys
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any, Self

from tests.support.batch_server import ROOT, SLOTS, Account, BatchServer
from tests.support.ports import free_port
from tests.support.processes import ServerProcess, end_all

__all__ = ["StepFunctionsServer"]

START = 90.0
"""Seconds within which the interpreter must answer."""

LOOK_EVERY = 0.3
"""Seconds between two looks at an execution: each costs the interpreter some of its time."""


class StepFunctionsServer(BatchServer):
    """A `BatchServer` with a real interpreter of state machines; a context manager.

    Clients find Step Functions through ``AWS_ENDPOINT_URL_SFN`` and everything else through ``AWS_ENDPOINT_URL``: `env`
    has both, and jobs see them.

    Parameters
    ----------
    buckets : str
        Buckets to make once it runs.
    localstack : str, optional
        The interpreter that has LocalStack installed; FLOW_TEST_LOCALSTACK when not given.
    python : str
        The interpreter of the jobs.
    slots : int
        Most jobs at a time (>= 1).
    engine : str
        The container engine that runs the jobs; processes when empty.
    """

    def __init__(
        self,
        *buckets: str,
        localstack: str | None = None,
        python: str = sys.executable,
        slots: int = SLOTS,
        engine: str = "",
    ) -> None:
        super().__init__(*buckets, python=python, slots=slots, engine=engine)
        self.localstack = localstack or os.environ["FLOW_TEST_LOCALSTACK"]
        self.states_port = 0
        self._home: tempfile.TemporaryDirectory[str] | None = None
        self._states: ServerProcess | None = None

    @property
    def states_url(self) -> str:
        """Address of Step Functions."""
        return f"http://127.0.0.1:{self.states_port}"

    def env(self) -> dict[str, str]:
        """Environment variables that make a process use it."""
        return {**super().env(), "AWS_ENDPOINT_URL_SFN": self.states_url}

    def start(self) -> Self:
        """Start both servers; returns itself."""
        for tries in reversed(range(3)):
            # The jobs are told the address before anything listens there.
            self.states_port = free_port()
            super().start()
            try:
                self._start_states()
                return self
            except BaseException as error:
                self.stop()
                if not tries or not isinstance(error, RuntimeError):
                    raise
        raise AssertionError("the last try returns or raises")

    def _start_states(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="localstack-", ignore_cleanup_errors=True)
        environment = {
            **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
            **self.env(),
            "HOME": self._home.name,
            "TMPDIR": self._home.name,
            "PYTHONPATH": str(ROOT),
            "RIG_BACKEND": self.url,
            # Its default server listens on all addresses, whatever GATEWAY_LISTEN says.
            "GATEWAY_SERVER": "hypercorn",
            "GATEWAY_LISTEN": f"127.0.0.1:{self.states_port}",
            "LOCALSTACK_HOST": f"127.0.0.1:{self.states_port}",
            "DNS_ADDRESS": "0",
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "SERVICES": "stepfunctions,sts",
            "EAGER_SERVICE_LOADING": "1",
        }
        # Its clients of itself are found by its own settings.
        for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SFN"):
            del environment[name]
        command = [self.localstack, "-P", "-m", "tests.support.localstack_server"]
        self._states = ServerProcess(command, environment, Path(self._home.name, "localstack.log"))
        deadline = time.monotonic() + START
        while not self._answers():
            self._states.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"LocalStack doesn't answer after {START:g} seconds:\n{self._states.tail()}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.states_url}/_localstack/health", timeout=5) as answer:
                return json.load(answer)["services"].get("stepfunctions") in ("available", "running")
        except (OSError, ValueError):
            return False

    def stop(self) -> None:
        """End both servers and the jobs that run."""
        states, self._states = self._states, None
        if states is not None:
            # It doesn't always obey SIGTERM.
            end_all([states], 3.0)
        super().stop()
        if self._home is not None:
            self._home.cleanup()

    def renew(self) -> Account:
        """Forget all machines, jobs, objects and the rest, as if it had just been started, and prepare an account.

        Starting the interpreter takes longer than most of its executions.
        """
        states = self.client("stepfunctions")
        for machine in states.list_state_machines(maxResults=1000)["stateMachines"]:
            arn = machine["stateMachineArn"]
            for running in states.list_executions(stateMachineArn=arn, statusFilter="RUNNING")["executions"]:
                states.stop_execution(executionArn=running["executionArn"])
            states.delete_state_machine(stateMachineArn=arn)
        self.forget()
        return self.prepare()

    def states_log(self) -> str:
        """The end of the interpreter's output."""
        return self._states.tail() if self._states is not None else ""

    def run(
        self, definition: dict[str, Any], data: object = None, *, name: str | None = None, seconds: float = 600.0
    ) -> dict[str, Any]:
        """Execute a definition as a machine of its own.

        Parameters
        ----------
        definition : dict
            The state machine.
        data : object
            The execution's input, as JSON; ``{}`` when not given.
        name : str, optional
            The execution's name.
        seconds : float
            Longest wait (> 0).

        Returns
        -------
        dict
            What `wait` returns.
        """
        states = self.client("stepfunctions")
        machine = states.create_state_machine(
            name=f"rig-{uuid.uuid4().hex[:12]}",
            definition=json.dumps(definition),
            roleArn=self.prepare().machine_role,
        )["stateMachineArn"]
        started = states.start_execution(
            stateMachineArn=machine, name=name or uuid.uuid4().hex, input=json.dumps({} if data is None else data)
        )
        return self.wait(started["executionArn"], seconds)

    def history(self, execution: str) -> list[dict[str, Any]]:
        """All events of an execution."""
        found = self.client("stepfunctions").get_execution_history(executionArn=execution, maxResults=1000)
        events: list[dict[str, Any]] = found["events"]
        return events

    def redrive(self, execution: str, seconds: float = 600.0) -> dict[str, Any]:
        """Go on with a failed execution, in place of AWS's RedriveExecution, which LocalStack lacks.

        A machine of its own begins with the outermost state that failed, under the same execution's name and with the
        same input. AWS starts only those items and branches of a map or parallel again that failed, and each where it
        failed; this starts all of them from their beginning.

        Returns
        -------
        dict
            What `wait` returns.
        """
        states = self.client("stepfunctions")
        machine = states.describe_state_machine_for_execution(executionArn=execution)
        definition = json.loads(machine["definition"])
        entered = (event.get("stateEnteredEventDetails") for event in self.history(execution))
        last = [details for details in entered if details and details["name"] in definition["States"]][-1]
        definition = {**definition, "StartAt": last["name"]}
        return self.run(definition, json.loads(last["input"]), name=execution.rpartition(":")[2], seconds=seconds)

    def wait(self, execution: str, seconds: float = 600.0) -> dict[str, Any]:
        """Wait until an execution has ended; return its description, whose "output" is decoded."""
        states = self.client("stepfunctions")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found: dict[str, Any] = states.describe_execution(executionArn=execution)
            if found["status"] != "RUNNING":
                if "output" in found:
                    found["output"] = json.loads(found["output"])
                return found
            time.sleep(LOOK_EVERY)
        raise TimeoutError(f"{execution} hasn't ended after {seconds:g} seconds\n{self.states_log()}")
