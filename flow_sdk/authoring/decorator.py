"""What a decorator is, and how one is declared: a class for its data and behaviour, a function for its signature.

:mod:`flow_sdk.authoring.decorators` has one file for each. docs/adding-a-decorator.md shows how to write another.
Not dataclasses, because importing :mod:`dataclasses` takes longer than all of this package.
"""

from __future__ import annotations

import sys

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.declaration_errors import declaration_error, user_location
from flow_sdk.authoring.step_extension import StepExtension
from flow_sdk.errors import UsageError
from flow_sdk.public_table import DECORATORS, read_public_names
from flow_sdk.text import suggest_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, NoReturn, ParamSpec, Protocol, Self, TypeVar, overload

    P = ParamSpec("P")
    F = TypeVar("F", bound=Callable[..., Any])
    C = TypeVar("C", bound=type)

    class StepMark(Protocol):
        """Takes a step and returns it, decorated."""

        def __call__(self, function: F, /) -> F: ...

    class FlowMark(Protocol):
        """Takes a flow class and returns it, decorated."""

        def __call__(self, flow: C, /) -> C: ...

    class PublicStepDecorator(Protocol[P]):
        """A step decorator, with attributes or without."""

        @overload
        def __call__(self, function: F, /) -> F: ...
        @overload
        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> StepMark: ...

    class PublicFlowDecorator(Protocol[P]):
        """A flow decorator, with attributes or without."""

        @overload
        def __call__(self, flow: C, /) -> C: ...  # type: ignore[overload-overlap]
        @overload
        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> FlowMark: ...


__all__ = [
    "DECLARED",
    "Decorator",
    "FlowDecorator",
    "StepDecorator",
    "attach_decorator",
    "declare_flow_decorator",
    "declare_step_decorator",
    "describe_value",
    "unpickle_decorator",
]

DECLARED: dict[str, type[Decorator]] = {}
"""The decorators that this process has declared by now, by name: those of users' modules, too."""


class Decorator:
    """One decorator with its attributes; immutable, compared by value.

    A subclass has a ``name``, and a :meth:`check_attributes` where not every value is allowed.

    Parameters
    ----------
    **given
        Attributes by name; what isn't given, or is None, has its default.

    Raises
    ------
    UsageError
        If an attribute isn't known or is missing, or its value can't be used.
    """

    name = ""
    """What it is called after the ``@``."""
    on_step = True
    """Whether it belongs on steps; otherwise on flow classes."""
    defaults: Mapping[str, Any] = {}
    """The attributes with their defaults, from the signature of the public function."""
    required: frozenset[str] = frozenset()
    """The attributes without a default."""

    __slots__ = ("_given_as_none", "_values")
    _given_as_none: set[str]
    """The attributes that were given as None."""
    _values: dict[str, Any]

    def __init__(self, **given: Any) -> None:
        for key in given:
            if key not in self.defaults:
                raise declaration_error(
                    UsageError,
                    f"@{self.name} has no attribute {key!r}.",
                    wanted=", ".join(self.defaults) or "no attributes",
                    help=suggest_name(key, self.defaults),
                )
        # os.environ.get("NAME") must not end the import of a flow file where the variable isn't set.
        known = {key: value for key, value in given.items() if value is not None}
        object.__setattr__(self, "_given_as_none", given.keys() - known.keys())
        for key in sorted(self.required - given.keys()):
            self.refuse_missing(key)
        values = {**self.defaults, **known}
        # A needed attribute that is None is reported by find_problems: the import of the flow file must not end here.
        if not self.required - known.keys():
            values = self._check_located(values)
        object.__setattr__(self, "_values", values)

    @classmethod
    def from_plan(cls, attributes: Mapping[str, Any]) -> Self:
        """Return the decorator with the attributes that a plan has; nothing is checked again.

        Parameters
        ----------
        attributes : mapping
            What :meth:`attributes` returned when the plan was made, perhaps by another release.
        """
        decorator = object.__new__(cls)
        object.__setattr__(decorator, "_given_as_none", set())
        object.__setattr__(decorator, "_values", dict(attributes))
        return decorator

    def check_attributes(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the attributes in their normal form, which is JSON data: the plan holds it.

        Parameters
        ----------
        values : dict
            All attributes by name, defaults included.

        Raises
        ------
        UsageError
            If a value can't be used; see :meth:`refuse_value`.
        """
        return values

    def _check_located(self, values: dict[str, Any]) -> dict[str, Any]:
        """Check the attributes; an error points at the line with the decorator, wherever the decorator is defined."""
        try:
            return self.check_attributes(values)
        except UsageError as error:
            error.where = user_location()
            raise

    def find_problems(self, step: Any) -> Iterator[Problem]:
        """Yield what is wrong with this decorator here, for the command ``check``: a needed attribute that is None.

        Parameters
        ----------
        step : Node or None
            The step in the graph of the flow; None for a decorator of the class.
        """
        for key in self.defaults:
            if key in self.required and self._values[key] is None:
                yield Problem(
                    "FS502",
                    f"@{self.name} has no {key}: what it is given is None",
                    f"Set the variable that the {key} comes from, or give it a default.",
                )

    def attributes(self) -> dict[str, Any]:
        """Return all attributes as JSON values, in a fixed order."""
        return {key: dict(value) if isinstance(value, dict) else value for key, value in self._values.items()}

    def __getattr__(self, key: str) -> Any:
        if key not in ("_values", "_given_as_none") and key in self._values:
            return self._values[key]
        raise AttributeError(f"@{self.name} has no attribute {key!r}")

    def __setattr__(self, key: str, value: Any) -> None:
        raise AttributeError(f"@{self.name} can't be changed")

    def __delattr__(self, key: str) -> None:
        raise AttributeError(f"@{self.name} can't be changed")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Decorator) and self._values == other._values

    def __hash__(self) -> int:
        return hash((self.name, repr(self._values)))

    def __repr__(self) -> str:
        return f"@{self.name}({', '.join(f'{key}={value!r}' for key, value in self._values.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (unpickle_decorator, (type(self), self.attributes()))

    def refuse_value(self, attribute: str, value: object, wanted: str, help: str | None = None) -> NoReturn:
        """Raise the error for a value that can't be used.

        Parameters
        ----------
        attribute : str
            The attribute.
        value : object
            What was given.
        wanted : str
            What can be given.
        help : str, optional
            How to fix it.

        Raises
        ------
        UsageError
            Always.
        """
        raise declaration_error(
            UsageError,
            f"@{self.name} can't use {attribute}={value!r}.",
            seen=describe_value(value),
            wanted=wanted,
            help=help,
        )

    def refuse_missing(self, attribute: str) -> NoReturn:
        """Raise the error for an attribute that has no default and wasn't given."""
        raise declaration_error(
            UsageError, f"@{self.name} needs the attribute {attribute!r}.", help=f"@{self.name}({attribute}=...)"
        )

    def read_number(
        self, values: Mapping[str, Any], key: str, *, least: float = 0, whole: bool = False, above: bool = False
    ) -> int | float:
        """Return an attribute as a number; a text that is one counts.

        Parameters
        ----------
        values : mapping
            The attributes.
        key : str
            The attribute.
        least : float
            The smallest number allowed.
        whole : bool
            Whether it must be a whole number.
        above : bool
            Whether ``least`` itself is too small.

        Raises
        ------
        UsageError
            If it isn't such a number.
        """
        value = values[key]
        number = _parse_number(value)
        wanted = f"a {'whole ' if whole else ''}number {'>' if above else '>='} {least:g}"
        if number is None or (whole and number != int(number)):
            self.refuse_value(key, value, wanted)
        if number < least or (above and number <= least):
            self.refuse_value(key, value, wanted)
        return int(number) if number == int(number) else number


class StepDecorator(Decorator, StepExtension):
    """A decorator of steps. What it does while a step runs is in the methods of :class:`StepExtension`."""

    __slots__ = ()


class FlowDecorator(Decorator):
    """A decorator of flow classes."""

    __slots__ = ()
    on_step = False


class Problem:
    """Something that the command ``check`` reports about a decorator.

    Parameters
    ----------
    code : str
        ``FS`` and three digits; entered in :mod:`flow_sdk.lint.decorators` with a sentence for the docs.
    message : str
        What is wrong, without a full stop.
    help : str
        How to fix it.
    """

    __slots__ = ("code", "help", "message")

    def __init__(self, code: str, message: str, help: str) -> None:
        self.code = code
        self.message = message
        self.help = help


def unpickle_decorator(kind: type[Decorator], attributes: dict[str, Any]) -> Decorator:
    """Return the decorator that was pickled as its class and attributes."""
    return kind(**attributes)


def describe_value(value: object) -> str:
    """Return a value and its type as text for an error."""
    return "None" if value is None else f"{type(value).__name__} {value!r}"


def declare_step_decorator(
    kind: type[StepDecorator],
) -> Callable[[Callable[P, None]], PublicStepDecorator[P]]:
    """Make the public decorator of a function, which declares its attributes: names, types, defaults and docs.

    Parameters
    ----------
    kind : type
        The decorator's class.

    Returns
    -------
    callable
        Takes the function, whose body is never executed.
    """
    return _declare_decorator(kind, on_step=True)


def declare_flow_decorator(
    kind: type[FlowDecorator],
) -> Callable[[Callable[P, None]], PublicFlowDecorator[P]]:
    """Make the public decorator of flow classes of a function, as :func:`declare_step_decorator` does for steps."""
    return _declare_decorator(kind, on_step=False)


def _declare_decorator(kind: type[Decorator], *, on_step: bool) -> Callable[[Any], Any]:
    def declare(signature: Any) -> Any:
        _check_declaration(kind, signature, on_step)
        names = signature.__code__.co_varnames[: signature.__code__.co_kwonlyargcount]
        defaults = signature.__kwdefaults__ or {}
        kind.defaults = {name: defaults.get(name) for name in names}
        kind.required = frozenset(names) - defaults.keys()
        DECLARED[kind.name] = kind

        def decorator(_target: Any = None, /, *_others: Any, **attributes: Any) -> Any:
            return attach_decorator(kind, _target, _others, attributes)

        for name in ("__name__", "__qualname__", "__module__", "__doc__"):
            setattr(decorator, name, getattr(signature, name))
        decorator.__wrapped__ = signature  # type: ignore[attr-defined]
        decorator.decorator_class = kind  # type: ignore[attr-defined]
        return decorator

    return declare


def _check_declaration(kind: type[Decorator], signature: Any, on_step: bool) -> None:
    """Refuse a declaration that contradicts itself, or has the name of a decorator of Flow SDK.

    Raises
    ------
    UsageError
        With what contradicts what.
    """
    if not kind.name:
        raise declaration_error(UsageError, f"The decorator {kind.__name__} has no name.", help='name = "..."')
    if signature.__name__ != kind.name:
        raise declaration_error(
            UsageError, f"The function of @{kind.name} is called {signature.__name__!r}.", wanted="one name for both"
        )
    if kind.on_step is not on_step:
        right = "declare_step_decorator" if kind.on_step else "declare_flow_decorator"
        raise declaration_error(
            UsageError,
            f"@{kind.name} is a decorator of {'steps' if kind.on_step else 'flow classes'}.",
            help=f"Declare it with {right}.",
        )
    if kind.__module__.partition(".")[0] == "flow_sdk":
        return
    if read_public_names().get(kind.name, "").startswith(DECORATORS):
        raise declaration_error(UsageError, f"There is a decorator @{kind.name} in Flow SDK.", wanted="another name")


def attach_decorator(kind: type[Decorator], target: Any, others: tuple[Any, ...], given: dict[str, Any]) -> Any:
    """Put a decorator on a step or flow: ``@name`` is called with its target, ``@name(...)`` with its attributes.

    Parameters
    ----------
    kind : type
        Which decorator.
    target : callable or None
        The step or flow, if the decorator was written without brackets.
    others : tuple
        Further positional arguments, of which there may be none.
    given : dict
        The attributes by name.

    Returns
    -------
    callable
        The target, or a function that takes it.

    Raises
    ------
    UsageError
        If the target or an attribute can't be used.
    """
    if others or (target is not None and not callable(target)):
        raise declaration_error(
            UsageError,
            f"@{kind.name} takes its attributes by name.",
            seen=", ".join(map(repr, (target, *others))),
            wanted=", ".join(f"{key}=" for key in kind.defaults),
        )
    decorator = _create_decorator(kind, given)
    if target is not None:
        return _add_to_target(decorator, target)
    return lambda found: _add_to_target(decorator, found)


def _create_decorator(kind: type[Decorator], given: dict[str, Any]) -> Any:
    """Return the decorator; a deferred one where a value depends on a config that isn't read yet."""
    deferred = sys.modules.get("flow_sdk.authoring.deferred")  # without this module no value can be deferred
    return deferred.DeferredDecorator(kind, given) if deferred and deferred.holds_deferred(given) else kind(**given)


def _add_to_target(decorator: Decorator, target: Any) -> Any:
    """Add a decorator to the ``__flow_decorators__`` of a function or class, which don't hold those of base classes."""
    wanted = "a step of a flow" if decorator.on_step else "a flow class"
    if not callable(target) or isinstance(target, type) is decorator.on_step or not hasattr(target, "__dict__"):
        raise declaration_error(
            UsageError,
            f"@{decorator.name} stands on {wanted}.",
            seen=describe_value(target),
            help=f"Put it on {wanted}.",
        )
    if "__flow_decorators__" not in vars(target):
        target.__flow_decorators__ = []
    own: list[Decorator] = target.__flow_decorators__
    if any(known.name == decorator.name for known in own):
        raise declaration_error(
            UsageError,
            f"@{decorator.name} stands twice on {getattr(target, '__name__', target)!r}.",
            wanted="one, with all its attributes",
        )
    own.append(decorator)
    return target


def _parse_number(value: object) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        for kind in (int, float):
            try:
                value = kind(value)
                break
            except ValueError:
                continue
    if isinstance(value, int | float) and value == value and abs(value) != float("inf"):
        return value
    return None
