"""Data for the commands that show results: what ``dump``, ``logs`` and ``tag list`` print with ``--output json``."""

from collections.abc import Collection, Iterator
from typing import Any

from flow_sdk.client.command_text import artifact_names, artifact_text
from flow_sdk.client.logs import task_lines
from flow_sdk.client.run import Run
from flow_sdk.client.task import Task

__all__ = ["artifact_data", "log_data", "tag_data"]


def artifact_data(
    task: Task, *, private: bool = False, max_value_size: int = 1000, include: Collection[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the artifacts of a task, each with its name, size, type and value.

    Parameters
    ----------
    task : Task
        The task.
    private : bool
        Whether to yield names with a leading ``_``, too.
    max_value_size : int
        Give the value of artifacts of at most that many bytes (>= 0; 0 gives none).
    include : collection of str, optional
        The only artifacts to yield. One that the task doesn't have is left out.

    Yields
    ------
    dict
        ``value`` is the value as text, and None where it isn't given.
    """
    refs = task._artifact_refs()
    for name in artifact_names(refs, private, include):
        if name in refs:
            ref = refs[name]
            text = artifact_text(task, name) if 0 < max_value_size >= ref.size else None
            yield {"name": name, "type": ref.type, "size": ref.size, "value": text}


def log_data(task: Task, *, stdout: bool = True, stderr: bool = True) -> Iterator[dict[str, Any]]:
    """Yield the lines of a task's log in the order they were written.

    Parameters
    ----------
    task : Task
        The task; its ``attempt`` is the one whose log is read.
    stdout, stderr : bool
        Which outputs to read.

    Yields
    ------
    dict
        ``time`` (UTC, ISO 8601), ``stream`` and ``text``.
    """
    for line in task_lines(task._reader.store, *task._find_log()):
        if stdout if line.stream == "stdout" else stderr:
            yield {"time": line.time.isoformat(timespec="milliseconds") + "Z", "stream": line.stream, "text": line.text}


def tag_data(run: Run) -> dict[str, Any]:
    """Return a run's tags, sorted."""
    return {"run": run.id, "tags": sorted(run.user_tags), "system_tags": sorted(run.system_tags)}
