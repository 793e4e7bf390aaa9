"""Text for the commands that show results: ``dump``, ``logs`` and ``tag list``."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from flow_sdk.client.context import current_store, get_namespace
from flow_sdk.client.logs import task_lines
from flow_sdk.client.reader import open_reader
from flow_sdk.client.run import Run
from flow_sdk.client.step import Step
from flow_sdk.client.task import Task
from flow_sdk.errors import NotFound, PathspecError, SerializationError, UsageError
from flow_sdk.ids import split_pathspec
from flow_sdk.text import quote_unprintable, suggest_name

__all__ = [
    "artifact_names",
    "artifact_text",
    "dump_lines",
    "dump_values",
    "find_runs",
    "find_tasks",
    "log_lines",
    "tag_lines",
]

MAX_VALUE_SIZE = 1000


def find_tasks(flow: str, path: str, *, attempt: int | None = None, store: str | None = None) -> list[Task]:
    """Find the tasks that ``run``, ``run/step`` or ``run/step/task`` names, in any namespace.

    Parameters
    ----------
    flow : str
        The flow's name.
    path : str
        ``run`` for all tasks of a run, in the order of its steps, ``run/step`` for those of a step, ``run/step/task``
        for one.
    attempt : int, optional
        The attempt to look at (>= 0). Tasks without such an attempt are left out unless one task is named.
    store : str, optional
        URL of the store; by default the client's.

    Raises
    ------
    PathspecError
        If the path has another form.
    NotFound
        If there is no such run, step, task or attempt.
    """
    parts = split_pathspec(path, 3)
    if not parts or not parts[0]:
        raise PathspecError(f"{path!r} names no run.", wanted="run, run/step or run/step/task, such as 5/start")
    run = Run._make_unchecked((flow, parts[0]), store or current_store(), None)
    run._ensure_exists()
    if len(parts) == 1:
        steps = list(run)[::-1]
        found_tasks = [task for each in steps for task in _tasks_of(each, attempt)]
        if not found_tasks and attempt is not None:
            raise NotFound(f"No task of run {run.pathspec!r} has an attempt {attempt}.")
        return found_tasks
    step = Step._make_child(run, parts[1])
    step._ensure_exists()
    if len(parts) == 3:
        found = Task._make_task(step, parts[2])
        found._attempt = attempt
        found._ensure_exists()
        return [found]
    tasks = _tasks_of(step, attempt)
    if not tasks and attempt is not None:
        raise NotFound(f"No task of step {step.pathspec!r} has an attempt {attempt}.")
    return tasks


def _tasks_of(step: Step, attempt: int | None) -> list[Task]:
    if attempt is None:
        return list(step)
    return [task._with_attempt(attempt) for task in step if attempt in task.attempts]


def artifact_names(refs: Collection[str], private: bool, include: Collection[str] | None) -> list[str]:
    """Return the names of the artifacts to show; one that is asked for by name may be missing."""
    if include is not None:
        return sorted(include)
    return sorted(name for name in refs if private or not name.startswith("_"))


def dump_lines(
    task: Task,
    *,
    private: bool = False,
    max_value_size: int = MAX_VALUE_SIZE,
    include: Collection[str] | None = None,
) -> Iterator[str]:
    """Yield a line for each artifact of a task: its name, size, type and value.

    Parameters
    ----------
    task : Task
        The task.
    private : bool
        Whether to show names with a leading ``_`` too.
    max_value_size : int
        Show the value of artifacts of at most that many bytes (>= 0; 0 shows none).
    include : collection of str, optional
        The only artifacts to show.
    """
    refs = task._artifact_refs()
    for name in artifact_names(refs, private, include):
        ref = refs.get(name)
        if ref is None:
            yield f"{quote_unprintable(name)} = < no such artifact >"
            continue
        line = f"{name} [size: {ref.size} type: {ref.type.removeprefix('builtins.')}]"
        if max_value_size == 0:
            yield line
        elif ref.size > max_value_size:
            yield f"{line} = < artifact too large >"
        else:
            yield f"{line} = {artifact_text(task, name)}"


def artifact_text(task: Task, name: str) -> str:
    """Return the value of an artifact as text, or in angle brackets why it has none."""
    try:
        return str(task._find_child(name).data)
    except SerializationError as error:
        return f"< {error.headline} >"
    except Exception as error:  # noqa: BLE001  (the value's own __str__)
        return f"< can't be shown: {type(error).__name__}: {error} >"


def dump_values(
    tasks: Iterable[Task], *, private: bool = False, include: Collection[str] | None = None
) -> dict[str, dict[str, Any]]:
    """Load the artifacts of tasks, in the form that ``dump --file`` pickles.

    Returns
    -------
    dict
        ``{"run/step/task": {name: value}}``.

    Raises
    ------
    NotFound
        If none of the tasks has an artifact of a name in ``include``.
    """
    found: dict[str, dict[str, Any]] = {}
    missing = set(include or ())
    known: set[str] = set()
    for task in tasks:
        refs = task._artifact_refs()
        known |= set(refs)
        names = [name for name in artifact_names(refs, private, include) if name in refs]
        found["/".join(task._parts[1:])] = {name: task._find_child(name).data for name in names}
        missing -= set(names)
    if missing:
        name = min(missing)
        raise NotFound(f"There is no artifact {name!r} in what was asked for.", help=suggest_name(name, known))
    return found


def log_lines(task: Task, *, stdout: bool = True, stderr: bool = True, timestamps: bool = False) -> Iterator[str]:
    """Yield the lines of a task's log, both outputs in the order they were written.

    Parameters
    ----------
    task : Task
        The task; its ``attempt`` says which one.
    stdout, stderr : bool
        Which outputs to show.
    timestamps : bool
        Whether each line starts with its time (UTC, to the millisecond).
    """
    for line in task_lines(task._reader.store, *task._find_log()):
        if stdout if line.stream == "stdout" else stderr:
            stamp = f"{line.time.isoformat(' ', 'milliseconds')} " if timestamps else ""
            yield stamp + line.text


def find_runs(
    flow: str, *, run: str | None = None, everyone: bool = False, tag: str | None = None, store: str | None = None
) -> list[Run]:
    """Find the runs whose tags are to be listed, newest first.

    Parameters
    ----------
    flow : str
        The flow's name.
    run : str, optional
        The one run to look at.
    everyone : bool
        All runs in all namespaces.
    tag : str, optional
        All runs with this tag (``user:anne`` for a user's own). With none of the three, the newest run in the
        current namespace.
    store : str, optional
        URL of the store; by default the client's.

    Raises
    ------
    NotFound
        If there is no such run.
    """
    url = store or current_store()
    runs = open_reader(url).runs
    if run is not None:
        one = Run._make_unchecked((flow, run), url, None)
        one._ensure_exists()
        return [one]
    if everyone or tag is not None:
        ids = list(runs.newest(flow, None if everyone else tag))
    else:
        ids = list(runs.newest(flow, get_namespace(), 1))
    if not ids:
        where = f"with tag {tag!r}" if tag is not None and not everyone else f"in namespace {get_namespace()!r}"
        raise NotFound(f"Flow {flow!r} has no run{'' if everyone else ' ' + where}.", where=url)
    return [Run._make_unchecked((flow, id), url, None) for id in ids]


def tag_lines(
    runs: Sequence[Run],
    *,
    hide_system_tags: bool = False,
    group_by_tag: bool = False,
    group_by_run: bool = False,
    flat: bool = False,
) -> Iterator[str]:
    """Yield the lines of ``tag list``.

    Parameters
    ----------
    runs : sequence of Run
        The runs, as :func:`find_runs` gives them.
    hide_system_tags : bool
        Whether to show only the tags that users may change.
    group_by_tag, group_by_run : bool
        A line for each tag with its runs, or for each run with its tags.
    flat : bool
        A line for each tag and nothing else. Not together with either grouping.

    Raises
    ------
    UsageError
        If options exclude each other.
    """
    if flat + group_by_tag + group_by_run > 1:
        raise UsageError("Choose one of --flat, --group-by-tag and --group-by-run.")
    return _tag_lines(runs, hide_system_tags, group_by_tag, group_by_run, flat)


def _tag_lines(runs: Sequence[Run], hide: bool, by_tag: bool, by_run: bool, flat: bool) -> Iterator[str]:
    found = [(run.pathspec, set() if hide else set(run.system_tags), set(run.user_tags)) for run in runs]
    system = sorted(set().union(*(tags for _, tags, _ in found)))
    user = sorted(set().union(*(tags for _, _, tags in found)))
    if by_run:
        for name, fixed, free in found:
            yield f"{name}: {_join_tags(sorted(free) + sorted(fixed - free))}"
    elif by_tag:
        for tag in dict.fromkeys([*user, *system]):
            names = [name for name, fixed, free in found if tag in fixed | free]
            yield f"{quote_unprintable(tag)}: {', '.join(names)}"
    elif flat:
        yield from map(quote_unprintable, dict.fromkeys([*user, *system]))
    else:
        yield f"Tags: {_join_tags(user) or 'none'}"
        if not hide:
            yield f"System tags (can't be changed): {_join_tags(system) or 'none'}"


def _join_tags(tags: Iterable[str]) -> str:
    return ", ".join(map(quote_unprintable, tags))
