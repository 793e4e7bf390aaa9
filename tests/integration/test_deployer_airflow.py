"""Deployer and a real Airflow: deploy with a token in Airflow too, trigger, wait, read the run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flow_sdk import Deployer
from flow_sdk.errors import UsageError
from tests.support.airflow import AirflowServer
from tests.support.airflow_runs import clean_environment
from tests.support.airflow_servers import AirflowServers, only
from tests.unit.programmatic.flow_files import write

pytestmark = pytest.mark.airflow3


@pytest.fixture(scope="module")
def airflow(airflows: AirflowServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowServer]:
    env = clean_environment(tmp_path_factory.mktemp("deployer") / "home")
    with airflows.use("airflow3", "deployer") as server, only(env):
        yield server


def test_from_create_to_the_runs_artifacts(airflow: AirflowServer, tmp_path: Path) -> None:
    reached = {
        "FLOW_SDK_AIRFLOW_URL": airflow.url,
        "FLOW_SDK_AIRFLOW_USER": airflow.user,
        "FLOW_SDK_AIRFLOW_PASSWORD": airflow.password,
    }
    deployer = Deployer(write(tmp_path), show_output=False, env=reached, datastore_root=str(tmp_path / "store"))
    deployed = deployer.airflow(name="talk_dag").create(target=airflow.dags, wait=True, max_workers=2)
    hostile = "$(touch canary)\n'\"☃ {{ ds }}"
    run = deployed.trigger(my_text=hostile, count=2, names=["p,q", hostile], grid={hostile: [1]}, file=b"\0\xff")
    assert run.status in ("pending", "running", "succeeded")
    run.wait_for_run(check_interval=0.2, timeout=120)
    assert airflow.wait_run("talk_dag", run.name) == "success"
    assert run.status == "succeeded" and run.run is not None
    seen = run.run.data.seen
    assert seen[:2] == [hostile, 2] and seen[4:] == [{hostile: [1]}, ["p,q", hostile], b"\0\xff"]
    assert f"production:{deployed.production_token}" in run.run.system_tags
    assert deployed.trigger(run_id="mine").run_id.endswith("-mine")
    with pytest.raises(UsageError, match="Did you mean 'count'"):
        deployed.trigger(cuont=1)
