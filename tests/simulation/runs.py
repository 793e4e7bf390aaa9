"""Runs in a simulated world: the driver, scheduler, resume and attempts are the real ones."""

import concurrent.futures
import contextlib
import functools
import io
import signal
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

from flow_sdk.authoring.current import current
from flow_sdk.authoring.flow import FlowSpec
from flow_sdk.errors import RunFailed
from flow_sdk.metadata import run_heartbeat, runs
from flow_sdk.plan.codec import to_json
from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.model import FlowPlan
from flow_sdk.runtime import crash_record
from flow_sdk.runtime.local import driver
from flow_sdk.runtime.local import run as local_run
from flow_sdk.runtime.local.driver import Driver, RunOptions
from flow_sdk.runtime.local.program import Program
from flow_sdk.runtime.local.scheduler import TaskKey
from flow_sdk.runtime.local.workers import Worker
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.resume import origin
from flow_sdk.runtime.resume.reuse import Resume
from flow_sdk.runtime.task import attempt, run_start
from flow_sdk.runtime.task import current as current_task
from flow_sdk.runtime.task.parents import RunView, is_first
from flow_sdk.runtime.task.run_start import read_record
from flow_sdk.runtime.task.runner import run_and_report
from flow_sdk.store.blobs import write_protocol
from flow_sdk.store.records import commits
from flow_sdk.store.records.model import RunRecord
from tests.simulation.bucket import Store
from tests.simulation.flows import FLOWS, NOISY, Trial
from tests.simulation.watch import Clean, Watch
from tests.simulation.world import Actor, Trouble, Violation, World
from tests.support.in_process_runs import InProcessRun

__all__ = ["RunProcess", "clean_run", "installed", "plan_of"]

USER = "tester"
ORCHESTRATOR = {"kind": "simulated"}
MOST_CLEARED = 100
"""Tasks that a user clears in a run: else they would be cleared faster than they run where the scheduler is slow."""
_CLOCKS = (attempt, crash_record, driver, local_run, run_start, commits, runs, write_protocol, run_heartbeat)
_NAMES = (origin,)


@functools.cache
def plan_of(flow: type[FlowSpec]) -> FlowPlan:
    """What a flow compiles to."""
    return compile_plan(flow, file="flow.py", parameters=())


@functools.cache
def clean_run(flow: type[FlowSpec]) -> Clean:
    """What an undisturbed run gives."""
    with contextlib.redirect_stderr(io.StringIO()):
        run = InProcessRun(flow).run()
    assert run.scheduler.finished
    committed = run.tasks().values()
    hashes = {(task.step, task.task): {name: ref.hash for name, ref in task.artifacts.items()} for task in committed}
    return Clean(hashes, NOISY.get(flow.__name__, frozenset()))


class _Inline:
    """Stands in for a pool of threads: the world has one thread at a time."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __enter__(self) -> "_Inline":
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, work: Callable[..., Any], *items: Any) -> Iterator[Any]:
        return map(work, *items)

    def submit(self, work: Callable[..., Any], *items: Any) -> Any:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        try:
            future.set_result(work(*items))
        except Exception as error:  # noqa: BLE001 - as a pool does
            future.set_exception(error)
        return future


_SIGNALS = SimpleNamespace(
    SIGINT=signal.SIGINT,
    SIGTERM=signal.SIGTERM,
    SIGHUP=signal.SIGHUP,
    SIGKILL=signal.SIGKILL,
    SIG_IGN=signal.SIG_IGN,
    default_int_handler=None,
    getsignal=lambda number: None,
    signal=lambda number, handler: None,
)


@contextlib.contextmanager
def installed(world: World) -> Iterator[None]:
    """Put the world in the place of clocks, random names, signals and threads."""

    def ask() -> None:
        assert world.running is not None
        if world.chance(world.profile.trouble):
            world.running.disturbed = True
            raise Trouble("a bad day")

    places: list[tuple[Any, str, Any]] = [(module, "time", world) for module in _CLOCKS]
    places += [(module, "uuid", world) for module in _NAMES]
    places += [(driver, "signal", _SIGNALS), (driver, "allow_descriptors", lambda count: None)]
    places += [(driver, "Heartbeat", lambda beat: contextlib.nullcontext())]
    places += [(concurrent.futures, "ThreadPoolExecutor", _Inline), (Trial, "ask", staticmethod(ask))]
    # A process each has its own in truth.
    places += [(current_task, "set_current", lambda *_: None)]
    before = [(place, name, getattr(place, name)) for place, name, _ in places]
    for place, name, value in places:
        setattr(place, name, value)
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        for place, name, value in before:
            setattr(place, name, value)
        Trial.ask = staticmethod(lambda: None)
        current._clear_task()


class _Quiet:
    """A reporter that tells nobody, but notes how the run ended."""

    def __init__(self) -> None:
        self.state = ""

    def run_finished(self, flow: str, run: str, seconds: float, state: str, reason: str | None) -> None:
        self.state = state

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


class RunProcess:
    """The process that drives a run.

    Parameters
    ----------
    world, watch : World, Watch
        Where, and who looks.
    flow : type
        The flow.
    origin : str, optional
        The run to resume.
    step : str, optional
        The step from which it runs again.
    orchestrated : bool
        Whether an orchestrator starts the tasks: then the start task begins the run, and users may clear tasks.
    """

    def __init__(
        self,
        world: World,
        watch: Watch,
        flow: type[FlowSpec],
        *,
        origin: str | None = None,
        step: str | None = None,
        orchestrated: bool = False,
    ) -> None:
        self.world, self.watch, self.flow, self.origin, self.step = world, watch, flow, origin, step
        self.orchestrated = orchestrated
        self.plan = plan_of(flow)
        self.run: str | None = "orchestrated-1" if orchestrated else None
        self.state = ""
        self.workers: list[Actor] = []
        self.actor: Actor

    def start(self, name: str) -> Actor:
        """Start it."""
        self.actor = self.world.start(name, self._work)
        self.actor.is_scheduler = True
        return self.actor

    def _work(self) -> str:
        store = Store(self.world, self.watch.bucket)
        reporter = _Quiet()
        options = RunOptions(root=store.url, file="flow.py", user=USER, max_workers=self.world.rng.choice((1, 3, 16)))
        reuse = None
        if self.orchestrated:
            from flow_sdk.store.artifacts import Artifacts

            record = RunRecord(
                self.plan.flow, self.run or "", Artifacts(store).put_bytes(to_json(self.plan)), None, {}, (), USER, 0.0
            )
        else:
            if self.origin is not None:
                reuse = Resume(self.origin, self.step).open_origin(store, self.plan, USER)
            record = local_run._create_run(store, self.flow, self.plan, {}, options, reuse)
            self.run = record.run
        try:
            _Driver(self, store, record, options, reporter, reuse).run()
        except RunFailed:
            pass
        self.state = reporter.state
        return self.state

    def perform(self, request: TaskRequest, report: Callable[[dict[str, Any]], None]) -> int:
        """Run an attempt in a worker's process; returns its exit code."""
        store = Store(self.world, self.watch.bucket)

        def execute(announce: Callable[[dict[str, Any]], None]) -> attempt.Outcome:
            record = read_record(store, request.flow, request.run)
            if record is None:
                if not is_first(self.plan[request.step], self.plan[request.step].position(request.task), self.plan):
                    raise Violation(f"{request.pathspec} was started before the run began")
                record = run_start.begin_run(store, request, self.plan, self.flow)
            view = RunView(store, self.plan, request.flow, request.run)
            outcome = attempt.run_attempt(view, record, self.flow, request, announce)
            if outcome.manifest.ok:
                self.watch.ends_as_success(outcome.manifest)
            return outcome

        code = run_and_report(execute, report)
        actor = self.world.running
        assert actor is not None
        if code and not actor.disturbed and request.run not in self.watch.cleared and request.step != "risky":
            raise Violation(f"an attempt of {request.pathspec} failed for no reason")
        return code


class _Workers:
    """Starts workers in the world."""

    def __init__(self, process: RunProcess) -> None:
        self.process, self.count = process, 0
        self.actors: dict[str, Actor] = {}

    def start(self, make: Callable[[str], Worker], on_line: object) -> tuple[Worker, list[int]]:
        self.count += 1
        process, world = self.process, self.process.world
        worker = make(str(self.count))
        name = f"{worker.request.run}/{worker.request.step}/{worker.request.task}"
        report = _Report(worker)
        actor = world.start(f"{name}#{self.count}", lambda: process.perform(worker.request, report.take))
        self.actors[worker.name] = actor
        process.workers.append(actor)
        if world.chance(world.profile.twin):
            world.faults += 1
            twin = world.start(f"{name}#{self.count}b", lambda: process.perform(worker.request, lambda facts: None))
            process.workers.append(twin)
        return worker, []


class _Report:
    """What a worker's process tells its scheduler, over a pipe that is read when it ends."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def take(self, facts: dict[str, Any]) -> None:
        if "attempt" in facts:
            self.worker.attempt, self.worker.claimed = facts["attempt"], True
        elif "running" not in facts:
            self.worker.outcome = {**facts, **({"next": list(facts["next"])} if "next" in facts else {})}


class _Driver(Driver):
    """The driver, whose processes are the world's."""

    def __init__(
        self, process: RunProcess, store: Store, record: RunRecord, options: RunOptions, reporter: Any, reuse: Any
    ) -> None:
        super().__init__(store, process.plan, record, options, reporter, Program(options.file, {}, None), None, reuse)
        self.process, self.world = process, process.world
        self.actors = _Workers(process)
        self.workers = self.actors  # type: ignore[assignment]
        self.done: set[TaskKey] = set()
        self.generation = 0

    def _start_task(self, key: TaskKey, left: int) -> None:
        if key in self.done:
            raise Violation(f"the scheduler started {key} again, which is committed")
        if sum(worker.key == key for worker in self.by_name.values()):
            raise Violation(f"the scheduler started {key} twice")
        if left < 0:
            raise Violation(f"the scheduler started {key} once too often")
        super()._start_task(key, left)

    def _handle_commit(self, worker: Worker, outcome: dict[str, Any]) -> None:
        self.done.add(worker.key)
        super()._handle_commit(worker, outcome)

    def _record_end(self, state: str, seconds: float) -> None:
        if self.process.orchestrated:
            self.reporter.run_finished(self.record.flow, self.record.run, seconds, state, self.reason)
        else:
            super()._record_end(state, seconds)

    def _handle_events(self, timeout: float | None) -> None:
        actors = self.actors.actors
        self.world.wait(lambda: any(actors[name].is_gone for name in self.by_name), timeout)
        for name, worker in list(self.by_name.items()):
            actor = actors[name]
            if not actor.is_gone or name not in self.by_name:
                continue
            if isinstance(actor.error, Violation):
                raise actor.error
            status = -9 if actor.is_killed else 1 if actor.error is not None else actor.result
            self._handle_end(worker, status)
            if self.world.chance(self.world.profile.echo):
                self.world.faults += 1
                self._handle_end(worker, status)
        may_clear = self.process.orchestrated and self.done and self.generation < MOST_CLEARED
        if may_clear and self.world.chance(self.world.profile.clear):
            self._clear()

    def _clear(self) -> None:
        """The orchestrator's user clears a task that is committed; it runs again, perhaps more than once at a time."""
        key = self.world.rng.choice(sorted(self.done))
        self.generation += 1
        self.world.faults += 1
        self.process.watch.cleared.add(self.record.run)
        request = TaskRequest(
            root=self.options.root,
            flow=self.record.flow,
            run=self.record.run,
            step=key.step,
            task=self.plan[key.step].task_id(key.position),
            plan=self.record.plan,
            generation=self.generation,
            user=USER,
            orchestrator=self.record.orchestrator,
        )
        for letter in "ab"[: 1 + self.world.chance(self.world.profile.twin)]:
            name = f"{request.step}/{request.task} cleared {self.generation}{letter}"
            self.process.workers.append(
                self.world.start(name, lambda: self.process.perform(request, lambda facts: None))
            )

    def _stop_all(self) -> None:
        self.stopping = True
        for name in self.by_name:
            if self.world.rng.random() < 0.8:
                self.actors.actors[name].kill()


assert FLOWS
