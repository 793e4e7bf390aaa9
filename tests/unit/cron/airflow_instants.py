"""Run by an interpreter that has Airflow: when its ``CronTriggerTimetable`` fires.

Reads ``[[cron, timezone, start, count], ...]`` as JSON and prints for each a list of seconds since the epoch.
"""

import json
import sys
from datetime import UTC, datetime

import pendulum
from airflow.timetables.trigger import CronTriggerTimetable


def instants(cron: str, timezone: str, start: str, count: int) -> list[float]:
    """The next instants after a start, as the scheduler works them out one after the other."""
    timetable = CronTriggerTimetable(cron, timezone=timezone)
    at = pendulum.instance(datetime.fromisoformat(start).replace(tzinfo=UTC))
    found = []
    for _ in range(count):
        at = timetable._get_next(at)
        found.append(at.timestamp())
    return found


if __name__ == "__main__":
    json.dump([instants(*question) for question in json.load(sys.stdin)], sys.stdout)
