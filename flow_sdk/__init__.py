"""Flow SDK: write a flow as a class, run it on a laptop, send the same file to an orchestrator.

This module holds the public names only, each loaded when it is first used.
"""

from __future__ import annotations

from flow_sdk.release import __version__ as __version__

TYPE_CHECKING = False  # what type checkers look for; importing typing for it would cost 4 ms
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

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
    from flow_sdk.spec.inactive import airflow_external_task_sensor as airflow_external_task_sensor
    from flow_sdk.spec.inactive import airflow_s3_key_sensor as airflow_s3_key_sensor
    from flow_sdk.spec.inactive import card as card
    from flow_sdk.spec.inactive import checkpoint as checkpoint
    from flow_sdk.spec.inactive import conda as conda
    from flow_sdk.spec.inactive import conda_base as conda_base
    from flow_sdk.spec.inactive import deepspeed as deepspeed
    from flow_sdk.spec.inactive import exit_hook as exit_hook
    from flow_sdk.spec.inactive import gpu_profile as gpu_profile
    from flow_sdk.spec.inactive import huggingface_hub as huggingface_hub
    from flow_sdk.spec.inactive import kubernetes as kubernetes
    from flow_sdk.spec.inactive import metaflow_ray as metaflow_ray
    from flow_sdk.spec.inactive import modal as modal
    from flow_sdk.spec.inactive import model as model
    from flow_sdk.spec.inactive import mpi as mpi
    from flow_sdk.spec.inactive import namespaced_event_name as namespaced_event_name
    from flow_sdk.spec.inactive import nim as nim
    from flow_sdk.spec.inactive import nvct as nvct
    from flow_sdk.spec.inactive import nvidia as nvidia
    from flow_sdk.spec.inactive import ollama as ollama
    from flow_sdk.spec.inactive import parallel as parallel
    from flow_sdk.spec.inactive import pypi as pypi
    from flow_sdk.spec.inactive import pypi_base as pypi_base
    from flow_sdk.spec.inactive import pytorch_parallel as pytorch_parallel
    from flow_sdk.spec.inactive import slurm as slurm
    from flow_sdk.spec.inactive import tensorflow as tensorflow
    from flow_sdk.spec.inactive import torchrun as torchrun
    from flow_sdk.spec.inactive import trigger as trigger
    from flow_sdk.spec.inactive import trigger_on_finish as trigger_on_finish
    from flow_sdk.spec.inactive import vllm as vllm
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
    "parallel_imap_unordered": "flow_sdk.compatibility.parallel",
    "parallel_map": "flow_sdk.compatibility.parallel",
    "profile": "flow_sdk.compatibility.parallel",
    "airflow_external_task_sensor": "flow_sdk.spec.inactive",
    "airflow_s3_key_sensor": "flow_sdk.spec.inactive",
    "card": "flow_sdk.spec.inactive",
    "checkpoint": "flow_sdk.spec.inactive",
    "conda": "flow_sdk.spec.inactive",
    "conda_base": "flow_sdk.spec.inactive",
    "deepspeed": "flow_sdk.spec.inactive",
    "exit_hook": "flow_sdk.spec.inactive",
    "gpu_profile": "flow_sdk.spec.inactive",
    "huggingface_hub": "flow_sdk.spec.inactive",
    "kubernetes": "flow_sdk.spec.inactive",
    "metaflow_ray": "flow_sdk.spec.inactive",
    "modal": "flow_sdk.spec.inactive",
    "model": "flow_sdk.spec.inactive",
    "mpi": "flow_sdk.spec.inactive",
    "namespaced_event_name": "flow_sdk.spec.inactive",
    "nim": "flow_sdk.spec.inactive",
    "nvct": "flow_sdk.spec.inactive",
    "nvidia": "flow_sdk.spec.inactive",
    "ollama": "flow_sdk.spec.inactive",
    "parallel": "flow_sdk.spec.inactive",
    "pypi": "flow_sdk.spec.inactive",
    "pypi_base": "flow_sdk.spec.inactive",
    "pytorch_parallel": "flow_sdk.spec.inactive",
    "slurm": "flow_sdk.spec.inactive",
    "tensorflow": "flow_sdk.spec.inactive",
    "torchrun": "flow_sdk.spec.inactive",
    "trigger": "flow_sdk.spec.inactive",
    "trigger_on_finish": "flow_sdk.spec.inactive",
    "vllm": "flow_sdk.spec.inactive",
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

        from flow_sdk.compatibility.modules import find_module
        from flow_sdk.spec import later
        from flow_sdk.spec.absent import AbsentName

        if name in later.NAMES:
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
