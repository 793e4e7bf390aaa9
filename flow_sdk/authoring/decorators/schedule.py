"""``@schedule``: the times at which a deployed flow runs."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.declaration_errors import declaration_error
from flow_sdk.authoring.decorator import FlowDecorator, declare_flow_decorator, unpickle_decorator
from flow_sdk.errors import UsageError

if TYPE_CHECKING:
    from typing import Any

__all__ = ["ScheduleDecorator", "schedule"]


class ScheduleDecorator(FlowDecorator):
    """``@schedule``: see :func:`schedule`. In the plan: ``cron`` and ``timezone``."""

    __slots__ = ()
    name = "schedule"

    def check_attributes(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the schedule as a cron expression and a time zone."""
        from flow_sdk.cron.parse import DAILY, HOURLY, WEEKLY, parse_schedule

        presets = {"hourly": HOURLY, "daily": DAILY, "weekly": WEEKLY}
        for key in presets:
            if values[key] not in (True, False, None):
                self.refuse_value(key, values[key], "True or False")
        given = [key for key in (*presets, "cron") if values[key]]
        if len(given) > 1:
            raise declaration_error(
                UsageError,
                "@schedule has more than one time.",
                seen=", ".join(given),
                wanted="one of hourly, daily, weekly, cron",
            )
        if not given and values["daily"] is False:
            raise declaration_error(UsageError, "@schedule has no time.", wanted="one of hourly, daily, weekly, cron")
        chosen = given[0] if given else "daily"  # a bare @schedule is daily
        expression, timezone = presets.get(chosen, values["cron"]), values["timezone"]
        try:
            parse_schedule(expression, timezone)
        except UsageError as error:
            raise declaration_error(
                type(error), error.headline, seen=error.seen, wanted=error.wanted, help=error.help
            ) from None
        return {"cron": " ".join(expression.split()), "timezone": timezone}

    def __reduce__(self) -> tuple[Any, ...]:
        return (unpickle_decorator, (type(self), {"cron": self.cron, "timezone": self.timezone}))


@declare_flow_decorator(ScheduleDecorator)
def schedule(
    *,
    hourly: bool = False,
    daily: bool | None = None,
    weekly: bool = False,
    cron: str | None = None,
    timezone: str | None = None,
) -> None:
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
