"""``Task``: one execution of a step, with its attempts, artifacts and logs."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flow_sdk.authoring.caught_failure import CaughtFailure
from flow_sdk.client.artifact import DataArtifact, TaskArtifacts, TaskData
from flow_sdk.client.attempt_metadata import Metadata, attempt_fields, attempt_metadata
from flow_sdk.client.local_time import local_time
from flow_sdk.client.objects import InRun
from flow_sdk.errors import NotFound, PathspecError
from flow_sdk.ids import FOREACH, is_task_id
from flow_sdk.metadata.port import FAILED, RUNNING, SUCCEEDED
from flow_sdk.store.records import layout
from flow_sdk.store.records.model import ArtifactRef, Manifest
from flow_sdk.text import suggest_name

if TYPE_CHECKING:
    from flow_sdk.client.code import Code
    from flow_sdk.client.reader import RunReader
    from flow_sdk.client.step import Step

__all__ = ["Metadata", "Task"]


class Task(InRun[DataArtifact]):
    """A task of a run.

    Parameters
    ----------
    pathspec : str
        ``Flow/run/step/task``.
    attempt : int, optional
        The attempt to look at (>= 0). By default the committed one; while there is none, the latest.
    """

    _form = "Flow/run/step/task"
    _attempt: int | None = None

    def __init__(self, pathspec: str, attempt: int | None = None) -> None:
        self._attempt = attempt
        super().__init__(pathspec)

    def _locate(self, parts: tuple[str, ...], url: str, namespace: str | None, run: "RunReader | None" = None) -> None:
        super()._locate(parts, url, namespace, run)
        self._committed: Manifest | None = None

    @classmethod
    def _make_task(cls, step: "InRun[Any]", id: str, manifest: Manifest | None = None) -> "Task":
        made = cls._make_child(step, id)
        made._committed = manifest
        return made

    def _ensure_exists(self) -> None:
        self._run.record  # noqa: B018  (raises NotFound for an unknown flow or run)
        if self._attempt is not None and (not isinstance(self._attempt, int) or self._attempt < 0):
            raise PathspecError("An attempt is a number from 0 on.", seen=repr(self._attempt))
        self._run.step_plan(self._step_name)
        if not is_task_id(self.id) or (
            self._read_manifest() is None and not self._run.has_task(self._step_name, self.id)
        ):
            raise NotFound(
                f"Step {'/'.join(self._parts[:3])!r} has no task {self.id!r}.",
                where=self._url,
                help=suggest_name(self.id, self._run.list_tasks(self._step_name)) or "The step hasn't started.",
            )
        if self._attempt is not None and self._read_manifest() is None and self._attempt not in self.attempts:
            raise NotFound(
                f"Task {self.pathspec!r} has no attempt {self._attempt}.",
                help=f"Attempts so far: {', '.join(map(str, self.attempts)) or 'none'}.",
            )

    @property
    def _step_name(self) -> str:
        return self._parts[2]

    def _read_manifest(self) -> Manifest | None:
        """The manifest of the attempt to look at; read again for as long as the task may still change."""
        if self._committed is not None:
            return self._committed
        if self._attempt is not None:
            run, step, task = self._find_source()
            self._committed = run.read_attempt(step, task, self._attempt)
        else:
            self._committed = self._run.read_commit(self._step_name, self.id)
        if self._committed is not None or self._attempt is not None:
            return self._committed
        for number in reversed(self.attempts):
            tried = self._run.read_attempt(self._step_name, self.id, number)
            if tried is not None and not tried.ok:
                return tried
            if tried is not None:
                # It went well and counts only if it is the commit: another may have been quicker since the first look.
                self._committed = self._run.read_commit(self._step_name, self.id)
                if self._committed is not None:
                    return self._committed
        return None

    def _find_source(self) -> "tuple[RunReader, str, str]":
        """Whose attempts and logs to read: a reused task has its origin's."""
        origin = self.origin_pathspec
        if origin is None:
            return self._run, self._step_name, self.id
        flow, run, step, task = origin.split("/")
        return type(self._run)(self._url, flow, run), step, task

    def _artifact_refs(self) -> Mapping[str, ArtifactRef]:
        manifest = self._read_manifest()
        return {**self._run.record.artifacts, **(manifest.artifacts if manifest else {})}

    def _iter_children(self) -> Iterator[DataArtifact]:
        return (
            DataArtifact._make_artifact(self, name)
            for name in sorted(self._artifact_refs())
            if not name.startswith("_")
        )

    def _find_child(self, id: str) -> DataArtifact:
        refs = self._artifact_refs()
        if id not in refs:
            raise NotFound(
                f"Task {self.pathspec!r} has no artifact {id!r}.",
                help=suggest_name(id, [name for name in refs if not name.startswith("_")]),
            )
        return DataArtifact._make_artifact(self, id)

    @property
    def parent(self) -> "Step":
        """The step."""
        return self._make_ancestor(3)  # type: ignore[no-any-return]

    @property
    def data(self) -> TaskData:
        """The artifacts' values as attributes: ``task.data.x``."""
        return TaskData(self, self._artifact_refs())

    @property
    def artifacts(self) -> TaskArtifacts:
        """The artifacts as attributes: ``task.artifacts.x`` is a :class:`DataArtifact`."""
        return TaskArtifacts(self, self._artifact_refs())

    @property
    def index(self) -> int | None:
        """Index in the innermost foreach, from 0; None outside any foreach."""
        plan = self._run.step_plan(self._step_name)
        numbers = [n for kind, n in zip(plan.kinds, plan.position(self.id), strict=True) if kind == FOREACH]
        return numbers[-1] if numbers else None

    @property
    def successful(self) -> bool:
        """Whether the step's own code finished without an exception."""
        manifest = self._read_manifest()
        return manifest is not None and manifest.ok and manifest.successful

    @property
    def finished(self) -> bool:
        """Whether the task is done and can be built upon: it was successful, or ``@catch`` took its failure."""
        manifest = self._read_manifest()
        return manifest is not None and manifest.ok

    @property
    def state(self) -> str:
        """The state of the task: ``succeeded``, ``failed`` or ``running``.

        A task whose failure ``@catch`` took has failed, and is ``finished`` nevertheless. A task without a result is
        running for as long as its run is.
        """
        return self._state_in(lambda: self._run.read_outcome().state)

    def _state_in(self, state_of_run: Callable[[], str]) -> str:
        manifest = self._read_manifest()
        if manifest is not None and manifest.ok:
            return SUCCEEDED if manifest.successful else FAILED
        if manifest is not None and (self._attempt is not None or self._has_failed_for_good()):
            return FAILED
        return RUNNING if state_of_run() == RUNNING else FAILED

    def _has_failed_for_good(self) -> bool:
        mark = layout.failure_key(self._run.flow, self._run.run, self._step_name, self.id)
        return self._reader.store.head(mark) is not None

    @property
    def created_at(self) -> datetime:
        """When the attempt started, in local time."""
        manifest = self._read_manifest()
        if manifest is not None:
            return local_time(manifest.started)
        started = self._run.read_start_time(self._step_name, self.id, self.current_attempt)
        return local_time(self._run.record.started if started is None else started)

    @property
    def finished_at(self) -> datetime | None:
        """When the attempt ended, in local time; None while it runs."""
        manifest = self._read_manifest()
        return None if manifest is None else local_time(manifest.finished)

    @property
    def exception(self) -> CaughtFailure | None:
        """What the step raised, as ``type``, ``exception`` (the message) and ``stacktrace``; None when it didn't.

        None also where ``@catch`` took it: then it is in the artifact that the decorator names.
        """
        manifest = self._read_manifest()
        return None if manifest is None or manifest.ok else self._read_failure()

    def _read_failure(self) -> CaughtFailure | None:
        """What the step raised, whether or not ``@catch`` took it."""
        manifest = self._read_manifest()
        if manifest is None or not manifest.exception:
            return None
        raised = manifest.exception
        return CaughtFailure(raised.get("type", ""), raised.get("message", ""), raised.get("stacktrace", ""))

    @property
    def current_attempt(self) -> int:
        """Number of the attempt that this object shows, from 0."""
        if self._attempt is not None:
            return self._attempt
        committed = self._committed or self._run.read_commit(self._step_name, self.id)
        if committed is not None:
            return committed.attempt
        return max(self.attempts, default=0)

    @property
    def attempts(self) -> list[int]:
        """Numbers of all attempts so far."""
        run, step, task = self._find_source()
        return run.list_attempts(step, task)

    @property
    def metadata_dict(self) -> dict[str, str]:
        """The attempt's metadata, as text: where it ran, its number, its result, where it stored artifacts."""
        return attempt_fields(self, self.current_attempt, self._read_manifest())

    @property
    def metadata(self) -> list[Metadata]:
        """The fields of :attr:`metadata_dict`, each as ``name``, ``value``, ``created_at``, ``type`` and ``task``.

        Those of every attempt, from the first on; of the one attempt alone for a task that was made with ``attempt=``.
        """
        current = self.current_attempt
        numbers = self.attempts if self._attempt is None else [current]
        found: list[Metadata] = []
        for number in numbers or [current]:
            one = self if number == current else self._with_attempt(number)
            found += attempt_metadata(self, number, one._read_manifest(), one.finished_at or one.created_at)
        return found

    def _with_attempt(self, number: int) -> "Task":
        """The same task, of which one attempt is looked at."""
        found = Task._make_related(self, self._parts)
        found._attempt = number
        return found

    @property
    def environment_info(self) -> dict[str, Any] | None:
        """What is known of where the attempt ran, such as ``host``, ``python`` and the orchestrator's own names.

        None before it has ended.
        """
        manifest = self._read_manifest()
        return None if manifest is None else dict(manifest.environment)

    @property
    def runtime_name(self) -> str | None:
        """What ran it: ``local``, ``airflow`` or ``step-functions``."""
        prefix = "runtime:"
        return next((tag[len(prefix) :] for tag in self.system_tags if tag.startswith(prefix)), None)

    @property
    def origin_pathspec(self) -> str | None:
        """The task that a resume reused this one from; None for one that ran itself."""
        # Which attempt is looked at doesn't matter: the task as a whole was reused.
        committed = self._committed if self._attempt is None else None
        committed = committed or self._run.read_commit(self._step_name, self.id)
        return None if committed is None else committed.origin

    @property
    def code(self) -> "Code | None":
        """The code package that the task ran from; None for a run that used the files where they lie."""
        from flow_sdk.client.code import code_of

        return code_of(self._run)

    @property
    def parent_tasks(self) -> Iterator["Task"]:
        """The tasks that this one took its inputs from, in the order of the inputs."""
        return (Task._make_related(self, tuple(path.split("/"))) for path in self.parent_task_pathspecs)

    @property
    def parent_task_pathspecs(self) -> list[str]:
        """Pathspecs of :attr:`parent_tasks`."""
        manifest = self._read_manifest()
        if manifest is None:
            return []
        tasks = [(parent.step, parent.task) for parent in manifest.parents]
        if manifest.run != self._run.run:  # an attempt that a reused task has in its origin, whose ids may be others
            plan, before = self._run.plan, self._find_source()[0].plan
            tasks = [(step, plan[step].task_id(before[step].position(task))) for step, task in tasks]
        return ["/".join((*self._parts[:2], step, task)) for step, task in tasks]

    @property
    def child_task_pathspecs(self) -> list[str]:
        """Pathspecs of :attr:`child_tasks`."""
        return [task.pathspec for task in self.child_tasks]

    @property
    def child_tasks(self) -> Iterator["Task"]:
        """The tasks that took their inputs from this one, as far as they have started."""
        from flow_sdk.client.lineage import child_tasks

        manifest = self._read_manifest()
        if manifest is not None and manifest.ok:
            for step, task in child_tasks(self._run, manifest):
                yield Task._make_related(self, (*self._parts[:2], step, task))

    @property
    def stdout(self) -> str:
        """What the attempt wrote to its standard output so far."""
        return self._join_log("stdout")

    @property
    def stderr(self) -> str:
        """What the attempt wrote to its standard error so far."""
        return self._join_log("stderr")

    @property
    def stdout_size(self) -> int:
        """Bytes of :attr:`stdout` in UTF-8."""
        return len(self.stdout.encode("utf-8"))

    @property
    def stderr_size(self) -> int:
        """Bytes of :attr:`stderr` in UTF-8."""
        return len(self.stderr.encode("utf-8"))

    def _join_log(self, stream: str) -> str:
        return "".join(text + "\n" for _, text in self.loglines(stream))

    def loglines(self, stream: str, as_unicode: bool = True) -> Iterator[tuple[datetime, Any]]:
        """Iterate over the lines that the attempt wrote.

        Parameters
        ----------
        stream : {"stdout", "stderr"}
            Which of its outputs.
        as_unicode : bool
            Whether a line is text; else it is UTF-8 bytes.

        Yields
        ------
        tuple of (datetime, str or bytes)
            When the line was written (UTC, without a zone), and the line without its end.
        """
        from flow_sdk.client.logs import check_stream, task_lines

        check_stream(stream)
        for line in task_lines(self._reader.store, *self._find_log()):
            if line.stream == stream:
                yield line.time, (line.text if as_unicode else line.text.encode("utf-8"))

    def _find_log(self) -> tuple[tuple[str, str, str, str], int]:
        """Which task's log to read, and of which attempt: a reused task has its origin's."""
        run, step, task = self._find_source()
        return (run.flow, run.run, step, task), self.current_attempt

    def _describe_item(self, item: InRun[Any]) -> str:
        attempt = "" if self._attempt is None else f", attempt={self._attempt}"
        return f"{type(item).__name__}({item.pathspec!r}{attempt})"

    def __repr__(self) -> str:
        return self._describe_item(self)

    def _identity_parts(self) -> tuple[object, ...]:
        return (*super()._identity_parts(), self._attempt)

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore, (self._parts, self._url, self._namespace, self._attempt))


def _restore(parts: tuple[str, ...], url: str, namespace: str | None, attempt: int | None) -> Task:
    task = Task._make_unchecked(parts, url, namespace)
    task._attempt = attempt
    return task
