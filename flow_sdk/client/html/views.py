"""The view of each client object in a notebook: nothing is unpickled for it, and long lists are cut."""

from collections.abc import Callable, Iterable
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from flow_sdk.client.html.elements import (
    Html,
    make_page,
    make_table,
    show_code,
    show_duration,
    show_folded,
    show_size,
    show_state,
    show_tags,
    show_time,
)
from flow_sdk.client.local_time import local_time
from flow_sdk.client.reader import read_ahead
from flow_sdk.metadata.port import FAILED, RUNNING, SUCCEEDED
from flow_sdk.store.records import layout
from flow_sdk.store.records.model import ArtifactRef

if TYPE_CHECKING:
    from flow_sdk.client.artifact import DataArtifact
    from flow_sdk.client.code import Code
    from flow_sdk.client.flow import Flow, Metaflow
    from flow_sdk.client.run import Run
    from flow_sdk.client.step import Step
    from flow_sdk.client.task import Task

__all__ = ["render_view"]

MOST_ROWS = 20
_MOST_KEYS = 1000
"""Objects of a step that are listed to count finished tasks; the counts of a wider step end with ``+``."""


def render_view(item: Any) -> str:
    """Render a client object as HTML.

    Parameters
    ----------
    item : Metaflow, Flow, Run, Step, Task, DataArtifact, TaskData, TaskArtifacts or Code
        The object.
    """
    return _VIEWS[type(item).__name__](item)


def _view_metaflow(root: "Metaflow") -> str:
    flows = list(islice(root, MOST_ROWS + 1))
    rows = (
        (show_code(flow.pathspec), show_code(run.pathspec) if (run := flow.latest_run) else "")
        for flow in flows[:MOST_ROWS]
    )
    fields = [("namespace", root._namespace_text()), ("", "and more" if len(flows) > MOST_ROWS else "")]
    return make_page("Metaflow()", fields, make_table(("flow", "newest run"), rows))


def _view_flow(flow: "Flow") -> str:
    runs = list(islice(flow, MOST_ROWS))
    read_ahead([run._run for run in runs])
    rows = (
        (
            show_code(run.pathspec),
            show_state(run.state),
            show_time(run.created_at),
            show_duration(run.created_at, run.finished_at),
            run._run.record.user,
            show_tags(run.user_tags),
        )
        for run in runs
    )
    fields = [("namespace", flow._namespace or "all"), ("runs", f"the newest {len(runs)}, newest first")]
    return make_page(repr(flow), fields, make_table(("run", "state", "started", "took", "user", "tags"), rows))


def _view_run(run: "Run") -> str:
    outcome = run._run_outcome
    record = run._run.record
    ended = None if outcome.time is None else local_time(outcome.time)
    fields: list[tuple[str, object]] = [
        ("state", show_state(outcome.state)),
        ("reason", outcome.reason),
        ("started", f"{show_time(run.created_at)} by {record.user}"),
        (
            "took" if outcome.state == SUCCEEDED else "ended after",
            show_duration(run.created_at, ended) if ended else "",
        ),
        ("last seen", show_time(run.last_seen) if outcome.state == RUNNING else ""),
        ("resumed from", show_code(run.origin_pathspec) if run.origin_pathspec else ""),
        ("tags", show_tags(run.user_tags)),
        ("system tags", show_tags(run.system_tags)),
    ]
    parameters = {name: record.artifacts[name] for name in record.parameters}
    head = ("step", "tasks", "done", "failed", "started", "last result")
    return make_page(
        repr(run), fields, make_table(head, _step_rows(run)), _artifact_table(parameters.items(), "parameter")
    )


def _step_rows(run: "Run") -> Iterable[tuple[object, ...]]:
    """A row for each step that has started, from one listing of each step's objects."""
    flow, id = run._run.flow, run._run.run
    marks = run._reader.store.list(layout.failures_prefix(flow, id), limit=_MOST_KEYS)
    fields = [layout.parse_key(info.key).fields for info in marks]
    failed = {(found.get("step"), found.get("task")) for found in fields}
    for step in reversed(run._run.started_steps()):
        prefix = layout.tasks_prefix(flow, id, step)
        infos = list(run._reader.store.list(prefix, limit=_MOST_KEYS))
        more = "+" if len(infos) == _MOST_KEYS else ""
        seen = [info.key[len(prefix) :].partition("/")[0] for info in infos]
        count = len(run._run.list_tasks(step)) if more else len(set(seen))
        commits = [info for info in infos if info.key.endswith("/commit.json")]
        done = {info.key[len(prefix) :].partition("/")[0] for info in commits}
        # A part of the last task may be missing in the listing.
        whole = set(seen).difference(seen[-1:] if more else ())
        lost = len({task for name, task in failed if name == step}.intersection(whole - done))
        began = min((local_time(info.modified) for info in infos), default=None)
        last = max((local_time(info.modified) for info in commits), default=None)
        name = show_code(f"{run.pathspec}/{step}")
        numbers = (f"{count:,}", f"{len(done):,}{more}", f"{lost}{more}" if lost else "")
        yield name, *numbers, show_time(began), show_time(last)


def _view_step(step: "Step") -> str:
    ids = step._run.list_tasks(step.id)
    tasks = list(step._find_tasks(ids[:MOST_ROWS]))
    state_of_run = cache(lambda: step.parent.state)
    rows = (
        (
            show_code(task.pathspec),
            _show_task_state(task, state_of_run),
            show_time(task.created_at),
            show_duration(task.created_at, task.finished_at),
        )
        for task in tasks
    )
    plan = step._step_plan
    shown = f"{len(ids)}" if len(ids) <= MOST_ROWS else f"{len(ids):,}, of which the first {MOST_ROWS} are shown"
    fields = [
        ("tasks", shown),
        ("comes after", ", ".join(plan.parents)),
        ("leads to", ", ".join(plan.next)),
        ("about", plan.doc.strip().partition("\n")[0]),
    ]
    return make_page(repr(step), fields, make_table(("task", "state", "started", "took"), rows))


def _view_task(task: "Task") -> str:
    raised = task._read_failure()
    fields: list[tuple[str, object]] = [
        ("state", _show_task_state(task)),
        ("attempt", task.current_attempt),
        ("started", show_time(task.created_at)),
        ("took", show_duration(task.created_at, task.finished_at)),
        ("parents", ", ".join(task.parent_task_pathspecs)),
        ("reused from", show_code(task.origin_pathspec) if task.origin_pathspec else ""),
    ]
    parts = [_artifact_table(_public_refs(task._artifact_refs()).items())]
    if raised is not None:
        fields.append(("exception", f"{raised.type}: {raised.exception}"))
        parts.append(show_folded("stack trace", raised.stacktrace))
    return make_page(repr(task), fields, *parts)


def _view_artifact(artifact: "DataArtifact") -> str:
    fields = [
        ("type", artifact.type),
        ("size", show_size(artifact.size)),
        ("sha", show_code(artifact.sha)),
        ("stored", show_time(artifact.created_at)),
        ("reused from", show_code(artifact.origin_pathspec) if artifact.origin_pathspec else ""),
    ]
    return make_page(repr(artifact), fields)


def _view_collection(item: Any) -> str:
    task = item._owner_task()
    name = "data" if type(item).__name__ == "TaskData" else "artifacts"
    return make_page(f"{task!r}.{name}", (), _artifact_table(_public_refs(task._artifact_refs()).items()))


def _view_code(package: "Code") -> str:
    fields = [
        ("script", show_code(package.script_name)),
        ("sha", show_code(package.info["sha"])),
        ("path", show_code(package.path)),
    ]
    return make_page("Code", fields)


def _public_refs(refs: Any) -> dict[str, ArtifactRef]:
    return {name: refs[name] for name in sorted(refs) if not name.startswith("_")}


def _artifact_table(refs: Iterable[tuple[str, ArtifactRef]], what: str = "artifact") -> Html:
    rows = ((show_code(name), ref.type.removeprefix("builtins."), show_size(ref.size)) for name, ref in refs)
    return make_table((what, "type", "size"), rows)


def _show_task_state(task: "Task", state_of_run: Callable[[], str] | None = None) -> Html:
    if task.finished and not task.successful:
        return Html(f"{show_state(FAILED)}, caught")
    return show_state(task.state if state_of_run is None else task._state_in(state_of_run))


_VIEWS: dict[str, Callable[[Any], str]] = {
    "Metaflow": _view_metaflow,
    "Flow": _view_flow,
    "Run": _view_run,
    "Step": _view_step,
    "Task": _view_task,
    "DataArtifact": _view_artifact,
    "TaskData": _view_collection,
    "TaskArtifacts": _view_collection,
    "Code": _view_code,
}
