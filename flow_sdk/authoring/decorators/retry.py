"""``@retry``: more attempts for a step that fails. The runtime of each target starts them."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.decorator import StepDecorator, declare_step_decorator

if TYPE_CHECKING:
    from typing import Any

__all__ = ["RetryDecorator", "retry"]


class RetryDecorator(StepDecorator):
    """``@retry``: see :func:`retry`."""

    __slots__ = ()
    name = "retry"

    def check_attributes(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return both as numbers."""
        return {
            "times": self.read_number(values, "times", whole=True),
            "minutes_between_retries": self.read_number(values, "minutes_between_retries"),
        }


@declare_step_decorator(RetryDecorator)
def retry(*, times: int = 3, minutes_between_retries: float = 2) -> None:
    """Try a step again when it fails.

    Parameters
    ----------
    times : int
        How often it is tried again, >= 0. With ``times=0``, ``--with retry`` doesn't change it.
    minutes_between_retries : float
        Minutes to wait before each new attempt, >= 0.
    """
