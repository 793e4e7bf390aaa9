"""Ids that users give to runs: one set of rules for all targets."""

import pytest

from flow_sdk.deploy.airflow.run_ids import AIRFLOW_RUN_IDS
from flow_sdk.deploy.run_ids import check_run_id, existing_run_error
from flow_sdk.deploy.step_functions.executions import execution_name
from flow_sdk.deploy.step_functions.run_ids import STEP_FUNCTIONS_RUN_IDS
from flow_sdk.errors import UsageError

RULES = (STEP_FUNCTIONS_RUN_IDS, AIRFLOW_RUN_IDS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.target)
def test_an_id_with_or_without_its_prefix(rule):
    assert check_run_id("nightly-2026_01", rule) == "nightly-2026_01"
    assert check_run_id(f"{rule.prefix}nightly-1", rule) == "nightly-1"
    assert check_run_id("x" * rule.longest, rule) == "x" * rule.longest
    assert check_run_id(rule.prefix + "x" * rule.longest, rule) == "x" * rule.longest


def test_the_id_that_trigger_prints_finds_the_run():
    name = check_run_id("sfn-nightly", STEP_FUNCTIONS_RUN_IDS)
    assert execution_name(STEP_FUNCTIONS_RUN_IDS.prefix + name, "Flow") == name


def test_what_airflow_itself_makes_is_taken():
    assert check_run_id("manual__2026-01-01T00:00:00+00:00", AIRFLOW_RUN_IDS).startswith("manual__")
    assert check_run_id("airflow-0a1b2c3d-x", AIRFLOW_RUN_IDS, "airflow-0a1b2c3d-") == "x"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.target)
def test_an_id_that_is_too_long(rule):
    with pytest.raises(UsageError, match=f"too long for a run of {rule.target}") as refused:
        check_run_id("x" * (rule.longest + 1), rule)
    assert f"{rule.longest + 1:,} characters" in str(refused.value)
    assert f"at most {rule.longest} characters" in str(refused.value)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.target)
@pytest.mark.parametrize("given", ["", "a b", "a/b", "é", "a\n", "-a", "_a", "$(id)", "..", "a\x00b", "１"])
def test_what_is_no_id(rule, given):
    with pytest.raises(UsageError, match=f"can't be the id of a run of {rule.target}"):
        check_run_id(given, rule)
    with pytest.raises(UsageError):
        check_run_id(rule.prefix + given, rule)


def test_the_message_for_the_id_of_an_existing_run():
    text = str(existing_run_error("sfn-x", "Step Functions", "arn"))
    assert "There is a run sfn-x in Step Functions already" in text and "--run-id" in text
