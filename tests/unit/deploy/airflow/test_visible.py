"""Waiting for Airflow to show a DAG: the new version, an old one, an old error, a new error, nothing."""

import pytest

from flow_sdk.deploy.airflow.api import AirflowRefused
from flow_sdk.deploy.airflow.create import AirflowDeployment
from flow_sdk.deploy.airflow.visible import import_error_of, wait_visible
from flow_sdk.errors import DeployError
from tests.support.fake_airflow_api import FakeApi

DEPLOYED = AirflowDeployment(
    name="F", result="/dags/F.py", namespace="production:F", digest="0123456789abcdef", is_changed=True
)
NEW, OLD = "Flow SDK, deployment 0123456789abcdef.", "Flow SDK, deployment 9999999999999999."
ERROR = {"filename": "/opt/airflow/dags/F.py", "stack_trace": "boom", "timestamp": 1}


def wait(api: FakeApi, **options: object) -> list[float]:
    time = [0.0]
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        time[0] += seconds

    wait_visible(api, DEPLOYED, on_wait=waited.append, clock=lambda: time[0], sleep=sleep, **options)  # type: ignore[arg-type]
    return waited


def test_the_new_version_ends_the_wait() -> None:
    assert len(wait(FakeApi((None, None), (OLD, None), (NEW, None)))) == 2


def test_a_web_server_that_fails_for_a_moment_is_asked_again() -> None:
    failed = AirflowRefused("Airflow can't show DAG F (HTTP 500).", status=500)
    assert len(wait(FakeApi((None, None), failed, (NEW, None)))) == 2
    with pytest.raises(AirflowRefused, match="HTTP 500"):
        wait(FakeApi(failed), timeout=10)


def test_a_refusal_ends_the_wait_at_once() -> None:
    with pytest.raises(AirflowRefused, match="HTTP 403"):
        wait(FakeApi(AirflowRefused("Airflow can't show DAG F (HTTP 403).", status=403), (NEW, None)))


def test_an_error_for_the_file_is_told_with_its_trace() -> None:
    with pytest.raises(DeployError, match="boom"):
        wait(FakeApi((None, None), (None, ERROR)))


def test_an_error_that_was_there_before_does_not_count_until_it_changes() -> None:
    assert wait(FakeApi((None, ERROR), (OLD, ERROR), (NEW, None)), before=ERROR)
    with pytest.raises(DeployError, match="boom"):
        wait(FakeApi((None, ERROR), (None, {**ERROR, "timestamp": 2})), before=ERROR)


def test_an_old_error_is_told_when_nothing_else_happens() -> None:
    with pytest.raises(DeployError, match="boom"):
        wait(FakeApi((None, ERROR)), before=ERROR, timeout=10)


def test_silence_ends_with_what_to_look_at() -> None:
    with pytest.raises(DeployError, match="refresh_interval"):
        wait(FakeApi((OLD, None)), timeout=10)


def test_errors_of_other_files_are_not_ours() -> None:
    assert import_error_of(FakeApi((None, None)), "/dags/F.py") is None  # type: ignore[arg-type]
    assert import_error_of(FakeApi((None, ERROR)), "s3://bucket/dags/F.py") == ERROR  # type: ignore[arg-type]
