"""Module paths of earlier releases, and where their content is now.

Container commands in job definitions, DAG files, users' pickled artifacts and earlier releases of the Airflow provider
name modules of the release that wrote them. Each such path stays importable: the finder in ``flow_sdk/__init__.py``,
which Python asks only after it has found no file, looks it up here. A path is entered when its module moves and one of
these can name it; modules that only the SDK itself imports are not entered.
"""

from __future__ import annotations

import importlib
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import CodeType, ModuleType

MOVED_MODULES: dict[str, str] = {
    "flow_sdk.client.facts": "flow_sdk.client.attempt_metadata",
    "flow_sdk.runtime.batch.container": "flow_sdk.runtime.container",
    "flow_sdk.runtime.batch.remote": "flow_sdk.runtime.batch.remote_task",
    "flow_sdk.runtime.chosen": "flow_sdk.runtime.run_queries",
    "flow_sdk.runtime.given_up": "flow_sdk.runtime.run_abandonment",
    "flow_sdk.s3": "flow_sdk.files",
    "flow_sdk.s3.place": "flow_sdk.files.file_store",
    "flow_sdk.spec": "flow_sdk.authoring",
    "flow_sdk.spec.absent": "flow_sdk.authoring.unsupported",
    "flow_sdk.spec.airflow": "flow_sdk.authoring.decorators.airflow_attributes",
    "flow_sdk.spec.attributes": "flow_sdk.authoring.decorator",
    "flow_sdk.spec.batch": "flow_sdk.authoring.decorators.batch",
    "flow_sdk.spec.declaration": "flow_sdk.authoring.declaration_errors",
    "flow_sdk.spec.delayed": "flow_sdk.authoring.deferred",
    "flow_sdk.spec.failure": "flow_sdk.authoring.caught_failure",
    "flow_sdk.spec.firing": "flow_sdk.cron.occurrences",
    "flow_sdk.spec.inactive": "flow_sdk.authoring.inactive_decorators",
    "flow_sdk.spec.kinds": "flow_sdk.authoring.builtin_decorators",
    "flow_sdk.spec.notation": "flow_sdk.cron.formats",
    "flow_sdk.spec.schedule": "flow_sdk.cron.parse",
    "flow_sdk.spec.secrets": "flow_sdk.authoring.decorators.secrets",
    "flow_sdk.spec.settled": "flow_sdk.authoring.resolved_flow",
    "flow_sdk.spec.with_text": "flow_sdk.authoring.decospec",
    "flow_sdk.store.byvalue": "flow_sdk.store.pickling.by_value",
}
"""The module that has the content now, by the earlier path; of a package it holds for the modules below, too."""

RENAMED_NAMES: dict[str, dict[str, str]] = {
    "flow_sdk.runtime.chosen": {
        "task_of": "find_task_id",
    },
    "flow_sdk.runtime.given_up": {
        "note_given_up": "record_abandonment",
        "take_back_end": "clear_end",
    },
    "flow_sdk.s3.place": {
        "Entry": "FileEntry",
        "Found": "FileInfo",
        "Span": "ByteSpan",
    },
    "flow_sdk.spec.absent": {
        "AbsentName": "UnsupportedName",
    },
    "flow_sdk.spec.airflow": {
        "AirflowDag": "flow_sdk.authoring.decorators.airflow_dag:AirflowDagDecorator",
        "AirflowTask": "flow_sdk.authoring.decorators.airflow_task:AirflowTaskDecorator",
        "airflow_dag": "flow_sdk.authoring.decorators.airflow_dag:airflow_dag",
        "airflow_task": "flow_sdk.authoring.decorators.airflow_task:airflow_task",
    },
    "flow_sdk.spec.attributes": {
        "made": "unpickle_decorator",
    },
    "flow_sdk.spec.batch": {
        "Batch": "BatchDecorator",
    },
    "flow_sdk.spec.decorators": {
        "batch": "flow_sdk.authoring.decorators.batch:batch",
        "catch": "flow_sdk.authoring.decorators.catch:catch",
        "environment": "flow_sdk.authoring.decorators.environment:environment",
        "project": "flow_sdk.authoring.decorators.project:project",
        "resources": "flow_sdk.authoring.decorators.resources:resources",
        "retry": "flow_sdk.authoring.decorators.retry:retry",
        "schedule": "flow_sdk.authoring.decorators.schedule:schedule",
        "secrets": "flow_sdk.authoring.decorators.secrets:secrets",
        "timeout": "flow_sdk.authoring.decorators.timeout:timeout",
    },
    "flow_sdk.spec.delayed": {
        "Delayed": "DeferredConfigValue",
        "DelayedDecorator": "DeferredDecorator",
        "holds_delayed": "holds_deferred",
        "resolve": "resolve_deferred",
    },
    "flow_sdk.spec.firing": {
        "dates": "iterate_dates",
    },
    "flow_sdk.spec.flow": {
        "is_plain": "uses_no_dynamic_features",
    },
    "flow_sdk.spec.kinds": {
        "AirflowDag": "flow_sdk.authoring.decorators.airflow_dag:AirflowDagDecorator",
        "AirflowTask": "flow_sdk.authoring.decorators.airflow_task:AirflowTaskDecorator",
        "Batch": "flow_sdk.authoring.decorators.batch:BatchDecorator",
        "Catch": "flow_sdk.authoring.decorators.catch:CatchDecorator",
        "Environment": "flow_sdk.authoring.decorators.environment:EnvironmentDecorator",
        "Project": "flow_sdk.authoring.decorators.project:ProjectDecorator",
        "Resources": "flow_sdk.authoring.decorators.resources:ResourcesDecorator",
        "Retry": "flow_sdk.authoring.decorators.retry:RetryDecorator",
        "Schedule": "flow_sdk.authoring.decorators.schedule:ScheduleDecorator",
        "Secrets": "flow_sdk.authoring.decorators.secrets:SecretsDecorator",
        "Timeout": "flow_sdk.authoring.decorators.timeout:TimeoutDecorator",
    },
    "flow_sdk.spec.project": {
        "Project": "ProjectBranch",
    },
    "flow_sdk.spec.schedule": {
        "parse": "parse_schedule",
    },
    "flow_sdk.spec.secrets": {
        "Secrets": "SecretsDecorator",
    },
    "flow_sdk.spec.settled": {
        "Settled": "ResolvedFlow",
        "SettledStep": "ResolvedStep",
        "settled": "resolve_declarations",
    },
    "flow_sdk.spec.user_decorators": {
        "Applied": "AppliedDecorator",
    },
}
"""The present name by the earlier one, by the earlier module path; ``module:name`` where it is in another module."""


def current_module(name: str) -> str | None:
    """Return the present path of a module by its earlier path, or None where the path isn't an earlier one."""
    if name in MOVED_MODULES:
        return MOVED_MODULES[name]
    package, _, last = name.rpartition(".")
    above = current_module(package) if package else None
    return f"{above}.{last}" if above is not None else None


def current_name(name: str) -> str:
    """Return the present dotted name of a class or function by an earlier one; a present one as it is.

    Parameters
    ----------
    name : str
        Module and name, with a dot between them.
    """
    module, _, last = name.rpartition(".")
    target = current_module(module) if module else None
    if target is None:
        return name
    home, _, present = RENAMED_NAMES.get(module, {}).get(last, last).rpartition(":")
    return f"{home or target}.{present}"


def find_moved_module(name: str) -> ModuleSpec | None:
    """Return how to import a module by its earlier path, or None where the path isn't an earlier one.

    Parameters
    ----------
    name : str
        The dotted path that is imported.
    """
    target = current_module(name)
    try:
        current = None if target is None else find_spec(target)
    except ModuleNotFoundError:  # a module above the present path is missing
        return None
    if target is None or current is None:
        return None
    spec = ModuleSpec(name, MovedModuleLoader(target))
    if current.submodule_search_locations is not None or any(key.startswith(f"{name}.") for key in MOVED_MODULES):
        spec.submodule_search_locations = []  # modules below an earlier path are looked up here, too
    return spec


class MovedModuleLoader(Loader):
    """Loads a module under its earlier path; its names are those of the present module.

    Parameters
    ----------
    target : str
        The present path.
    """

    def __init__(self, target: str) -> None:
        self.target = target

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave the creation of the module object to the import system."""

    def exec_module(self, module: ModuleType) -> None:
        """Import the present module, and look up names there."""
        current = importlib.import_module(self.target)
        renamed = RENAMED_NAMES.get(module.__name__, {})

        def get_name(name: str) -> object:
            if name == "__all__":
                return sorted({*getattr(current, "__all__", ()), *renamed})
            home, _, present = renamed.get(name, name).rpartition(":")
            return getattr(importlib.import_module(home) if home else current, present)

        module.__doc__ = current.__doc__
        module.__dict__["__getattr__"] = get_name

    def get_code(self, name: str) -> CodeType | None:
        """Return the code of the present module, which ``python -m`` executes."""
        spec = find_spec(self.target)
        if spec is None or spec.loader is None:
            return None
        code: CodeType | None = spec.loader.get_code(self.target)  # type: ignore[attr-defined]
        return code
