"""Reading the decorators that are on a step or a flow class."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from flow_sdk.authoring.decorator import Decorator

__all__ = ["declared_flow_decorators", "step_decorators"]


def step_decorators(function: Any) -> tuple[Decorator, ...]:
    """Return the decorators on a step, the lowest in the source first."""
    return tuple(vars(function).get("__flow_decorators__", ()))


def declared_flow_decorators(flow: type) -> tuple[Decorator, ...]:
    """Return the decorators on a flow class along its MRO by name; those of a derived class win."""
    found: dict[str, Decorator] = {}
    for klass in reversed(flow.__mro__):
        for decorator in vars(klass).get("__flow_decorators__", ()):
            found[decorator.name] = decorator
    return tuple(found[name] for name in sorted(found))
