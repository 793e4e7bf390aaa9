"""Creating a deployment: everything is checked before anything is written."""

import os
from pathlib import Path

import pytest

from flow_sdk.deploy.airflow.create import AirflowDeployment, AirflowDraft, AirflowOptions
from flow_sdk.deploy.pipeline import create_deployment
from flow_sdk.deploy.port import DeploymentSource
from flow_sdk.errors import DeployError
from flow_sdk.plan.codec import to_json
from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.model import FlowPlan
from flow_sdk.plan.parameters import plan_parameters
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from tests.support.in_process_runs import load_source

FLOW = """
from flow_sdk import FlowSpec, Parameter, schedule, step

{schedule}
class F(FlowSpec):
    p = Parameter("p", type=int, {p})

    @step
    def start(self):
        self.next(self.work)

    @step
    def work(self):
        self.next({{1: self.work, 2: self.end}}, condition="c")

    @step
    def end(self):
        pass
"""


def plan_of(folder: Path, schedule: str = "", p: str = "default=1") -> FlowPlan:
    flow = load_source(FLOW.format(schedule=schedule, p=p), "F", str(folder))
    return compile_plan(flow, file="f.py", parameters=plan_parameters(flow, None))


def create(tmp_path: Path, plan: FlowPlan | None = None, target: str = "dags", **options: object) -> AirflowDeployment:
    plan = plan or plan_of(tmp_path)
    draft = AirflowDraft(plan, str(tmp_path / target), AirflowOptions(**options))  # type: ignore[arg-type]
    made = create_deployment(draft, DeploymentSource(plan, b"package", str(tmp_path / "store")), None)
    assert isinstance(made, AirflowDeployment)
    return made


REFUSED = [
    {"name": "a b"},
    {"name": "ü"},
    {"name": "x" * 251},
    {"name": "x" * 245},  # the loop's DAG has a longer one
    {"name": "a\n"},
    {"tags": ("x" * 101,)},
    {"tags": ("",)},
    {"max_workers": 0},
    {"workflow_timeout": 0},
    {"workflow_timeout": 1e12},
    {"worker_pool": ""},
]


@pytest.mark.parametrize("options", REFUSED, ids=str)
def test_what_airflow_would_refuse_is_refused_first(options: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    with pytest.raises(DeployError):
        create(tmp_path, **options)
    assert os.listdir(tmp_path / "dags") == [] and not (tmp_path / "store").exists()


def test_a_target_that_is_not_there_leaves_no_store(tmp_path: Path) -> None:
    with pytest.raises(DeployError):
        create(tmp_path, target="nowhere")
    assert not (tmp_path / "store").exists()


def test_a_schedule_needs_defaults_for_all_parameters(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    with pytest.raises(DeployError, match="schedule"):
        create(tmp_path, plan_of(tmp_path, "@schedule(daily=True)", "required=True"))
    create(tmp_path, plan_of(tmp_path, "@schedule(daily=True)"))


def test_a_secret_in_the_source_is_refused(tmp_path: Path) -> None:
    secret = '@secrets(sources=[{"type": "inline", "options": {"env_vars": {"TOKEN": "canary"}}}])'
    source = FLOW.format(schedule="", p="default=1").replace("import", "import secrets,", 1)
    source = source.replace("    @step\n    def work", f"    {secret}\n    @step\n    def work")
    flow = load_source(source, "F", str(tmp_path))
    plan = compile_plan(flow, file="f.py", parameters=plan_parameters(flow, None))
    with pytest.raises(DeployError, match="can't be deployed") as caught:
        create(tmp_path, plan)
    assert "work" in str(caught.value) and "canary" not in str(caught.value) and not (tmp_path / "store").exists()


def test_a_store_in_memory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    with pytest.raises(DeployError, match="memory"):
        plan = plan_of(tmp_path)
        draft = AirflowDraft(plan, str(tmp_path / "dags"), AirflowOptions())
        create_deployment(draft, DeploymentSource(plan, b"", "memory://x"), None)


def test_the_store_has_plan_and_package_under_the_names_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    plan = plan_of(tmp_path)
    create(tmp_path, plan)
    text = (tmp_path / "dags" / "F.py").read_text()
    namespace: dict[str, object] = {}
    exec(text.replace("from flow_provider import load_dags", "load_dags = lambda data: data"), namespace)
    artifacts = Artifacts(open_store(str(tmp_path / "store")))
    deployment = namespace["DEPLOYMENT"]
    assert isinstance(deployment, dict)
    assert artifacts.get_bytes(deployment["plan_hash"], where="plan") == to_json(plan)
    assert artifacts.get_bytes(deployment["package_hash"], where="package") == b"package"
    assert open_store(deployment["store"], create=False)


def test_creating_twice_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    first, second = create(tmp_path), create(tmp_path)
    assert (first.is_changed, second.is_changed) == (True, False)
    assert first.digest == second.digest


def test_six_field_cron_and_zone_reach_the_file_as_airflow_reads_them(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    create(tmp_path, plan_of(tmp_path, "@schedule(cron='30 6 ? * MON-FRI *', timezone='Europe/Berlin')"))
    text = (tmp_path / "dags" / "F.py").read_text()
    assert "\"cron\": '30 6 * * 1-5',\n    \"timezone\": 'Europe/Berlin',\n" in text
