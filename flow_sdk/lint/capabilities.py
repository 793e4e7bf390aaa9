"""What deploy targets refuse, found before anything is written."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, Protocol

from flow_sdk.errors import UsageError, nearest
from flow_sdk.lint.diagnostic import Diagnostic

__all__ = ["TARGETS", "Deployable", "Limit", "check_target"]

DAG_ID_LENGTH = 250
"""Longest DAG id that Airflow takes (2.11 and 3.3: ``airflow.utils.helpers.validate_key``)."""

_DAG_ID = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)


class Deployable(Protocol):
    """What is looked at: a flow plan."""

    @property
    def flow(self) -> str: ...

    @property
    def file(self) -> str: ...


class Limit(NamedTuple):
    """One limit: its id, a sentence for the docs, and the function that gives message and help, or None."""

    code: str
    sentence: str
    check: Callable[[Deployable, str], tuple[str, str] | None]


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
    found = []
    for limit in TARGETS[target]:
        finding = limit.check(plan, plan.flow if name is None else name)
        if finding:
            found.append(Diagnostic(limit.code, finding[0], plan.file, help=finding[1]))
    return found


def _dag_id(plan: Deployable, name: str) -> tuple[str, str] | None:
    if not _DAG_ID.fullmatch(name):
        return f"Airflow doesn't take {name!r} as a DAG id", "Use A-Z, a-z, 0-9, '_', '.' and '-' only, with --name."
    if len(name) > DAG_ID_LENGTH:
        message = f"the DAG id {name[:20] + '...'!r} has {len(name)} characters; Airflow takes {DAG_ID_LENGTH}"
        return message, "Give a shorter one with --name."
    return None


TARGETS: dict[str, tuple[Limit, ...]] = {
    "airflow": (
        Limit("FS701", "a DAG id has A-Z, a-z, 0-9, `_`, `.` and `-` only, and at most 250 characters.", _dag_id),
    ),
}
"""The limits of each deploy target."""
