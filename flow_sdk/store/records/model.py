"""Records of runs and attempts as data.

A committed task is one object, ``commit.json``: the winning attempt's whole manifest. Small artifacts lie in the
manifest itself, so a small task costs one read. :mod:`flow_sdk.store.records.codec` turns records into JSON.
"""

from dataclasses import dataclass, field
from typing import Any

from flow_sdk.ids import position_text

__all__ = ["EARLIER_END", "ArtifactRef", "Manifest", "ParentRef", "RunRecord", "SplitItems"]

EARLIER_END = position_text((), ())
"""Id of the last step's task in a run whose task ids don't begin with the number of the step."""


@dataclass(frozen=True, slots=True)
class ArtifactRef:
    """Where an artifact's bytes are and how to read them.

    Parameters
    ----------
    hash : str
        blake3 of the encoded payload, 64 hexadecimal digits: the artifact's ``sha``, and its blob's key.
    size : int
        Bytes of the encoded payload, uncompressed.
    codec : str
        The codec that reads it (``pickle``, ``cloudpickle``, ``bytes``, ``str``).
    type : str
        The value's type as ``module.qualname``.
    inline : bytes or None
        The payload itself when it is small, else None: then it is the blob ``hash``.
    """

    hash: str
    size: int
    codec: str
    type: str
    inline: bytes | None = None

    def is_same(self, other: "ArtifactRef") -> bool:
        """Return whether another reference is of the same value: ``"a"`` and ``b"a"`` have the same bytes."""
        return (self.hash, self.codec) == (other.hash, other.codec)


@dataclass(frozen=True, slots=True)
class SplitItems:
    """The items of a foreach, packed in one blob so that each child reads only its own.

    Parameters
    ----------
    hash : str
        blake3 of the pack, and its blob's key.
    count : int
        How many items (the cardinality), >= 1.
    """

    hash: str
    count: int


@dataclass(frozen=True, slots=True)
class ParentRef:
    """A task that this task took its inputs from."""

    step: str
    task: str
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one attempt of a task did.

    Parameters
    ----------
    flow, run, step, task : str
        Which task.
    attempt : int
        Number of the attempt, from 0.
    ok : bool
        Whether later tasks may use the attempt: the step finished, or ``@catch`` took its failure.
    successful : bool
        Whether the step's own code finished without an exception.
    artifacts : dict of str to ArtifactRef
        All artifacts visible in the task after the step, inherited ones included.
    own : tuple of str
        Names of the artifacts that this step set or changed itself.
    next : tuple of str
        The targets the step's transition took (one for a switch).
    items : SplitItems or None
        For a foreach, the items.
    parents : tuple of ParentRef
        The tasks that the inputs came from, in order.
    started, finished : float
        Seconds since the epoch.
    exception : dict or None
        For a failed or caught step: ``type``, ``message``, ``stacktrace`` as text.
    generation : int
        How many times the orchestrator's user had the task cleared on purpose (0 locally).
    origin : str or None
        For a task reused by a resume, the pathspec ``Flow/run/step/task`` it was taken from.
    environment : dict
        Where the attempt ran: host, process id, Python version, orchestrator's task.
    """

    flow: str
    run: str
    step: str
    task: str
    attempt: int
    ok: bool
    successful: bool
    artifacts: dict[str, ArtifactRef] = field(default_factory=dict)
    own: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    items: SplitItems | None = None
    parents: tuple[ParentRef, ...] = ()
    started: float = 0.0
    finished: float = 0.0
    exception: dict[str, str] | None = None
    generation: int = 0
    origin: str | None = None
    environment: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run started with; written once, never changed.

    Parameters
    ----------
    flow, run : str
        Which run.
    plan : str
        blake3 of the plan's canonical JSON, which lies in the blob of that name.
    package : str or None
        Hash of the code package's blob; None for a local run on a local store.
    artifacts : dict of str to ArtifactRef
        Parameters and class constants, by artifact name.
    parameters : tuple of str
        Which of ``artifacts`` are parameters.
    user : str
        Who started it.
    started : float
        Seconds since the epoch.
    system_tags : tuple of str
        ``user:``, ``runtime:``, ``date:`` and the like.
    tags : tuple of str
        User tags given at the start.
    namespace : str or None
        The namespace its own client calls see by default.
    origin_run : str or None
        The run a resume was made from.
    orchestrator : dict
        Who runs it: ``{"kind": "local"}`` or kind, DAG and run of the orchestrator.
    end : str or None
        Name of the last step: so that how a run ended can be read without its plan.
    end_task : str or None
        Id of the last step's task, for the same reason; None in a record from before task ids began with their step's
        number: then it is ``0``.
    """

    flow: str
    run: str
    plan: str
    package: str | None
    artifacts: dict[str, ArtifactRef]
    parameters: tuple[str, ...]
    user: str
    started: float
    system_tags: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    namespace: str | None = None
    origin_run: str | None = None
    orchestrator: dict[str, Any] = field(default_factory=dict)
    end: str | None = None
    end_task: str | None = None

    @property
    def last_task(self) -> tuple[str, str] | None:
        """Name of the last step and id of its task; None in a record that doesn't name the step."""
        return None if self.end is None else (self.end, self.end_task or EARLIER_END)
