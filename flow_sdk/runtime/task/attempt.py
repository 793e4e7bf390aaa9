"""One attempt of one task, from its claim to its commit, in the process that runs the user's code."""

import dataclasses
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flow_sdk.authoring.caught_failure import CaughtFailure
from flow_sdk.authoring.flow import FlowSpec, create_flow_object
from flow_sdk.authoring.step_extension import StepContext
from flow_sdk.errors import FlowSDKError, SerializationError, TransitionError
from flow_sdk.ids import Position
from flow_sdk.plan.model import StepPlan
from flow_sdk.runtime.orchestrator import FinishedStep, find_adapter
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.task.live_task import LiveTask
from flow_sdk.runtime.task.parents import RunView, find_parents, is_first
from flow_sdk.runtime.task.step_extensions import ExtensionStack
from flow_sdk.runtime.task.transition import check_transition, chosen_case, foreach_values
from flow_sdk.runtime.tracebacks import describe_exception, summarize_exception
from flow_sdk.store.records import commits
from flow_sdk.store.records.model import ArtifactRef, Manifest, ParentRef, RunRecord, SplitItems

__all__ = ["Outcome", "run_attempt"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended.

    Parameters
    ----------
    manifest : Manifest
        What was committed, or the failed attempt's manifest.
    fatal : bool
        Whether trying again can't help.
    already : bool
        Whether the task was committed before this attempt, which therefore ran nothing.
    timeout : float or None
        Seconds of the step's @timeout; None without one.
    """

    manifest: Manifest
    fatal: bool = False
    already: bool = False
    timeout: float | None = None


def run_attempt(
    view: RunView,
    record: RunRecord,
    flow_class: type[FlowSpec],
    request: TaskRequest,
    announce: Callable[[dict[str, Any]], None],
) -> Outcome:
    """Run one attempt of a task.

    Parameters
    ----------
    view, record : RunView, RunRecord
        The run.
    flow_class : type
        The user's flow class.
    request : TaskRequest
        Which task, and how many tries are left.
    announce : callable
        Receives, as it happens: ``{"attempt": number}`` once it is claimed; for a step with a @timeout
        ``{"running": seconds}`` when the user's code begins and ``{"running": None}`` when it has ended.

    Returns
    -------
    Outcome
        The run continues if its manifest's ``ok`` is true.
    """
    begun = _claim_attempt(view, record, request, announce)
    if isinstance(begun, Outcome):
        return begun
    begun.flow_class = flow_class
    return dataclasses.replace(begun.run(), timeout=begun.step.timeout.seconds)


def fail_to_load(
    view: RunView,
    record: RunRecord,
    request: TaskRequest,
    error: Exception,
    announce: Callable[[dict[str, Any]], None],
) -> Outcome:
    """Note a failed attempt of a task whose process can't load the flow; otherwise as :func:`run_attempt`.

    Parameters
    ----------
    view, record : RunView, RunRecord
        The run.
    request : TaskRequest
        Which task, and how many tries are left.
    error : Exception
        What the flow file raised when it was executed.
    announce : callable
        As :func:`run_attempt` takes it.
    """
    begun = _claim_attempt(view, record, request, announce)
    return begun if isinstance(begun, Outcome) else begun._record_failure(error, [], fatal=False)


def _claim_attempt(
    view: RunView, record: RunRecord, request: TaskRequest, announce: Callable[[dict[str, Any]], None]
) -> "Outcome | _Attempt":
    """Claim an attempt, unless the task is committed already."""
    step = view.plan[request.step]
    position = step.position(request.task)
    committed = view.read(step, position)
    if committed is not None:
        if committed.generation >= request.generation:
            commits.read_durable_commit(view.store, view.flow, view.run, step.name, request.task)
            return Outcome(committed, already=True)
        commits.reopen_task(view.store, committed, request.generation)
    fields = {"host": os.uname().nodename, "pid": os.getpid(), "time": time.time(), "tries_left": request.tries_left}
    if job := request.environment.get("batch"):
        fields["batch"] = job
    number = commits.claim_attempt(view.store, view.flow, view.run, step.name, request.task, fields)
    announce({"attempt": number})
    return _Attempt(view, record, request, step, position, number, announce)


class _Attempt:
    flow_class: type[FlowSpec]

    def __init__(
        self,
        view: RunView,
        record: RunRecord,
        request: TaskRequest,
        step: StepPlan,
        position: Position,
        number: int,
        announce: Callable[[dict[str, Any]], None],
    ) -> None:
        self.view, self.record, self.request = view, record, request
        self.step, self.position, self.number, self.announce = step, position, number, announce
        self.started = time.time()
        self.process = os.getpid()
        self.extensions = ExtensionStack(step)
        self.recovery = self.extensions.recovery
        self.metadata: dict[str, str] = {}
        self.item_texts: list[str] | None = None
        self.adapter = find_adapter(request.orchestrator.get("kind"))

    def run(self) -> Outcome:
        try:
            parents = find_parents(self.view, self.step, self.position)
            if not parents and not is_first(self.step, self.position, self.view.plan):
                raise TransitionError(
                    f"Task {self.request.step}/{self.request.task} was started, but no finished task leads to it.",
                    help="The orchestrator ran tasks out of order, or the run was changed by hand.",
                )
            task = LiveTask(self.view, self.record, self.step, self.position, parents)
        except FlowSDKError as error:
            return self._record_failure(error, [], fatal=False)
        try:
            flow = create_flow_object(self.flow_class)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever an __init__ of the user's raises
            return self._record_failure(error, parents, fatal=False)
        task.attach_flow(flow)
        context = StepContext(self.step, flow, task, self.request, self.number, self.announce)
        self.metadata = context.metadata
        if (
            self.recovery is not None
            and self.request.tries_left == 0
            and self.number > 0
            and self._is_recovery_attempt()
        ):
            return self._commit_recovered(context, self._last_failure())
        try:
            self._run_step(context)
            refs, own, targets, items = self._save_results(task, flow)
            self._end_if_forked()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if os.getpid() != self.process:
                raise  # the end of a process that the step has forked is not the step's
            return self._after_failure(context, error)
        return self._commit_manifest(task, refs, own, targets, items)

    def _run_step(self, context: StepContext) -> None:
        """Run the step's code inside its extensions, and have them act after it."""
        try:
            self.extensions.run_step(context, getattr(context.flow, self.step.name))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if os.getpid() == self.process:
                self.extensions.finish_step(context, error)
            raise
        self._end_if_forked()
        self.extensions.finish_step(context, None)

    def _end_if_forked(self) -> None:
        """End a process that the step has forked and that came back from the step's function: it isn't the task."""
        if os.getpid() != self.process:
            raise SystemExit(0)

    def _save_results(
        self, task: LiveTask, flow: FlowSpec
    ) -> tuple[dict[str, ArtifactRef], tuple[str, ...], tuple[str, ...], SplitItems | None]:
        transition, step = flow.__dict__.pop("__flow_transition__", None), self.step
        if transition is not None and transition.by_decorator:
            step = dataclasses.replace(step, foreach=transition.foreach, condition=transition.condition)
        check_transition(step, transition)
        targets = (chosen_case(step, flow),) if step.kind == "switch" else step.next
        values = None
        if step.kind == "foreach":
            values = foreach_values(step, flow, self.request.max_num_splits, self.adapter.foreach_limit_help)
            self.item_texts = self.adapter.describe_items(values)
        finished = FinishedStep(self.view, step, self.position, targets[0] if targets else "", values)
        self.adapter.check_next_tasks(finished, self.request.adapter_data)
        refs, own = task.save_artifacts()
        items = None
        if values is not None:
            where = f"step {step.name!r}, foreach={step.foreach!r}"
            items = task.artifacts.save_items(values, where=where)
        return refs, own, targets, items

    def _after_failure(self, context: StepContext, error: BaseException) -> Outcome:
        fatal = isinstance(error, TransitionError)
        # A step with a recovery has one attempt more, for a process that was killed.
        if self.recovery is not None and (fatal or self.request.tries_left <= 1):
            return self._commit_recovered(context, describe_exception(error))
        return self._record_failure(error, context.task.parents, fatal=fatal, task=context.task)

    def _is_recovery_attempt(self) -> bool:
        """Return whether this extra attempt doesn't run the step again: an earlier one was ended from outside."""
        return self.number > self.step.retry.times

    def _last_failure(self) -> dict[str, str]:
        previous = commits.read_attempt(
            self.view.store, self.view.flow, self.view.run, self.step.name, self.request.task, self.number - 1
        )
        if previous is not None and previous.exception is not None:
            return previous.exception
        text = f"attempt {self.number - 1} ended without a result: it was killed, or its machine was lost"
        return {"type": "TaskKilled", "message": text, "stacktrace": f"TaskKilled: {text}\n"}

    def _commit_recovered(self, context: StepContext, failure: dict[str, str]) -> Outcome:
        """Commit the task with the artifacts that the step set before it failed, as far as they can be stored."""
        assert self.recovery is not None
        self.recovery.recover_failure(
            context, CaughtFailure(failure["type"], failure["message"], failure["stacktrace"])
        )

        def refuse(name: str, error: SerializationError) -> None:
            print(f"@catch can't keep self.{name}: {error}", file=sys.stderr, flush=True)

        refs, own = context.task.save_artifacts(refuse)
        return self._commit_manifest(context.task, refs, own, self.step.next, None, caught=failure)

    def _make_manifest(self, parents: list[Manifest], **fields: Any) -> Manifest:
        environment = {
            "host": os.uname().nodename,
            "pid": os.getpid(),
            "python": sys.version.split()[0],
            **self.request.environment,
            **({} if self.item_texts is None else {"items": self.item_texts}),
            **self.metadata,
        }
        return Manifest(
            flow=self.view.flow,
            run=self.view.run,
            step=self.step.name,
            task=self.request.task,
            attempt=self.number,
            parents=tuple(ParentRef(p.step, p.task, p.attempt) for p in parents),
            started=self.started,
            finished=time.time(),
            generation=self.request.generation,
            environment=environment,
            **fields,
        )

    def _commit_manifest(
        self,
        task: LiveTask,
        refs: dict[str, ArtifactRef],
        own: tuple[str, ...],
        targets: tuple[str, ...],
        items: SplitItems | None,
        caught: dict[str, str] | None = None,
    ) -> Outcome:
        manifest = self._make_manifest(
            task.parents,
            ok=True,
            successful=caught is None,
            artifacts=refs,
            own=own,
            next=targets,
            items=items,
            exception=caught,
        )
        if self.step.name == self.view.plan.end.name:
            from flow_sdk.metadata.runs import Runs

            runs = Runs(self.view.store)
            (runs.expect_success if caught is None else runs.expect_caught)(self.record)
        winner = commits.commit_attempt(self.view.store, manifest)
        return Outcome(winner, already=winner is not manifest)

    def _record_failure(
        self, error: BaseException, parents: list[Manifest], *, fatal: bool, task: LiveTask | None = None
    ) -> Outcome:
        fields = describe_exception(error)
        print(fields["stacktrace"], end="", file=sys.stderr, flush=True)
        refs: dict[str, ArtifactRef] = {}
        own: tuple[str, ...] = ()
        if task is not None:
            try:
                refs, own = task.save_artifacts(lambda name, error: None)
            except FlowSDKError:
                refs = task.inherited
        manifest = self._make_manifest(parents, ok=False, successful=False, artifacts=refs, own=own, exception=fields)
        commits.record_failed_attempt(self.view.store, manifest)
        if fatal or self.request.tries_left == 0:
            from flow_sdk.metadata.runs import Runs

            runs = Runs(self.view.store)
            runs.record_failure(
                self.record, self.step.name, self.request.task, self.number, summarize_exception(fields)
            )
        return Outcome(manifest, fatal=fatal)
