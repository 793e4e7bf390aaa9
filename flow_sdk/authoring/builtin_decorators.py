"""Finding decorators by name: those of the SDK by the table of public names, those of users where they are defined."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.decorator import DECLARED
from flow_sdk.public_table import DECORATORS, read_public_names

if TYPE_CHECKING:
    from flow_sdk.authoring.decorator import Decorator

__all__ = ["builtin_decorator_names", "find_decorator"]


def builtin_decorator_names() -> list[str]:
    """Return the names of all decorators that act in this release, sorted."""
    return sorted(name for name, module in read_public_names().items() if module.startswith(DECORATORS))


def find_decorator(name: str) -> type[Decorator] | None:
    """Return the class of a decorator, or None where there is none of that name.

    Parameters
    ----------
    name : str
        What it is called after the ``@``.
    """
    module = read_public_names().get(name, "")
    if not module.startswith(DECORATORS):
        return DECLARED.get(name)
    import importlib

    found: type[Decorator] = getattr(importlib.import_module(module), name).decorator_class
    return found
