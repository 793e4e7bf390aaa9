"""What a decorator can do while a step runs: before it, around it, after it, and when it has failed.

The task runner (:mod:`flow_sdk.runtime.task.attempt`) calls the extensions of a step in their order. Decorators are
extensions; the runner adds two of its own, for ``current`` and for the decorators that users define.
"""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar

    from flow_sdk.authoring.caught_failure import CaughtFailure
    from flow_sdk.authoring.flow import FlowSpec

__all__ = ["RESERVED_METADATA", "StepContext", "StepExtension"]

RESERVED_METADATA = frozenset(
    {
        *("host", "pid", "python", "items", "batch", "airflow", "step_functions"),
        *("attempt", "attempt_ok", "attempt-done", "successful", "user", "runtime", "script-name", "python_version"),
        *("ds-type", "ds-root", "code-package", "origin-run-id", "origin-task-id"),
    }
)
"""Names in a task's metadata that the runner or the client uses itself."""


class StepContext:
    """The running attempt of a task, as its step's extensions see it.

    Parameters
    ----------
    step : StepPlan
        The step in the plan: ``name``, ``kind``, ``next``, ``decorators`` and so on.
    flow : FlowSpec
        The flow's object: its artifacts can be read and set.
    task : LiveTask
        The task: ``pathspec``, ``record`` (of the run), ``view`` (plan and store), ``artifacts``.
    request : TaskRequest
        What the task was started with.
    attempt : int
        The attempt's number, from 0.
    announce : callable
        Takes what the process that supervises the task has to know at once.
    """

    __slots__ = ("_arguments", "announce", "attempt", "flow", "metadata", "request", "step", "task")

    def __init__(
        self,
        step: Any,
        flow: FlowSpec,
        task: Any,
        request: Any,
        attempt: int,
        announce: Callable[[dict[str, Any]], None],
    ) -> None:
        self.step = step
        self.flow = flow
        self.task = task
        self.request = request
        self.attempt = attempt
        self.announce = announce
        self.metadata: dict[str, str] = {}
        self._arguments: tuple[Any, ...] | None = None

    @property
    def step_arguments(self) -> tuple[Any, ...]:
        """The arguments of the step's function: the inputs of a join, nothing in other steps."""
        if self._arguments is None:
            self._arguments = (self.task.inputs(),) if self.step.is_join else ()
        return self._arguments

    def add_metadata(self, name: str, value: str) -> None:
        """Add an entry to the task's metadata: ``Task.metadata_dict[name]``. It is stored with the attempt.

        Parameters
        ----------
        name : str
            The name of the entry; a later value replaces an earlier one.
        value : str
            The text.

        Raises
        ------
        UsageError
            If the name is one that Flow SDK uses itself, or one of the two isn't text.
        """
        if not isinstance(name, str) or not name or not isinstance(value, str):
            raise UsageError(
                "An entry of a task's metadata is a name and a text.", seen=f"{name!r}: {type(value).__name__}"
            )
        if name in RESERVED_METADATA or name in self.request.environment:
            raise UsageError(f"The entry {name!r} of a task's metadata is used by Flow SDK.", wanted="another name")
        self.metadata[name] = value

    def set_current(self, name: str, value: Any) -> None:
        """Set ``current.<name>`` for the code of the step.

        Parameters
        ----------
        name : str
            An identifier that ``current`` doesn't have in every task.
        value : object
            What the code of the step gets.

        Raises
        ------
        ValueError
            If ``current`` has that name in every task.
        """
        from flow_sdk.authoring.current import current

        current._add_name(name, value)


class StepExtension:
    """Something that acts while a step runs, in the step's own process.

    One object is made for each attempt. What a method raises is the step's failure: it is retried and caught as an
    exception of the step's own code is.
    """

    __slots__ = ()

    order: ClassVar[int] = 500
    """Extensions with a lower order begin before the others, and end after them.

    ===== ======================================================
    100   ``@environment``
    200   ``@secrets``
    300   ``current`` is set: extensions after it can read it
    400   ``@timeout``, whose time is that of everything below
    500   all others
    900   the decorators that users define, the nearest to the step
    ===== ======================================================
    """
    recovers_failures: ClassVar[bool] = False
    """Whether the task succeeds although the step has failed in all its attempts; see :meth:`recover_failure`."""

    def choose_interpreter(self) -> str | None:
        """Return the path of the Python that is to run the task; None for the one that runs already.

        It is called in the task's process before the flow file is executed, for decorators of Flow SDK only: those of
        the flow's modules aren't known yet. It may create the environment that the interpreter belongs to. The
        process then becomes that interpreter, with Flow SDK on its path.
        """
        return None

    def before_step(self, context: StepContext) -> None:
        """Act before the step's code.

        Parameters
        ----------
        context : StepContext
            The attempt.
        """

    def around_step(self, context: StepContext, run_inner: Callable[[], None]) -> None:
        """Run the step's code with the extensions nearer to it, at most once.

        Parameters
        ----------
        context : StepContext
            The attempt.
        run_inner : callable
            Runs them.
        """
        run_inner()

    def after_step(self, context: StepContext, failure: BaseException | None) -> None:
        """Act after the step's code, before its artifacts are stored and the task is committed.

        It is called where :meth:`before_step` has returned, unless the process is ended from outside.

        Parameters
        ----------
        context : StepContext
            The attempt.
        failure : BaseException or None
            What the step's code, or an extension, raised.
        """

    def recover_failure(self, context: StepContext, failure: CaughtFailure) -> None:
        """Prepare the artifacts of a step that has failed in its last attempt; then the task is committed.

        It is called for extensions with :attr:`recovers_failures` only. A step with one has an additional attempt,
        which doesn't run the step's code again, for a process that was killed.

        Parameters
        ----------
        context : StepContext
            The attempt.
        failure : CaughtFailure
            How the step failed.
        """
