"""When a flow with ``@schedule`` starts next, as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flow_sdk.cron.parse import CronSchedule

__all__ = ["declared_schedule", "next_starts_text"]

SHOWN = 3


def declared_schedule(flow_class: Any) -> CronSchedule | None:
    """The schedule that a flow declares; None without ``@schedule``."""
    from flow_sdk.authoring.declarations import flow_decorators
    from flow_sdk.cron.parse import parse_schedule

    declared = next((d.attributes() for d in flow_decorators(flow_class) if type(d).name == "schedule"), None)
    return None if declared is None else parse_schedule(declared["cron"], declared.get("timezone"))


def next_starts_text(schedule: CronSchedule, after: datetime | None = None) -> str:
    """The next instants, in the schedule's zone, on one line.

    Parameters
    ----------
    schedule : CronSchedule
        The schedule.
    after : datetime, optional
        With a zone; now when left out.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from flow_sdk.cron.parse import next_times

    try:
        times = next_times(schedule, after or datetime.now(UTC), SHOWN)
        zone = ZoneInfo(schedule.timezone or "UTC")
    except ZoneInfoNotFoundError:
        return "in a time zone that this machine doesn't know"  # it has no database of zones
    shown = (f"{time.astimezone(zone):%a %Y-%m-%d %H:%M %Z}" for time in times)
    return ", ".join(shown) or "never again"
