"""Flow SDK: write a flow as a class, run it on a laptop, send the same file to an orchestrator.

This module holds the public names only, each loaded when it is first used.
"""

from __future__ import annotations

from flow_sdk.release import __version__ as __version__

TYPE_CHECKING = False  # what type checkers look for; importing typing for it would cost 4 ms
if TYPE_CHECKING:
    from flow_sdk.client import DataArtifact as DataArtifact
    from flow_sdk.client import Flow as Flow
    from flow_sdk.client import Metaflow as Metaflow
    from flow_sdk.client import Run as Run
    from flow_sdk.client import Step as Step
    from flow_sdk.client import Task as Task
    from flow_sdk.client import default_metadata as default_metadata
    from flow_sdk.client import default_namespace as default_namespace
    from flow_sdk.client import get_metadata as get_metadata
    from flow_sdk.client import get_namespace as get_namespace
    from flow_sdk.client import metadata as metadata
    from flow_sdk.client import namespace as namespace
    from flow_sdk.programmatic.deployer import DeployedFlow as DeployedFlow
    from flow_sdk.programmatic.deployer import Deployer as Deployer
    from flow_sdk.programmatic.notebook import NBDeployer as NBDeployer
    from flow_sdk.programmatic.notebook import NBRunner as NBRunner
    from flow_sdk.programmatic.runner import Runner as Runner
    from flow_sdk.s3 import S3 as S3
    from flow_sdk.spec.airflow import airflow_dag as airflow_dag
    from flow_sdk.spec.airflow import airflow_task as airflow_task
    from flow_sdk.spec.configs import Config as Config
    from flow_sdk.spec.configs import ConfigValue as ConfigValue
    from flow_sdk.spec.current import current as current
    from flow_sdk.spec.decorators import batch as batch
    from flow_sdk.spec.decorators import catch as catch
    from flow_sdk.spec.decorators import environment as environment
    from flow_sdk.spec.decorators import project as project
    from flow_sdk.spec.decorators import resources as resources
    from flow_sdk.spec.decorators import retry as retry
    from flow_sdk.spec.decorators import schedule as schedule
    from flow_sdk.spec.decorators import secrets as secrets
    from flow_sdk.spec.decorators import timeout as timeout
    from flow_sdk.spec.delayed import config_expr as config_expr
    from flow_sdk.spec.flow import FlowSpec as FlowSpec
    from flow_sdk.spec.flow import step as step
    from flow_sdk.spec.include_file import IncludeFile as IncludeFile
    from flow_sdk.spec.mutable import MutableFlow as MutableFlow
    from flow_sdk.spec.mutable import MutableStep as MutableStep
    from flow_sdk.spec.parameters import JSONType as JSONType
    from flow_sdk.spec.parameters import Parameter as Parameter
    from flow_sdk.spec.user_decorators import USER_SKIP_STEP as USER_SKIP_STEP
    from flow_sdk.spec.user_decorators import FlowMutator as FlowMutator
    from flow_sdk.spec.user_decorators import StepMutator as StepMutator
    from flow_sdk.spec.user_decorators import UserStepDecorator as UserStepDecorator
    from flow_sdk.spec.user_decorators import user_step_decorator as user_step_decorator

_HOMES = {
    "FlowSpec": "flow_sdk.spec.flow",
    "step": "flow_sdk.spec.flow",
    "Parameter": "flow_sdk.spec.parameters",
    "JSONType": "flow_sdk.spec.parameters",
    "IncludeFile": "flow_sdk.spec.include_file",
    "Config": "flow_sdk.spec.configs",
    "ConfigValue": "flow_sdk.spec.configs",
    "config_expr": "flow_sdk.spec.delayed",
    "user_step_decorator": "flow_sdk.spec.user_decorators",
    "UserStepDecorator": "flow_sdk.spec.user_decorators",
    "USER_SKIP_STEP": "flow_sdk.spec.user_decorators",
    "StepMutator": "flow_sdk.spec.user_decorators",
    "FlowMutator": "flow_sdk.spec.user_decorators",
    "MutableFlow": "flow_sdk.spec.mutable",
    "MutableStep": "flow_sdk.spec.mutable",
    "current": "flow_sdk.spec.current",
    "airflow_dag": "flow_sdk.spec.airflow",
    "airflow_task": "flow_sdk.spec.airflow",
    "retry": "flow_sdk.spec.decorators",
    "catch": "flow_sdk.spec.decorators",
    "timeout": "flow_sdk.spec.decorators",
    "environment": "flow_sdk.spec.decorators",
    "resources": "flow_sdk.spec.decorators",
    "batch": "flow_sdk.spec.decorators",
    "schedule": "flow_sdk.spec.decorators",
    "secrets": "flow_sdk.spec.decorators",
    "project": "flow_sdk.spec.decorators",
    "Flow": "flow_sdk.client",
    "Run": "flow_sdk.client",
    "Step": "flow_sdk.client",
    "Task": "flow_sdk.client",
    "DataArtifact": "flow_sdk.client",
    "Metaflow": "flow_sdk.client",
    "S3": "flow_sdk.s3",
    "Runner": "flow_sdk.programmatic.runner",
    "NBRunner": "flow_sdk.programmatic.notebook",
    "NBDeployer": "flow_sdk.programmatic.notebook",
    "Deployer": "flow_sdk.programmatic.deployer",
    "DeployedFlow": "flow_sdk.programmatic.deployer",
    "namespace": "flow_sdk.client",
    "get_namespace": "flow_sdk.client",
    "default_metadata": "flow_sdk.client",
    "default_namespace": "flow_sdk.client",
    "metadata": "",  # the package of that name, which can be called like the client's function
    "get_metadata": "flow_sdk.client",
}

__all__ = [
    "S3",
    "USER_SKIP_STEP",
    "Config",
    "ConfigValue",
    "DataArtifact",
    "DeployedFlow",
    "Deployer",
    "Flow",
    "FlowMutator",
    "FlowSpec",
    "IncludeFile",
    "JSONType",
    "Metaflow",
    "MutableFlow",
    "MutableStep",
    "NBDeployer",
    "NBRunner",
    "Parameter",
    "Run",
    "Runner",
    "Step",
    "StepMutator",
    "Task",
    "UserStepDecorator",
    "__version__",
    "airflow_dag",
    "airflow_task",
    "batch",
    "catch",
    "config_expr",
    "current",
    "default_metadata",
    "default_namespace",
    "environment",
    "get_metadata",
    "get_namespace",
    "metadata",
    "namespace",
    "project",
    "resources",
    "retry",
    "schedule",
    "secrets",
    "step",
    "timeout",
    "user_step_decorator",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise _unknown(name)
    import importlib

    value = getattr(importlib.import_module(home), name) if home else importlib.import_module(f"flow_sdk.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _unknown(name: str) -> Exception:
    if not name.startswith("_"):
        from flow_sdk.spec import later

        if name in later.NAMES:
            import sys

            # ``from flow_sdk import batch`` asks through the import machinery, which would replace an
            # AttributeError by a message of its own.
            importing = sys._getframe(2).f_code.co_name == "_handle_fromlist"
            return ImportError(later.message(name)) if importing else AttributeError(later.message(name))
    return AttributeError(f"module 'flow_sdk' has no attribute {name!r}")
