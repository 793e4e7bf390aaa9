"""What deploy targets refuse, found before anything is written."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from flow_sdk.errors import UsageError, nearest
from flow_sdk.lint.diagnostic import Diagnostic

__all__ = ["TARGETS", "Deployable", "check_target"]

DAG_ID_LENGTH = 250
"""Longest DAG id that Airflow takes (2.11 and 3.3: ``airflow.utils.helpers.validate_key``)."""

_DAG_ID = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)


class Deployable(Protocol):
    """What is looked at: a flow plan."""

    @property
    def flow(self) -> str: ...

    @property
    def file(self) -> str: ...


def check_target(plan: Deployable, target: str, name: str | None = None) -> list[Diagnostic]:
    """Find what a deploy target can't express.

    Parameters
    ----------
    plan : FlowPlan
        The flow.
    target : str
        Name of the deploy target, such as ``"airflow"``.
    name : str, optional
        The deployment's name; the flow's name when left out.

    Returns
    -------
    list of Diagnostic
        Empty when the target can run the flow.

    Raises
    ------
    UsageError
        If there is no such target.
    """
    if target not in TARGETS:
        raise UsageError(f"There is no deploy target {target!r}.", help=nearest(target, TARGETS))
    return [finding for limit in TARGETS[target] for finding in limit(plan, plan.flow if name is None else name)]


def dag_id(plan: Deployable, name: str) -> list[Diagnostic]:
    """A DAG id has A-Z, a-z, 0-9, ``_``, ``.`` and ``-`` only, and at most 250 characters."""
    if not _DAG_ID.fullmatch(name):
        message = f"Airflow doesn't take {name!r} as a DAG id"
        help = "Use A-Z, a-z, 0-9, '_', '.' and '-' only, with --name."
    elif len(name) > DAG_ID_LENGTH:
        message = f"the DAG id {name[:20] + '...'!r} has {len(name)} characters; Airflow takes {DAG_ID_LENGTH}"
        help = "Give a shorter one with --name."
    else:
        return []
    return [Diagnostic("FS701", message, plan.file, help=help)]


TARGETS: dict[str, tuple[Callable[[Deployable, str], list[Diagnostic]], ...]] = {"airflow": (dag_id,)}
"""The limits of each deploy target."""
