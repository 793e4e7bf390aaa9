"""Reading the data of DAG files of this release, older ones and newer ones."""

import pytest

from flow_provider.deployment import read_deployment
from flow_sdk.errors import PlanError, PlanVersionError

PLAN = {"format": 1, "flow": "F", "file": "f.py", "doc": "", "steps": [{"name": "start", "kind": "end"}]}
DATA = {"format": 1, "digest": "d", "dag": "F", "store": "s3://b", "plan_hash": "0", "tags": ["x"], "plan": PLAN}


def test_what_is_left_out_has_its_default() -> None:
    found = read_deployment(DATA)
    assert found.dag == "F" and found.tags == ("x",) and found.cron is None and found.plan.start.name == "start"


def test_what_a_later_release_adds_without_a_new_format_is_passed_over() -> None:
    assert read_deployment({**DATA, "something": 1}).dag == "F"


def test_a_newer_file_names_the_release_to_install() -> None:
    with pytest.raises(PlanVersionError, match=r"airflow-provider-flow-sdk>=9\.1"):
        read_deployment({**DATA, "format": 99, "release": "9.1"})


@pytest.mark.parametrize("data", [{}, {"format": "1"}, {"format": 1}, {**DATA, "plan": {}}, None, []])
def test_damaged_data_is_one_clear_error(data: object) -> None:
    with pytest.raises(PlanError):
        read_deployment(data)  # type: ignore[arg-type]
