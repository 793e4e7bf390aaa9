"""What the Airflow provider of the previous release imports from the SDK, and uses of its objects.

Workers and the Airflow server may have another release of the SDK than of the provider for the time of an update.
"""

import importlib
import inspect
import re
from dataclasses import fields, is_dataclass

import pytest

from flow_sdk.aws.credential_server import CredentialServer
from flow_sdk.aws.credentials import RenewedCredentials
from flow_sdk.aws.settings import Encryption
from flow_sdk.plan.model import FlowPlan, Loop, LoopPlan, ParameterPlan, StepPlan
from flow_sdk.runtime.batch.remote_task import RemoteTask
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.task.parents import RunView
from flow_sdk.store.records.model import Manifest, ParentRef

IMPORTS = {
    "flow_sdk.aws.credential_server": "CredentialServer",
    "flow_sdk.aws.credentials": "RenewedCredentials",
    "flow_sdk.aws.plain_files": "write_without_credentials",
    "flow_sdk.aws.settings": "Encryption aws_files given_credentials",
    "flow_sdk.errors": "FlowSDKError PathspecError PlanError PlanVersionError TransitionError",
    "flow_sdk.ids": "FOREACH LOOP airflow_run_id parse_position",
    "flow_sdk.plan.codec": "from_data",
    "flow_sdk.plan.model": "FlowPlan Loop StepPlan",
    "flow_sdk.plan.parameters": "json_schema",
    "flow_sdk.plan.positions": "known_numbers last_number",
    "flow_sdk.runtime.batch.follow": "ENDED Job describe follow terminate",
    "flow_sdk.runtime.batch.jobs": "UNFINISHED sort_jobs task_jobs was_terminated",
    "flow_sdk.runtime.batch.remote": "RemoteTask",
    "flow_sdk.runtime.batch.submit": "JobTarget save_request submission submission_errors",
    "flow_sdk.runtime.chosen": "foreach_children is_chosen loop_outcome open_run task_of",
    "flow_sdk.runtime.given_up": "note_given_up take_back_end",
    "flow_sdk.runtime.request": "TaskRequest",
    "flow_sdk.runtime.supervise": "supervise",
}

MEMBERS: dict[type, str] = {
    CredentialServer: "environment close",
    Encryption: "environment",
    FlowPlan: "flow doc steps loops parameters start decorator",
    LoopPlan: "entry body",
    Manifest: "generation attempt parents",
    ParameterPlan: "name required default",
    ParentRef: "step task attempt",
    RemoteTask: "artifacts committed ended expect expect_of_another look recall remember request status",
    RenewedCredentials: "is_renewable keys",
    RunView: "plan read",
    StepPlan: (
        "name kind next foreach scopes parents back joins doc kinds position position_text parse_position decorator"
    ),
    TaskRequest: (
        "root flow run step task plan package tries_left generation parameters user tags system_tags namespace "
        "orchestrator max_num_splits environment pathspec"
    ),
}


@pytest.mark.parametrize("module", IMPORTS)
def test_what_the_provider_imports_is_there(module: str) -> None:
    found = importlib.import_module(module)
    assert [name for name in IMPORTS[module].split() if not hasattr(found, name)] == []


@pytest.mark.parametrize("kind", MEMBERS, ids=lambda kind: kind.__name__)
def test_what_the_provider_uses_of_an_object_is_there(kind: type) -> None:
    if is_dataclass(kind):
        own = {field.name for field in fields(kind)}
    else:
        own = set(re.findall(r"\bself\.(\w+)\b", inspect.getsource(kind.__init__)))  # type: ignore[misc]
    known = {*dir(kind), *own}
    assert [name for name in MEMBERS[kind].split() if name not in known] == []


def test_the_loops_of_a_plan_have_their_earlier_name() -> None:
    assert Loop is LoopPlan
