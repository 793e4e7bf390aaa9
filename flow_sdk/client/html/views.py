"""What a notebook shows of each client object: nothing is unpickled for it, and what may be large is cut."""

from collections.abc import Callable, Iterable
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from flow_sdk.client.html.elements import Html, code, duration, fold, moment, page, size, state, table, tags
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

__all__ = ["view"]

MOST_ROWS = 20
_MOST_KEYS = 1000
"""Objects of a step that are looked at to count what is done; of a wider step it is said that there is more."""


def view(item: Any) -> str:
    """Render a client object as HTML.

    Parameters
    ----------
    item : Metaflow, Flow, Run, Step, Task, DataArtifact, TaskData, TaskArtifacts or Code
        What to show.
    """
    return _VIEWS[type(item).__name__](item)


def _metaflow(root: "Metaflow") -> str:
    flows = list(islice(root, MOST_ROWS + 1))
    rows = ((code(flow.pathspec), code(run.pathspec) if (run := flow.latest_run) else "") for flow in flows[:MOST_ROWS])
    facts = [("namespace", root._namespace_text()), ("", "and more" if len(flows) > MOST_ROWS else "")]
    return page("Metaflow()", facts, table(("flow", "newest run"), rows))


def _flow(flow: "Flow") -> str:
    runs = list(islice(flow, MOST_ROWS))
    read_ahead([run._run for run in runs])
    rows = (
        (code(run.pathspec), state(run.state), moment(run.created_at), duration(run.created_at, run.finished_at),
         run._run.record.user, tags(run.user_tags))
        for run in runs
    )  # fmt: skip
    facts = [("namespace", flow._namespace or "all"), ("runs", f"the newest {len(runs)}, newest first")]
    return page(repr(flow), facts, table(("run", "state", "started", "took", "user", "tags"), rows))


def _run(run: "Run") -> str:
    outcome = run._outcome
    record = run._run.record
    ended = None if outcome.time is None else local_time(outcome.time)
    facts: list[tuple[str, object]] = [
        ("state", state(outcome.state)),
        ("reason", outcome.reason),
        ("started", f"{moment(run.created_at)} by {record.user}"),
        ("took" if outcome.state == SUCCEEDED else "ended after", duration(run.created_at, ended) if ended else ""),
        ("last seen", moment(run.last_seen) if outcome.state == RUNNING else ""),
        ("resumed from", code(run.origin_pathspec) if run.origin_pathspec else ""),
        ("tags", tags(run.user_tags)),
        ("system tags", tags(run.system_tags)),
    ]
    parameters = {name: record.artifacts[name] for name in record.parameters}
    head = ("step", "tasks", "done", "failed", "started", "last result")
    return page(repr(run), facts, table(head, _steps(run)), _refs(parameters.items(), "parameter"))


def _steps(run: "Run") -> Iterable[tuple[object, ...]]:
    """A row for each step that has started, from one listing of each step's objects."""
    flow, id = run._run.flow, run._run.run
    marks = run._reader.store.list(layout.failures_prefix(flow, id), limit=_MOST_KEYS)
    fields = [layout.parse_key(info.key).fields for info in marks]
    failed = {(found.get("step"), found.get("task")) for found in fields}
    for step in reversed(run._run.steps()):
        place = layout.tasks_prefix(flow, id, step)
        infos = list(run._reader.store.list(place, limit=_MOST_KEYS))
        more = "+" if len(infos) == _MOST_KEYS else ""
        seen = [info.key[len(place) :].partition("/")[0] for info in infos]
        count = len(run._run.tasks(step)) if more else len(set(seen))
        commits = [info for info in infos if info.key.endswith("/commit.json")]
        done = {info.key[len(place) :].partition("/")[0] for info in commits}
        # Of the last one that was looked at a part may be missing.
        whole = set(seen).difference(seen[-1:] if more else ())
        lost = len({task for name, task in failed if name == step}.intersection(whole - done))
        began = min((local_time(info.modified) for info in infos), default=None)
        last = max((local_time(info.modified) for info in commits), default=None)
        name = code(f"{run.pathspec}/{step}")
        numbers = (f"{count:,}", f"{len(done):,}{more}", f"{lost}{more}" if lost else "")
        yield name, *numbers, moment(began), moment(last)


def _step(step: "Step") -> str:
    ids = step._run.tasks(step.id)
    tasks = list(step._those(ids[:MOST_ROWS]))
    state_of_run = cache(lambda: step.parent.state)
    rows = (
        (
            code(task.pathspec),
            _state(task, state_of_run),
            moment(task.created_at),
            duration(task.created_at, task.finished_at),
        )
        for task in tasks
    )
    plan = step._plan
    shown = f"{len(ids)}" if len(ids) <= MOST_ROWS else f"{len(ids):,}, of which the first {MOST_ROWS} are shown"
    facts = [
        ("tasks", shown),
        ("comes after", ", ".join(plan.parents)),
        ("leads to", ", ".join(plan.next)),
        ("about", plan.doc.strip().partition("\n")[0]),
    ]
    return page(repr(step), facts, table(("task", "state", "started", "took"), rows))


def _task(task: "Task") -> str:
    raised = task._raised()
    facts: list[tuple[str, object]] = [
        ("state", _state(task)),
        ("attempt", task.current_attempt),
        ("started", moment(task.created_at)),
        ("took", duration(task.created_at, task.finished_at)),
        ("parents", ", ".join(task.parent_task_pathspecs)),
        ("reused from", code(task.origin_pathspec) if task.origin_pathspec else ""),
    ]
    parts = [_refs(_public(task._refs()).items())]
    if raised is not None:
        facts.append(("exception", f"{raised.type}: {raised.exception}"))
        parts.append(fold("stack trace", raised.stacktrace))
    return page(repr(task), facts, *parts)


def _artifact(artifact: "DataArtifact") -> str:
    facts = [
        ("type", artifact.type),
        ("size", size(artifact.size)),
        ("sha", code(artifact.sha)),
        ("stored", moment(artifact.created_at)),
        ("reused from", code(artifact.origin_pathspec) if artifact.origin_pathspec else ""),
    ]
    return page(repr(artifact), facts)


def _collection(item: Any) -> str:
    task = item._owner()
    return page(f"{task!r}.{'data' if type(item).__name__ == 'TaskData' else 'artifacts'}", (),
                _refs(_public(task._refs()).items()))  # fmt: skip


def _code(package: "Code") -> str:
    facts = [("script", code(package.script_name)), ("sha", code(package.info["sha"])), ("path", code(package.path))]
    return page("Code", facts)


def _public(refs: Any) -> dict[str, ArtifactRef]:
    return {name: refs[name] for name in sorted(refs) if not name.startswith("_")}


def _refs(refs: Iterable[tuple[str, ArtifactRef]], what: str = "artifact") -> Html:
    rows = ((code(name), ref.type.removeprefix("builtins."), size(ref.size)) for name, ref in refs)
    return table((what, "type", "size"), rows)


def _state(task: "Task", state_of_run: Callable[[], str] | None = None) -> Html:
    if task.finished and not task.successful:
        return Html(f"{state(FAILED)}, caught")
    return state(task.state if state_of_run is None else task._state_in(state_of_run))


_VIEWS: dict[str, Callable[[Any], str]] = {
    "Metaflow": _metaflow,
    "Flow": _flow,
    "Run": _run,
    "Step": _step,
    "Task": _task,
    "DataArtifact": _artifact,
    "TaskData": _collection,
    "TaskArtifacts": _collection,
    "Code": _code,
}
