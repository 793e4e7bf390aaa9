"""Putting a decorator on a function or class: its data joins the ``__flow_decorators__`` of that."""

from __future__ import annotations

import sys

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.declaration_errors import refused
from flow_sdk.authoring.decorator import Decorator, kind_of
from flow_sdk.errors import UsageError

if TYPE_CHECKING:
    from typing import Any

__all__ = ["use"]


def _own(target: Any) -> list[Decorator]:
    """The list of the decorators on one function or class, without those of its base classes."""
    if "__flow_decorators__" not in vars(target):
        target.__flow_decorators__ = []
    return target.__flow_decorators__  # type: ignore[no-any-return]


def _put(decorator: Decorator, target: Any) -> Any:
    wants = "a step of a flow" if decorator.on_step else "a flow class"
    if not callable(target) or isinstance(target, type) is decorator.on_step or not hasattr(target, "__dict__"):
        raise refused(
            UsageError, f"@{decorator.name} stands on {wants}.", seen=kind_of(target), help=f"Put it on {wants}."
        )
    own = _own(target)
    if any(known.name == decorator.name for known in own):
        raise refused(
            UsageError,
            f"@{decorator.name} stands twice on {getattr(target, '__name__', target)!r}.",
            wanted="one, with all its attributes",
        )
    own.append(decorator)
    return target


def _made(kind: type[Decorator], given: dict[str, Any]) -> Any:
    """The decorator; without its values' check as long as one depends on a config that isn't read yet."""
    delayed = sys.modules.get("flow_sdk.authoring.deferred")  # without this module no value can be delayed
    return delayed.DelayedDecorator(kind, given) if delayed and delayed.holds_delayed(given) else kind(**given)


def use(kind: type[Decorator], target: Any, others: tuple[Any, ...], given: dict[str, Any]) -> Any:
    """Do what all decorators do: ``@name`` gets its target, ``@name(...)`` its attributes.

    Parameters
    ----------
    kind : type
        Which decorator.
    target : callable or None
        What it stands on, if it was written without brackets.
    others : tuple
        Further positional arguments, of which there may be none.
    given : dict
        The attributes by name.

    Returns
    -------
    callable
        The target, or what takes it.

    Raises
    ------
    UsageError
        If the target or an attribute can't be used.
    """
    if others or (target is not None and not callable(target)):
        raise refused(
            UsageError,
            f"@{kind.name} takes its attributes by name.",
            seen=", ".join(map(repr, (target, *others))),
            wanted=", ".join(f"{key}=" for key in kind.defaults),
        )
    decorator = _made(kind, given)
    if target is not None:
        return _put(decorator, target)
    return lambda found: _put(decorator, found)
