"""Flows that are deployed, and their runs: what ``Deployer`` gives."""

import os
import sys
import time
from collections.abc import Iterator
from typing import Any, Self

from flow_sdk.authoring.unsupported import AbsentName
from flow_sdk.client import Run
from flow_sdk.errors import DeployError, NotFound, RunFailed
from flow_sdk.programmatic.command import FlowFile, facts_of
from flow_sdk.programmatic.failures import command_error
from flow_sdk.programmatic.runner import LOOK, Shown
from flow_sdk.programmatic.targets import Target

__all__ = [
    "AirflowDeployedFlow",
    "AirflowTriggeredRun",
    "DeployedFlow",
    "Deployment",
    "StepFunctionsDeployedFlow",
    "StepFunctionsTriggeredRun",
    "TriggeredRun",
]

_ENDED = {"FAILED", "TIMED_OUT", "ABORTED"}
"""How Step Functions calls a run that won't begin any more."""


class Deployment:
    """A flow file under one deployed name of one orchestrator.

    Parameters
    ----------
    file : FlowFile
        The flow file.
    target : Target
        The orchestrator.
    name : str or None
        The deployed name, where it isn't the flow's own.
    """

    def __init__(self, file: FlowFile, target: Target, name: str | None) -> None:
        self.file, self.target, self.name = file, target, name
        self.facts: dict[str, Any] = {}

    def call(self, verb: str, given: dict[str, Any], arguments: tuple[str, ...] = ()) -> list[str]:
        """Call a command, wait for its end, and return the lines of its stdout.

        Raises
        ------
        UsageError, DeployError
            What it refused, or failed with.
        """
        named = {**given, **({"name": self.name} if self.name is not None else {})}
        process = self.file.start(self.target.command(verb), named, arguments)
        shown = Shown(process, {"stderr": sys.stderr} if self.file.show_output else {})
        try:
            while process.returncode is None:
                shown.more()
                time.sleep(LOOK)
            if process.returncode:
                raise command_error(process, DeployError, f"{self.target.command(verb)} failed")
            shown.more()
            self.facts = facts_of(process) or self.facts
            return process.text("stdout").splitlines()
        finally:
            process.close()

    def result(self, verb: str, given: dict[str, Any], arguments: tuple[str, ...] = ()) -> str:
        """Call a command and return its result, the last line of its stdout."""
        lines = self.call(verb, given, arguments)
        return lines[-1] if lines else ""


class DeployedFlow:
    """A flow that was deployed.

    Parameters
    ----------
    deployment : object
        Its flow file, orchestrator and name.
    result : str
        What ``create`` printed.
    """

    _impl: str | None = None

    def __init__(self, deployment: Deployment, result: str) -> None:
        self._deployment, self._result = deployment, result
        facts = deployment.facts
        self.flow_name: str = facts["flow"]
        self.name: str = facts["name"]
        self._store: str = facts["store"]

    @classmethod
    def from_deployment(cls, identifier: str, metadata: str | None = None, impl: str | None = None) -> Self:
        """Find a flow that was deployed, by whomever, without its flow file.

        Parameters
        ----------
        identifier : str
            The deployed name: ``project.branch.Flow``, the name that was given, or the flow's.
        metadata : str, optional
            The store that its runs are in, as :func:`flow_sdk.metadata` takes it; the client's by default.
        impl : {"airflow", "step_functions"}, optional
            Where it is deployed; needed only of a name that is deployed to both.

        Returns
        -------
        DeployedFlow

        Raises
        ------
        NotFound
            If nothing was ever deployed under that name from that store.
        UsageError
            If it has been deployed to both, or there is no such ``impl``.
        """
        from flow_sdk.programmatic.existing import existing_deployment

        deployment = existing_deployment(identifier, metadata, impl or cls._impl)
        kinds = {kind._impl: kind for kind in (AirflowDeployedFlow, StepFunctionsDeployedFlow)}
        found: Any = (cls if cls._impl is not None else kinds[deployment.target.impl])(deployment, "")
        return found  # type: ignore[no-any-return]

    @classmethod
    def list_deployed_flows(
        cls, flow_name: str | None = None, metadata: str | None = None, impl: str | None = None
    ) -> Iterator[Self]:
        """Find all flows that were deployed from a store, by whomever, in the order of their names.

        The store keeps what a deployment needs for good: one that was deleted since is among them.

        Parameters
        ----------
        flow_name : str, optional
            Only deployments of that flow.
        metadata, impl : str, optional
            As for :meth:`from_deployment`.

        Yields
        ------
        DeployedFlow
        """
        from flow_sdk.programmatic.existing import existing_names

        for name, kind in existing_names(metadata, impl or cls._impl):
            deployed = cls.from_deployment(name, metadata, kind)
            if flow_name in (None, deployed.flow_name):
                yield deployed

    @classmethod
    def get_triggered_run(
        cls, identifier: str, run_id: str, metadata: str | None = None, impl: str | None = None
    ) -> "TriggeredRun":
        """Find a run of a flow that was deployed.

        Parameters
        ----------
        identifier, metadata, impl : str
            As for :meth:`from_deployment`.
        run_id : str
            The run's id in the store: ``airflow-...`` or ``sfn-...``.
        """
        deployed = cls.from_deployment(identifier, metadata, impl)
        return deployed._run_kind(deployed, run_id, run_id)

    @classmethod
    def from_step_functions(cls, identifier: str, metadata: str | None = None) -> "StepFunctionsDeployedFlow":
        """Find a flow that was deployed to Step Functions. See :meth:`from_deployment`."""
        return StepFunctionsDeployedFlow.from_deployment(identifier, metadata)

    @classmethod
    def list_step_functions(cls, flow_name: str | None = None) -> Iterator["StepFunctionsDeployedFlow"]:
        """Find all flows that were deployed to Step Functions. See :meth:`list_deployed_flows`."""
        return StepFunctionsDeployedFlow.list_deployed_flows(flow_name)

    @classmethod
    def get_triggered_step_functions_run(
        cls, identifier: str, run_id: str, metadata: str | None = None
    ) -> "TriggeredRun":
        """Find a run of a flow that was deployed to Step Functions. See :meth:`get_triggered_run`."""
        return StepFunctionsDeployedFlow.get_triggered_run(identifier, run_id, metadata)

    from_argo_workflows = AbsentName("DeployedFlow.from_argo_workflows")
    list_argo_workflows = AbsentName("DeployedFlow.list_argo_workflows")
    get_triggered_argo_workflows_run = AbsentName("DeployedFlow.get_triggered_argo_workflows_run")

    @property
    def metadata(self) -> str:
        """The store that its runs are in, as :func:`flow_sdk.metadata` takes it."""
        return self._store

    @property
    def production_token(self) -> str:
        """The token that it is deployed under, as this machine knows it."""
        from flow_sdk.deploy.claims import KnownTokens
        from flow_sdk.deploy.tokens import TokenGate, existing_store

        environment = self._deployment.file.environment
        home = environment.get("FLOW_SDK_HOME") or os.path.join(os.path.expanduser("~"), ".flow_sdk")
        gate = TokenGate(self.name, "", KnownTokens(home, self.name))
        return gate.check_holder(existing_store(self._store))

    @property
    def _run_kind(self) -> "type[TriggeredRun]":
        return TriggeredRun

    def _listed(self, states: list[str] | None, given: dict[str, Any]) -> list[str]:
        """The ids in the store of the runs that ``list-runs`` shows."""
        given = {**given, **{state.lower(): True for state in states or ()}}
        return [line.split()[0] for line in self._deployment.call("list-runs", given)]

    def _triggered(self, given: dict[str, Any]) -> tuple[str, str]:
        """Start a run; returns what the orchestrator calls it, and its id in the store."""
        run_id = self._deployment.result("trigger", given)
        return self._deployment.target.run_name(self.name, self.flow_name, run_id), run_id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


class TriggeredRun:
    """A run that an orchestrator was told to start.

    Parameters
    ----------
    deployed : DeployedFlow
        The deployed flow.
    name : str
        What the orchestrator calls it.
    run_id : str
        Its id in the store.
    """

    def __init__(self, deployed: DeployedFlow, name: str, run_id: str) -> None:
        self._deployed = deployed
        self.name = name
        self.run_id = run_id

    @property
    def pathspec(self) -> str:
        """``Flow/run``."""
        return f"{self._deployed.flow_name}/{self.run_id}"

    @property
    def metadata(self) -> str:
        """The store that it is in, as :func:`flow_sdk.metadata` takes it."""
        return self._deployed.metadata

    @property
    def run(self) -> Run | None:
        """The run, for the client, whatever the current namespace is; None until its first step has begun."""
        run = Run._at((self._deployed.flow_name, self.run_id), self._deployed._store, None)
        try:
            run._ensure_exists()
        except NotFound:
            return None
        return run

    @property
    def status(self) -> str:
        """``pending`` until its first step has begun, then the run's state: ``running``, ``succeeded``, ``failed``.

        A run on Step Functions that ended before is ``failed``, too.
        """
        run = self.run
        if run is not None:
            return run.state
        return "failed" if self._ended() else "pending"

    def _ended(self) -> str:
        """What the orchestrator calls the end of a run whose first step never began; empty while it may still begin."""
        return ""

    def wait_for_run(self, check_interval: float = 5, timeout: float | None = None) -> None:
        """Wait until the run's first step has begun.

        Parameters
        ----------
        check_interval : float
            Seconds (> 0) between two looks.
        timeout : float, optional
            Seconds (>= 0) to wait at most.

        Raises
        ------
        RunFailed
            If it ended before.
        TimeoutError
            If it takes longer.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while self.run is None:
            if state := self._ended():
                raise RunFailed(f"The run {self.pathspec} ended before its first step began.", seen=state)
            left = float("inf") if end is None else end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"The run {self.pathspec} hasn't begun within {timeout:g} seconds.")
            time.sleep(min(check_interval, left))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.pathspec!r}>"


class AirflowDeployedFlow(DeployedFlow):
    """A flow that was deployed to Airflow."""

    _impl = "airflow"

    @property
    def file(self) -> str:
        """The DAG file; empty where it isn't known, as after :meth:`from_deployment`."""
        return self._result

    @property
    def _run_kind(self) -> "type[AirflowTriggeredRun]":
        return AirflowTriggeredRun

    def trigger(self, **kwargs: Any) -> "AirflowTriggeredRun":
        """Start a run.

        Parameters
        ----------
        **kwargs : Any
            The flow's parameters, as data, and the options of ``airflow trigger``: ``airflow_url``, ``run_id``, ...
        """
        return AirflowTriggeredRun(self, *self._triggered(kwargs))

    def list_runs(self, states: list[str] | None = None, **kwargs: Any) -> "list[AirflowTriggeredRun]":
        """The runs that were started, newest first; the name of each is its id in the store.

        Parameters
        ----------
        states : list of str, optional
            Of which states: ``QUEUED``, ``RUNNING``, ``SUCCEEDED``, ``FAILED``; all by default.
        **kwargs : Any
            ``airflow_url`` and ``airflow_user``, where they aren't settings.
        """
        return [AirflowTriggeredRun(self, run, run) for run in self._listed(states, kwargs)]

    def delete(self, target: str | os.PathLike[str] | None = None, **kwargs: Any) -> bool:
        """Remove the DAG file and stop what is running; runs and artifacts stay.

        Parameters
        ----------
        target : str or path, optional
            Where the DAG file is; by default what ``create`` has written, else the setting ``AIRFLOW_DAGS_FOLDER``.
        **kwargs : Any
            The options of ``airflow delete``: ``authorize``, ``history``, ``airflow_url``, ...

        Returns
        -------
        bool
            Whether there was something to delete.
        """
        place = os.fspath(target) if target is not None else self.file
        return bool(self._deployment.call("delete", kwargs, (place,) if place else ()))


class AirflowTriggeredRun(TriggeredRun):
    """A run that Airflow was told to start."""

    def terminate(self, **kwargs: Any) -> bool:
        """Stop the run; what is committed stays.

        Parameters
        ----------
        **kwargs : Any
            The options of ``airflow terminate``: ``authorize``, ``airflow_url``, ...
        """
        self._deployed._deployment.call("terminate", kwargs, (self.name,))
        return True


class StepFunctionsDeployedFlow(DeployedFlow):
    """A flow that was deployed to Step Functions."""

    _impl = "step_functions"

    @property
    def state_machine_arn(self) -> str:
        """The state machine; empty where it isn't known, as after :meth:`from_deployment`."""
        return self._result

    @property
    def _run_kind(self) -> "type[StepFunctionsTriggeredRun]":
        return StepFunctionsTriggeredRun

    def trigger(self, **kwargs: Any) -> "StepFunctionsTriggeredRun":
        """Start a run.

        Parameters
        ----------
        **kwargs : Any
            The flow's parameters, as data.
        """
        return StepFunctionsTriggeredRun(self, *self._triggered(kwargs))

    def list_runs(self, states: list[str] | None = None) -> "list[StepFunctionsTriggeredRun]":
        """The runs that were started, newest first.

        Parameters
        ----------
        states : list of str, optional
            Of which states: ``RUNNING``, ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT``, ``ABORTED``; all by default.
        """
        return [StepFunctionsTriggeredRun(self, run, run) for run in self._listed(states, {})]

    def delete(self, **kwargs: Any) -> bool:
        """Delete the state machine and its schedule; runs and artifacts stay.

        Parameters
        ----------
        **kwargs : Any
            ``authorize``, where this machine doesn't hold the token.

        Returns
        -------
        bool
            Whether there was something to delete.
        """
        return bool(self._deployment.call("delete", kwargs))


class StepFunctionsTriggeredRun(TriggeredRun):
    """A run that Step Functions was told to start."""

    def _ended(self) -> str:
        lines = (line.split() for line in self._deployed._deployment.call("list-runs", {}))
        state = next((words[1] for words in lines if words[:1] == [self.name]), "")
        return state if state in _ENDED and self.run is None else ""

    def terminate(self, **kwargs: Any) -> bool:
        """Stop the run; what is committed stays.

        Parameters
        ----------
        **kwargs : Any
            ``authorize``, where this machine doesn't hold the token.
        """
        self._deployed._deployment.call("terminate", kwargs, (self.name,))
        return True
