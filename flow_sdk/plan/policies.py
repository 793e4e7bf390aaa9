"""The decorators that act in every task, each as a dataclass with the defaults of what a plan doesn't store.

A plan stores a decorator as its name and its attributes. ``StepPlan.retry``, ``FlowPlan.schedule`` and the like derive
these classes when they are read, so that no other code looks attributes up by name. An attribute that a newer release
has stored is ignored. Decorators of other packages stay readable by ``StepPlan.decorator(name)``. The policies that
only a target or a deployment reads are in ``flow_sdk.plan.target_policies``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

__all__ = [
    "CatchPolicy",
    "EnvironmentPolicy",
    "Policy",
    "ResourcesPolicy",
    "RetryPolicy",
    "SecretsPolicy",
    "TimeoutPolicy",
]

JSON = Any


class Policy:
    """Base class: reads the stored attributes of a decorator."""

    __slots__ = ()

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, JSON]) -> Self:
        """Make the policy of the attributes that a plan holds; unknown ones are ignored."""
        names = cls.__match_args__  # type: ignore[attr-defined]
        return cls(**{name: value for name, value in attributes.items() if name in names and value is not None})

    @classmethod
    def from_optional(cls, attributes: Mapping[str, JSON] | None) -> Self | None:
        """Make the policy as :meth:`from_attributes` does; None for a decorator that isn't there."""
        return None if attributes is None else cls.from_attributes(attributes)


@dataclass(frozen=True, slots=True)
class RetryPolicy(Policy):
    """``@retry``: how often a failed step runs again.

    Parameters
    ----------
    times : int
        Most retries (>= 0); 0 for a step without ``@retry``.
    minutes_between_retries : float
        Minutes before each of them (>= 0).
    """

    times: int = 0
    minutes_between_retries: float = 0

    @property
    def delay(self) -> float:
        """Seconds before each retry (>= 0)."""
        return 60.0 * self.minutes_between_retries


@dataclass(frozen=True, slots=True)
class TimeoutPolicy(Policy):
    """``@timeout``: how long one attempt may run.

    Parameters
    ----------
    seconds : float or None
        The limit (> 0); None for a step without ``@timeout``.
    """

    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class CatchPolicy(Policy):
    """``@catch``: the flow continues after the step's last attempt has failed.

    Parameters
    ----------
    var : str or None
        The artifact that gets the exception.
    print_exception : bool
        Whether its traceback is printed.
    """

    var: str | None = None
    print_exception: bool = True


@dataclass(frozen=True, slots=True)
class EnvironmentPolicy(Policy):
    """``@environment``: variables of the step's process.

    Parameters
    ----------
    vars : mapping of str to str
        The variables; empty for a step without ``@environment``.
    """

    vars: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SecretsPolicy(Policy):
    """``@secrets``: secrets that the step's process gets as variables.

    Parameters
    ----------
    sources : list of dict
        The secrets, each with ``type``, ``id``, ``options`` and perhaps ``role``.
    role : str or None
        The role that is assumed for sources without one.
    allow_override : bool
        Whether a secret may replace a variable that is set already.
    """

    sources: list[dict[str, JSON]] = field(default_factory=list)
    role: str | None = None
    allow_override: bool = False


@dataclass(frozen=True, slots=True)
class ResourcesPolicy(Policy):
    """``@resources``: what the step needs, wherever it runs. None for what isn't asked for.

    Parameters
    ----------
    cpu : float or None
        Cores (> 0).
    gpu : int or None
        Accelerators (>= 0).
    memory, disk, shared_memory : int or None
        MiB.
    """

    cpu: float | None = None
    gpu: int | None = None
    memory: int | None = None
    disk: int | None = None
    shared_memory: int | None = None
