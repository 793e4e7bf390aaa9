"""Names in AWS: legal, and never the same for two deployed names."""

import re

import pytest

from flow_sdk.deploy.step_functions.names import (
    check_prefix,
    machine_name,
    parameter_name,
    rule_name,
    schedule_name,
    tag_value,
)
from flow_sdk.errors import ConfigError

NAMES = [
    "F",
    "HelloFlow",
    "models.prod.Train",
    "models.user.anne.Train",
    "a-b_c.d",
    "x" * 80,
    "x" * 81,
    "x" * 82,
    "x" * 64,
    "x" * 65,
    "Flöw",
    "Flow_w",
    "日本語",
    "日本",
    "a b",
    "a_b",
    "a/b",
    "",
]


@pytest.mark.parametrize("prefix", ["", "flow-sdk", "p" * 40])
@pytest.mark.parametrize(("make", "longest"), [(machine_name, 80), (schedule_name, 64), (rule_name, 64)])
def test_names_are_legal_and_differ(make, longest, prefix):
    made = [make(name, prefix) for name in NAMES]
    assert all(name.startswith(f"{prefix}_" if prefix else "") for name in made)
    assert all(re.fullmatch(rf"[A-Za-z0-9_.-]{{1,{longest}}}", name) for name in made), made
    assert len(set(made)) == len(NAMES)


def test_a_prefix_is_joined_as_metaflow_does():
    assert machine_name("models.prod.Train", "team") == "team_models.prod.Train"
    assert check_prefix("team-1") == "team-1" and check_prefix(None) == check_prefix("") == ""


@pytest.mark.parametrize("prefix", ["a b", "é", "_a", "a/b", "p" * 41, "a\n"])
def test_prefixes_that_aws_does_not_take(prefix):
    with pytest.raises(ConfigError, match="SFN_STATE_MACHINE_PREFIX can't be"):
        check_prefix(prefix)


def test_a_short_plain_name_stays():
    assert [machine_name(name) for name in NAMES[:6]] == NAMES[:6]
    assert parameter_name("models.prod.Train") == "/flow-sdk/models.prod.Train/token"


def test_nobody_can_take_the_name_that_another_was_cut_to():
    cut = machine_name("x" * 200)
    assert machine_name(cut) != cut
    assert machine_name(machine_name(cut)) not in (cut, machine_name(cut))


def test_the_tag_holds_the_name_in_full():
    for name in ("models.prod." + "T" * 200, "Flöw", "a b"):
        assert tag_value(name) == name
    for name in ("x" * 257, "a<b", "a\nb"):
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,256}", tag_value(name)) and tag_value(name) != name
