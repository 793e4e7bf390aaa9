"""Alerts of a deployed flow: a rule of Amazon EventBridge that reports runs that didn't succeed to an SNS topic."""

import json
import re
from typing import Any

from flow_sdk.aws.errors import aws_errors, error_code
from flow_sdk.deploy.step_functions.account import AwsAccount
from flow_sdk.deploy.step_functions.names import rule_name
from flow_sdk.errors import AwsError, DeployError

__all__ = ["AlertRule", "check_topic"]

ALERTED = ("FAILED", "TIMED_OUT", "ABORTED")
"""The final states of a run that are reported."""

TARGET = "alerts"
"""Id of the rule's one target."""

_TOPIC = re.compile(r"arn:[a-z-]+:sns:(?P<region>[a-z0-9-]+):\d{12}:[A-Za-z0-9_-]{1,256}", re.ASCII)
_DENIED = ("AccessDenied", "AccessDeniedException")
_PATHS = {"status": "$.detail.status", "name": "$.detail.name", "execution": "$.detail.executionArn"}


def check_topic(topic: str | None, account: AwsAccount | None = None) -> None:
    """Refuse what can't be the topic of alerts.

    Parameters
    ----------
    topic : str or None
        What ``--alert-topic`` says; None for no alerts.
    account : AwsAccount, optional
        Account and region of the deployment, where they are known.

    Raises
    ------
    DeployError
        If it isn't the ARN of a topic, or of one in another region.
    """
    found = None if topic is None else _TOPIC.fullmatch(topic)
    if topic is not None and found is None:
        raise DeployError(
            "--alert-topic isn't the ARN of a topic of Amazon SNS.",
            seen=repr(topic)[:200],
            wanted="an ARN such as arn:aws:sns:REGION:123456789012:NAME; no FIFO topic",
            help="Make one with the templates in infra/ (AlertEmail), or with: aws sns create-topic --name NAME",
        )
    if found is not None and account is not None and found["region"] != account.region:
        raise DeployError(
            "The topic of --alert-topic is in another region than the flow: EventBridge doesn't reach it.",
            seen=found["region"],
            wanted=account.region,
        )


class AlertRule:
    """The one rule for alerts of a deployed name.

    Parameters
    ----------
    name : str
        The deployed name.
    account : AwsAccount
        Account and region.
    events : botocore client
        Of the service EventBridge.
    """

    def __init__(self, name: str, account: AwsAccount, events: Any) -> None:
        self.deployed_name, self.events = name, events
        self.name = rule_name(name, account.prefix)
        self.machine_arn = account.machine_arn(account.name_of(name))

    @property
    def event_pattern(self) -> dict[str, Any]:
        """The events that the rule takes. Items of distributed maps have an ARN of their own, and don't match."""
        return {
            "source": ["aws.states"],
            "detail-type": ["Step Functions Execution Status Change"],
            "detail": {"stateMachineArn": [self.machine_arn], "status": list(ALERTED)},
        }

    def _topic_target(self, topic: str) -> dict[str, Any]:
        """Where the events go, and the text that is sent: parameters stay out of it."""
        name = re.sub("[<>]", "_", self.deployed_name)  # they enclose what is filled in
        text = f"The run sfn-<name> of {name} is <status>. Execution: <execution>"
        template = {"InputPathsMap": _PATHS, "InputTemplate": json.dumps(text, ensure_ascii=False)}
        return {"Id": TARGET, "Arn": topic, "InputTransformer": template}

    def find_topic(self) -> str | None:
        """Return the topic that the rule in AWS reports to; None if there is no rule, "" for a rule without a topic.

        Raises
        ------
        DeployError
            If the rule is for another state machine.
        AwsError
            If AWS can't be asked.
        """
        from botocore.exceptions import ClientError

        with aws_errors("look at the rule for alerts", where=self.name):
            try:
                found = self.events.describe_rule(Name=self.name)
            except ClientError as error:
                if error_code(error) == "ResourceNotFoundException":
                    return None
                raise
            targets = self.events.list_targets_by_rule(Rule=self.name)["Targets"]
        self._check_ours(found)
        return next((str(target["Arn"]) for target in targets if target["Id"] == TARGET), "")

    def _check_ours(self, found: dict[str, Any]) -> None:
        try:
            machines = json.loads(found.get("EventPattern") or "{}")["detail"]["stateMachineArn"]
        except (ValueError, KeyError, TypeError):
            machines = None
        if machines != [self.machine_arn]:
            raise DeployError(
                f"There is a rule {self.name} in EventBridge that isn't for alerts of this flow. It wasn't changed.",
                seen=str(found.get("EventPattern") or found.get("ScheduleExpression"))[:200],
                wanted=json.dumps(self.event_pattern),
                help="Deploy under another --name; or delete that rule, if it isn't needed.",
            )

    def needed_change(self, topic: str | None) -> str | None:
        """Say what :meth:`set` would have to do: ``create``, ``update``, ``remove``, or None.

        Raises
        ------
        DeployError, AwsError
            As :meth:`find_topic`. Without a topic, a user who may not read rules has none to remove.
        """
        try:
            found = self.find_topic()
        except AwsError as error:
            if topic is None and error.code in _DENIED:
                return None
            raise
        if topic is None:
            return None if found is None else "remove"
        return "create" if found is None else None if found == topic else "update"

    def apply_topic(self, topic: str | None) -> str | None:
        """Make, change or remove the rule.

        Parameters
        ----------
        topic : str or None
            ARN of the SNS topic; None for no alerts.

        Returns
        -------
        str or None
            What was done: ``create``, ``update``, ``remove``, or None.

        Raises
        ------
        DeployError
            If the rule is for another state machine, or EventBridge refuses the topic.
        AwsError
            If AWS refuses.
        """
        change = self.needed_change(topic)
        if change == "remove":
            self.remove_rule()
        elif change is not None and topic is not None:
            with aws_errors(f"{change} the rule for alerts", where=self.name):
                self.events.put_rule(
                    Name=self.name,
                    EventPattern=json.dumps(self.event_pattern),
                    State="ENABLED",
                    Description="Runs of a flow that didn't succeed; made by Flow SDK.",
                )
                failed = self.events.put_targets(Rule=self.name, Targets=[self._topic_target(topic)])["FailedEntries"]
            if failed:
                raise DeployError(
                    "EventBridge doesn't take the topic of --alert-topic.",
                    seen=f"{failed[0].get('ErrorCode')}: {failed[0].get('ErrorMessage')}"[:300],
                    where=topic,
                )
        return change

    def remove_rule(self) -> bool:
        """Remove the rule; returns whether there was one.

        Raises
        ------
        AwsError
            If AWS refuses.
        """
        from botocore.exceptions import ClientError

        with aws_errors("remove the rule for alerts", where=self.name):
            try:
                self.events.remove_targets(Rule=self.name, Ids=[TARGET])
                self.events.delete_rule(Name=self.name)
            except ClientError as error:
                if error_code(error) != "ResourceNotFoundException":
                    raise
                return False
        return True
