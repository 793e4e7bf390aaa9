"""``Deployer``: deploy a flow file from Python, and start runs of it."""

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, cast

from flow_sdk.authoring.unsupported import UnsupportedName
from flow_sdk.deploy.airflow.declaration import AIRFLOW
from flow_sdk.deploy.declaration import TargetDeclaration
from flow_sdk.deploy.registry import find_python_target
from flow_sdk.deploy.step_functions.declaration import STEP_FUNCTIONS
from flow_sdk.errors import UsageError
from flow_sdk.programmatic.command import FlowFile
from flow_sdk.programmatic.deployed import (
    ABSENT,
    AirflowDeployedFlow,
    AirflowTriggeredRun,
    DeployedFlow,
    StepFunctionsDeployedFlow,
    StepFunctionsTriggeredRun,
    TriggeredRun,
    flow_class_of,
)
from flow_sdk.programmatic.target_commands import TargetCommands

__all__ = [
    "AirflowDeployedFlow",
    "AirflowDeployer",
    "AirflowTriggeredRun",
    "DeployedFlow",
    "Deployer",
    "StepFunctionsDeployedFlow",
    "StepFunctionsDeployer",
    "StepFunctionsTriggeredRun",
    "TargetDeployer",
    "TriggeredRun",
]


class Deployer:
    """Deploy a flow file: ``Deployer("flow.py").airflow().create(target="dags")``.

    Parameters
    ----------
    flow_file : str
        Path of the flow file.
    show_output : bool
        Whether what the commands say is shown.
    profile : str, optional
        The profile of settings to use.
    env : dict of str to str, optional
        Environment variables besides those of this process.
    cwd : str, optional
        The folder to call it in; this process's by default.
    file_read_timeout : int
        Known from elsewhere, and not needed.
    **kwargs : Any
        Options of every command, such as ``datastore``, ``branch``, ``production`` and ``decospecs`` for ``--with``.

    Raises
    ------
    UsageError
        If there is no such file or option.
    """

    def __init__(
        self,
        flow_file: str,
        show_output: bool = True,
        profile: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        file_read_timeout: int = 3600,
        **kwargs: Any,
    ) -> None:
        self.flow_file = flow_file
        self._file = FlowFile(flow_file, show_output, profile, env, cwd, kwargs)

    def airflow(self, name: str | None = None) -> "AirflowDeployer":
        """Deploy to Apache Airflow.

        Parameters
        ----------
        name : str, optional
            The DAG's id; the flow's name by default.
        """
        return AirflowDeployer(self._file, AIRFLOW, name)

    def step_functions(self, name: str | None = None) -> "StepFunctionsDeployer":
        """Deploy to AWS Step Functions.

        Parameters
        ----------
        name : str, optional
            The deployed name; the flow's name by default.
        """
        return StepFunctionsDeployer(self._file, STEP_FUNCTIONS, name)

    def __getattr__(self, name: str) -> Any:
        """Return the method that deploys to another target, such as one that a distribution offers."""
        if not name.startswith("_"):
            target = find_python_target(name)
            if target is not None:
                return lambda name=None: TargetDeployer(self._file, target, name)
            if name in ABSENT:
                return UnsupportedName(f"Deployer.{name}")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def cleanup(self) -> None:
        """Nothing is left to clean up: each command removes its own files."""

    def __enter__(self) -> "Deployer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cleanup()


class TargetDeployer:
    """A flow file, to be deployed to one target.

    Parameters
    ----------
    file : FlowFile
        The flow file.
    target : TargetDeclaration
        The target.
    name : str or None
        The deployed name.
    """

    def __init__(self, file: FlowFile, target: TargetDeclaration, name: str | None) -> None:
        self._commands = TargetCommands(file, target, name)

    def create(self, *, target: str | os.PathLike[str] | None = None, **kwargs: Any) -> DeployedFlow:
        """Deploy the flow.

        Parameters
        ----------
        target : str or path, optional
            Where to write to, for a target that needs a location.
        **kwargs : Any
            The options of the target's ``create``: ``tags``, ``max_workers``, ``authorize``, ...

        Returns
        -------
        DeployedFlow

        Raises
        ------
        UsageError, DeployError, ...
            What the command refused; nothing has changed then.
        """
        declaration = self._commands.target
        for option in ("only_json", "dry_run"):
            if kwargs.get(option):
                raise UsageError(f"create() deploys the flow; {option} doesn't.", help="Use the command line for it.")
        arguments: tuple[str, ...] = ()
        if target is not None and declaration.create_argument is not None:
            arguments = (os.fspath(target),)
        elif target is not None:
            kwargs["target"] = target
        made = self._commands.call_json("create", kwargs, arguments)
        return flow_class_of(declaration)(self._commands, made["result"])


class AirflowDeployer(TargetDeployer):
    """A flow file, to be deployed to Airflow. See :class:`TargetDeployer`."""

    def create(self, target: str | os.PathLike[str] | None = None, **kwargs: Any) -> AirflowDeployedFlow:
        """Write the DAG file.

        Parameters
        ----------
        target : str or path, optional
            A file ending in ``.py``, a DAGs folder or ``s3://bucket/folder``; the setting ``AIRFLOW_DAGS_FOLDER`` by
            default.
        **kwargs : Any
            The options of ``airflow create``: ``tags``, ``max_workers``, ``wait``, ``authorize``, ...
        """
        return cast(AirflowDeployedFlow, super().create(target=target, **kwargs))


class StepFunctionsDeployer(TargetDeployer):
    """A flow file, to be deployed to Step Functions. See :class:`TargetDeployer`."""

    def create(self, **kwargs: Any) -> StepFunctionsDeployedFlow:
        """Deploy the flow's state machine.

        Parameters
        ----------
        **kwargs : Any
            The options of ``step-functions create``: ``tags``, ``max_workers``, ``authorize``, ...
        """
        return cast(StepFunctionsDeployedFlow, super().create(**kwargs))
