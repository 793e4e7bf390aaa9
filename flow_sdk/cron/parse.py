"""Schedules: cron in five fields or in the six of AWS, in one form, and out again for each target.

The two notations differ in more than the year: AWS counts weekdays from 1 (Sunday), five-field cron from 0; AWS
restricts the day of the month or the weekday and writes ``?`` for the other, five-field cron fires on either where both
are restricted (cron(8); croniter, which Airflow uses, does the same).
"""

from __future__ import annotations

from datetime import date

from flow_sdk.cron.formats import to_airflow, to_eventbridge
from flow_sdk.cron.occurrences import LAST, LAST_YEAR, CronSchedule, iterate_dates, next_times
from flow_sdk.errors import UsageError
from flow_sdk.text import suggest_name

__all__ = ["DAILY", "HOURLY", "WEEKLY", "CronSchedule", "next_times", "parse_schedule", "to_airflow", "to_eventbridge"]

HOURLY = "0 * * * *"
DAILY = "0 0 * * *"
WEEKLY = "0 0 * * 0"

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


class _Field:
    """One field of an expression: its bounds and names, and reading its plain parts."""

    def __init__(self, name: str, low: int, high: int, names: tuple[str, ...] = (), whole: int | None = None) -> None:
        self.name = name
        self.low = low
        self.high = high
        self.names = {text: low + number for number, text in enumerate(names)}
        self.whole = high if whole is None else whole  # where "*" and "a/n" end

    def parse_number(self, text: str) -> int:
        if text.upper() in self.names:
            return self.names[text.upper()]
        if text.isascii() and text.isdigit() and self.low <= int(text) <= self.high:
            return int(text)
        raise _field_error(self, text)

    def parse_range(self, part: str) -> list[int]:
        """The numbers that ``*``, ``a``, ``a-b`` or any of these with ``/n`` stands for."""
        span, slash, every = part.partition("/")
        if slash and not (every.isascii() and every.isdigit() and int(every) > 0):
            raise _field_error(self, part)
        if span == "*":
            numbers = list(range(self.low, self.whole + 1))
        elif "-" in span:
            first, last = (self.parse_number(text) for text in span.split("-", 1))
            if first <= last:
                numbers = list(range(first, last + 1))
            else:  # FRI-MON, 22-3
                numbers = [*range(first, self.whole + 1), *range(self.low, last + 1)]
        else:
            first = self.parse_number(span)
            numbers = list(range(first, max(first, self.whole) + 1)) if slash else [first]
        return numbers[:: int(every)] if slash else numbers


_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_DAY = _Field("day of the month", 1, 31)
_MONTH = _Field("month", 1, 12, _MONTHS)
_YEAR = _Field("year", 1970, LAST_YEAR)
_WEEKDAY = _Field("day of the week", 0, 7, _WEEKDAYS, whole=6)
_AWS_WEEKDAY = _Field("day of the week", 1, 7, _WEEKDAYS)


def _field_error(field: _Field, text: str) -> UsageError:
    wanted = f"numbers from {field.low} to {field.high}"
    if field.names:
        wanted += f" or names such as {next(iter(field.names))}"
    return UsageError(f"The schedule's {field.name} can't be used.", seen=text or "nothing", wanted=wanted)


def parse_schedule(expression: object, timezone: object = None) -> CronSchedule:
    """Read a cron expression.

    Parameters
    ----------
    expression : str
        Five fields (minute, hour, day of the month, month, day of the week) or the six of AWS (a year as well).
        Six fields never mean seconds.
    timezone : str, optional
        IANA name of the zone the fields are in; UTC when left out.

    Returns
    -------
    CronSchedule
        The one form.

    Raises
    ------
    UsageError
        If a field or the zone can't be used, or the schedule would never fire.
    """
    if not isinstance(expression, str):
        raise UsageError("A cron expression is text.", seen=repr(expression), wanted="such as '0 10 * * *'")
    fields = expression.split()
    if fields and fields[0].startswith("cron(") and fields[-1].endswith(")"):
        fields = expression.strip()[5:-1].split()
    if len(fields) not in (5, 6):
        raise UsageError(
            "A cron expression has five fields, or the six of AWS.",
            seen=f"{expression!r}: {len(fields)} field{'' if len(fields) == 1 else 's'}",
            wanted="minute hour day-of-month month day-of-week [year], such as '0 10 * * *' or '0 10 * * ? *'",
        )
    if timezone is not None:
        _check_zone(timezone)
    try:
        return _parse_fields(fields, timezone if isinstance(timezone, str) else None)
    except UsageError as error:
        error.where = f"schedule {expression!r}"
        raise


def _parse_fields(fields: list[str], timezone: str | None) -> CronSchedule:
    aws = len(fields) == 6
    minute, hour, day, month, weekday = fields[:5]
    if aws and (day == "?") == (weekday == "?"):
        raise UsageError(
            "In AWS's six fields either the day of the month or the day of the week is '?'.",
            seen=f"{day} and {weekday}",
            wanted="'?' for the one that doesn't matter, such as '0 10 * * ? *' or '0 10 ? * MON *'",
        )
    days, workdays = _parse_days(day)
    weekdays = _parse_weekdays(weekday, _AWS_WEEKDAY if aws else _WEEKDAY)
    if days is not None and weekdays is not None and not workdays:
        each = {number for number, nth in weekdays if nth == 0}
        if set(range(1, 32)) <= set(days) or len(each) == 7:
            days = weekdays = None  # either is enough, and one is always true
    if weekdays is not None and {number for number, nth in weekdays if nth == 0} == set(range(7)):
        weekdays = None
    if days is not None and set(range(1, 32)) <= set(days):
        days, workdays = None, ()
    years = _parse_numbers(fields[5], _YEAR) if aws and fields[5] != "*" else None
    found = CronSchedule(
        _parse_numbers(minute, _MINUTE),
        _parse_numbers(hour, _HOUR),
        days,
        workdays,
        _parse_numbers(month, _MONTH),
        weekdays,
        years,
        timezone,
    )
    if next(iterate_dates(found, date(years[0] if years else 1970, 1, 1)), None) is None:
        raise UsageError("The schedule would never fire.", help="No year has such a day.")
    return found


def _parse_numbers(text: str, field: _Field) -> tuple[int, ...]:
    return tuple(sorted({number for part in text.split(",") for number in field.parse_range(part)}))


def _parse_days(text: str) -> tuple[tuple[int, ...] | None, tuple[int, ...]]:
    """Days and working days of the month; (None, ()) where they don't matter."""
    if text in ("*", "?", "*/1"):
        return None, ()
    days: set[int] = set()
    workdays: set[int] = set()
    for part in text.upper().split(","):
        if part == "L":
            days.add(LAST)
        elif part in ("LW", "WL"):
            workdays.add(LAST)
        elif part.endswith("W"):
            workdays.add(_DAY.parse_number(part[:-1]))
        elif part.startswith("W"):
            workdays.add(_DAY.parse_number(part[1:]))
        else:
            days.update(_DAY.parse_range(part))
    return tuple(sorted(days)), tuple(sorted(workdays))


def _parse_weekdays(text: str, field: _Field) -> tuple[tuple[int, int], ...] | None:
    """Weekdays as (Sunday is 0, number in the month); None where they don't matter."""
    if text in ("*", "?", "*/1"):
        return None
    found: set[tuple[int, int]] = set()
    for part in text.upper().split(","):
        day, hash_sign, nth = part.partition("#")
        if part == "L" and field is _AWS_WEEKDAY:
            found.add((6, 0))
        elif hash_sign:
            if nth not in ("1", "2", "3", "4", "5", "L"):
                raise UsageError("A weekday's number in the month is 1 to 5.", seen=part, wanted="such as FRI#2")
            found.add((_from_sunday(field.parse_number(day), field), LAST if nth == "L" else int(nth)))
        elif len(part) > 1 and part.endswith("L"):
            found.add((_from_sunday(field.parse_number(part[:-1]), field), LAST))
        elif len(part) > 1 and part.startswith("L"):
            found.add((_from_sunday(field.parse_number(part[1:]), field), LAST))
        else:
            found.update((_from_sunday(number, field), 0) for number in field.parse_range(part))
    return tuple(sorted(found))


def _from_sunday(number: int, field: _Field) -> int:
    return (number - field.low) % 7


def _check_zone(name: object) -> None:
    import zoneinfo

    try:
        if not isinstance(name, str):
            raise ValueError("not text")
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        known = zoneinfo.available_timezones()
        if isinstance(name, str) and not known:
            return  # a machine without the zone database, such as a small container: it needn't know
        raise UsageError(
            f"There is no time zone {name!r}.",
            wanted="an IANA name, such as 'Europe/Berlin'",
            help=suggest_name(name, known) if isinstance(name, str) else None,
        ) from None
