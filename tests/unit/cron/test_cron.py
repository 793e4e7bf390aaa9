"""Schedules: both notations read into one form, written for each target, fired at the same instants as by Airflow."""

import json
import os
import random
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flow_sdk.cron.parse import CronSchedule, next_times, parse_schedule, to_airflow, to_eventbridge
from flow_sdk.errors import UsageError

pytestmark = pytest.mark.slow  # starts processes or servers

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")
CLOCK_CHANGES = ("2025-03-08T12:00", "2025-03-29T12:00", "2025-10-25T09:00", "2025-11-01T16:00")


@pytest.mark.parametrize(
    ("expression", "airflow", "eventbridge"),
    [
        ("0 * * * *", "0 * * * *", "cron(0 * * * ? *)"),
        ("0 0 * * 0", "0 0 * * 0", "cron(0 0 ? * 1 *)"),
        ("0 0 * * 7", "0 0 * * 0", "cron(0 0 ? * 1 *)"),
        ("0 10 * * ? *", "0 10 * * *", "cron(0 10 * * ? *)"),
        ("cron(0 10 * * ? *)", "0 10 * * *", "cron(0 10 * * ? *)"),
        ("0 10 ? * 1 *", "0 10 * * 0", "cron(0 10 ? * 1 *)"),
        ("0 10 ? * 7 *", "0 10 * * 6", "cron(0 10 ? * 7 *)"),
        ("0 10 ? * L *", "0 10 * * 6", "cron(0 10 ? * 7 *)"),
        ("30 6 ? * MON-FRI *", "30 6 * * 1-5", "cron(30 6 ? * 2-6 *)"),
        ("30 6 * * mon-fri", "30 6 * * 1-5", "cron(30 6 ? * 2-6 *)"),
        ("0 0 * * FRI-MON", "0 0 * * 0,1,5,6", "cron(0 0 ? * 1,2,6,7 *)"),
        ("*/15 9-17 * * *", "*/15 9-17 * * *", "cron(*/15 9-17 * * ? *)"),
        ("5/20 22-2 * * ? *", "5/20 0-2,22,23 * * *", "cron(5/20 0-2,22,23 * * ? *)"),
        ("0 0 1 JAN,JUL *", "0 0 1 1,7 *", "cron(0 0 1 1,7 ? *)"),
        ("0 0 L * ? *", "0 0 L * *", "cron(0 0 L * ? *)"),
        ("0 0 1,L * ? *", "0 0 1,L * *", "cron(0 0 1,L * ? *)"),
        ("0 0 15W * ? *", "0 0 15W * *", "cron(0 0 15W * ? *)"),
        ("0 0 ? * 6#2 *", "0 0 * * 5#2", "cron(0 0 ? * 6#2 *)"),
        ("0 0 * * 5#2", "0 0 * * 5#2", "cron(0 0 ? * 6#2 *)"),
        ("0 0 ? * FRIL *", "0 0 * * L5", "cron(0 0 ? * 6L *)"),
        ("0 0 * * L5", "0 0 * * L5", "cron(0 0 ? * 6L *)"),
        ("0 0 13 * 5", "0 0 13 * 5", None),
        ("0 0 1-31 * 5", "0 0 * * *", "cron(0 0 * * ? *)"),
        ("0 0 1 1 ? 2030-2032", None, "cron(0 0 1 1 ? 2030-2032)"),
        ("0 0 LW * ? *", None, "cron(0 0 LW * ? *)"),
        ("0 0 31W * ? *", None, "cron(0 0 31W * ? *)"),
        ("0 0 1W,15W * ? *", None, "cron(0 0 1W,15W * ? *)"),
        ("0 0 ? * 2,6#2 *", None, None),
        ("0 0 ? * MON#1,WED#3 *", "0 0 * * 1#1,3#3", None),
        ("0 0 ? * MON#1,MON#3 *", "0 0 * * 1#1,1#3", None),
        ("0 0 ? * 5L,6#2 *", "0 0 * * L4,5#2", None),
        ("0 0 ? * MON#1,MON#1 *", "0 0 * * 1#1", "cron(0 0 ? * 2#1 *)"),
        ("0 0 * * 1#1,3#3", "0 0 * * 1#1,3#3", None),
        ("0 0 1 * 5#2", None, None),
    ],
)
def test_notations(expression: str, airflow: str | None, eventbridge: str | None) -> None:
    schedule = parse_schedule(expression, "Europe/Berlin")
    for write, text in ((to_airflow, airflow), (to_eventbridge, eventbridge)):
        if text is None:
            with pytest.raises(UsageError, match="can't run this schedule") as caught:
                write(schedule)
            assert caught.value.seen
        else:
            assert write(schedule) == (text, "Europe/Berlin")
            assert parse_schedule(text, "Europe/Berlin") == schedule


@pytest.mark.parametrize(
    ("expression", "headline"),
    [
        (5, "A cron expression is text"),
        ("", "A cron expression has five fields"),
        ("@daily", "A cron expression has five fields"),
        ("0 0 * *", "A cron expression has five fields"),
        ("0 0 0 * * ? *", "A cron expression has five fields"),
        ("0 10 * * * *", "In AWS's six fields either"),
        ("0 10 ? * ? *", "In AWS's six fields either"),
        ("60 * * * *", "The schedule's minute can't be used"),
        ("0 24 * * *", "The schedule's hour can't be used"),
        ("0 0 0 * *", "The schedule's day of the month can't be used"),
        ("0 0 * 13 *", "The schedule's month can't be used"),
        ("0 0 * * 8", "The schedule's day of the week can't be used"),
        ("0 0 ? * 0 *", "The schedule's day of the week can't be used"),
        ("0 0 ? * 8 *", "The schedule's day of the week can't be used"),
        ("0 0 * * ? 1969", "The schedule's year can't be used"),
        ("0/0 * * * *", "The schedule's minute can't be used"),
        ("*/x * * * *", "The schedule's minute can't be used"),
        ("1- * * * *", "The schedule's minute can't be used"),
        ("1,,2 * * * *", "The schedule's minute can't be used"),
        ("-1 * * * *", "The schedule's minute can't be used"),
        ("٣ * * * *", "The schedule's minute can't be used"),
        ("? * * * *", "The schedule's minute can't be used"),
        ("0 0 ? * FRI#6 *", "A weekday's number in the month is 1 to 5"),
        ("0 0 * * L", "The schedule's day of the week can't be used"),
        ("0 0 30 2 *", "The schedule would never fire"),
        ("0 0 29 2 ? 2030", "The schedule would never fire"),
    ],
)
def test_wrong_expressions(expression: object, headline: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_schedule(expression)
    assert caught.value.headline.startswith(headline)


@pytest.mark.parametrize("zone", ["Europe/Berln", "../etc/passwd", "", "CET+1h", 5])
def test_wrong_zones(zone: object) -> None:
    with pytest.raises(UsageError, match="There is no time zone"):
        parse_schedule("0 0 * * *", zone)


def test_a_machine_without_zones_takes_any(monkeypatch: pytest.MonkeyPatch) -> None:
    import zoneinfo

    def missing(name: str) -> None:
        raise zoneinfo.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(zoneinfo, "ZoneInfo", missing)
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    assert parse_schedule("0 0 * * *", "Europe/Berlin").timezone == "Europe/Berlin"


def times(schedule: CronSchedule, after: str, n: int) -> list[str]:
    return [f"{t:%Y-%m-%d %H:%M}" for t in next_times(schedule, datetime.fromisoformat(after).replace(tzinfo=UTC), n)]


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        ("0 10 * * *", None, "2025-01-01T10:00", ["2025-01-02 10:00", "2025-01-03 10:00"]),
        ("0 10 * * *", "Europe/Berlin", "2025-03-29T00:00", ["2025-03-29 09:00", "2025-03-30 08:00"]),
        ("0 0 ? * 6#5 *", None, "2025-01-01", ["2025-01-31 00:00", "2025-05-30 00:00"]),
        ("0 0 LW * ? *", None, "2025-05-01", ["2025-05-30 00:00", "2025-06-30 00:00"]),
        ("0 0 1W * ? *", None, "2025-02-01", ["2025-02-03 00:00", "2025-03-03 00:00"]),
        ("0 0 31W * ? *", None, "2025-05-01", ["2025-05-30 00:00", "2025-07-31 00:00"]),
        ("0 0 29 2 *", None, "2025-01-01", ["2028-02-29 00:00", "2032-02-29 00:00"]),
        ("0 0 13 * 5", None, "2025-06-01", ["2025-06-06 00:00", "2025-06-13 00:00"]),
        ("0 0 1 1 ? 2030", None, "2025-01-01", ["2030-01-01 00:00"]),
        # Half past two is left out in Berlin on March 30th, and comes twice on October 26th.
        ("30 2 * * *", "Europe/Berlin", "2025-03-29T12:00", ["2025-03-30 01:30", "2025-03-31 00:30"]),
        ("30 2 * * *", "Europe/Berlin", "2025-10-25T12:00", ["2025-10-26 01:30", "2025-10-27 01:30"]),
        ("30 * * * *", "Europe/Berlin", "2025-03-30T00:00", ["2025-03-30 00:30", "2025-03-30 01:30"]),
        ("30 * * * *", "Europe/Berlin", "2025-10-26T00:00", ["2025-10-26 00:30", "2025-10-26 01:30"]),
    ],
)
def test_times(expression: str, zone: str | None, after: str, expected: list[str]) -> None:
    assert times(parse_schedule(expression, zone), after, 2) == expected


def random_expression(source: random.Random) -> str:
    """A five-field expression that croniter and we must read alike."""

    def field(low: int, high: int) -> str:
        numbers = sorted(source.sample(range(low, high + 1), 3))
        first, second, third = (str(number) for number in numbers)
        return source.choice(["*", "*", first, f"{first}-{second}", f"{first},{third}", f"{first}/{numbers[1]}"])

    day, weekday = field(1, 28), field(0, 6)
    special = source.random()
    if special < 0.2:
        day, weekday = source.choice(["L", "1,L", "15W", "1W", "28W"]), "*"
    elif special < 0.4:
        day, weekday = "*", source.choice(["L5", "5#2", "1#1,3#2", "0#5", "L0,2#3"])
    return f"{field(0, 59)} {field(0, 23)} {day} {field(1, 12)} {weekday}"


def questions() -> list[tuple[str, str, str, int]]:
    """Expressions, zones and starts: every clock change, and random ones from a seed."""
    fixed = ("30 2 * * *", "0 * * * *", "*/30 * * * *", "15 1,2,3 * * *", "0 */2 * * *", "45 1 * * *", "30 1 * * SUN")
    asked = [(cron, zone, start, 60) for cron in fixed for zone in ZONES for start in CLOCK_CHANGES]
    source = random.Random(2025)
    for _ in range(300):
        start = datetime(2024, 1, 1) + timedelta(minutes=source.randrange(600_000))
        asked.append((random_expression(source), "UTC", start.isoformat(), 5))
    return asked


def ours_and_airflows(python: str, folder: Path) -> tuple[list[list[float]], list[list[float]]]:
    ours, asked = [], []
    for expression, zone, start, count in questions():
        schedule = parse_schedule(expression, zone)
        after = datetime.fromisoformat(start).replace(tzinfo=UTC)
        ours.append([time.timestamp() for time in next_times(schedule, after, count)])
        asked.append((*to_airflow(schedule), start, count))
    environment = {**os.environ, "AIRFLOW_HOME": str(folder)}
    command = [python, str(Path(__file__).with_name("airflow_instants.py"))]
    done = subprocess.run(
        command, input=json.dumps(asked), env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return ours, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.airflow3
def test_airflow_3_fires_at_the_same_instants(airflow_python: str, tmp_path: Path) -> None:
    ours, airflows = ours_and_airflows(airflow_python, tmp_path)
    assert [pair for pair in zip(questions(), ours, airflows, strict=True) if pair[1] != pair[2]] == []


@pytest.mark.airflow2
def test_airflow_2_fires_at_the_same_instants(airflow_python: str, tmp_path: Path) -> None:
    ours, airflows = ours_and_airflows(airflow_python, tmp_path)
    assert [pair for pair in zip(questions(), ours, airflows, strict=True) if pair[1] != pair[2]] == []
