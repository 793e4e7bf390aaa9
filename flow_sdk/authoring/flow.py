"""``FlowSpec`` and ``step``: what a user's flow class is made of."""

from __future__ import annotations

import sys

import flow_sdk.authoring.process_start  # noqa: F401 - it records what the file begins with, before its next line runs
from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.declaration_errors import declaration_error
from flow_sdk.errors import TransitionError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, ClassVar, Protocol, Self, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])
else:
    Protocol = object

__all__ = [
    "FlowSpec",
    "TaskState",
    "Transition",
    "create_flow_object",
    "is_step",
    "step",
    "step_functions",
    "uses_no_dynamic_features",
]

COMMAND_LINE = "flow_sdk.cli.main"
"""The module whose ``main(flow_class)`` runs a flow file. Named, not imported: it lies in a higher layer."""


def step(function: F | None = None, *, start: bool = False, end: bool = False) -> Any:
    """Mark a method of a :class:`FlowSpec` as a step.

    Parameters
    ----------
    function : callable, optional
        The method, when used without parentheses.
    start : bool
        Whether the flow starts here although the step isn't named ``start``.
    end : bool
        Whether the flow ends here although the step isn't named ``end``.
    """

    def mark(f: F) -> F:
        if not callable(f) or not hasattr(f, "__name__"):
            raise declaration_error(
                UsageError, "@step stands on a method.", seen=repr(f)[:80], help="Put it nearest to the def."
            )
        f.__flow_step__ = {"start": start, "end": end}  # type: ignore[attr-defined]
        f.is_step = True  # type: ignore[attr-defined]
        f.name = f.__name__  # type: ignore[attr-defined]
        return f

    return mark if function is None else mark(function)


def is_step(value: object) -> bool:
    """Return whether a class attribute is a step."""
    return callable(value) and hasattr(value, "__flow_step__")


def uses_no_dynamic_features() -> bool:
    """Return whether no flow of this process can have a config or a custom decorator: they weren't imported.

    So flows without them pay nothing for those who have.
    """
    return "flow_sdk.authoring.deferred" not in sys.modules and "flow_sdk.authoring.user_decorators" not in sys.modules


def step_functions(flow: type[FlowSpec]) -> dict[str, Callable[..., Any]]:
    """Return the steps of a flow class along its MRO, by name, in the order of the source (base classes first)."""
    found: dict[str, Callable[..., Any]] = {}
    for klass in reversed(flow.__mro__):
        for name, value in vars(klass).items():
            if is_step(value):
                found[name] = value
            elif name in found:
                del found[name]
    return found


class Transition:
    """What ``self.next`` was called with."""

    __slots__ = ("by_decorator", "condition", "foreach", "targets")

    def __init__(
        self, targets: tuple[Any, ...], foreach: str | None, condition: str | None, by_decorator: bool = False
    ) -> None:
        self.by_decorator = by_decorator  # which may name another artifact to go over than the source does
        self.targets = targets
        self.foreach = foreach
        self.condition = condition


class TaskState(Protocol):
    """What a flow object asks of the task it runs in."""

    @property
    def index(self) -> int | None: ...

    @property
    def input(self) -> Any: ...

    def foreach_stack(self) -> list[tuple[int, int, Any]]: ...

    def load_artifact(self, name: str) -> Any:
        """Return an inherited artifact; raises AttributeError when there is none of that name."""

    def delete_artifact(self, name: str) -> bool:
        """Forget an inherited artifact; return whether there was one."""

    def known_names(self) -> set[str]:
        """Return the names of all artifacts that the step can read now."""

    def merge_artifacts(
        self, flow: FlowSpec, inputs: Sequence[Any], include: Iterable[str] | None, exclude: Iterable[str] | None
    ) -> None: ...


def _starting_command_line(init: Any) -> Any:
    """Wrap a subclass's ``__init__``: the command line starts also where that of ``FlowSpec`` isn't called.

    In a task the launcher is called when the whole ``__init__`` has ended: the step runs on this object.
    """

    def __init__(self: FlowSpec, *arguments: Any, **named: Any) -> None:
        if type(self).__init__ is not __init__:  # the one of a base class
            init(self, *arguments, **named)
            return
        self.__dict__["__flow_init_runs__"] = True
        created: FlowSpec | BaseException = self
        try:
            init(self, *arguments, **named)
            if "__flow_initialised__" not in self.__dict__:
                FlowSpec.__init__(self)
        except (Exception, SystemExit) as error:
            if "__flow_waiting_launcher__" not in self.__dict__:
                raise
            created = error
        finally:
            self.__dict__.pop("__flow_init_runs__", None)
        if (launcher := self.__dict__.pop("__flow_waiting_launcher__", None)) is not None:
            type(self).__flow_created__ = created
            launcher(type(self))

    for name in ("__doc__", "__module__", "__qualname__"):
        setattr(__init__, name, getattr(init, name, None))
    __init__.__wrapped__, __init__.__flow_starting__ = init, True  # type: ignore[attr-defined]
    return __init__


def create_flow_object(flow: type[FlowSpec]) -> FlowSpec:
    """Return the object that a step runs on, without starting a command line.

    It is the one that the flow file has created, where it came as far as that: the user's ``__init__`` runs once in a
    task. Otherwise a new one is created.

    Raises
    ------
    BaseException
        What the user's ``__init__`` raises, or has raised in the flow file.
    """
    created: FlowSpec | BaseException | None = flow.__dict__.get("__flow_created__")
    if created is not None:
        del flow.__flow_created__  # a class of the flow file may be stored by value
    if isinstance(created, BaseException):
        raise created
    if created is not None:
        return created
    arguments, named = flow.__flow_arguments__
    FlowSpec.__flow_creating__ = True
    try:
        return flow(*arguments, **named)
    finally:
        FlowSpec.__flow_creating__ = False


class _NameOfClass:
    """A name that a flow's objects have from their class, unless an artifact is called so."""

    def __init__(self, find: Callable[[type[FlowSpec]], str]) -> None:
        self._find = find

    def __get__(self, flow: FlowSpec | None, owner: type[FlowSpec]) -> Any:
        return self if flow is None else self._find(owner)


def _script_name(flow: type[FlowSpec]) -> str:
    """Return the file name of the module that defines a flow, without its folder; ``""`` where it has no file."""
    file = getattr(sys.modules.get(flow.__module__), "__file__", None) or ""
    return file.replace("\\", "/").rpartition("/")[2]


def _refuse_without_command_line(flow: type[FlowSpec]) -> None:
    """Refuse to start a flow's command line in a notebook or at the interpreter's prompt, where there is none.

    Raises
    ------
    UsageError
        With what starts the flow there.
    """
    if getattr(sys.modules.get("__main__"), "__file__", None) is not None:
        return
    ipython = sys.modules.get("IPython")
    in_notebook = ipython is not None and ipython.get_ipython() is not None
    if not in_notebook and not hasattr(sys, "ps1"):
        return
    file = getattr(sys.modules.get(flow.__module__), "__file__", None)
    if file is not None:
        start = f"from flow_sdk import Runner; Runner({file!r}).run()"
    elif in_notebook:
        start = f"from flow_sdk import NBRunner; NBRunner({flow.__name__}).nbrun()"
    else:
        start = "Write it into a file; then: from flow_sdk import Runner; Runner('flow.py').run()"
    raise UsageError(
        f"{flow.__name__}() starts the command line of a flow file. There is none "
        + ("in a notebook." if in_notebook else "at Python's prompt."),
        help=start,
    )


class FlowSpec:
    """Base class of all flows.

    Subclass it, mark methods with :func:`step`, continue with :meth:`next`, and end the file with
    ``if __name__ == "__main__": MyFlow()``. A subclass may have an ``__init__``. It runs once in every task, before the
    step, with the arguments that the flow file gives; what it sets are artifacts of that step.

    Parameters
    ----------
    use_cli : bool
        Whether to run the command line at once (what ``MyFlow()`` in a flow file does).
    """

    __flow_task__: TaskState | None = None
    __flow_transition__: Transition | None = None
    __flow_fixed__: frozenset[str] = frozenset()
    __flow_launcher__: ClassVar[Callable[[type[FlowSpec]], None] | None] = None
    __flow_created__: ClassVar[FlowSpec | BaseException | None] = None
    """The object that the flow file has created in a task, or what the ``__init__`` raised, for the step to come."""
    __flow_creating__: ClassVar[bool] = False
    """Whether :func:`create_flow_object` is creating an object: its ``__init__`` starts no command line then."""
    __flow_arguments__: ClassVar[tuple[tuple[Any, ...], dict[str, Any]]] = ((), {})
    """The arguments that the flow file creates its flow with."""

    def __new__(cls, *arguments: Any, **named: Any) -> Self:
        if not FlowSpec.__flow_creating__:
            cls.__flow_arguments__ = arguments, named
        return super().__new__(cls)

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        # Its own, or that of a class beside FlowSpec.
        if cls.__init__ is not FlowSpec.__init__ and not hasattr(cls.__init__, "__flow_starting__"):
            cls.__init__ = _starting_command_line(cls.__init__)  # type: ignore[method-assign]

    def __init__(self, use_cli: bool = True) -> None:
        self.__dict__["__flow_initialised__"] = True
        if use_cli and not FlowSpec.__flow_creating__:
            launcher = FlowSpec.__flow_launcher__
            if launcher is not None and "__flow_init_runs__" in self.__dict__:
                self.__dict__["__flow_waiting_launcher__"] = launcher
            elif launcher is not None:
                launcher(type(self))
            else:
                import sys

                _refuse_without_command_line(type(self))
                __import__(COMMAND_LINE)  # importlib would take 0.3 ms of each --help
                sys.modules[COMMAND_LINE].main(type(self))

    def next(self, *targets: Any, foreach: str | None = None, condition: str | None = None, **other: Any) -> None:
        """Continue with the next step or steps; the last statement of every step but the last one.

        Parameters
        ----------
        *targets : step method, or one dict for a switch
            ``self.a`` for one step, ``self.a, self.b`` for a split, ``{"x": self.a, "y": self.b}`` with ``condition``.
        foreach : str, optional
            Name of the artifact whose items start one task each.
        condition : str, optional
            Name of the artifact whose value chooses the case.

        Raises
        ------
        TransitionError
            If a transition was already given, or an argument isn't known.
        """
        if other:
            raise TransitionError(
                f"self.next() doesn't know {', '.join(sorted(other))}.",
                wanted="steps, foreach='name', condition='name'",
            )
        if self.__dict__.get("__flow_transition__") is not None:
            raise TransitionError("self.next() was called twice in one step.", wanted="one call, as the last statement")
        self.__dict__["__flow_transition__"] = Transition(targets, foreach, condition)

    @property
    def index(self) -> int | None:
        """Index of this task in the innermost foreach, from 0; None outside any foreach."""
        return self.__flow_task__.index if self.__flow_task__ else None

    @property
    def input(self) -> Any:
        """The item of the innermost foreach that this task is for; None outside any foreach."""
        return self.__flow_task__.input if self.__flow_task__ else None

    def foreach_stack(self) -> list[tuple[int, int, Any]]:
        """Return (index, number of splits, value) for each enclosing foreach, outermost first."""
        return self.__flow_task__.foreach_stack() if self.__flow_task__ else []

    def merge_artifacts(
        self, inputs: Sequence[Any], exclude: Iterable[str] | None = None, include: Iterable[str] | None = None
    ) -> None:
        """Set the artifacts of a join's inputs that this step hasn't set itself.

        Parameters
        ----------
        inputs : the join's ``inputs``
        exclude : iterable of str, optional
            Names to leave out. Not together with ``include``.
        include : iterable of str, optional
            The only names to take; each must be in at least one input.

        Raises
        ------
        InputsError
            If inputs differ in an artifact (all such names are listed, nothing is merged), if both lists are given,
            or an included name is nowhere.
        """
        if self.__flow_task__ is None:
            raise TransitionError("merge_artifacts() works inside a running join step only.")
        self.__flow_task__.merge_artifacts(self, inputs, include, exclude)

    name = _NameOfClass(lambda flow: flow.__name__)
    script_name = _NameOfClass(_script_name)

    def __getattr__(self, name: str) -> Any:
        task = self.__dict__.get("__flow_task__")
        if task is None or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(f"Flow {type(self).__name__!r} has no attribute {name!r}")
        return task.load_artifact(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in type(self).__flow_fixed__ or name in self.__dict__.get("__flow_fixed__", ()):
            raise AttributeError(f"{name!r} is a parameter or constant of the flow and can't be set in a step")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if name in self.__dict__.get("__flow_fixed__", ()):
            raise AttributeError(f"{name!r} is a parameter or constant of the flow and can't be deleted in a step")
        task = self.__flow_task__
        if not (task is not None and task.delete_artifact(name) and name not in self.__dict__):
            object.__delattr__(self, name)

    def __getstate__(self) -> Any:
        raise TypeError("a flow object can't be stored or sent to another process; use the values you need from it")

    def __iter__(self) -> Any:
        """Iterate over the flow's steps, as functions that know their ``name``."""
        return iter(step_functions(type(self)).values())
