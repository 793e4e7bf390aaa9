"""What mutators are given: a flow and its steps, in the state between their declaration and the plan."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.builtin_decorators import find_decorator
from flow_sdk.authoring.decorator import Decorator
from flow_sdk.authoring.inactive_decorators import INACTIVE, InactiveDecorator
from flow_sdk.authoring.parameters import Parameter
from flow_sdk.authoring.user_decorators import (
    AppliedDecorator,
    FlowMutator,
    StepMutator,
    UserStepDecorator,
    find_custom,
    find_in_modules,
)
from flow_sdk.errors import UsageError
from flow_sdk.moved_modules import current_name
from flow_sdk.text import suggest_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, ClassVar

    from flow_sdk.authoring.resolved_flow import ResolvedFlow, ResolvedStep

    Spec = tuple[str, str, list[Any], dict[str, Any]]
    """A decorator's name, its name with the module, its arguments without and with names."""

__all__ = ["MutableFlow", "MutableStep"]


class _Decorated:
    """What flows and steps have in common: decorators that can be looked at, added and removed."""

    __slots__ = ()
    IGNORE: ClassVar[int] = 1
    ERROR: ClassVar[int] = 2
    OVERRIDE: ClassVar[int] = 3

    def _built_in(self) -> list[Decorator]:
        raise NotImplementedError

    def _custom_decorators(self) -> list[AppliedDecorator]:
        raise NotImplementedError

    def _add_checked(self, decorator: Decorator | AppliedDecorator) -> None:
        raise NotImplementedError

    def _remove_found(self, decorator: Decorator | AppliedDecorator) -> None:
        raise NotImplementedError

    def _mutable_flow(self) -> MutableFlow:
        raise NotImplementedError

    def _record_inactive(self, decorator: InactiveDecorator) -> None:
        """Keep the name of a decorator without effect."""
        step = getattr(self, "name", "") if isinstance(self, MutableStep) else ""
        if decorator.on_step is not bool(step):
            raise UsageError(
                f"@{decorator.name} is for {'steps' if decorator.on_step else 'flow classes'}.", seen=repr(self)
            )
        self._mutable_flow()._resolved.inactive.append((decorator.name, step))

    def _all_decorators(self) -> list[Decorator | AppliedDecorator]:
        return [*self._built_in(), *self._custom_decorators()]

    @property
    def decorator_specs(self) -> Iterator[Spec]:
        """Each decorator as its name, its name with the module, its arguments without and with names."""
        yield from (_describe_decorator(found) for found in self._all_decorators())

    def get_decorator_specs(self, name: str) -> list[Spec]:
        """Return those of :attr:`decorator_specs` that have a name, short or with the module."""
        return [spec for spec in self.decorator_specs if current_name(name) in spec[:2]]

    def has_decorator(self, name: str) -> bool:
        """Return whether there is a decorator with a name, short or with the module."""
        return bool(self.get_decorator_specs(name))

    def add_decorator(
        self,
        deco_type: Any,
        deco_args: list[Any] | None = None,
        deco_kwargs: dict[str, Any] | None = None,
        duplicates: int = IGNORE,
    ) -> Any:
        """Add a decorator.

        Parameters
        ----------
        deco_type : decorator or str
            A decorator as it is imported, or text such as ``"retry:times=2"``. A name in text is looked up in the
            mutator's own module, in the flow's module, among the built-in decorators and, where it is the end of
            exactly one custom decorator's full name, among those.
        deco_args : list, optional
            Its arguments without names.
        deco_kwargs : dict, optional
            Its arguments by name; not together with attributes in the text.
        duplicates : {IGNORE, ERROR, OVERRIDE}
            What to do if there is one already: leave it, refuse, or replace it.

        Returns
        -------
        Decorator or AppliedDecorator or None
            What was added, if it was.

        Raises
        ------
        UsageError
            If it can't be added here.
        """
        given = list(deco_args or ()), dict(deco_kwargs or {})
        added = _create_decorator(deco_type, *given, self._mutable_flow()._searched_modules(), self._record_inactive)
        if added is None:
            return None
        known = [
            found for found in self._all_decorators() if _describe_decorator(found)[1] == _describe_decorator(added)[1]
        ]
        if known and duplicates == self.ERROR:
            raise UsageError(f"{self!r} has the decorator {_describe_decorator(added)[0]!r} already.")
        if known and duplicates != self.OVERRIDE:
            return None
        self._add_checked(added)  # refuses what doesn't belong here, before anything is taken away
        for found in known:
            self._remove_found(found)
        return added

    def remove_decorator(
        self, deco_name: str, deco_args: list[Any] | None = None, deco_kwargs: dict[str, Any] | None = None
    ) -> bool:
        """Remove a decorator.

        Parameters
        ----------
        deco_name : str
            Its name, short or with the module.
        deco_args : list, optional
            Only one with these arguments.
        deco_kwargs : dict, optional
            Only one with these arguments.

        Returns
        -------
        bool
            Whether there was one.
        """
        removed = False
        for found in self._all_decorators():
            short, full, args, kwargs = _describe_decorator(found)
            same = (deco_args is None or deco_args == args) and (deco_kwargs is None or deco_kwargs == kwargs)
            if current_name(deco_name) in (short, full) and same:
                self._remove_found(found)
                removed = True
        return removed


class MutableStep(_Decorated):
    """A step that its decorators can be changed of.

    Parameters
    ----------
    flow : MutableFlow
        The flow.
    step : ResolvedStep
        The step.
    """

    __slots__ = ("_of", "_step")

    def __init__(self, flow: MutableFlow, step: ResolvedStep) -> None:
        self._of = flow
        self._step = step

    @property
    def flow(self) -> MutableFlow:
        """The flow of the step."""
        return self._of

    @property
    def name(self) -> str:
        """The step's name."""
        return self._step.name

    def __repr__(self) -> str:
        return f"MutableStep({self.name!r})"

    def _built_in(self) -> list[Decorator]:
        return self._step.decorators

    def _custom_decorators(self) -> list[AppliedDecorator]:
        return list(dict.fromkeys((*self._step.wrappers, *self._step.mutators)))

    def _mutable_flow(self) -> MutableFlow:
        return self._of

    def _add_checked(self, decorator: Decorator | AppliedDecorator) -> None:
        if isinstance(decorator, AppliedDecorator):
            if not issubclass(decorator.kind, UserStepDecorator | StepMutator):
                raise UsageError(f"{decorator.kind.__name__} is for flow classes.", seen=repr(self))
            if issubclass(decorator.kind, StepMutator):
                self._of._only_early(f"A step mutator ({decorator.kind.__name__}) can be added")
            self._step.add_custom(decorator)
        elif not decorator.on_step:
            raise UsageError(f"@{decorator.name} is for flow classes.", seen=repr(self))
        else:
            self._step.decorators.append(decorator)

    def _remove_found(self, decorator: Decorator | AppliedDecorator) -> None:
        step = self._step
        step.decorators = [found for found in step.decorators if found is not decorator]
        step.wrappers = [found for found in step.wrappers if found is not decorator]
        step.mutators = [found for found in step.mutators if found is not decorator]


class MutableFlow(_Decorated):
    """A flow whose parameters, decorators and steps can be changed.

    A step is an attribute, too: ``flow.start.add_decorator(retry)``; so are configs and parameters.

    Parameters
    ----------
    resolved : ResolvedFlow
        The flow's declarations.
    phase : {"pre_mutate", "mutate"}
        When this is: parameters and flow decorators can be changed in the first only.
    mutator : type
        The mutator that is given this object.
    """

    __slots__ = ("_mutator", "_phase", "_resolved")

    def __init__(self, resolved: ResolvedFlow, phase: str, mutator: type) -> None:
        self._resolved = resolved
        self._phase = phase
        self._mutator = mutator

    def _searched_modules(self) -> tuple[str, ...]:
        """The modules in which names of decorators are looked up, those of the mutator and its bases first."""
        own = [kind.__module__ for kind in self._mutator.__mro__ if not kind.__module__.startswith("flow_sdk.")]
        return tuple(dict.fromkeys((*own[:-1], self._resolved.flow.__module__)))  # the last one is object's

    @property
    def configs(self) -> Iterator[tuple[str, Any]]:
        """Each config's name and value."""
        yield from self._resolved.configs.items()

    @property
    def parameters(self) -> Iterator[tuple[str, Parameter[Any]]]:
        """Each parameter's attribute and the parameter."""
        yield from list(self._resolved.parameters.items())

    @property
    def steps(self) -> Iterator[tuple[str, MutableStep]]:
        """Each step's name and the step."""
        yield from ((name, MutableStep(self, step)) for name, step in self._resolved.steps.items())

    def step(self, name: str) -> MutableStep:
        """Return one step."""
        return MutableStep(self, self._resolved.steps[name])

    def __getattr__(self, name: str) -> Any:
        if name in self._resolved.steps:
            return self.step(name)
        for found in (self._resolved.configs, self._resolved.parameters):
            if name in found:
                return found[name]
        known = [*self._resolved.steps, *self._resolved.configs, *self._resolved.parameters]
        raise AttributeError(f"{self!r} has no step, config or parameter {name!r}. {suggest_name(name, known)}")

    def __repr__(self) -> str:
        return f"MutableFlow({self._resolved.flow.__name__!r})"

    def add_parameter(self, name: str, value: Parameter[Any], overwrite: bool = False) -> None:
        """Add a parameter, in ``pre_mutate``.

        Parameters
        ----------
        name : str
            The attribute it is read as in steps.
        value : Parameter
            A parameter or an ``IncludeFile``.
        overwrite : bool
            Whether it may take the place of one that is there.

        Raises
        ------
        UsageError
            If it can't be added.
        """
        self._only_early("A parameter can be added")
        if not isinstance(value, Parameter):
            raise UsageError(
                "What is added isn't a parameter.", seen=repr(value)[:80], wanted="Parameter(...) or IncludeFile(...)"
            )
        if not (isinstance(name, str) and name.isidentifier()):
            raise UsageError("A parameter's attribute is a name.", seen=repr(name)[:80])
        taken = name in self._resolved.parameters or hasattr(self._resolved.flow, name)
        if taken and not (overwrite and name not in self._resolved.steps):
            help = None if name in self._resolved.steps else "add_parameter(..., overwrite=True) replaces it."
            raise UsageError(f"{self._resolved.flow.__name__} has an attribute {name!r} already.", help=help)
        value.__set_name__(self._resolved.flow, name)
        self._resolved.parameters[name] = value

    def remove_parameter(self, parameter_name: str) -> bool:
        """Remove a parameter, in ``pre_mutate``.

        Parameters
        ----------
        parameter_name : str
            Its name, as on the command line.

        Returns
        -------
        bool
            Whether there was one.
        """
        self._only_early("A parameter can be removed")
        for attribute, parameter in self.parameters:
            if parameter.name == parameter_name:
                del self._resolved.parameters[attribute]
                return True
        return False

    def _only_early(self, what: str) -> None:
        if self._phase != "pre_mutate":
            raise UsageError(f"{what} in pre_mutate only.", seen=f"{self._phase} of {self._resolved.flow.__name__}")

    def _built_in(self) -> list[Decorator]:
        return list(self._resolved.decorators.values())

    def _custom_decorators(self) -> list[AppliedDecorator]:
        return self._resolved.mutators

    def _mutable_flow(self) -> MutableFlow:
        return self

    def _add_checked(self, decorator: Decorator | AppliedDecorator) -> None:
        self._only_early("A decorator of the flow can be added")
        if isinstance(decorator, AppliedDecorator):
            if not issubclass(decorator.kind, FlowMutator):
                raise UsageError(f"{decorator.kind.__name__} is for steps.", seen=repr(self))
            self._resolved.mutators.append(decorator)
        elif decorator.on_step:
            raise UsageError(f"@{decorator.name} is for steps.", seen=repr(self))
        else:
            self._resolved.decorators[decorator.name] = decorator

    def _remove_found(self, decorator: Decorator | AppliedDecorator) -> None:
        self._only_early("A decorator of the flow can be removed")
        if isinstance(decorator, AppliedDecorator):
            raise UsageError(f"The mutator {decorator.kind.__name__} can't be removed: it may have been called.")
        if self._resolved.decorators.get(decorator.name) is decorator:
            del self._resolved.decorators[decorator.name]


def _describe_decorator(decorator: Decorator | AppliedDecorator) -> Spec:
    if isinstance(decorator, AppliedDecorator):
        return decorator.name, decorator.full_name, list(decorator.args), dict(decorator.kwargs)
    kind = type(decorator)
    return decorator.name, f"{kind.__module__}.{kind.__qualname__}", [], decorator.attributes()


def _create_decorator(
    given: Any,
    args: list[Any],
    kwargs: dict[str, Any],
    modules: tuple[str, ...],
    record_inactive: Callable[[InactiveDecorator], None],
) -> Any:
    """Make the decorator that a mutator asks for; None for one without effect, which is noted."""
    kind: Any = given
    if isinstance(given, str):
        name, colon, rest = given.partition(":")
        if colon and (args or kwargs):
            raise UsageError("A decorator's attributes are given twice.", seen=f"{given!r} and {args or kwargs}")
        if colon:
            from flow_sdk.authoring.decospec import parse_attributes

            kwargs = parse_attributes(rest, given)
        kind = _find_kind(name, modules)
    elif not isinstance(given, type | InactiveDecorator):
        kind = getattr(given, "decorator_class", None)
    if isinstance(kind, InactiveDecorator):
        kind(*args, **kwargs)  # refuses attributes that it doesn't have
        record_inactive(kind)
        return None
    if isinstance(kind, type) and issubclass(kind, UserStepDecorator | StepMutator | FlowMutator):
        return AppliedDecorator(kind, tuple(args), kwargs)
    if not (isinstance(kind, type) and issubclass(kind, Decorator)):
        raise UsageError("This isn't a decorator.", seen=repr(given)[:80], wanted="such as retry, or 'retry:times=2'")
    if args:
        raise UsageError(f"@{kind.name} takes its attributes by name.", seen=", ".join(map(repr, args)))
    return kind(**kwargs)


def _find_kind(name: str, modules: tuple[str, ...]) -> Any:
    """Find the decorator that a mutator names, as a name in these modules or of a built-in decorator."""
    return (
        find_in_modules(name, modules) or find_decorator(name) or INACTIVE.get(name) or find_custom(name, modules[-1])
    )
