"""``DataArtifact``, and a task's artifacts as attributes."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from flow_sdk.client.objects import InRun
from flow_sdk.errors import NotFound
from flow_sdk.store.records.model import ArtifactRef
from flow_sdk.text import suggest_name

if TYPE_CHECKING:
    from flow_sdk.client.task import Task

__all__ = ["DataArtifact", "TaskArtifacts", "TaskData"]


class DataArtifact(InRun[NoReturn]):
    """One artifact of a task.

    Parameters
    ----------
    pathspec : str
        ``Flow/run/step/task/artifact``.
    attempt : int, optional
        The attempt of the task to look at (>= 0); by default the one that was committed.
    """

    _form = "Flow/run/step/task/artifact"
    _task: "Task"

    def __init__(self, pathspec: str, attempt: int | None = None) -> None:
        self._attempt = attempt
        super().__init__(pathspec)

    @classmethod
    def _make_artifact(cls, task: "Task", name: str) -> "DataArtifact":
        made = cls._make_child(task, name)
        made._attempt = task._attempt
        made._task = task
        return made

    def _ensure_exists(self) -> None:
        task: Task = self._make_ancestor(4)
        task._attempt = self._attempt
        task._ensure_exists()
        self._task = task
        task._find_child(self.id)

    @property
    def _artifact_ref(self) -> ArtifactRef:
        return self._task._artifact_refs()[self.id]

    @property
    def data(self) -> Any:
        """The artifact's value, read and verified at each access."""
        return self._reader.load(self._artifact_ref, self.pathspec)

    @property
    def sha(self) -> str:
        """Hash of the artifact's content (blake3, 64 hexadecimal digits): equal content has an equal hash."""
        return self._artifact_ref.hash

    @property
    def size(self) -> int:
        """Size of the artifact's content in bytes, before compression."""
        return self._artifact_ref.size

    @property
    def type(self) -> str:
        """The value's type as ``module.name``."""
        return self._artifact_ref.type

    @property
    def created_at(self) -> datetime:
        """When the task that shows the artifact stored it, in local time."""
        return self._task.finished_at or self._task.created_at

    @property
    def finished_at(self) -> datetime | None:
        """When the task that shows the artifact was finished, in local time; None before."""
        return self._task.finished_at

    @property
    def parent(self) -> "Task":
        """The task."""
        return self._task

    @property
    def origin_pathspec(self) -> str | None:
        """The artifact that this one was taken from by a resume."""
        task = self._task.origin_pathspec
        return f"{task}/{self.id}" if task else None

    def _iter_children(self) -> Iterator[NoReturn]:
        raise TypeError("A DataArtifact has no children; its value is .data")

    def _find_child(self, id: str) -> NoReturn:
        raise TypeError("A DataArtifact has no children; its value is .data")

    def __repr__(self) -> str:
        return self._task._describe_item(self)

    def _identity_parts(self) -> tuple[object, ...]:
        return (*super()._identity_parts(), self._attempt)

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore, (self._task, self.id))


def _restore(task: "Task", name: str) -> DataArtifact:
    return DataArtifact._make_artifact(task, name)


class TaskArtifacts:
    """A task's public artifacts as attributes, each a :class:`DataArtifact`; iterating gives them by name."""

    def __init__(self, task: "Task", refs: Mapping[str, ArtifactRef]) -> None:
        self.__task = task
        self._fields = tuple(sorted(name for name in refs if not name.startswith("_")))

    def __getattr__(self, name: str) -> DataArtifact:
        # Private artifacts aren't listed, yet can be asked for by name.
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self.__task._find_child(name)
        except NotFound as error:
            raise AttributeError(str(error)) from None

    def __iter__(self) -> Iterator[DataArtifact]:
        return (self.__task._find_child(name) for name in self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def __dir__(self) -> list[str]:
        return list(self._fields)

    def _owner_task(self) -> "Task":
        return self.__task

    def _repr_html_(self) -> str:
        from flow_sdk.client.html.views import render_view

        return render_view(self)

    def __repr__(self) -> str:
        return f"<Artifacts of {self.__task.pathspec}: {', '.join(self._fields)}>"

    def __reduce__(self) -> tuple[object, ...]:
        return (_artifacts_of, (self.__task,))


class TaskData:
    """A task's artifacts as attributes, each its value; loaded when first used, then kept."""

    def __init__(self, task: "Task", refs: Mapping[str, ArtifactRef]) -> None:
        self.__dict__["_task"] = task
        self.__dict__["_artifact_refs"] = refs

    def __getattr__(self, name: str) -> Any:
        if name in ("_task", "_artifact_refs"):  # while being unpickled
            raise AttributeError(name)
        ref = self._artifact_refs.get(name)
        if ref is None:
            hint = suggest_name(name, [known for known in self._artifact_refs if not known.startswith("_")])
            raise AttributeError(f"Task {self._task.pathspec!r} has no artifact {name!r}. {hint}".rstrip())
        value = self._task._reader.load(ref, f"{self._task.pathspec}/{name}")
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("A task's artifacts can't be set from outside")

    def __contains__(self, name: object) -> bool:
        return name in self._artifact_refs

    def _public_names(self) -> list[str]:
        return sorted(name for name in self._artifact_refs if not name.startswith("_"))

    def __dir__(self) -> list[str]:
        return self._public_names()

    def _owner_task(self) -> "Task":
        return self._task  # type: ignore[no-any-return]

    def _repr_html_(self) -> str:
        from flow_sdk.client.html.views import render_view

        return render_view(self)

    def __repr__(self) -> str:
        return f"<Data of {self._task.pathspec}: {', '.join(self._public_names())}>"

    def __reduce__(self) -> tuple[object, ...]:
        return (_data_of, (self._task,))


def _data_of(task: "Task") -> TaskData:
    return TaskData(task, task._artifact_refs())


def _artifacts_of(task: "Task") -> TaskArtifacts:
    return TaskArtifacts(task, task._artifact_refs())
