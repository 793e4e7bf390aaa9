"""Run ids, child run ids, clearings and tries."""

import pytest

from flow_provider.run_ids import child_run_id, clearing_generation, flow_run_id, tries_left
from flow_sdk.ids import is_run_id

AIRFLOW_RUN = "manual__2026-11-21T08:11:19.601375+00:00"


def test_a_readable_id_where_it_can_be_one() -> None:
    assert flow_run_id("HelloFlow", "HelloFlow", AIRFLOW_RUN) == f"airflow-{AIRFLOW_RUN}"


@pytest.mark.parametrize("run", ["a/b", "../../x", "ü", "x" * 300, "", "a b", "a\nb", "%2F"])
def test_any_airflow_run_gives_a_valid_id(run: str) -> None:
    for dag in ("HelloFlow", "other"):
        assert is_run_id(flow_run_id(dag, "HelloFlow", run))


def test_two_deployments_of_one_flow_never_share_a_run() -> None:
    assert flow_run_id("a.F", "F", "x") != flow_run_id("b.F", "F", "x") != flow_run_id("F", "F", "x")


def test_child_runs_are_told_apart_by_pass_and_clearing() -> None:
    names = {child_run_id(AIRFLOW_RUN, task, series) for task in ("0-0", "0-1", "3.1-0") for series in (0, 1, 7)}
    assert len(names) == 9
    assert child_run_id(AIRFLOW_RUN, "0-0", 0) == f"{AIRFLOW_RUN}__loop.0-0"


def test_a_long_run_id_still_gives_a_child_that_airflow_takes() -> None:
    first, second = child_run_id("x" * 248, "0-0", 0), child_run_id("x" * 247 + "y", "0-0", 0)
    assert first != second and max(len(first), len(second)) <= 250


def test_clearing_grows_the_generation_and_retrying_does_not() -> None:
    assert clearing_generation(max_tries=2, retries=2) == 0
    assert clearing_generation(max_tries=3, retries=2) == 1  # cleared after one try
    assert clearing_generation(max_tries=1, retries=2) == 0  # the DAG's retries grew since


def test_tries_left_count_down_to_zero() -> None:
    assert [tries_left(2, number) for number in (1, 2, 3, 4)] == [2, 1, 0, 0]
