"""``@resources``: what a step needs where an orchestrator runs it."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.decorator import StepDecorator, declare_step_decorator

if TYPE_CHECKING:
    from typing import Any

__all__ = ["ResourcesDecorator", "resources"]


class ResourcesDecorator(StepDecorator):
    """``@resources``: see :func:`resources`."""

    __slots__ = ()
    name = "resources"

    def check_attributes(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return numbers, or None where that is the default."""
        checked: dict[str, Any] = {}
        for key in self.defaults:
            if values[key] is None and self.defaults[key] is None:
                checked[key] = None
            else:
                above = key in ("cpu", "memory", "disk")
                checked[key] = self.read_number(values, key, whole=key != "cpu", above=above)
        return checked


@declare_step_decorator(ResourcesDecorator)
def resources(
    *,
    cpu: float | str = 1,
    gpu: int | str | None = None,
    memory: int | str = 4096,
    disk: int | str | None = None,
    shared_memory: int | str | None = None,
) -> None:
    """Declare what a step needs where an orchestrator runs it; a local run ignores it.

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
