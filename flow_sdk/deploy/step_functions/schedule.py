"""The schedule of a deployed flow in Amazon EventBridge Scheduler."""

from dataclasses import dataclass
from typing import Any

from flow_sdk.aws.errors import aws_errors, error_code
from flow_sdk.deploy.step_functions.names import schedule_name
from flow_sdk.errors import DeployError
from flow_sdk.plan.model import FlowPlan

__all__ = ["FlowSchedule", "Schedule", "wanted_schedule"]

GROUP = "default"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a flow starts.

    Parameters
    ----------
    expression : str
        ``cron(...)`` with six fields.
    timezone : str
        Such as ``Europe/Berlin``.
    """

    expression: str
    timezone: str

    def __str__(self) -> str:
        return f"{self.expression} in {self.timezone}"


def wanted_schedule(plan: FlowPlan) -> Schedule | None:
    """The schedule that a flow declares; None without ``@schedule``. Pure.

    Raises
    ------
    UsageError
        If EventBridge can't run it.
    """
    from flow_sdk.cron.parse import parse_schedule, to_eventbridge

    declared = plan.schedule
    if declared is None:
        return None
    return Schedule(*to_eventbridge(parse_schedule(declared.cron, declared.timezone)))


class FlowSchedule:
    """The one schedule of a deployed name.

    Parameters
    ----------
    name : str
        The deployed name.
    alias_arn : str
        What it starts.
    scheduler : botocore client
        Of the service EventBridge Scheduler.
    prefix : str
        What names in the account begin with, as in :class:`~flow_sdk.deploy.step_functions.account.AwsAccount`.
    """

    def __init__(self, name: str, alias_arn: str, scheduler: Any, prefix: str = "") -> None:
        self.name, self.alias_arn, self.scheduler = schedule_name(name, prefix), alias_arn, scheduler

    def find_schedule(self) -> dict[str, Any] | None:
        """What AWS holds under the schedule's name; None when there is none.

        Raises
        ------
        DeployError
            If it starts something else than our state machine.
        AwsError
            If AWS can't be asked.
        """
        from botocore.exceptions import ClientError

        with aws_errors("look at the schedule", where=self.name):
            try:
                found: dict[str, Any] = self.scheduler.get_schedule(Name=self.name, GroupName=GROUP)
            except ClientError as error:
                if error_code(error) == "ResourceNotFoundException":
                    return None
                raise
        if found["Target"]["Arn"] != self.alias_arn:
            raise DeployError(
                f"There is a schedule {self.name} that starts something else. It wasn't changed.",
                seen=found["Target"]["Arn"],
                wanted=self.alias_arn,
                help="Deploy under another --name; or delete that schedule, if it isn't needed.",
            )
        return found

    def needed_change(self, wanted: Schedule | None, role: str | None) -> str | None:
        """Say what :meth:`set` would have to do: ``create``, ``update``, ``remove``, or None."""
        return _needed_change(self.find_schedule(), wanted, role)

    def apply_schedule(self, wanted: Schedule | None, role: str | None) -> str | None:
        """Make, change or remove the schedule. One that was switched off in AWS stays so.

        Parameters
        ----------
        wanted : Schedule or None
            When to start; None for a flow without a schedule.
        role : str or None
            ARN of the role that the scheduler starts the state machine with; needed for a schedule.

        Returns
        -------
        str or None
            What was done: ``create``, ``update``, ``remove``, or None.

        Raises
        ------
        AwsError
            If AWS refuses.
        """
        found = self.find_schedule()
        change = _needed_change(found, wanted, role)
        if change == "remove":
            self.remove_schedule()
        elif change is not None and wanted is not None:
            call = self.scheduler.create_schedule if change == "create" else self.scheduler.update_schedule
            with aws_errors(f"{change} the schedule {wanted}", where=self.name):
                call(
                    Name=self.name,
                    GroupName=GROUP,
                    ScheduleExpression=wanted.expression,
                    ScheduleExpressionTimezone=wanted.timezone,
                    FlexibleTimeWindow={"Mode": "OFF"},
                    State="ENABLED" if found is None else found.get("State", "ENABLED"),
                    Target={"Arn": self.alias_arn, "RoleArn": role, "Input": "{}"},
                )
        return change

    def remove_schedule(self) -> bool:
        """Remove the schedule; returns whether there was one.

        Raises
        ------
        AwsError
            If AWS refuses.
        """
        from botocore.exceptions import ClientError

        with aws_errors("remove the schedule", where=self.name):
            try:
                self.scheduler.delete_schedule(Name=self.name, GroupName=GROUP)
            except ClientError as error:
                if error_code(error) != "ResourceNotFoundException":
                    raise
                return False
        return True


def _needed_change(found: dict[str, Any] | None, wanted: Schedule | None, role: str | None) -> str | None:
    if wanted is None:
        return None if found is None else "remove"
    if found is None:
        return "create"
    now = Schedule(found["ScheduleExpression"], found.get("ScheduleExpressionTimezone", "UTC"))
    same = now == wanted and found["Target"].get("RoleArn") == role and found["Target"].get("Input") == "{}"
    return None if same else "update"
