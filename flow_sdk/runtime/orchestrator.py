"""What one orchestrator needs of its tasks beyond what all of them need, behind one interface.

The runtime is the same for every orchestrator. What differs is supplied by an adapter, which lies in the folder of its
deploy target: how ids of runs are made, what a container learns from its environment, what it leaves for the
orchestrator, which limits a task must keep to. An adapter is found by the orchestrator's kind, which the run's record
and every request hold, or by the variable ``FLOW_SDK_ORCHESTRATOR`` of a container. The kind is the name of a deploy
target, whose declaration (``runtime_adapter``) names the adapter: so the targets of other distributions, found by their
entry points, have adapters as those of Flow SDK have. :class:`PlainAdapter` is a base class for them.
"""

import functools
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from flow_sdk.errors import DeployError
from flow_sdk.ids import Position
from flow_sdk.metadata.run_heartbeat import LOCAL
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.task.parents import RunView
from flow_sdk.store.port import ObjectStore

__all__ = [
    "ContainerTask",
    "FinishedStep",
    "OrchestratorAdapter",
    "PlainAdapter",
    "adapter_of_run",
    "find_adapter",
    "known_kinds",
    "named_adapter",
]

_REGISTRY = "flow_sdk.deploy.registry"
"""The module that finds deploy targets. It is named here and not imported: it lies in a layer above."""


@dataclass(frozen=True, slots=True)
class FinishedStep:
    """A task whose step has run, right before its commit.

    Parameters
    ----------
    view : RunView
        The run.
    step, position : StepPlan, tuple of int
        The task.
    target : str
        The step it leads to; the first one of a split. Empty for the last step.
    items : sequence or None
        The items of a foreach; None for any other step.
    """

    view: RunView
    step: StepPlan
    position: Position
    target: str
    items: Sequence[Any] | None = None


@dataclass(frozen=True, slots=True)
class ContainerTask:
    """The task that a container runs.

    Parameters
    ----------
    env : mapping of str to str
        The container's environment variables.
    store : ObjectStore
        The store.
    root : str
        The store's URL.
    flow, run, step, task : str
        The task.
    """

    env: Mapping[str, str]
    store: ObjectStore
    root: str
    flow: str
    run: str
    step: str
    task: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Flow, run, step and task: the arguments of the keys of the task's objects."""
        return self.flow, self.run, self.step, self.task


class OrchestratorAdapter(Protocol):
    """What an orchestrator supplies.

    Attributes
    ----------
    run_id_prefix : str
        What the ids of its runs in the store begin with; empty where they have no prefix.
    foreach_limit_help : str or None
        How a user raises the limit on the items of a foreach; None for the option of ``run``.
    """

    run_id_prefix: str
    foreach_limit_help: str | None

    # Ids of runs

    def store_run_id(self, flow: str, orchestrator: Mapping[str, Any]) -> str:
        """Return the id in the store of one of the orchestrator's runs.

        Parameters
        ----------
        flow : str
            The flow's name.
        orchestrator : mapping
            The orchestrator's run, as the run's record describes it.
        """
        ...

    def job_run_id(self, run: str) -> str:
        """Return the run id in the tags of the run's jobs on AWS Batch, from the run's id in the store."""
        ...

    def explain_missing_run(self, run: str, command: str) -> str | None:
        """Return where a user finds why a run isn't in the store; None if the orchestrator can't help.

        Parameters
        ----------
        run : str
            The run's id in the store.
        command : str
            The command line of the flow, up to the name of a command.
        """
        ...

    # In the task's own process

    def describe_items(self, items: Sequence[Any]) -> list[str] | None:
        """Return a short text for each item of a foreach, for the orchestrator's display; None for no texts."""
        ...

    def check_next_tasks(self, finished: FinishedStep, data: Any) -> None:
        """Check, before the commit, that the orchestrator can start the tasks that follow.

        Parameters
        ----------
        finished : FinishedStep
            The task.
        data : JSON value
            ``adapter_data`` of the task's request.

        Raises
        ------
        TransitionError
            If it can't. The task fails, and isn't tried again.
        """
        ...

    # In a container

    def complete_request(self, task: ContainerTask, request: TaskRequest, plan: FlowPlan) -> TaskRequest:
        """Add to a request what the orchestrator passes in the container's environment.

        Raises
        ------
        ParameterError
            If the run can't begin with its input.
        """
        ...

    def find_fatal_failure(self, task: ContainerTask) -> str | None:
        """Return why no attempt can help, if an earlier one has found that; None to run this one."""
        ...

    def reject_input(self, task: ContainerTask, reason: str) -> bool:
        """Record that a run can't begin with its input.

        Returns
        -------
        bool
            Whether the orchestrator ends the run by what was recorded. Otherwise the container fails.
        """
        ...

    def publish_result(self, task: ContainerTask, request: TaskRequest, plan: FlowPlan) -> None:
        """Write what the orchestrator reads of a committed task. It may be called again for the same commit."""
        ...


class PlainAdapter(OrchestratorAdapter):
    """An orchestrator that needs nothing of its own, such as the local scheduler. A base class for others."""

    run_id_prefix: str = ""
    foreach_limit_help: str | None = None

    def store_run_id(self, flow: str, orchestrator: Mapping[str, Any]) -> str:
        """Return ``run`` of the description: the store and the orchestrator use the same id."""
        return str(orchestrator["run"])

    def job_run_id(self, run: str) -> str:
        """Return the run's id in the store."""
        return run

    def explain_missing_run(self, run: str, command: str) -> str | None:
        """Return None: the orchestrator knows no more."""
        return None

    def describe_items(self, items: Sequence[Any]) -> list[str] | None:
        """Return None: nothing displays the items."""
        return None

    def check_next_tasks(self, finished: FinishedStep, data: Any) -> None:
        """Accept every task: there is no limit."""

    def complete_request(self, task: ContainerTask, request: TaskRequest, plan: FlowPlan) -> TaskRequest:
        """Return the request as it is."""
        return request

    def find_fatal_failure(self, task: ContainerTask) -> str | None:
        """Return None: the orchestrator reads exit codes, and starts no attempt that can't help."""
        return None

    def reject_input(self, task: ContainerTask, reason: str) -> bool:
        """Return False: the container's exit code ends the run."""
        return False

    def publish_result(self, task: ContainerTask, request: TaskRequest, plan: FlowPlan) -> None:
        """Write nothing: the exit code says it all."""


def find_adapter(kind: object) -> OrchestratorAdapter:
    """Return the adapter for a kind of orchestrator.

    Parameters
    ----------
    kind : str
        ``kind`` in a record's or request's ``orchestrator``. For one that isn't installed here, or is no text, the
        adapter is a plain one.
    """
    if not isinstance(kind, str) or kind in ("", LOCAL):
        return PlainAdapter()
    return _load_adapter(kind) or PlainAdapter()


def named_adapter(kind: str) -> OrchestratorAdapter:
    """Return the adapter for a kind of orchestrator that a container names.

    Raises
    ------
    DeployError
        If it isn't installed.
    """
    adapter = _load_adapter(kind)
    if adapter is None:
        raise DeployError(
            "The orchestrator of this container isn't known.",
            seen=f"FLOW_SDK_ORCHESTRATOR={kind!r}",
            wanted="one of " + ", ".join(known_kinds()),
            help="Install the distribution with its deploy target in the container's image.",
        )
    return adapter


def adapter_of_run(run: str) -> OrchestratorAdapter:
    """Return the adapter whose prefix a run's id in the store begins with; a plain one if there is none."""
    for kind in known_kinds():
        adapter = _load_adapter(kind)
        if adapter is not None and adapter.run_id_prefix and run.startswith(adapter.run_id_prefix):
            return adapter
    return PlainAdapter()


def known_kinds() -> tuple[str, ...]:
    """Return the kinds of orchestrators that are installed."""
    registry = importlib.import_module(_REGISTRY)
    return (*registry.BUILT_IN, *registry.offered_names())


@functools.cache
def _load_adapter(kind: str) -> OrchestratorAdapter | None:
    """Return the adapter of a deploy target; None where the target isn't installed.

    Raises
    ------
    UsageError
        If the target of another distribution can't be loaded.
    """
    declaration = importlib.import_module(_REGISTRY).find_target(kind)
    if declaration is None:
        return None
    if not declaration.runtime_adapter:
        return PlainAdapter()
    module, _, name = declaration.runtime_adapter.partition(":")
    adapter: OrchestratorAdapter = getattr(importlib.import_module(module), name)()
    return adapter
