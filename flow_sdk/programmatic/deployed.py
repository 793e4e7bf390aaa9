"""Flows that are deployed, and their runs: what ``Deployer`` gives."""

import os
import re
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

from flow_sdk.authoring.unsupported import UnsupportedName
from flow_sdk.client import Run
from flow_sdk.deploy.declaration import TargetDeclaration
from flow_sdk.deploy.deployed_runs import FAILURES
from flow_sdk.deploy.registry import find_python_target, target_names
from flow_sdk.errors import NotFound, RunFailed
from flow_sdk.programmatic.existing import existing_deployment, existing_names
from flow_sdk.programmatic.target_commands import TargetCommands

__all__ = [
    "AirflowDeployedFlow",
    "AirflowTriggeredRun",
    "DeployedFlow",
    "StepFunctionsDeployedFlow",
    "StepFunctionsTriggeredRun",
    "TriggeredRun",
    "flow_class_of",
    "run_class_of",
]

ABSENT = frozenset({"argo_workflows"})
"""Targets of Metaflow that Flow SDK doesn't have."""

_FINDERS = (
    (re.compile(r"from_(\w+)"), "from_deployment"),
    (re.compile(r"list_(\w+)"), "list_deployed_flows"),
    (re.compile(r"get_triggered_(\w+)_run"), "get_triggered_run"),
)
"""Names of class methods that are about one target, and what each is on the target's own class."""


class _DeployedFlowType(type):
    """Makes ``from_TARGET``, ``list_TARGET`` and ``get_triggered_TARGET_run`` for every target."""

    def __getattr__(cls, name: str) -> Any:
        for form, method in _FINDERS:
            found = form.fullmatch(name)
            if found is None:
                continue
            target = find_python_target(found[1])
            if target is not None:
                return getattr(flow_class_of(target), method)
            if found[1] in ABSENT:
                return UnsupportedName(f"DeployedFlow.{name}")
        raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")

    def __dir__(cls) -> list[str]:
        names = [name.replace("-", "_") for name in target_names()]
        made = [form for name in names for form in (f"from_{name}", f"list_{name}", f"get_triggered_{name}_run")]
        return sorted({*super().__dir__(), *made})


class DeployedFlow(metaclass=_DeployedFlowType):
    """A flow that was deployed.

    Each target has a subclass, whose class methods find only its deployments. ``from_TARGET``, ``list_TARGET`` and
    ``get_triggered_TARGET_run`` are those of the target's subclass, such as ``DeployedFlow.from_step_functions``.

    Parameters
    ----------
    commands : TargetCommands
        Its flow file, target and name.
    result : str
        What ``create`` printed; empty where it isn't known, as after :meth:`from_deployment`.
    """

    _impl: str | None = None

    if TYPE_CHECKING:  # what _DeployedFlowType makes for our own targets

        @classmethod
        def from_airflow(cls, identifier: str, metadata: str | None = None) -> "AirflowDeployedFlow": ...

        @classmethod
        def list_airflow(cls, flow_name: str | None = None) -> Iterator["AirflowDeployedFlow"]: ...

        @classmethod
        def get_triggered_airflow_run(
            cls, identifier: str, run_id: str, metadata: str | None = None
        ) -> "TriggeredRun": ...

        @classmethod
        def from_step_functions(cls, identifier: str, metadata: str | None = None) -> "StepFunctionsDeployedFlow": ...

        @classmethod
        def list_step_functions(cls, flow_name: str | None = None) -> Iterator["StepFunctionsDeployedFlow"]: ...

        @classmethod
        def get_triggered_step_functions_run(
            cls, identifier: str, run_id: str, metadata: str | None = None
        ) -> "TriggeredRun": ...

    def __init__(self, commands: TargetCommands, result: str) -> None:
        self._commands, self._result = commands, result
        self.flow_name: str = commands.identity["flow"]
        self.name: str = commands.identity["name"]
        self._store: str = commands.identity["store"]

    @classmethod
    def from_deployment(cls, identifier: str, metadata: str | None = None, impl: str | None = None) -> Self:
        """Find a flow that was deployed, by whomever, without its flow file.

        Parameters
        ----------
        identifier : str
            The deployed name: ``project.branch.Flow``, the name that was given, or the flow's.
        metadata : str, optional
            The store that its runs are in, as :func:`flow_sdk.metadata` takes it; the client's by default.
        impl : str, optional
            The target, such as ``"airflow"`` or ``"step_functions"``; needed only of a name
            that is deployed to several.

        Returns
        -------
        DeployedFlow

        Raises
        ------
        NotFound
            If nothing was ever deployed under that name from that store.
        UsageError
            If it has been deployed to several targets, or there is no such ``impl``.
        """
        commands = existing_deployment(identifier, metadata, impl or cls._impl)
        found: Any = (cls if cls._impl is not None else flow_class_of(commands.target))(commands, "")
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
        return deployed._make_run(run_id, run_id)

    @property
    def metadata(self) -> str:
        """The store that its runs are in, as :func:`flow_sdk.metadata` takes it."""
        return self._store

    @property
    def production_token(self) -> str:
        """The token that it is deployed under, as this machine knows it."""
        from flow_sdk.deploy.claims import KnownTokens
        from flow_sdk.deploy.tokens import DeployAuthorizer, existing_store

        environment = self._commands.file.environment
        home = environment.get("FLOW_SDK_HOME") or os.path.join(os.path.expanduser("~"), ".flow_sdk")
        gate = DeployAuthorizer(self.name, "", KnownTokens(home, self.name))
        return gate.check_holder(existing_store(self._store))

    def trigger(self, **kwargs: Any) -> "TriggeredRun":
        """Start a run.

        Parameters
        ----------
        **kwargs : Any
            The flow's parameters, as data, and the options of the target's ``trigger``: ``run_id``, ...
        """
        run_id = self._commands.call_result("trigger", kwargs)
        return self._make_run(self._commands.target.load_target().run_name(self.name, self.flow_name, run_id), run_id)

    def list_runs(self, states: list[str] | None = None, **kwargs: Any) -> "Sequence[TriggeredRun]":
        """Return the runs that were started, newest first; the name of each is its id in the store.

        Parameters
        ----------
        states : list of str, optional
            Of which of the target's states, such as ``RUNNING``, ``SUCCEEDED`` and ``FAILED``; all by default.
        **kwargs : Any
            The options of the target's ``list-runs``, such as ``airflow_url`` where it isn't a setting.
        """
        given = {**kwargs, **{state.lower(): True for state in states or ()}}
        runs = self._commands.call_json("list-runs", given)["runs"]
        return [self._make_run(run["run"], run["run"]) for run in runs]

    def delete(self, target: str | os.PathLike[str] | None = None, **kwargs: Any) -> bool:
        """Delete what is deployed, and stop what is running; runs and artifacts stay.

        Parameters
        ----------
        target : str or path, optional
            Where it is, for a target that writes to a location, such as the DAG file of Airflow; by default what
            ``create`` has written, else the setting.
        **kwargs : Any
            The options of the target's ``delete``: ``authorize`` where this machine doesn't hold the token, ``history``

        Returns
        -------
        bool
            Whether there was something to delete.
        """
        arguments: tuple[str, ...] = ()
        if self._commands.target.delete_argument is not None:
            location = os.fspath(target) if target is not None else self._result
            arguments = (location,) if location else ()
        elif target is not None:
            kwargs["target"] = target
        return bool(self._commands.call_result("delete", kwargs, arguments))

    def _make_run(self, name: str, run_id: str) -> "TriggeredRun":
        return run_class_of(self._commands.target)(self, name, run_id)

    def __getattr__(self, name: str) -> Any:
        # What create prints has a name of the target's own: the file, the ARN.
        if not name.startswith("_") and name == self._commands.target.result_name:
            return self._result
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


class TriggeredRun:
    """A run that was started on a deploy target.

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
        run = Run._make_unchecked((self._deployed.flow_name, self.run_id), self._deployed._store, None)
        try:
            run._ensure_exists()
        except NotFound:
            return None
        return run

    @property
    def status(self) -> str:
        """``pending`` until its first step has begun, then the run's state: ``running``, ``succeeded``, ``failed``.

        A run on Step Functions that ended before is ``failed``, too: a target that explains such runs is asked.
        """
        run = self.run
        if run is not None:
            return run.state
        return "failed" if self._unbegun_end() else "pending"

    def _unbegun_end(self) -> str:
        """Return the status of a run that ended before its first step began; empty while it may still begin."""
        commands = self._deployed._commands
        if not commands.target.explains_unbegun_runs:
            return ""
        status = commands.call_json("status", {}, (self.run_id,))["run"]["status"]
        return str(status) if status in FAILURES and self.run is None else ""

    def terminate(self, **kwargs: Any) -> bool:
        """Stop the run; what is committed stays.

        Parameters
        ----------
        **kwargs : Any
            The options of the target's ``terminate``: ``authorize``, ``airflow_url``, ...
        """
        self._deployed._commands.call_command("terminate", kwargs, (self.name,))
        return True

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
            if state := self._unbegun_end():
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

    if TYPE_CHECKING:

        def trigger(self, **kwargs: Any) -> "AirflowTriggeredRun": ...

        def list_runs(self, states: list[str] | None = None, **kwargs: Any) -> "list[AirflowTriggeredRun]": ...

    @property
    def file(self) -> str:
        """The DAG file; empty where it isn't known, as after :meth:`from_deployment`."""
        return self._result


class AirflowTriggeredRun(TriggeredRun):
    """A run that was started on Airflow."""


class StepFunctionsDeployedFlow(DeployedFlow):
    """A flow that was deployed to Step Functions."""

    _impl = "step_functions"

    if TYPE_CHECKING:

        def trigger(self, **kwargs: Any) -> "StepFunctionsTriggeredRun": ...

        def list_runs(self, states: list[str] | None = None, **kwargs: Any) -> "list[StepFunctionsTriggeredRun]": ...

    @property
    def state_machine_arn(self) -> str:
        """The state machine; empty where it isn't known, as after :meth:`from_deployment`."""
        return self._result


class StepFunctionsTriggeredRun(TriggeredRun):
    """A run that was started on Step Functions."""


_FLOW_CLASSES: dict[str, type[DeployedFlow]] = {
    "airflow": AirflowDeployedFlow,
    "step_functions": StepFunctionsDeployedFlow,
}
_RUN_CLASSES: dict[str, type[TriggeredRun]] = {
    "airflow": AirflowTriggeredRun,
    "step_functions": StepFunctionsTriggeredRun,
}
"""Classes that are written out for type checkers; those of other targets are made when they are needed."""


def flow_class_of(target: TargetDeclaration) -> type[DeployedFlow]:
    """Return the class of flows that were deployed to a target."""
    name = target.python_name
    if name not in _FLOW_CLASSES:
        text = f"A flow that was deployed to {target.title}."
        attributes = {"_impl": name, "__doc__": text, "__module__": __name__}
        _FLOW_CLASSES[name] = type(f"{_class_name(name)}DeployedFlow", (DeployedFlow,), attributes)
    return _FLOW_CLASSES[name]


def run_class_of(target: TargetDeclaration) -> type[TriggeredRun]:
    """Return the class of runs that were started on a target."""
    name = target.python_name
    if name not in _RUN_CLASSES:
        attributes = {"__doc__": f"A run that was started on {target.title}.", "__module__": __name__}
        _RUN_CLASSES[name] = type(f"{_class_name(name)}TriggeredRun", (TriggeredRun,), attributes)
    return _RUN_CLASSES[name]


def _class_name(python_name: str) -> str:
    return "".join(word.capitalize() for word in python_name.split("_"))
