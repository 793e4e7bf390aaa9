"""Schedules in EventBridge Scheduler (moto's, which stores them and never fires)."""

import uuid

import pytest

from flow_sdk.deploy.step_functions.schedule import FlowSchedule, Schedule, wanted_schedule
from flow_sdk.errors import DeployError, UsageError
from tests.unit.deploy.step_functions.flows import plan_of

ROLE = "arn:aws:iam::123456789012:role/scheduler"
MORNINGS = Schedule("cron(0 6 ? * 2-6 *)", "Europe/Berlin")


@pytest.fixture
def scheduler(services):
    name = f"F{uuid.uuid4().hex[:8]}"
    arn = f"arn:aws:states:us-east-1:123456789012:stateMachine:{name}:live"
    return FlowSchedule(name, arn, services.scheduler)


def test_made_kept_changed_and_removed(scheduler):
    assert scheduler.apply_schedule(None, None) is None
    assert scheduler.apply_schedule(MORNINGS, ROLE) == "create"
    found = scheduler.find_schedule()
    assert (found["ScheduleExpression"], found["ScheduleExpressionTimezone"]) == (
        "cron(0 6 ? * 2-6 *)",
        "Europe/Berlin",
    )
    assert found["FlexibleTimeWindow"] == {"Mode": "OFF"} and found["State"] == "ENABLED"
    assert {"Arn": scheduler.alias_arn, "RoleArn": ROLE, "Input": "{}"}.items() <= found["Target"].items()
    assert scheduler.apply_schedule(MORNINGS, ROLE) is None
    for changed, role in ((Schedule(MORNINGS.expression, "UTC"), ROLE), (MORNINGS, ROLE + "2"), (MORNINGS, ROLE)):
        assert scheduler.needed_change(changed, role) == "update"
        assert scheduler.apply_schedule(changed, role) == "update"
        assert scheduler.needed_change(changed, role) is None
    assert scheduler.apply_schedule(None, ROLE) == "remove"
    assert scheduler.find_schedule() is None and not scheduler.remove_schedule()


def test_a_schedule_that_was_switched_off_stays_off(scheduler):
    scheduler.apply_schedule(MORNINGS, ROLE)
    found = scheduler.find_schedule()
    scheduler.scheduler.update_schedule(
        **{key: found[key] for key in ("Name", "GroupName", "ScheduleExpression", "FlexibleTimeWindow", "Target")},
        State="DISABLED",
    )
    assert scheduler.apply_schedule(MORNINGS, ROLE) == "update"  # the time zone was lost as well
    assert scheduler.find_schedule()["State"] == "DISABLED"
    assert scheduler.apply_schedule(MORNINGS, ROLE) is None


def test_somebody_elses_schedule_is_left_alone(scheduler):
    FlowSchedule(
        scheduler.name, "arn:aws:states:us-east-1:123456789012:stateMachine:other", scheduler.scheduler
    ).apply_schedule(MORNINGS, ROLE)
    for act in (
        scheduler.find_schedule,
        lambda: scheduler.apply_schedule(None, None),
        lambda: scheduler.apply_schedule(MORNINGS, ROLE),
    ):
        with pytest.raises(DeployError, match="starts something else"):
            act()
    assert scheduler.scheduler.get_schedule(Name=scheduler.name)["Target"]["Arn"].endswith(":other")


def test_what_a_flow_declares(tmp_path):
    assert wanted_schedule(plan_of(tmp_path)) is None
    assert wanted_schedule(plan_of(tmp_path, '@schedule(cron="0 6 * * MON-FRI", timezone="Europe/Berlin")')) == MORNINGS
    assert wanted_schedule(plan_of(tmp_path, "@schedule(hourly=True)")) == Schedule("cron(0 * * * ? *)", "UTC")
    with pytest.raises(UsageError, match="EventBridge can't run this schedule"):
        wanted_schedule(plan_of(tmp_path, '@schedule(cron="0 6 1 * MON")'))
