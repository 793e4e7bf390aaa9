"""Decorators that have no effect in this release: logged in a local run, refused in a deployment."""

from __future__ import annotations

import sys

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.cli.environment import find_unused_metadata
from flow_sdk.errors import DeployError

if TYPE_CHECKING:
    from flow_sdk.cli.context import CommandContext

__all__ = ["log_inactive", "refuse_inactive"]

_INSTEAD = {
    "card": "no card is made",
    "conda": "the step has the packages of this interpreter",
    "conda_base": "the steps have the packages of this interpreter",
    "exit_hook": "its functions aren't called",
    "kubernetes": "the step runs on this machine",
    "pypi": "the step has the packages of this interpreter",
    "pypi_base": "the steps have the packages of this interpreter",
    "trigger": "no event starts the flow",
    "trigger_on_finish": "no other flow starts this one",
}
"""What happens in a local run in place of what a decorator says."""


def log_inactive(context: CommandContext) -> None:
    """Log a line for each decorator and option that has no effect in a run on this machine."""
    for name, steps in _find_inactive(context).items():
        where = f" of {', '.join(steps)}" if steps else ""
        instead = f": {_INSTEAD[name]}" if name in _INSTEAD else ""
        context.log(f"@{name}{where} has no effect in this release of Flow SDK{instead}.")
    if context.line.inactive_environment:
        instead = _INSTEAD["conda_base"]
        context.log(f"{context.line.inactive_environment} has no effect in this release of Flow SDK: {instead}.")
    if unused := find_unused_metadata():
        context.log(f"{unused} has no effect: runs are recorded in the store itself, and found there.")


def refuse_inactive(context: CommandContext) -> None:
    """Refuse to deploy a flow with decorators, or an option, that have no effect.

    Raises
    ------
    DeployError
        With all of them.
    """
    names = [
        f"@{name}" + (f" on {', '.join(steps)}" if steps else "") for name, steps in _find_inactive(context).items()
    ]
    what = "decorators that have"
    if context.line.inactive_environment:
        what = "decorators and options that have" if names else "an option that has"
        names.append(context.line.inactive_environment)
    if names:
        raise DeployError(
            f"A flow with {what} no effect in this release can't be deployed.",
            seen=", ".join(names),
            help="Take them away, or run the flow on this machine.",
        )


def _find_inactive(context: CommandContext) -> dict[str, list[str]]:
    """Return each decorator without effect, with its steps."""
    found: dict[str, list[str]] = {}
    if "flow_sdk.authoring.inactive_decorators" not in sys.modules:
        return found  # no flow of this process can have one
    from flow_sdk.authoring.declarations import find_inactive

    for name, step in find_inactive(context.flow_class):
        found.setdefault(name, []).extend([step] if step else [])
    return found
