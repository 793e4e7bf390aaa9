"""Flow SDK: write a flow as a class, run it on a laptop, send the same file to an orchestrator.

This module holds the public names only, each loaded when it is first used.
"""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.release import __version__ as __version__

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from flow_sdk.authoring.airflow import airflow_dag as airflow_dag
    from flow_sdk.authoring.airflow import airflow_task as airflow_task
    from flow_sdk.authoring.configs import Config as Config
    from flow_sdk.authoring.configs import ConfigValue as ConfigValue
    from flow_sdk.authoring.current import current as current
    from flow_sdk.authoring.decorators import batch as batch
    from flow_sdk.authoring.decorators import catch as catch
    from flow_sdk.authoring.decorators import environment as environment
    from flow_sdk.authoring.decorators import project as project
    from flow_sdk.authoring.decorators import resources as resources
    from flow_sdk.authoring.decorators import retry as retry
    from flow_sdk.authoring.decorators import schedule as schedule
    from flow_sdk.authoring.decorators import secrets as secrets
    from flow_sdk.authoring.decorators import timeout as timeout
    from flow_sdk.authoring.deferred import config_expr as config_expr
    from flow_sdk.authoring.flow import FlowSpec as FlowSpec
    from flow_sdk.authoring.flow import step as step
    from flow_sdk.authoring.inactive_decorators import airflow_external_task_sensor as airflow_external_task_sensor
    from flow_sdk.authoring.inactive_decorators import airflow_s3_key_sensor as airflow_s3_key_sensor
    from flow_sdk.authoring.inactive_decorators import card as card
    from flow_sdk.authoring.inactive_decorators import checkpoint as checkpoint
    from flow_sdk.authoring.inactive_decorators import conda as conda
    from flow_sdk.authoring.inactive_decorators import conda_base as conda_base
    from flow_sdk.authoring.inactive_decorators import deepspeed as deepspeed
    from flow_sdk.authoring.inactive_decorators import exit_hook as exit_hook
    from flow_sdk.authoring.inactive_decorators import gpu_profile as gpu_profile
    from flow_sdk.authoring.inactive_decorators import huggingface_hub as huggingface_hub
    from flow_sdk.authoring.inactive_decorators import kubernetes as kubernetes
    from flow_sdk.authoring.inactive_decorators import metaflow_ray as metaflow_ray
    from flow_sdk.authoring.inactive_decorators import modal as modal
    from flow_sdk.authoring.inactive_decorators import model as model
    from flow_sdk.authoring.inactive_decorators import mpi as mpi
    from flow_sdk.authoring.inactive_decorators import namespaced_event_name as namespaced_event_name
    from flow_sdk.authoring.inactive_decorators import nim as nim
    from flow_sdk.authoring.inactive_decorators import nvct as nvct
    from flow_sdk.authoring.inactive_decorators import nvidia as nvidia
    from flow_sdk.authoring.inactive_decorators import ollama as ollama
    from flow_sdk.authoring.inactive_decorators import parallel as parallel
    from flow_sdk.authoring.inactive_decorators import pypi as pypi
    from flow_sdk.authoring.inactive_decorators import pypi_base as pypi_base
    from flow_sdk.authoring.inactive_decorators import pytorch_parallel as pytorch_parallel
    from flow_sdk.authoring.inactive_decorators import slurm as slurm
    from flow_sdk.authoring.inactive_decorators import tensorflow as tensorflow
    from flow_sdk.authoring.inactive_decorators import torchrun as torchrun
    from flow_sdk.authoring.inactive_decorators import trigger as trigger
    from flow_sdk.authoring.inactive_decorators import trigger_on_finish as trigger_on_finish
    from flow_sdk.authoring.inactive_decorators import vllm as vllm
    from flow_sdk.authoring.include_file import IncludeFile as IncludeFile
    from flow_sdk.authoring.mutable import MutableFlow as MutableFlow
    from flow_sdk.authoring.mutable import MutableStep as MutableStep
    from flow_sdk.authoring.parameters import JSONType as JSONType
    from flow_sdk.authoring.parameters import Parameter as Parameter
    from flow_sdk.authoring.user_decorators import USER_SKIP_STEP as USER_SKIP_STEP
    from flow_sdk.authoring.user_decorators import FlowMutator as FlowMutator
    from flow_sdk.authoring.user_decorators import StepMutator as StepMutator
    from flow_sdk.authoring.user_decorators import UserStepDecorator as UserStepDecorator
    from flow_sdk.authoring.user_decorators import user_step_decorator as user_step_decorator
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
    from flow_sdk.compatibility.parallel import parallel_imap_unordered as parallel_imap_unordered
    from flow_sdk.compatibility.parallel import parallel_map as parallel_map
    from flow_sdk.compatibility.parallel import profile as profile
    from flow_sdk.files import S3 as S3
    from flow_sdk.programmatic.deployer import DeployedFlow as DeployedFlow
    from flow_sdk.programmatic.deployer import Deployer as Deployer
    from flow_sdk.programmatic.notebook import NBDeployer as NBDeployer
    from flow_sdk.programmatic.notebook import NBRunner as NBRunner
    from flow_sdk.programmatic.runner import Runner as Runner

_HOMES = {
    "FlowSpec": "flow_sdk.authoring.flow",
    "step": "flow_sdk.authoring.flow",
    "Parameter": "flow_sdk.authoring.parameters",
    "JSONType": "flow_sdk.authoring.parameters",
    "IncludeFile": "flow_sdk.authoring.include_file",
    "Config": "flow_sdk.authoring.configs",
    "ConfigValue": "flow_sdk.authoring.configs",
    "config_expr": "flow_sdk.authoring.deferred",
    "user_step_decorator": "flow_sdk.authoring.user_decorators",
    "UserStepDecorator": "flow_sdk.authoring.user_decorators",
    "USER_SKIP_STEP": "flow_sdk.authoring.user_decorators",
    "StepMutator": "flow_sdk.authoring.user_decorators",
    "FlowMutator": "flow_sdk.authoring.user_decorators",
    "MutableFlow": "flow_sdk.authoring.mutable",
    "MutableStep": "flow_sdk.authoring.mutable",
    "current": "flow_sdk.authoring.current",
    "airflow_dag": "flow_sdk.authoring.airflow",
    "airflow_task": "flow_sdk.authoring.airflow",
    "retry": "flow_sdk.authoring.decorators",
    "catch": "flow_sdk.authoring.decorators",
    "timeout": "flow_sdk.authoring.decorators",
    "environment": "flow_sdk.authoring.decorators",
    "resources": "flow_sdk.authoring.decorators",
    "batch": "flow_sdk.authoring.decorators",
    "schedule": "flow_sdk.authoring.decorators",
    "secrets": "flow_sdk.authoring.decorators",
    "project": "flow_sdk.authoring.decorators",
    "Flow": "flow_sdk.client",
    "Run": "flow_sdk.client",
    "Step": "flow_sdk.client",
    "Task": "flow_sdk.client",
    "DataArtifact": "flow_sdk.client",
    "Metaflow": "flow_sdk.client",
    "S3": "flow_sdk.files",
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
    "parallel_imap_unordered": "flow_sdk.compatibility.parallel",
    "parallel_map": "flow_sdk.compatibility.parallel",
    "profile": "flow_sdk.compatibility.parallel",
    "airflow_external_task_sensor": "flow_sdk.authoring.inactive_decorators",
    "airflow_s3_key_sensor": "flow_sdk.authoring.inactive_decorators",
    "card": "flow_sdk.authoring.inactive_decorators",
    "checkpoint": "flow_sdk.authoring.inactive_decorators",
    "conda": "flow_sdk.authoring.inactive_decorators",
    "conda_base": "flow_sdk.authoring.inactive_decorators",
    "deepspeed": "flow_sdk.authoring.inactive_decorators",
    "exit_hook": "flow_sdk.authoring.inactive_decorators",
    "gpu_profile": "flow_sdk.authoring.inactive_decorators",
    "huggingface_hub": "flow_sdk.authoring.inactive_decorators",
    "kubernetes": "flow_sdk.authoring.inactive_decorators",
    "metaflow_ray": "flow_sdk.authoring.inactive_decorators",
    "modal": "flow_sdk.authoring.inactive_decorators",
    "model": "flow_sdk.authoring.inactive_decorators",
    "mpi": "flow_sdk.authoring.inactive_decorators",
    "namespaced_event_name": "flow_sdk.authoring.inactive_decorators",
    "nim": "flow_sdk.authoring.inactive_decorators",
    "nvct": "flow_sdk.authoring.inactive_decorators",
    "nvidia": "flow_sdk.authoring.inactive_decorators",
    "ollama": "flow_sdk.authoring.inactive_decorators",
    "parallel": "flow_sdk.authoring.inactive_decorators",
    "pypi": "flow_sdk.authoring.inactive_decorators",
    "pypi_base": "flow_sdk.authoring.inactive_decorators",
    "pytorch_parallel": "flow_sdk.authoring.inactive_decorators",
    "slurm": "flow_sdk.authoring.inactive_decorators",
    "tensorflow": "flow_sdk.authoring.inactive_decorators",
    "torchrun": "flow_sdk.authoring.inactive_decorators",
    "trigger": "flow_sdk.authoring.inactive_decorators",
    "trigger_on_finish": "flow_sdk.authoring.inactive_decorators",
    "vllm": "flow_sdk.authoring.inactive_decorators",
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
    "airflow_external_task_sensor",
    "airflow_s3_key_sensor",
    "airflow_task",
    "batch",
    "card",
    "catch",
    "checkpoint",
    "conda",
    "conda_base",
    "config_expr",
    "current",
    "deepspeed",
    "default_metadata",
    "default_namespace",
    "environment",
    "exit_hook",
    "get_metadata",
    "get_namespace",
    "gpu_profile",
    "huggingface_hub",
    "kubernetes",
    "metadata",
    "metaflow_ray",
    "modal",
    "model",
    "mpi",
    "namespace",
    "namespaced_event_name",
    "nim",
    "nvct",
    "nvidia",
    "ollama",
    "parallel",
    "parallel_imap_unordered",
    "parallel_map",
    "profile",
    "project",
    "pypi",
    "pypi_base",
    "pytorch_parallel",
    "resources",
    "retry",
    "schedule",
    "secrets",
    "slurm",
    "step",
    "tensorflow",
    "timeout",
    "torchrun",
    "trigger",
    "trigger_on_finish",
    "user_step_decorator",
    "vllm",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        value = _of_metaflow(name)
    else:
        import importlib

        value = getattr(importlib.import_module(home), name) if home else importlib.import_module(f"flow_sdk.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _of_metaflow(name: str) -> object:
    """What Metaflow has under a name that is none of ours: one of its modules, or something that isn't here yet."""
    if not name.startswith("__"):
        import sys

        from flow_sdk.authoring import unsupported_names
        from flow_sdk.authoring.unsupported import AbsentName
        from flow_sdk.compatibility.modules import find_module

        if name in unsupported_names.NAMES:
            return AbsentName(name)
        # ``from flow_sdk import util`` imports the module by itself, when it hears that there is no such attribute.
        importing = sys._getframe(2).f_code.co_name == "_handle_fromlist"
        if not importing and (name in ("cards", "exception") or find_module(f"flow_sdk.{name}")):
            import importlib

            return importlib.import_module(f"flow_sdk.{name}")
    raise AttributeError(f"module 'flow_sdk' has no attribute {name!r}")


class _MetaflowModules:
    """Finds ``flow_sdk.<module>`` for moved modules, and for Metaflow's that have no file here; asked last."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if not name.startswith("flow_sdk.") or name.startswith("flow_sdk.compatibility"):
            return None
        from flow_sdk.compatibility.modules import find_module
        from flow_sdk.moved_modules import find_moved_module

        return find_moved_module(name) or find_module(name)


def _remove_finder() -> None:
    import sys

    if _MetaflowModules in sys.meta_path:
        sys.meta_path.remove(_MetaflowModules)


def _add_finder() -> None:
    import sys

    if not any(getattr(finder, "__name__", "") == _MetaflowModules.__name__ for finder in sys.meta_path):
        import atexit

        sys.meta_path.append(_MetaflowModules)
        # Python's end would otherwise free the user's modules last, after those that their objects need to be closed.
        atexit.register(_remove_finder)


_add_finder()
