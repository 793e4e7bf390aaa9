"""``Deployer``: deploy a flow file from Python, and start runs of it."""

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from flow_sdk.authoring.unsupported import AbsentName
from flow_sdk.errors import UsageError
from flow_sdk.programmatic.command import FlowFile
from flow_sdk.programmatic.deployed import (
    AirflowDeployedFlow,
    AirflowTriggeredRun,
    DeployedFlow,
    Deployment,
    StepFunctionsDeployedFlow,
    StepFunctionsTriggeredRun,
    TriggeredRun,
)
from flow_sdk.programmatic.targets import AIRFLOW, STEP_FUNCTIONS, Target

__all__ = [
    "AirflowDeployedFlow",
    "AirflowDeployer",
    "AirflowTriggeredRun",
    "DeployedFlow",
    "Deployer",
    "StepFunctionsDeployedFlow",
    "StepFunctionsDeployer",
    "StepFunctionsTriggeredRun",
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

    argo_workflows = AbsentName("Deployer.argo_workflows")

    def cleanup(self) -> None:
        """Nothing is left to clean up: each command removes its own files."""

    def __enter__(self) -> "Deployer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cleanup()


class AirflowDeployer:
    """A flow file, to be deployed to Airflow.

    Parameters
    ----------
    file : FlowFile
        The flow file.
    target : Target
        The orchestrator.
    name : str or None
        The deployed name.
    """

    def __init__(self, file: FlowFile, target: Target, name: str | None) -> None:
        self._deployment = Deployment(file, target, name)

    def create(self, target: str | os.PathLike[str] | None = None, **kwargs: Any) -> AirflowDeployedFlow:
        """Write the DAG file.

        Parameters
        ----------
        target : str or path, optional
            A file ending in ``.py``, a DAGs folder or ``s3://bucket/folder``; the setting ``AIRFLOW_DAGS_FOLDER`` by
            default.
        **kwargs : Any
            The options of ``airflow create``: ``tags``, ``max_workers``, ``wait``, ``authorize``, ...

        Returns
        -------
        AirflowDeployedFlow

        Raises
        ------
        UsageError, DeployError, ...
            What the command refused; nothing has changed then.
        """
        arguments = (os.fspath(target),) if target is not None else ()
        return AirflowDeployedFlow(self._deployment, self._deployment.result("create", kwargs, arguments))


class StepFunctionsDeployer:
    """A flow file, to be deployed to Step Functions.

    Parameters
    ----------
    file : FlowFile
        The flow file.
    target : Target
        The orchestrator.
    name : str or None
        The deployed name.
    """

    def __init__(self, file: FlowFile, target: Target, name: str | None) -> None:
        self._deployment = Deployment(file, target, name)

    def create(self, **kwargs: Any) -> StepFunctionsDeployedFlow:
        """Deploy the flow's state machine.

        Parameters
        ----------
        **kwargs : Any
            The options of ``step-functions create``: ``tags``, ``max_workers``, ``authorize``, ...

        Returns
        -------
        StepFunctionsDeployedFlow

        Raises
        ------
        UsageError, DeployError, ...
            What the command refused; nothing has changed then.
        """
        for option in ("only_json", "dry_run"):
            if kwargs.get(option):
                raise UsageError(f"create() deploys the flow; {option} doesn't.", help="Use the command line for it.")
        return StepFunctionsDeployedFlow(self._deployment, self._deployment.result("create", kwargs))
