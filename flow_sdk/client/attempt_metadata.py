"""The metadata of a task's attempts: the entries of ``task.metadata``."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from flow_sdk.store.address import StoreAddress
from flow_sdk.store.records.model import Manifest

if TYPE_CHECKING:
    from flow_sdk.client.task import Task

__all__ = ["Metadata", "attempt_fields", "attempt_metadata"]

_TYPES = {"attempt_ok": "internal_attempt_status"}
"""Entries whose type isn't their name: as with Metaflow."""


class Metadata(NamedTuple):
    """One field of the metadata of an attempt.

    Parameters
    ----------
    name, value : str
        The field.
    created_at : datetime
        When it was recorded, in local time.
    type : str
        The kind of the field: its name, except for ``attempt_ok``.
    task : Task
        The task.
    """

    name: str
    value: str
    created_at: datetime
    type: str
    task: "Task"


def attempt_fields(task: "Task", number: int, manifest: Manifest | None) -> dict[str, str]:
    """Return the metadata of one attempt of a task.

    Parameters
    ----------
    task : Task
        The task.
    number : int
        The attempt's number, from 0.
    manifest : Manifest or None
        Its manifest; None if it is running, or was killed with its machine.
    """
    record = task._run.record
    fields: dict[str, Any] = {
        "attempt": number,
        "user": record.user,
        "runtime": task.runtime_name or "",
        "script-name": task._run.plan.file,
        "ds-type": StoreAddress.parse(task._url).kind.name,
        "ds-root": task._reader.store.url,
    }
    if record.package is not None:
        fields["code-package"] = record.package
    if record.origin_run is not None:
        fields["origin-run-id"] = record.origin_run
    if manifest is not None:
        fields |= manifest.environment
        if "python" in manifest.environment:
            fields["python_version"] = manifest.environment["python"]
        fields |= {"attempt": number, "attempt_ok": manifest.ok, "successful": manifest.successful}
        fields["attempt-done"] = number
    if task.origin_pathspec is not None:
        _, run, _, origin = task.origin_pathspec.split("/")
        fields |= {"origin-run-id": run, "origin-task-id": origin}
    return {name: str(value) for name, value in fields.items()}


def attempt_metadata(task: "Task", number: int, manifest: Manifest | None, when: datetime) -> list[Metadata]:
    """Return the metadata of one attempt as entries that were recorded at ``when``."""
    fields = attempt_fields(task, number, manifest)
    return [Metadata(name, value, when, _TYPES.get(name, name), task) for name, value in fields.items()]
