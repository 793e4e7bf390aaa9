"""Addresses that the buttons of a task lead to."""

import pytest

from flow_provider.links import artifacts_url, job_url
from flow_sdk.store.records.layout import commit_key

TASK = ("Small", "airflow-manual__1", "start", "0.1")


@pytest.mark.parametrize(
    ("store", "wanted"),
    [
        ("s3://bucket/some/prefix/", "https://s3.console.aws.amazon.com/s3/buckets/bucket?prefix=some/prefix/{}"),
        ("s3://bucket", "https://s3.console.aws.amazon.com/s3/buckets/bucket?prefix={}"),
        ("/data/store/", "/data/store/{}"),
        ("file:///data/store", "file:///data/store/{}"),
    ],
)
def test_a_task_leads_to_its_folder_in_the_store(store: str, wanted: str) -> None:
    folder = "flows/Small/runs/airflow-manual__1/steps/start/0.1/"
    assert artifacts_url(store, *TASK) == wanted.format(folder)
    assert commit_key(*TASK).startswith(folder), "where the store keeps the task"


def test_what_a_key_may_hold_is_quoted() -> None:
    assert artifacts_url("s3://b/a+b", "F", "airflow-x+00:00", "s", "0").endswith(
        "?prefix=a%2Bb/flows/F/runs/airflow-x%2B00%3A00/steps/s/0/"
    )


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "console.aws.amazon.com"),
        ("cn-north-1", "console.amazonaws.cn"),
        ("us-gov-west-1", "console.amazonaws-us-gov.com"),
    ],
)
def test_a_job_leads_to_the_console_of_its_partition(region: str, host: str) -> None:
    assert job_url(region, "a/b") == f"https://{host}/batch/home?region={region}#jobs/detail/a%2Fb"
