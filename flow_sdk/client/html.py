"""Client objects in a notebook: small tables, every value escaped."""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flow_sdk.client.artifact import DataArtifact
    from flow_sdk.client.run import Run
    from flow_sdk.client.step import Step
    from flow_sdk.client.task import Task

__all__ = ["artifact_html", "run_html", "step_html", "task_html"]

_MOST_ROWS = 50


def _table(
    title: str, facts: Sequence[tuple[str, object]], head: Sequence[str], rows: Iterable[Sequence[object]]
) -> str:
    parts = [f"<h4>{escape(title)}</h4>"]
    if facts:
        parts.append("<table>")
        parts += [f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in facts]
        parts.append("</table>")
    if head:
        parts.append("<table><tr>" + "".join(f"<th>{escape(name)}</th>" for name in head) + "</tr>")
        for row in rows:
            parts.append("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>")
        parts.append("</table>")
    return "".join(parts)


def run_html(run: "Run") -> str:
    """A run: how it stands, its tags and steps."""
    facts: list[tuple[str, object]] = [("state", run.state), ("started", run.created_at)]
    facts.append(("tags", ", ".join(sorted(run.tags))))
    return _table(repr(run), facts, ("step",), ((step.id,) for step in run))


def step_html(step: "Step") -> str:
    """A step: its first tasks."""
    rows = ((task.id, _state(task), task.created_at) for task in islice(step, _MOST_ROWS))
    return _table(repr(step), (), ("task", "state", "started"), rows)


def task_html(task: "Task") -> str:
    """A task: how it stands and what it stored."""
    facts: list[tuple[str, object]] = [
        ("state", _state(task)),
        ("attempt", task.current_attempt),
        ("started", task.created_at),
        ("finished", task.finished_at or ""),
    ]
    if (raised := task.exception) is not None:
        facts.append(("exception", f"{raised.type}: {raised.exception}"))
    rows = ((artifact.id, artifact.type, artifact.size) for artifact in task)
    return _table(repr(task), facts, ("artifact", "type", "bytes"), rows)


def artifact_html(artifact: "DataArtifact") -> str:
    """An artifact: what is known of it without loading it."""
    facts = [("type", artifact.type), ("bytes", artifact.size), ("sha", artifact.sha)]
    return _table(repr(artifact), facts, (), ())


def _state(task: "Task") -> str:
    if task.successful:
        return "succeeded"
    if task.finished:
        return "failed, caught"
    return "failed" if task.exception else "running"
