"""Rules for alerts in EventBridge (moto's), and what reaches the topic."""

import json
import uuid

import boto3
import pytest
from botocore.stub import Stubber
from moto.events.models import EventPattern

from flow_sdk.deploy.step_functions.account import AwsAccount
from flow_sdk.deploy.step_functions.alerts import AlertRule, check_topic
from flow_sdk.errors import AwsError, DeployError

PLACE = AwsAccount("aws", "123456789012", "us-east-1", "team")
TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"


@pytest.fixture
def rule(services):
    return AlertRule(f"search.prod.F{uuid.uuid4().hex[:8]}", PLACE, services.events)


def test_made_kept_changed_and_removed(rule):
    assert rule.name == f"team_{rule.deployed_name}"
    assert rule.apply_topic(None) is None
    assert rule.needed_change(TOPIC) == rule.apply_topic(TOPIC) == "create"
    assert rule.find_topic() == TOPIC and rule.apply_topic(TOPIC) is None
    assert rule.needed_change(f"{TOPIC}-2") == rule.apply_topic(f"{TOPIC}-2") == "update"
    (target,) = rule.events.list_targets_by_rule(Rule=rule.name)["Targets"]
    assert target["Arn"] == f"{TOPIC}-2"
    assert rule.needed_change(None) == rule.apply_topic(None) == "remove"
    assert rule.find_topic() is None and not rule.remove_rule()


def test_a_rule_that_lost_its_topic_gets_it_back(rule):
    rule.apply_topic(TOPIC)
    rule.events.remove_targets(Rule=rule.name, Ids=["alerts"])
    assert rule.apply_topic(TOPIC) == "update" and rule.find_topic() == TOPIC


def test_somebody_elses_rule_is_left_alone(rule):
    rule.events.put_rule(Name=rule.name, ScheduleExpression="rate(1 day)")
    for act in (rule.find_topic, lambda: rule.apply_topic(TOPIC), lambda: rule.apply_topic(None)):
        with pytest.raises(DeployError, match="isn't for alerts of this flow"):
            act()
    assert rule.events.describe_rule(Name=rule.name)["ScheduleExpression"] == "rate(1 day)"


def event(rule, status, machine=None):
    detail = {
        "executionArn": "arn:aws:states:us-east-1:123456789012:execution:F:nightly",
        "stateMachineArn": machine or rule.machine_arn,
        "name": "nightly",
        "status": status,
        "input": '{"password": "canary"}',
    }
    return {
        "id": "1",
        "account": "123456789012",
        "time": "2026-01-31T12:00:00Z",
        "region": "us-east-1",
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "resources": [],
        "detail": detail,
    }


@pytest.mark.parametrize(
    ("status", "taken"),
    [("FAILED", True), ("TIMED_OUT", True), ("ABORTED", True), ("SUCCEEDED", False), ("RUNNING", False)],
)
def test_which_ends_are_told_of(rule, status, taken):
    matches = EventPattern.load(json.dumps(rule.event_pattern)).matches_event  # moto has no TestEventPattern
    assert matches(event(rule, status)) is taken
    assert not matches(event(rule, status, f"{rule.machine_arn}-2"))
    assert not matches(event(rule, status, f"{rule.machine_arn}/start")), "an item of a distributed map"


def test_a_name_with_the_signs_of_a_template(services):
    rule = AlertRule("a<name>b", PLACE, services.events)
    rule.apply_topic(TOPIC)
    (target,) = rule.events.list_targets_by_rule(Rule=rule.name)["Targets"]
    assert "of a_name_b is <status>" in target["InputTransformer"]["InputTemplate"]


def test_the_text_names_the_run_and_has_no_parameters(rule):
    rule.apply_topic(TOPIC)
    (target,) = rule.events.list_targets_by_rule(Rule=rule.name)["Targets"]
    transformer = target["InputTransformer"]
    assert set(transformer["InputPathsMap"].values()) == {
        "$.detail.status",
        "$.detail.name",
        "$.detail.executionArn",
    }
    text = json.loads(transformer["InputTemplate"])
    for name in transformer["InputPathsMap"]:
        assert f"<{name}>" in text
    assert "sfn-<name>" in text and rule.deployed_name in text


@pytest.fixture
def stub():
    events = boto3.client("events", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(events) as stubber:
        yield stubber, AlertRule("F", PLACE, events)


def test_who_may_not_look_at_rules_deploys_without_alerts(stub):
    stubber, rule = stub
    for _ in range(2):
        stubber.add_client_error("describe_rule", "AccessDeniedException", "not authorized")
    assert rule.apply_topic(None) is None
    with pytest.raises(AwsError, match="look at the rule for alerts"):
        rule.apply_topic(TOPIC)


def test_a_topic_that_eventbridge_refuses(stub):
    stubber, rule = stub
    stubber.add_client_error("describe_rule", "ResourceNotFoundException", "none")
    stubber.add_response("put_rule", {"RuleArn": "arn:aws:events:us-east-1:123456789012:rule/team_F"})
    failed = {"TargetId": "alerts", "ErrorCode": "ValidationException", "ErrorMessage": "no such topic"}
    stubber.add_response("put_targets", {"FailedEntryCount": 1, "FailedEntries": [failed]})
    with pytest.raises(DeployError, match="doesn't take the topic") as refused:
        rule.apply_topic(TOPIC)
    assert "no such topic" in str(refused.value)


@pytest.mark.parametrize("topic", ["alerts", "arn:aws:sqs:us-east-1:123456789012:q", f"{TOPIC}.fifo", "", f"{TOPIC}\n"])
def test_what_is_no_topic(topic):
    with pytest.raises(DeployError, match="isn't the ARN of a topic"):
        check_topic(topic)


def test_a_topic_of_another_region():
    check_topic(None, PLACE)
    check_topic(TOPIC, PLACE)
    with pytest.raises(DeployError, match="in another region"):
        check_topic(TOPIC.replace("us-east-1", "eu-west-1"), PLACE)
