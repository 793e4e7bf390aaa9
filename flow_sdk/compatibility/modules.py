"""Metaflow's modules: which names of them Flow SDK has, and how they are found below ``flow_sdk``."""

from __future__ import annotations

import importlib
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from flow_sdk.authoring.unsupported import UnsupportedName

__all__ = ["find_module"]

_PUBLIC = "flow_sdk"
_CONVERSIONS = "flow_sdk.compatibility.conversions"
_PARALLEL = "flow_sdk.compatibility.parallel"
_CARDS = "flow_sdk.cards"
_EXCEPTIONS = "flow_sdk.exception"
_ERRORS = "flow_sdk.errors"

_COMPONENTS = (
    "Artifact",
    "Error",
    "EventsTimeline",
    "Image",
    "JSONViewer",
    "Markdown",
    "ProgressBar",
    "PythonCode",
    "Table",
    "ValueBox",
    "VegaChart",
    "YAMLViewer",
)
_UTIL = (
    "TempDir",
    "all_equal",
    "cached_property",
    "get_username",
    "is_stringish",
    "resolve_identity",
    "to_bytes",
    "to_fileobj",
    "to_unicode",
    "url_quote",
    "url_unquote",
    "which",
)

MODULES: dict[str, dict[str, str]] = {
    "client.core": dict.fromkeys(("DataArtifact", "Flow", "Metaflow", "Run", "Step", "Task", "namespace"), _PUBLIC)
    | dict.fromkeys(("default_namespace", "get_namespace", "metadata", "get_metadata", "default_metadata"), _PUBLIC),
    "datatools": {"S3": _PUBLIC},
    "decorators": {"FlowMutator": _PUBLIC, "StepMutator": _PUBLIC, "step": _PUBLIC},
    "flowspec": {"FlowSpec": _PUBLIC},
    "includefile": {"IncludeFile": _PUBLIC},
    "metaflow_current": {"current": _PUBLIC, "Current": "flow_sdk.authoring.current"},
    "metaflow_profile": {"profile": _PARALLEL},
    "metaflow_version": {"get_version": _CONVERSIONS},
    "multicore_utils": dict.fromkeys(("parallel_map", "parallel_imap_unordered", "MulticoreException"), _PARALLEL),
    "parameters": {"Parameter": _PUBLIC, "JSONType": _PUBLIC, "DeployContext": "flow_sdk.authoring.parameters"},
    "plugins.cards.card_client": {"get_cards": _CARDS},
    "plugins.cards.card_modules": {"MetaflowCard": _CARDS, "MetaflowCardComponent": _CARDS},
    "plugins.cards.card_modules.basic": dict.fromkeys(("BlankCard", "DefaultCard", "ErrorCard"), _CARDS),
    "plugins.cards.card_modules.card": {"MetaflowCard": _CARDS, "MetaflowCardComponent": _CARDS},
    "plugins.cards.card_modules.components": dict.fromkeys(_COMPONENTS, _CARDS),
    "plugins.catch_decorator": {"FailureHandledByCatch": _EXCEPTIONS + ":MetaflowExceptionWrapper"},
    "plugins.datatools": {"S3": _PUBLIC},
    "plugins.datatools.s3": {"S3": _PUBLIC, "MetaflowS3Exception": _ERRORS + ":FlowSDKError"}
    | {"MetaflowS3NotFound": _ERRORS + ":NotFound", "MetaflowS3URLException": _ERRORS + ":UsageError"},
    "plugins.timeout_decorator": {"TimeoutException": _ERRORS + ":StepTimeout"},
    "runner.deployer": {"Deployer": _PUBLIC, "DeployedFlow": _PUBLIC},
    "runner.metaflow_runner": {"Runner": _PUBLIC},
    "runner.nbdeploy": {"NBDeployer": _PUBLIC},
    "runner.nbrun": {"NBRunner": _PUBLIC},
    "user_configs.config_parameters": dict.fromkeys(("Config", "ConfigValue", "config_expr"), _PUBLIC),
    "user_decorators.mutable_flow": {"MutableFlow": _PUBLIC},
    "user_decorators.mutable_step": {"MutableStep": _PUBLIC},
    "user_decorators.user_flow_decorator": {"FlowMutator": _PUBLIC},
    "user_decorators.user_step_decorator": dict.fromkeys(
        ("StepMutator", "UserStepDecorator", "USER_SKIP_STEP", "user_step_decorator"), _PUBLIC
    ),
    "util": dict.fromkeys(_UTIL, _CONVERSIONS),
}
"""The names that Flow SDK has of each module: the module here that has them, ``module:name`` where that differs."""

OTHERS = frozenset(
    {
        "_vendor",
        "cmd_with_io",
        "datastore",
        "debug",
        "event_logger",
        "events",
        "extension_support",
        "integrations",
        "metadata_provider",
        "metaflow_config",
        "metaflow_config_funcs",
        "metaflow_environment",
        "metaflow_git",
        "mflog",
        "monitor",
        "package",
        "packaging_sys",
        "plugins",
        "procpoll",
        "profilers",
        "runner",
        "sidecar",
        "system",
        "tagging_util",
        "task",
        "tracing",
        "tuple_util",
        "unbounded_foreach",
        "user_configs",
        "user_decorators",
    }
)
"""Modules and packages of Metaflow of which Flow SDK has nothing but, perhaps, modules below them, or settings."""


def find_module(name: str) -> ModuleSpec | None:
    """Find a module of Metaflow's by the name that it has below ``flow_sdk``.

    Parameters
    ----------
    name : str
        Such as ``flow_sdk.metaflow_config``.

    Returns
    -------
    ModuleSpec or None
        None for what Metaflow doesn't have either.
    """
    theirs = name.removeprefix("flow_sdk.")
    top = theirs.partition(".")[0]
    if theirs not in MODULES and top not in OTHERS and theirs != "client.filecache":
        return None
    return ModuleSpec(name, MetaflowModuleLoader(), is_package=True)


class MetaflowModuleLoader(Loader):
    """Makes a module whose names are looked up when they are asked for."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Make the module."""
        return MetaflowModule(spec.name, f"Names of Metaflow's module {spec.name.removeprefix('flow_sdk.')}.")

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module empty: its names are looked up when they are asked for."""


class MetaflowModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        theirs = self.__name__.removeprefix("flow_sdk.")
        if _is_module(theirs, name):
            return importlib.import_module(f"{self.__name__}.{name}")
        value = _find_value(theirs, name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted(MODULES.get(self.__name__.removeprefix("flow_sdk."), ()))


def _is_module(theirs: str, name: str) -> bool:
    """Return whether a name in a module is that of a module below it which has names."""
    below = f"{theirs}.{name}"
    return any(known == below or known.startswith(below + ".") for known in MODULES)


def _find_value(module: str, name: str) -> Any:
    if module == "metaflow_config" and (name.isupper() or name == "from_conf"):
        from flow_sdk.compatibility import settings

        return settings.from_conf if name == "from_conf" else settings.find_setting(name)
    home = MODULES.get(module, {}).get(name)
    if home is None:
        return UnsupportedName(f"{module}.{name}")
    where, _, other = home.partition(":")
    return getattr(importlib.import_module(where), other or name)
