"""Decorators that users write: round a step while it runs, or changing a flow before it is compiled.

They are marks as the built-in ones are. A step keeps which decorator with which attributes; the plan gets both as data,
and a task finds the decorator again by its name.
"""

from __future__ import annotations

import sys

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.declaration_errors import declaration_error, user_location
from flow_sdk.errors import UsageError
from flow_sdk.text import suggest_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar

    from flow_sdk.authoring.mutable import MutableFlow, MutableStep

__all__ = [
    "USER_SKIP_STEP",
    "AppliedDecorator",
    "FlowMutator",
    "StepMutator",
    "UserStepDecorator",
    "custom_decorators",
    "find_custom",
    "find_in_modules",
    "is_custom",
    "user_step_decorator",
]

USER_SKIP_STEP: dict[str, Any] = {}
"""What a decorator's generator yields to have the step's own code left out."""

_KNOWN: dict[str, type[_Custom]] = {}
"""Every custom decorator that has been defined, by its module and name."""

_GENERATOR = 0x20


class AppliedDecorator:
    """One custom decorator put somewhere, with its arguments.

    Parameters
    ----------
    kind : type
        The decorator.
    args : tuple
        Its arguments without a name; only mutators take any.
    kwargs : dict
        Its arguments by name.
    """

    __slots__ = ("args", "kind", "kwargs", "where")

    def __init__(self, kind: type[_Custom], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        kind._check_arguments(args, kwargs)
        self.kind = kind
        self.args = args
        self.kwargs = kwargs
        self.where = user_location()

    def __call__(self, target: Any) -> Any:
        """Put it on a step or a flow; give that back."""
        wants = "a step of a flow" if self.on_step else "a flow class"
        if not callable(target) or isinstance(target, type) is self.on_step or not hasattr(target, "__dict__"):
            raise declaration_error(UsageError, f"@{self.name} stands on {wants}.", seen=repr(target)[:80])
        if "__flow_custom__" not in vars(target):
            target.__flow_custom__ = []
        target.__flow_custom__.append(self)
        return target

    @property
    def name(self) -> str:
        """What it is called after the ``@``."""
        return self.kind.__name__

    @property
    def full_name(self) -> str:
        """The name with the module."""
        return f"{self.kind.__module__}.{self.kind.__qualname__}"

    @property
    def on_step(self) -> bool:
        """Whether it stands on steps; otherwise on flow classes."""
        return not issubclass(self.kind, FlowMutator)

    def create_decorator(self) -> Any:
        """Make the decorator's object, initialised with the arguments, which have to be known by now."""
        made = object.__new__(self.kind)
        made.init(*self.args, **self.kwargs)
        return made

    def name_in(self, module: str) -> str:
        """The name in the plan: without the module for those defined in the flow's own file."""
        return self.kind.__qualname__ if self.kind.__module__ == module else self.full_name


class _Custom:
    """What all custom decorators have in common: being put somewhere, and being found by name."""

    __slots__ = ("__dict__",)
    takes_positional: ClassVar[bool] = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Stand behind the ``@``: alone, or with arguments."""
        if len(args) == 1 and not kwargs and cls._is_target(args[0]):
            return AppliedDecorator(cls, (), {})(args[0])
        return AppliedDecorator(cls, args, kwargs)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _KNOWN[f"{cls.__module__}.{cls.__qualname__}"] = cls

    @classmethod
    def _is_target(cls, value: Any) -> bool:
        # A mutator may be given a function as an argument: its target is a step already.
        return hasattr(value, "__flow_step__") or (not cls.takes_positional and hasattr(value, "__code__"))

    @classmethod
    def _check_arguments(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Refuse arguments that the decorator doesn't take."""
        if args and not cls.takes_positional:
            raise declaration_error(
                UsageError, f"@{cls.__name__} takes its attributes by name.", seen=", ".join(map(repr, args))[:80]
            )
        if (args or kwargs) and all("init" not in vars(base) for base in cls.__mro__ if base.__module__ != __name__):
            raise declaration_error(
                UsageError,
                f"@{cls.__name__} takes no attributes.",
                seen=", ".join([*map(repr, args), *kwargs])[:80],
                help=f"Define init(self, ...) in {cls.__name__}, which is called with them.",
            )

    def init(self, *args: Any, **kwargs: Any) -> None:
        """Take the attributes; to be defined in place of ``__init__``."""


class UserStepDecorator(_Custom):
    """Base of decorators that run code before and after a step, in the step's own process."""

    __slots__ = ()

    skip_step: bool | dict[str, Any] = False
    """Set by ``pre_step`` to leave out the step's code: True, or a dict with arguments for ``self.next``."""

    def pre_step(self, step_name: str, flow: Any, inputs: Any = None) -> Callable[..., Any] | None:
        """Run before the step.

        Parameters
        ----------
        step_name : str
            The step.
        flow : FlowSpec
            The flow's object: its artifacts can be read and set.
        inputs : Inputs, optional
            The inputs of a join, None in other steps.

        Returns
        -------
        callable or None
            What to call with ``flow`` (and ``inputs`` in a join) instead of the step. It returns None or False if it
            has called ``flow.next`` itself, True to continue as the step would, or a dict of arguments for that.
        """
        return None

    def post_step(self, step_name: str, flow: Any, exception: Exception | None = None) -> Any:
        """Run after the step, before its artifacts are stored.

        Parameters
        ----------
        step_name : str
            The step.
        flow : FlowSpec
            The flow's object.
        exception : Exception, optional
            What the step, or a decorator nearer to it, raised.

        Returns
        -------
        Exception, None or tuple
            What the step fails with, None for success; or a pair of that and arguments for ``self.next``.
        """
        return exception, None

    def _close_generator(self) -> None:
        """Clean up when the process is about to end, without ``post_step``."""


class StepMutator(_Custom):
    """Base of decorators that change a step before the flow is compiled."""

    __slots__ = ()
    takes_positional = True

    def pre_mutate(self, mutable_step: MutableStep) -> None:
        """Change the step as soon as the configs are known.

        Parameters
        ----------
        mutable_step : MutableStep
            The step.
        """

    def mutate(self, mutable_step: MutableStep) -> None:
        """Change the step when decorators given by ``--with`` are on it, too.

        Parameters
        ----------
        mutable_step : MutableStep
            The step.
        """


class FlowMutator(_Custom):
    """Base of class decorators that change a flow before it is compiled."""

    __slots__ = ()
    takes_positional = True

    @classmethod
    def _is_target(cls, value: Any) -> bool:
        return isinstance(value, type) and hasattr(value, "__flow_launcher__")

    def pre_mutate(self, mutable_flow: MutableFlow) -> None:
        """Change the flow, its parameters and its steps as soon as the configs are known.

        Parameters
        ----------
        mutable_flow : MutableFlow
            The flow.
        """

    def mutate(self, mutable_flow: MutableFlow) -> None:
        """Change the flow's steps when decorators given by ``--with`` are on them, too.

        Parameters
        ----------
        mutable_flow : MutableFlow
            The flow.
        """


class _Generator(UserStepDecorator):
    """A decorator made of a generator function: before its ``yield``, and after."""

    __slots__ = ()
    function: ClassVar[Any]

    @classmethod
    def _check_arguments(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super()._check_arguments(args, {})
        if kwargs and cls.function.__code__.co_argcount < 4:
            raise declaration_error(
                UsageError,
                f"@{cls.__name__} takes no attributes.",
                seen=", ".join(kwargs),
                help=f"Write def {cls.__name__}(step_name, flow, inputs=None, attributes=None).",
            )

    def init(self, **attributes: Any) -> None:
        self.attributes = attributes

    def pre_step(self, step_name: str, flow: Any, inputs: Any = None) -> Callable[..., Any] | None:
        given = (step_name, flow, inputs, self.attributes)
        self.running = type(self).function(*given[: type(self).function.__code__.co_argcount])
        try:
            yielded = next(self.running)
        except StopIteration:
            self.running = None
            self.skip_step = True
            return None
        if isinstance(yielded, dict):
            self.skip_step = dict(yielded) or True
            return None
        if yielded is not None and not callable(yielded):
            raise UsageError(
                f"@{type(self).__name__} yielded what it can't.",
                seen=repr(yielded)[:80],
                wanted="nothing, USER_SKIP_STEP, a dict for self.next() or a function to call instead of the step",
            )
        return yielded  # type: ignore[no-any-return]

    def post_step(self, step_name: str, flow: Any, exception: Exception | None = None) -> Any:
        if self.running is None:
            return exception
        try:
            if exception is None:
                next(self.running)
            else:
                self.running.throw(exception)
        except StopIteration as end:
            return end.value
        except Exception as error:  # noqa: BLE001 - what the user's generator raises is the step's failure
            return error
        return UsageError(f"@{type(self).__name__} yielded twice.", wanted="at most one yield")

    def _close_generator(self) -> None:
        if self.running is not None:
            self.running.close()  # its finally blocks run


def user_step_decorator(function: Any = None, /, **unknown: Any) -> Any:
    """Make a step decorator of a generator function.

    What stands before its one ``yield`` runs before the step, what stands after it, after. An exception of the step
    is raised at the ``yield``; if it is caught, the step has succeeded.

    Parameters
    ----------
    function : generator function
        Takes ``step_name, flow, inputs`` and, for a decorator with attributes, ``attributes`` (a dict). It yields
        nothing; or :data:`USER_SKIP_STEP`, or a dict of arguments for ``self.next``, to leave out the step's code; or a
        function to be called instead.

    Returns
    -------
    type
        The decorator, a subclass of :class:`UserStepDecorator`.

    Raises
    ------
    UsageError
        If it isn't such a function.
    """
    if unknown:
        raise declaration_error(
            UsageError, "@user_step_decorator takes no attributes.", seen=", ".join(unknown),
            help="Give them where the decorator that you define is used.",
        )  # fmt: skip
    if function is None:
        return user_step_decorator
    code = getattr(function, "__code__", None)
    if code is None or not code.co_flags & _GENERATOR or code.co_argcount not in (3, 4):
        raise declaration_error(
            UsageError,
            "@user_step_decorator stands on a generator function.",
            seen=getattr(function, "__name__", repr(function)),
            wanted="def name(step_name, flow, inputs=None, attributes=None), with one yield in it",
        )
    parts = {key: getattr(function, key) for key in ("__module__", "__qualname__", "__doc__")}
    return type(function.__name__, (_Generator,), {**parts, "function": staticmethod(function)})


def custom_decorators(target: Any) -> tuple[AppliedDecorator, ...]:
    """Return the custom decorators on one step or class itself, the lowest in the source first."""
    return tuple(vars(target).get("__flow_custom__", ()))


def is_custom(name: str, module: str) -> bool:
    """Return whether a name can only be that of a custom decorator: it has a module, or is known by now."""
    return "." in name or f"{module}.{name}" in _KNOWN or bool(_ending_with(name))


def _ending_with(name: str) -> list[str]:
    """The full names of the custom decorators of users that end with a name."""
    return [known for known in _KNOWN if known.endswith(f".{name}") and not known.startswith("flow_sdk.")]


def find_in_modules(name: str, modules: tuple[str, ...]) -> type[_Custom] | None:
    """Find a custom decorator that is defined in, or has been imported into, one of some modules.

    Parameters
    ----------
    name : str
        Its name there; it may lead through modules (``helpers.noted`` after ``import helpers``).
    modules : tuple of str
        The modules; the first that has such a decorator counts.
    """
    for module in modules:
        found: Any = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        if isinstance(found, type) and issubclass(found, _Custom):
            return found
        if f"{module}.{name}" in _KNOWN:  # defined in a function, or deleted from the module since
            return _KNOWN[f"{module}.{name}"]
    return None


def find_custom(name: str, module: str = "__main__") -> type[_Custom]:
    """Find a custom decorator by the name that the plan or ``--with`` has for it.

    Parameters
    ----------
    name : str
        ``module.name``; the name alone of one that is defined in the flow's file; or the end of exactly one
        decorator's ``module.name``.
    module : str
        The flow's module.

    Raises
    ------
    UsageError
        If there is no such decorator or several, or its module can't be imported.
    """
    for known in (name, f"{module}.{name}"):
        if known in _KNOWN:
            return _KNOWN[known]
    home, _, last = name.rpartition(".")
    if home:
        import importlib

        try:
            importlib.import_module(home)
        except Exception as error:
            if not _ending_with(name):
                raise UsageError(
                    f"The module of the decorator {name!r} can't be imported.", seen=f"{type(error).__name__}: {error}"
                ) from error
        found = _KNOWN.get(name) or getattr(sys.modules.get(home), last, None)
        if isinstance(found, type) and issubclass(found, _Custom):
            return found
    endings = _ending_with(name)
    if len(endings) > 1:
        raise UsageError(f"Several decorators are called {name!r}.", seen=", ".join(sorted(endings)))
    if endings:
        return _KNOWN[endings[0]]
    own = f"{module}."
    names = [known.removeprefix(own) for known in _KNOWN if not known.startswith("flow_sdk.")]
    close = suggest_name(name.removeprefix(own), names)
    raise UsageError(f"There is no decorator {name!r}.", help=close or None)
