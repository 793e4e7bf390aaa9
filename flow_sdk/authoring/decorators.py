"""The step and flow decorators that users write.

Putting a decorator on a step or flow only adds its data to the ``__flow_decorators__`` of that function or class (a
class holds its own ones; the compiler merges along the MRO). What acts on them lives where the acting is done.
"""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.flow import is_plain
from flow_sdk.authoring.kinds import Batch, Catch, Environment, Project, Resources, Retry, Schedule, Secrets, Timeout
from flow_sdk.authoring.placing import use

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol, TypeVar, overload

    from flow_sdk.authoring.decorator import Decorator

    F = TypeVar("F", bound=Callable[..., Any])
    C = TypeVar("C", bound=type)

    class StepMark(Protocol):
        """Takes a step and gives it back, decorated."""

        def __call__(self, function: F, /) -> F: ...

    class FlowMark(Protocol):
        """Takes a flow class and gives it back, decorated."""

        def __call__(self, flow: C, /) -> C: ...


__all__ = [
    "batch",
    "catch",
    "declared_flow_decorators",
    "environment",
    "flow_decorators",
    "project",
    "resources",
    "retry",
    "schedule",
    "secrets",
    "step_decorators",
    "timeout",
]


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
    return use(
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
    return use(Catch, _function, _others, {"var": var, "print_exception": print_exception, **_unknown})


if TYPE_CHECKING:

    @overload
    def timeout(function: F, /) -> F: ...
    @overload
    def timeout(*, seconds: float | None = 0, minutes: float | None = 0, hours: float | None = 0) -> StepMark: ...


def timeout(
    _function: Any = None, /, *_others: Any, seconds: Any = 0, minutes: Any = 0, hours: Any = 0, **_unknown: Any
) -> Any:
    """Let a step fail that runs too long; the sum of the three counts and must be > 0.

    Parameters
    ----------
    seconds, minutes, hours : float
        The time an attempt may take, each >= 0.
    """
    return use(Timeout, _function, _others, {"seconds": seconds, "minutes": minutes, "hours": hours, **_unknown})


if TYPE_CHECKING:

    @overload
    def environment(function: F, /) -> F: ...
    @overload
    def environment(*, vars: Mapping[str, Any] | None = ...) -> StepMark: ...


def environment(_function: Any = None, /, *_others: Any, vars: Mapping[str, Any] | None = None, **_unknown: Any) -> Any:
    """Set environment variables before the step runs.

    They are part of the plan, which is kept in the store and shown in a DAG file: no place for a secret.

    Parameters
    ----------
    vars : dict of str to (str, int, float, bool, path or None)
        The variables. A number or boolean is set as its text (``3``, ``True``); a variable whose value is None is left
        as the step finds it, so that ``os.environ.get("NAME")`` may stand here.
    """
    return use(Environment, _function, _others, {"vars": vars, **_unknown})


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
    return use(
        Resources,
        _function,
        _others,
        {"cpu": cpu, "gpu": gpu, "memory": memory, "disk": disk, "shared_memory": shared_memory, **_unknown},
    )


if TYPE_CHECKING:

    @overload
    def batch(function: F, /) -> F: ...
    @overload
    def batch(
        *,
        cpu: float | str | None = None,
        gpu: int | str | None = None,
        memory: int | str | None = None,
        image: str | None = None,
        queue: str | None = None,
        iam_role: str | None = None,
        execution_role: str | None = None,
        shared_memory: int | str | None = None,
        max_swap: int | str | None = None,
        swappiness: int | str | None = None,
        inferentia: int | str | None = None,
        trainium: int | str | None = None,
        efa: int | str | None = None,
        host_volumes: str | list[str] | None = None,
        efs_volumes: str | list[str] | None = None,
        use_tmpfs: bool = False,
        tmpfs_tempdir: bool = True,
        tmpfs_size: int | str | None = None,
        tmpfs_path: str | None = None,
        ephemeral_storage: int | str | None = None,
        log_driver: str | None = None,
        log_options: str | list[str] | None = None,
        aws_batch_tags: dict[str, str] | None = None,
        privileged: bool = False,
    ) -> StepMark: ...


def batch(_function: Any = None, /, *_others: Any, **attributes: Any) -> Any:
    """Run a step as a job of AWS Batch. What ``@resources`` says counts too: of two numbers the larger.

    Parameters
    ----------
    **attributes
        All may be left out:

        - ``cpu`` (cores, > 0; 1), ``memory`` (MiB, > 0; 4096), ``gpu`` (>= 0; none), ``inferentia`` or ``trainium``,
          ``efa`` (devices, >= 0);
        - ``image`` (with Flow SDK in it), ``queue``, ``iam_role``, ``execution_role`` (ARNs): else from the settings;
        - ``shared_memory``, ``max_swap`` (MiB, >= 0), ``swappiness`` (0 to 100), ``ephemeral_storage`` (GiB, 21 to 200;
          Fargate), ``privileged``;
        - ``use_tmpfs``, ``tmpfs_size`` (MiB, > 0; half of the memory), ``tmpfs_path`` (``/metaflow_temp``),
          ``tmpfs_tempdir`` (temporary files go there; True);
        - ``host_volumes`` (``/path`` or ``/path:/in/container``), ``efs_volumes`` (``fs-id`` or
          ``fs-id:/in/container``): text or a list;
        - ``log_driver``, ``log_options`` (``key:value``, text or a list), ``aws_batch_tags`` (dict of text to text).
    """
    return use(Batch, _function, _others, attributes)


if TYPE_CHECKING:

    @overload
    def secrets(function: F, /) -> F: ...
    @overload
    def secrets(
        *, sources: list[Any] | tuple[Any, ...] = (), role: str | None = None, allow_override: bool = False
    ) -> StepMark: ...


def secrets(_function: Any = None, /, *_others: Any, **attributes: Any) -> Any:
    """Fetch secrets right before the step's code runs; the code finds them in ``os.environ``.

    Parameters
    ----------
    sources : list
        The secrets. Text such as ``"aws-secrets-manager.prod/db"`` (the name or ARN after the first dot), or
        ``{"type": "aws-secrets-manager", "id": "prod/db", "options": {...}, "role": "arn:..."}``. Options: ``json``
        (False for a secret that isn't a JSON object), ``env_var_name``, ``region``.
    role : str, optional
        ARN of the role to fetch them with.
    allow_override : bool
        Whether a secret may replace a variable that is already set.
    """
    return use(Secrets, _function, _others, attributes)


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
    return use(
        Schedule,
        _flow,
        _others,
        {"hourly": hourly, "daily": daily, "weekly": weekly, "cron": cron, "timezone": timezone, **_unknown},
    )


if TYPE_CHECKING:

    @overload
    def project(flow: C, /) -> C: ...
    @overload
    def project(*, name: str | None, branch: str | None = None, production: bool | None = None) -> FlowMark: ...


def project(_flow: Any = None, /, *_others: Any, **attributes: Any) -> Any:
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
    return use(Project, _flow, _others, attributes)


def step_decorators(function: Any) -> tuple[Decorator, ...]:
    """Return the decorators on a step, the lowest in the source first."""
    return tuple(vars(function).get("__flow_decorators__", ()))


def flow_decorators(flow: type) -> tuple[Decorator, ...]:
    """Return the decorators of a flow by name, those that depend on configs with their values."""
    if is_plain():
        return declared_flow_decorators(flow)
    from flow_sdk.authoring.resolved_flow import settled

    found = settled(flow).decorators
    return tuple(found[name] for name in sorted(found))


def declared_flow_decorators(flow: type) -> tuple[Decorator, ...]:
    """Return the decorators on a flow class along its MRO by name; those of a derived class win."""
    found: dict[str, Decorator] = {}
    for klass in reversed(flow.__mro__):
        for decorator in vars(klass).get("__flow_decorators__", ()):
            found[decorator.name] = decorator
    return tuple(found[name] for name in sorted(found))
