"""Runs, their outcomes and their tags.

``port`` is the interface. ``runs`` implements it in the object store itself, so that no service is needed: ``index``
lists runs newest first, ``outcome`` finds the state of a run, ``user_tags`` changes tags, and ``run_heartbeat`` and
``task_heartbeat`` show what is running. May import store, plan, ids and errors.
"""

import importlib
import sys
from types import ModuleType


class _Metadata(ModuleType):
    """This package, callable: for users ``from flow_sdk import metadata`` is the client's function, and Python binds
    that name to this package as soon as anything in it is imported."""

    def __call__(self, url: str) -> str:
        return importlib.import_module("flow_sdk.client").metadata(url)  # type: ignore[no-any-return]


sys.modules[__name__].__class__ = _Metadata
