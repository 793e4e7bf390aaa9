"""What is known of the attempts of a task, as the entries of ``task.metadata``."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from flow_sdk.store.address import StoreAddress
from flow_sdk.store.records.model import Manifest

if TYPE_CHECKING:
    from flow_sdk.client.task import Task

__all__ = ["Metadata", "attempt_facts", "attempt_metadata"]

_TYPES = {"attempt_ok": "internal_attempt_status"}
"""Entries whose type isn't their name: as with Metaflow."""


class Metadata(NamedTuple):
    """A fact about an attempt of a task.

    Parameters
    ----------
    name, value : str
        The fact.
    created_at : datetime
        When it was noted, in local time.
    type : str
        What kind of fact it is: its name, but for ``attempt_ok``.
    task : Task
        The task.
    """

    name: str
    value: str
    created_at: datetime
    type: str
    task: "Task"


def attempt_facts(task: "Task", number: int, manifest: Manifest | None) -> dict[str, str]:
    """Gather the facts about one attempt of a task.

    Parameters
    ----------
    task : Task
        The task.
    number : int
        The attempt's number, from 0.
    manifest : Manifest or None
        What it left; None for one that runs, or was killed with its machine.
    """
    record = task._run.record
    facts: dict[str, Any] = {
        "attempt": number,
        "user": record.user,
        "runtime": task.runtime_name or "",
        "script-name": task._run.plan.file,
        "ds-type": StoreAddress.parse(task._url).kind.name,
        "ds-root": task._reader.store.url,
    }
    if record.package is not None:
        facts["code-package"] = record.package
    if record.origin_run is not None:
        facts["origin-run-id"] = record.origin_run
    if manifest is not None:
        facts |= manifest.environment
        if "python" in manifest.environment:
            facts["python_version"] = manifest.environment["python"]
        facts |= {"attempt": number, "attempt_ok": manifest.ok, "successful": manifest.successful}
        facts["attempt-done"] = number
    if task.origin_pathspec is not None:
        _, run, _, origin = task.origin_pathspec.split("/")
        facts |= {"origin-run-id": run, "origin-task-id": origin}
    return {name: str(value) for name, value in facts.items()}


def attempt_metadata(task: "Task", number: int, manifest: Manifest | None, when: datetime) -> list[Metadata]:
    """Return the facts about one attempt as entries that were noted at ``when``."""
    facts = attempt_facts(task, number, manifest)
    return [Metadata(name, value, when, _TYPES.get(name, name), task) for name, value in facts.items()]
