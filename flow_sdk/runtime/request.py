"""The request that starts a task: the one message every orchestrator sends to the task runner."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

__all__ = ["WITHOUT_LOCAL_FILE", "TaskRequest"]

WITHOUT_LOCAL_FILE: dict[str, Any] = {"file": None, "module": "", "imported": False, "search_path": ()}
"""The fields with the flow file's path on this machine, as a request for another machine has them."""

_JSON_NAMES = {"adapter_data": "events"}
"""Fields that have another name in the JSON, whose bytes are the same in all releases."""


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """One attempt of one task.

    Parameters
    ----------
    root : str
        URL of the store.
    flow, run, step, task : str
        Which task.
    plan : str
        Hash of the plan's blob. A run that has begun keeps the plan it began with.
    package : str or None
        Hash of the code package's blob; None when the flow file is run where it lies (``file``).
    file : str or None
        Path of the flow file on this machine, for local runs. With it, ``module``, ``imported`` and ``search_path``
        say how it is executed, as :func:`flow_sdk.runtime.task.flow_loading.load_flow` takes them.
    tries_left : int
        Attempts that the orchestrator would still make after this one fails (>= 0), the one that only
        stores the failure for ``@catch`` included.
    generation : int
        Counts how often a user has cleared the task in the orchestrator, so that it runs again (>= 0). A committed
        task whose commit has a smaller one is run again.
    parameters : dict
        Parameter values by name, as data; read by the start task only.
    user : str
        Who started the run.
    tags, system_tags : tuple of str
        For the run's record; read by the start task only.
    namespace : str or None
        The run's namespace.
    orchestrator : dict
        Who runs it, as in the run's record.
    max_num_splits : int or None
        Most items of one foreach; None for no limit.
    adapter_data : JSON value
        What the orchestrator's adapter passes from the container to itself in the task's process; None for nothing.
        In the JSON it is called ``events``, after what it was first used for.
    environment : dict
        Metadata of this attempt, such as the orchestrator's task id and log address; stored in the manifest.
    """

    root: str
    flow: str
    run: str
    step: str
    task: str
    plan: str
    package: str | None = None
    file: str | None = None
    module: str = ""
    imported: bool = False
    search_path: tuple[str, ...] = ()
    tries_left: int = 0
    generation: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)
    user: str = ""
    tags: tuple[str, ...] = ()
    system_tags: tuple[str, ...] = ()
    namespace: str | None = None
    orchestrator: dict[str, Any] = field(default_factory=dict)
    max_num_splits: int | None = None
    adapter_data: Any = None
    environment: dict[str, Any] = field(default_factory=dict)

    @property
    def pathspec(self) -> str:
        """``Flow/run/step/task``."""
        return f"{self.flow}/{self.run}/{self.step}/{self.task}"

    def to_json(self) -> bytes:
        """Encode as JSON."""
        data = {_JSON_NAMES.get(name, name): value for name, value in dataclasses.asdict(self).items()}
        for name in ("module", "imported", "search_path"):
            if not data[name]:
                del data[name]  # a worker with an earlier release doesn't know them
        return json.dumps(data).encode("utf-8")

    @classmethod
    def from_json(cls, text: bytes) -> "TaskRequest":
        """Decode from JSON."""
        return cls.from_data(json.loads(text))

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> "TaskRequest":
        """Make a request of what JSON gave; the dict is changed."""
        for name in ("tags", "system_tags", "search_path"):
            data[name] = tuple(data.get(name, ()))
        for name, in_json in _JSON_NAMES.items():
            data[name] = data.pop(in_json, None)
        return cls(**data)
