"""When a schedule fires: its one form as data, and the instants that follow from it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from flow_sdk._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

__all__ = ["LAST", "LAST_YEAR", "CronSchedule", "iterate_dates", "next_times"]

LAST = -1
"""In place of a day of the month or of a weekday's number in the month: the last one."""

LAST_YEAR = 2199
"""The last year that AWS takes."""


class CronSchedule:
    """When something fires, in local time of a zone.

    Parameters
    ----------
    minutes, hours, months : tuple of int
        Sorted; months from 1.
    days : tuple of int or None
        Days of the month from 1, -1 for the last one; None where it doesn't matter.
    workdays : tuple of int
        Days of the month, -1 for the last one, of which the nearest day from Monday to Friday in that month is meant.
    weekdays : tuple of (int, int) or None
        (weekday, number in the month) with Sunday 0; number 1 to 5, -1 for the last, 0 for each. None where it
        doesn't matter. Where the day of the month matters too, either is enough.
    years : tuple of int or None
        None for all.
    timezone : str or None
        IANA name; None means UTC.
    """

    __slots__ = ("days", "hours", "minutes", "months", "timezone", "weekdays", "workdays", "years")

    def __init__(
        self,
        minutes: tuple[int, ...],
        hours: tuple[int, ...],
        days: tuple[int, ...] | None,
        workdays: tuple[int, ...],
        months: tuple[int, ...],
        weekdays: tuple[tuple[int, int], ...] | None,
        years: tuple[int, ...] | None,
        timezone: str | None,
    ) -> None:
        self.minutes = minutes
        self.hours = hours
        self.days = days
        self.workdays = workdays
        self.months = months
        self.weekdays = weekdays
        self.years = years
        self.timezone = timezone

    def _key(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CronSchedule) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"CronSchedule({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"


def next_times(schedule: CronSchedule, after: datetime, n: int) -> list[datetime]:
    """Work out when a schedule fires next.

    Where clocks change by an hour this follows Airflow's ``CronTriggerTimetable`` (3.3 and 2.11): a time that is left
    out fires as much later as the clocks jump; a time that comes twice fires the second time only; but a schedule that
    fires in every hour fires in each hour that passes.

    Parameters
    ----------
    schedule : CronSchedule
        The schedule.
    after : datetime
        With a zone. Only later times count.
    n : int
        How many, >= 0.

    Returns
    -------
    list of datetime
        In UTC, rising; fewer than ``n`` when the schedule's years run out.
    """
    from itertools import islice

    return list(islice(_iterate_times(schedule, after.astimezone(UTC)), n))


def _iterate_times(schedule: CronSchedule, after: datetime) -> Iterator[datetime]:
    zone = _load_zone(schedule)
    every_hour = len(schedule.hours) == 24
    for day in iterate_dates(schedule, after.astimezone(zone).date() - timedelta(days=1)):
        for time in sorted(set(_iterate_instants(schedule, day, zone, every_hour))):
            if time > after:
                after = time
                yield time


def _iterate_instants(schedule: CronSchedule, day: date, zone: ZoneInfo, every_hour: bool) -> Iterator[datetime]:
    for hour in schedule.hours:
        for minute in schedule.minutes:
            local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
            first, second = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
            if first < second:  # the hour comes twice
                if every_hour:
                    yield first
                yield second
            elif first == second or not every_hour:
                yield first  # in a gap (second < first) this is as much later as the clocks jump


def _load_zone(schedule: CronSchedule) -> ZoneInfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo(schedule.timezone or "UTC")


def iterate_dates(schedule: CronSchedule, first: date) -> Iterator[date]:
    """The days on which a schedule fires, from ``first`` on, over at least the calendar's 28-year cycle."""
    last = schedule.years[-1] if schedule.years else min(first.year + 40, LAST_YEAR)
    for year in range(first.year, last + 1):
        if schedule.years is not None and year not in schedule.years:
            continue
        for month in schedule.months:
            if (year, month) < (first.year, first.month):
                continue
            length = ((date(year + 1, 1, 1) if month == 12 else date(year, month + 1, 1)) - date(year, month, 1)).days
            for day in _days_of_month(schedule, year, month, length):
                found = date(year, month, day)
                if found >= first:
                    yield found


def _days_of_month(schedule: CronSchedule, year: int, month: int, length: int) -> list[int]:
    if schedule.days is None and schedule.weekdays is None:
        return list(range(1, length + 1))
    first = date(year, month, 1).isoweekday() % 7  # Sunday is 0
    found: set[int] = set()
    for day in schedule.days or ():
        day = length if day == LAST else day
        if day <= length:
            found.add(day)
    for day in schedule.workdays:
        day = length if day == LAST else day
        if day <= length:
            found.add(_nearest_workday(day, (first + day - 1) % 7, length))
    for weekday, nth in schedule.weekdays or ():
        days = range(1 + (weekday - first) % 7, length + 1, 7)
        if nth == 0:
            found.update(days)
        elif nth == LAST:
            found.add(days[-1])
        elif nth <= len(days):
            found.add(days[nth - 1])
    return sorted(found)


def _nearest_workday(day: int, weekday: int, length: int) -> int:
    if weekday == 6:
        return day - 1 if day > 1 else day + 2
    if weekday == 0:
        return day + 1 if day < length else day - 2
    return day
