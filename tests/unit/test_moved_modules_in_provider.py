"""What the Airflow provider of release 0.1.0 imports of the SDK, which an Airflow installation may upgrade alone."""

import importlib

import pytest

IMPORTED = {
    "flow_sdk.aws.credential_server": ("CredentialServer",),
    "flow_sdk.aws.credentials": ("RenewedCredentials",),
    "flow_sdk.aws.plain_files": ("write_without_credentials",),
    "flow_sdk.aws.settings": ("Encryption", "aws_files", "given_credentials"),
    "flow_sdk.errors": ("FlowSDKError", "PathspecError", "PlanError", "PlanVersionError", "TransitionError"),
    "flow_sdk.ids": ("FOREACH", "LOOP", "airflow_run_id", "parse_position"),
    "flow_sdk.plan.codec": ("from_data",),
    "flow_sdk.plan.model": ("FlowPlan", "Loop", "StepPlan"),
    "flow_sdk.plan.parameters": ("json_schema",),
    "flow_sdk.plan.positions": ("known_numbers", "last_number"),
    "flow_sdk.runtime.batch.follow": ("ENDED", "Job", "describe", "follow", "terminate"),
    "flow_sdk.runtime.batch.jobs": ("UNFINISHED", "sort_jobs", "task_jobs", "was_terminated"),
    "flow_sdk.runtime.batch.remote": ("RemoteTask",),
    "flow_sdk.runtime.batch.submit": ("JobTarget", "save_request", "submission", "submission_errors"),
    "flow_sdk.runtime.chosen": ("foreach_children", "is_chosen", "loop_outcome", "open_run", "task_of"),
    "flow_sdk.runtime.given_up": ("note_given_up", "take_back_end"),
    "flow_sdk.runtime.request": ("TaskRequest",),
    "flow_sdk.runtime.supervise": ("supervise",),
}

CALLED = {
    ("flow_sdk.runtime.batch.remote", "RemoteTask"): (
        *("expect", "expect_of_another", "remember", "recall", "committed", "status", "look", "ended"),
    ),
    ("flow_sdk.plan.model", "StepPlan"): ("decorator", "task_id", "position", "position_text", "parse_position"),
    ("flow_sdk.runtime.task.parents", "RunView"): ("read", "opener"),
}


@pytest.mark.parametrize("module", IMPORTED)
def test_what_the_previous_provider_imports_is_there(module: str) -> None:
    found = importlib.import_module(module)
    assert [name for name in IMPORTED[module] if not hasattr(found, name)] == []


@pytest.mark.parametrize(("module", "name"), CALLED)
def test_what_the_previous_provider_calls_is_there(module: str, name: str) -> None:
    kind = getattr(importlib.import_module(module), name)
    assert [method for method in CALLED[module, name] if not callable(getattr(kind, method, None))] == []


def test_names_of_earlier_paths_are_the_present_ones() -> None:
    from flow_sdk.deploy.airflow.runtime import airflow_run_id
    from flow_sdk.runtime.run_abandonment import clear_end
    from flow_sdk.runtime.run_queries import find_task_id

    assert importlib.import_module("flow_sdk.runtime.chosen").task_of is find_task_id
    assert importlib.import_module("flow_sdk.runtime.given_up").take_back_end is clear_end
    assert importlib.import_module("flow_sdk.ids").airflow_run_id is airflow_run_id
