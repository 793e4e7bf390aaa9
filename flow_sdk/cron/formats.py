"""Schedules as text for the targets that fire them."""

from __future__ import annotations

from flow_sdk.cron.occurrences import LAST, LAST_YEAR, CronSchedule
from flow_sdk.errors import UsageError

__all__ = ["to_airflow", "to_eventbridge"]

_MINUTE, _HOUR, _DAY, _MONTH, _YEAR = (0, 59), (0, 23), (1, 31), (1, 12), (1970, LAST_YEAR)
_WEEKDAY, _AWS_WEEKDAY = (0, 6), (1, 7)


def to_airflow(schedule: CronSchedule) -> tuple[str, str]:
    """Write a schedule for Airflow's ``CronTriggerTimetable``: five fields as croniter reads them, and the zone.

    Raises
    ------
    UsageError
        If croniter can't run it: years, ``LW``, several ``W``, ``W`` after the 28th, ``W`` or ``#`` mixed with other
        days.
    """
    weekdays = schedule.weekdays or ()
    reason = None
    if schedule.years is not None:
        reason = "years"
    elif LAST in schedule.workdays:
        reason = "the last working day of the month (LW)"
    elif schedule.workdays and (len(schedule.workdays) > 1 or schedule.days or schedule.weekdays):
        reason = "W together with other days"
    elif schedule.workdays and schedule.workdays[0] > 28:
        reason = "W after the 28th"  # croniter moves it to the month's last day, AWS leaves short months out
    elif any(nth for _, nth in weekdays) and not (all(nth for _, nth in weekdays) and schedule.days is None):
        reason = "# or L of a weekday together with other days"
    if reason is not None:
        raise UsageError(
            "Airflow can't run this schedule.",
            seen=reason,
            wanted="what five fields of cron can say",
            help="Use a plainer schedule, or check the date in the start step.",
        )
    if schedule.workdays:
        day = f"{schedule.workdays[0]}W"
    elif schedule.days is None:
        day = "*"
    else:
        day = _format_field(
            tuple(number for number in schedule.days if number != LAST), _DAY, "L" if LAST in schedule.days else ""
        )
    if schedule.weekdays is None:
        weekday = "*"
    elif weekdays[0][1]:
        weekday = ",".join(f"L{number}" if nth == LAST else f"{number}#{nth}" for number, nth in weekdays)
    else:
        weekday = _format_field(tuple(number for number, _ in weekdays), _WEEKDAY)
    fields = (
        _format_field(schedule.minutes, _MINUTE),
        _format_field(schedule.hours, _HOUR),
        day,
        _format_field(schedule.months, _MONTH),
        weekday,
    )
    return " ".join(fields), schedule.timezone or "UTC"


def to_eventbridge(schedule: CronSchedule) -> tuple[str, str]:
    """Write a schedule for Amazon EventBridge Scheduler: ``cron(...)`` with six fields, and the zone.

    Raises
    ------
    UsageError
        If six fields can't say it: five-field cron with both days restricted; ``#`` beside another weekday, of which
        AWS takes one expression only (EventBridge Scheduler, user guide, cron-based schedules).
    """
    by_month_day = schedule.days is not None
    if by_month_day and schedule.weekdays is not None:
        raise UsageError(
            "EventBridge can't run this schedule.",
            seen="a day of the month or a day of the week, whichever comes",
            wanted="one of the two restricted",
        )
    if len(schedule.weekdays or ()) > 1 and any(nth > 0 for _, nth in schedule.weekdays or ()):
        raise UsageError(
            "EventBridge can't run this schedule.",
            seen="# in the day of the week beside other days",
            wanted="one weekday where its number in the month is given with #, such as MON#1",
            help="Use a plainer schedule, such as every MON, and check the date in the start step.",
        )
    day, weekday = "*", "?"
    if schedule.days is not None:
        special = [f"{number}W" if number != LAST else "LW" for number in schedule.workdays]
        if LAST in schedule.days:
            special.insert(0, "L")
        day = _format_field(tuple(number for number in schedule.days if number != LAST), _DAY, ",".join(special))
    elif schedule.weekdays is not None:
        day = "?"
        each = tuple(number + 1 for number, nth in schedule.weekdays if nth == 0)
        special = [f"{n + 1}L" if nth == LAST else f"{n + 1}#{nth}" for n, nth in schedule.weekdays if nth]
        weekday = _format_field(each, _AWS_WEEKDAY, ",".join(special))
    years = "*" if schedule.years is None else _format_field(schedule.years, _YEAR)
    fields = (
        _format_field(schedule.minutes, _MINUTE),
        _format_field(schedule.hours, _HOUR),
        day,
        _format_field(schedule.months, _MONTH),
    )
    return f"cron({' '.join((*fields, weekday, years))})", schedule.timezone or "UTC"


def _format_field(numbers: tuple[int, ...], bounds: tuple[int, int], special: str = "") -> str:
    """Numbers as a field: ``*``, ``a/n`` to the field's end, or numbers and ranges."""
    low, high = bounds
    if not special and numbers == tuple(range(low, high + 1)):
        return "*"
    step = numbers[1] - numbers[0] if len(numbers) > 2 else 0
    if step > 1 and not special and numbers == tuple(range(numbers[0], high + 1, step)):
        return f"{'*' if numbers[0] == low else numbers[0]}/{step}"
    parts: list[str] = []
    at = 0
    while at < len(numbers):
        end = at
        while end + 1 < len(numbers) and numbers[end + 1] == numbers[end] + 1:
            end += 1
        if end - at >= 2:
            parts.append(f"{numbers[at]}-{numbers[end]}")
        else:
            parts.extend(str(number) for number in numbers[at : end + 1])
        at = end + 1
    return ",".join([*parts, special] if special else parts)
