"""The step and flow decorators that users write, and their form as text for ``--with``.

Putting a decorator on a step or flow only adds its data to the ``__flow_decorators__`` of that function or class (a
class holds its own ones; the compiler merges along the MRO). What acts on them lives where the acting is done.
"""

from __future__ import annotations

from flow_sdk.errors import UsageError, nearest
from flow_sdk.spec.declaration import refused
from flow_sdk.spec.kinds import (
    DECORATORS,
    Catch,
    Decorator,
    Environment,
    Project,
    Resources,
    Retry,
    Schedule,
    Timeout,
    kind_of,
)

TYPE_CHECKING = False  # what type checkers look for; importing typing for it would cost 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol, TypeVar, overload

    F = TypeVar("F", bound=Callable[..., Any])
    C = TypeVar("C", bound=type)

    class StepMark(Protocol):
        """Takes a step and gives it back, decorated."""

        def __call__(self, function: F, /) -> F: ...

    class FlowMark(Protocol):
        """Takes a flow class and gives it back, decorated."""

        def __call__(self, flow: C, /) -> C: ...


__all__ = [
    "VARIABLES",
    "catch",
    "environment",
    "flow_decorators",
    "parse_many",
    "parse_with",
    "project",
    "resources",
    "retry",
    "schedule",
    "step_decorators",
    "timeout",
]

VARIABLES = ("FLOW_SDK_DECOSPECS", "METAFLOW_DECOSPECS")
"""Environment variables that hold decorators for every step; the first one that is set counts."""


def _own(target: Any) -> list[Decorator]:
    """The list of the decorators on one function or class, without those of its base classes."""
    if "__flow_decorators__" not in vars(target):
        target.__flow_decorators__ = []
    return target.__flow_decorators__  # type: ignore[no-any-return]


def _put(decorator: Decorator, target: Any) -> Any:
    wants = "a step of a flow" if decorator.on_step else "a flow class"
    if not callable(target) or isinstance(target, type) is decorator.on_step or not hasattr(target, "__dict__"):
        raise refused(
            UsageError, f"@{decorator.name} stands on {wants}.", seen=kind_of(target), help=f"Put it on {wants}."
        )
    own = _own(target)
    if any(known.name == decorator.name for known in own):
        raise refused(
            UsageError,
            f"@{decorator.name} stands twice on {getattr(target, '__name__', target)!r}.",
            wanted="one, with all its attributes",
        )
    own.append(decorator)
    return target


def _use(kind: type[Decorator], target: Any, others: tuple[Any, ...], given: dict[str, Any]) -> Any:
    """What all decorators do: ``@name`` gets its target, ``@name(...)`` its attributes."""
    if others or (target is not None and not callable(target)):
        raise refused(
            UsageError,
            f"@{kind.name} takes its attributes by name.",
            seen=", ".join(map(repr, (target, *others))),
            wanted=", ".join(f"{key}=" for key in kind.defaults),
        )
    decorator = kind(**given)
    if target is not None:
        return _put(decorator, target)
    return lambda found: _put(decorator, found)


if TYPE_CHECKING:

    @overload
    def retry(function: F, /) -> F: ...
    @overload
    def retry(*, times: int = 3, minutes_between_retries: float = 2) -> StepMark: ...


def retry(
    _function: Any = None, /, *_others: Any, times: float = 3, minutes_between_retries: float = 2, **_unknown: Any
) -> Any:
    """Try a step again when it fails.

    Parameters
    ----------
    times : int
        How often it is tried again, >= 0. ``times=0`` also keeps ``--with retry`` away.
    minutes_between_retries : float
        Minutes to wait before each new attempt, >= 0.
    """
    return _use(
        Retry, _function, _others, {"times": times, "minutes_between_retries": minutes_between_retries, **_unknown}
    )


if TYPE_CHECKING:

    @overload
    def catch(function: F, /) -> F: ...
    @overload
    def catch(*, var: str | None = None, print_exception: bool = True) -> StepMark: ...


def catch(
    _function: Any = None, /, *_others: Any, var: str | None = None, print_exception: bool = True, **_unknown: Any
) -> Any:
    """Go on with the flow although the step failed, after all its retries.

    Parameters
    ----------
    var : str, optional
        Artifact that gets the failure (``type``, ``exception``, ``stacktrace``), None when all went well.
    print_exception : bool
        Whether the traceback is printed.
    """
    return _use(Catch, _function, _others, {"var": var, "print_exception": print_exception, **_unknown})


if TYPE_CHECKING:

    @overload
    def timeout(function: F, /) -> F: ...
    @overload
    def timeout(*, seconds: float = 0, minutes: float = 0, hours: float = 0) -> StepMark: ...


def timeout(
    _function: Any = None, /, *_others: Any, seconds: float = 0, minutes: float = 0, hours: float = 0, **_unknown: Any
) -> Any:
    """Let a step fail that runs too long; the sum of the three counts and must be > 0.

    Parameters
    ----------
    seconds, minutes, hours : float
        The time an attempt may take, each >= 0.
    """
    return _use(Timeout, _function, _others, {"seconds": seconds, "minutes": minutes, "hours": hours, **_unknown})


if TYPE_CHECKING:

    @overload
    def environment(function: F, /) -> F: ...
    @overload
    def environment(*, vars: dict[str, str] = ...) -> StepMark: ...


def environment(_function: Any = None, /, *_others: Any, vars: dict[str, str] | None = None, **_unknown: Any) -> Any:
    """Set environment variables before the step runs.

    Parameters
    ----------
    vars : dict of str to str
        The variables.
    """
    return _use(Environment, _function, _others, {"vars": {} if vars is None else vars, **_unknown})


if TYPE_CHECKING:

    @overload
    def resources(function: F, /) -> F: ...
    @overload
    def resources(
        *,
        cpu: float | str = 1,
        gpu: int | str | None = None,
        memory: int | str = 4096,
        disk: int | str | None = None,
        shared_memory: int | str | None = None,
    ) -> StepMark: ...


def resources(
    _function: Any = None,
    /,
    *_others: Any,
    cpu: Any = 1,
    gpu: Any = None,
    memory: Any = 4096,
    disk: Any = None,
    shared_memory: Any = None,
    **_unknown: Any,
) -> Any:
    """Say what a step needs where it is run by an orchestrator; a local run ignores it.

    Parameters
    ----------
    cpu : float
        Processor cores, > 0.
    gpu : int, optional
        Accelerators, >= 0.
    memory : int
        Megabytes, > 0.
    disk : int, optional
        Megabytes, > 0.
    shared_memory : int, optional
        Megabytes of /dev/shm, >= 0.
    """
    return _use(
        Resources,
        _function,
        _others,
        {"cpu": cpu, "gpu": gpu, "memory": memory, "disk": disk, "shared_memory": shared_memory, **_unknown},
    )


if TYPE_CHECKING:

    @overload
    def schedule(flow: C, /) -> C: ...
    @overload
    def schedule(
        *,
        hourly: bool = False,
        daily: bool | None = None,
        weekly: bool = False,
        cron: str | None = None,
        timezone: str | None = None,
    ) -> FlowMark: ...


def schedule(
    _flow: Any = None,
    /,
    *_others: Any,
    hourly: bool = False,
    daily: bool | None = None,
    weekly: bool = False,
    cron: str | None = None,
    timezone: str | None = None,
    **_unknown: Any,
) -> Any:
    """Run the deployed flow at given times; one of the first four. A bare ``@schedule`` is daily.

    Parameters
    ----------
    hourly, daily, weekly : bool
        At minute 0 of each hour, at midnight, at midnight as Sunday begins.
    cron : str, optional
        Five fields (``0 10 * * *``) or the six of AWS (``0 10 * * ? *``).
    timezone : str, optional
        IANA name such as ``Europe/Berlin``; UTC when left out.
    """
    return _use(
        Schedule,
        _flow,
        _others,
        {"hourly": hourly, "daily": daily, "weekly": weekly, "cron": cron, "timezone": timezone, **_unknown},
    )


if TYPE_CHECKING:

    @overload
    def project(flow: C, /) -> C: ...
    @overload
    def project(*, name: str, branch: str | None = None, production: bool | None = None) -> FlowMark: ...


def project(
    _flow: Any = None,
    /,
    *_others: Any,
    name: str | None = None,
    branch: str | None = None,
    production: bool | None = None,
    **_unknown: Any,
) -> Any:
    """Put a flow into a project: its deployments by different people and for different ends don't meet.

    Parameters
    ----------
    name : str
        The project: 1 to 128 characters ``[a-z0-9_]``.
    branch : str, optional
        What ``--branch`` would say, of the same characters.
    production : bool, optional
        What ``--production`` would say.
    """
    return _use(Project, _flow, _others, {"name": name, "branch": branch, "production": production, **_unknown})


def step_decorators(function: Any) -> tuple[Decorator, ...]:
    """Return the decorators on a step, the lowest in the source first."""
    return tuple(vars(function).get("__flow_decorators__", ()))


def flow_decorators(flow: type) -> tuple[Decorator, ...]:
    """Return the decorators of a flow class along its MRO by name; those of a derived class win."""
    found: dict[str, Decorator] = {}
    for klass in reversed(flow.__mro__):
        for decorator in vars(klass).get("__flow_decorators__", ()):
            found[decorator.name] = decorator
    return tuple(found[name] for name in sorted(found))


def parse_with(text: str) -> Decorator:
    """Read one step decorator from text.

    Parameters
    ----------
    text : str
        ``name`` or ``name:attribute=value,...``; a value is JSON, or text as it stands.

    Returns
    -------
    Decorator
        The decorator.

    Raises
    ------
    UsageError
        If the name or an attribute isn't known, or a value can't be used.
    """
    from flow_sdk.spec import later

    name, colon, rest = text.strip().partition(":")
    kind = DECORATORS.get(name)
    if kind is None:
        steps = [known for known, found in DECORATORS.items() if found.on_step]
        headline = later.message(name) if name in later.NAMES else f"There is no decorator {name!r}."
        raise UsageError(headline, where=f"--with {text}", help=nearest(name, steps))
    if not kind.on_step:
        raise UsageError(
            f"@{name} is for flow classes; --with adds step decorators.",
            where=f"--with {text}",
            help=f"Write @{name} above the class.",
        )
    try:
        return kind(**_attributes(rest, text)) if colon else kind()
    except UsageError as error:
        error.where = f"--with {text}"
        raise


def parse_many(text: str) -> list[Decorator]:
    """Read decorators with white space between them, as an environment variable holds them."""
    return [parse_with(part) for part in _split(text, str.isspace) if part]


def _attributes(rest: str, text: str) -> dict[str, Any]:
    parts: list[str] = []
    for chunk in _split(rest, ",".__eq__):
        key, equals, _ = chunk.partition("=")
        if (equals and key.strip().isidentifier()) or not parts:
            parts.append(chunk)
        else:
            parts[-1] += "," + chunk  # a comma inside a value that isn't JSON
    found: dict[str, Any] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise UsageError("A decorator's attribute has no value.", seen=part, wanted="name:attribute=value,...")
        if key.strip() in found:
            raise UsageError(f"The attribute {key.strip()!r} is given twice.", seen=text)
        found[key.strip()] = _value(value)
    return found


def _value(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False, "None": None}.get(text.strip(), text)


def _split(text: str, separates: Callable[[str], bool]) -> list[str]:
    """Split text where ``separates(character)`` holds outside brackets and double quotes."""
    parts, depth, quoted, escaped = [""], 0, False, False
    for character in text:
        if quoted:
            quoted = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character in "{[":
            depth += 1
        elif character in "}]":
            depth -= 1
        elif depth <= 0 and separates(character):
            parts.append("")
            continue
        parts[-1] += character
    return parts
