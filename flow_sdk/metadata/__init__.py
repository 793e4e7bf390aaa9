"""Which runs there are, how they stand and how they are tagged.

``port`` is the interface, ``runs`` keeps it in the object store itself, so that no service is needed;
``tags`` defines what a tag may be, ``index`` orders runs newest first. May import store, plan, ids and errors.
"""

import importlib
import sys
from types import ModuleType


class _Metadata(ModuleType):
    """This package, callable: ``from flow_sdk import metadata`` must give the client's function to users who call it,
    and Python binds that name to this package as soon as anything in it is imported."""

    def __call__(self, url: str) -> str:
        return importlib.import_module("flow_sdk.client").metadata(url)  # type: ignore[no-any-return]


sys.modules[__name__].__class__ = _Metadata
