"""Developers of one project on a real Airflow: deployments side by side, tokens in Variables, runs in namespaces."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flow_sdk.client import Flow, Run, metadata, namespace
from tests.support.airflow import AirflowServer
from tests.support.airflow_runs import clean_environment, dag_run_id
from tests.support.airflow_servers import AirflowServers, only
from tests.support.parts import LINES

FLOW = """
from flow_sdk import FlowSpec, Parameter, current, project, step


@project(name="forecast")
class ProjectFlow(FlowSpec):
    test_mode = Parameter("test-mode", default=lambda _: not current.is_production)

    @step
    def start(self):
        names = ("project_name", "branch_name", "is_user_branch", "is_production", "project_flow_name", "namespace")
        self.facts = {name: getattr(current, name) for name in names}
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    ProjectFlow()
"""


TRAIN = """
from flow_sdk import FlowSpec, project, step


@project(name="{project}")
class Train(FlowSpec):
    def __init__(self):
        self.kind = "model of"

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        self.model = f"{{self.kind}} {project}"


if __name__ == "__main__":
    Train()
"""

PREDICT = """
from flow_sdk import Flow, FlowSpec, project, step


@project(name="{project}")
class Predict(FlowSpec):
    @step
    def start(self):
        run = Flow("Train").latest_run
        self.used, self.model = run.pathspec, run.data.model
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Predict()
"""


@dataclass
class Team:
    """Developers, each on a machine of their own, who share an Airflow."""

    airflow: AirflowServer
    folder: Path
    env: dict[str, str]

    def call(
        self,
        who: str,
        *words: str,
        store: str = "store",
        env: dict[str, str] | None = None,
        file: str = "projectflow.py",
    ) -> subprocess.CompletedProcess[str]:
        """Call the flow file as one of them."""
        own = {"FLOW_SDK_USER": who, "FLOW_SDK_HOME": str(self.folder / who)}
        return subprocess.run(
            [sys.executable, file, "--datastore-root", str(self.folder / store), *words],
            cwd=self.folder,
            env={**self.env, **own, **(env or {})},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def create(
        self, who: str, *words: str, store: str = "store", file: str = "projectflow.py"
    ) -> subprocess.CompletedProcess[str]:
        """Deploy, with the token's claim in Airflow as well."""
        where = ("--airflow-url", self.airflow.url, "--airflow-user", self.airflow.user)
        return self.call(who, "airflow", "create", str(self.airflow.dags), *where, *words, store=store, file=file)

    def token(self, name: str) -> str:
        """The token in a deployed DAG file."""
        text = (self.airflow.dags / f"{name}.py").read_text()
        return re.findall(r"namespace production:(\S+)\.$", text, re.MULTILINE)[0]

    def run(self, name: str, who: str, *options: str) -> Run:
        """Run a deployment in Airflow and read the run back."""
        self.airflow.wait_dag(name)
        where = ("--airflow-url", self.airflow.url, "--airflow-user", self.airflow.user)
        done = self.call(who, "airflow", "trigger", *where, *options)
        assert done.returncode == 0, done.stderr
        self.airflow.wait_run(name, dag_run_id(name, "ProjectFlow", done.stdout.strip()))
        metadata(str(self.folder / "store"))
        namespace(f"production:{self.token(name)}")
        found = Flow("ProjectFlow").latest_run
        assert found is not None
        return found


@pytest.fixture(scope="module", params=[pytest.param(line, marks=getattr(pytest.mark, line)) for line in LINES])
def team(
    request: pytest.FixtureRequest, airflows: AirflowServers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "projectflow.py").write_text(FLOW)
    env = clean_environment(folder / "home", FLOW_SDK_AIRFLOW_PASSWORD="admin")
    with airflows.use(request.param, "projects") as airflow, only(env):
        yield Team(airflow, folder, env)


def test_deployments_of_a_project_live_side_by_side(team: Team) -> None:
    for who, options, branch in (
        ("anne", (), "user.anne"),
        ("bob", (), "user.bob"),
        ("bob", ("--branch", "better"), "test.better"),
        ("anne", ("--production",), "prod"),
    ):
        done = team.create(who, *options)
        assert done.returncode == 0, done.stderr
        name = f"forecast.{branch}.ProjectFlow"
        assert f'namespace("production:{team.token(name)}")' in done.stderr
        assert done.stdout.strip().endswith(f"{name}.py")
    tokens = {path.stem: team.token(path.stem) for path in team.airflow.dags.glob("forecast.*.py")}
    assert len(set(tokens.values())) == len(tokens) == 4
    # Starting a run needs no token.
    for who, options, branch in (("carl", ("--production",), "prod"), ("bob", (), "user.bob")):
        name = f"forecast.{branch}.ProjectFlow"
        run = team.run(name, who, *options)
        own = f"production:{tokens[name]}"
        assert {
            own,
            "runtime:airflow",
            "project:forecast",
            f"project_branch:{branch}",
            f"project_and_branch:forecast.{branch}",
        } <= set(run.system_tags)
        assert not any(tag.startswith("user:") for tag in run.system_tags)
        assert run["start"].task.data.facts == {
            "project_name": "forecast",
            "branch_name": branch,
            "is_user_branch": branch != "prod",
            "is_production": branch == "prod",
            "project_flow_name": name,
            "namespace": own,
        }
        assert run.data.test_mode is (branch != "prod")
        assert [found.id for found in Flow("ProjectFlow").runs()] == [run.id]


def test_the_token_is_guarded_in_the_store_and_in_airflow(team: Team) -> None:
    done = team.create("anne", "--branch", "guarded", "--production")
    assert done.returncode == 0, done.stderr
    name = "forecast.prod.guarded.ProjectFlow"
    token, file = team.token(name), team.airflow.dags / f"{name}.py"
    before = file.read_bytes()
    # Airflow has the claim, without the token, and readable although it masks the value.
    _, variable = team.airflow.api.send_request("GET", "/variables/flow_sdk.token.forecast.prod.guarded.%2A")
    assert '"owner": "anne"' in variable["description"] and token not in str(variable)
    # Bob is refused from the same store, and from one of his own, which isn't made.
    for store in ("store", "bobs"):
        done = team.create("bob", "--branch", "guarded", "--production", store=store)
        assert done.returncode == 1 and "production token of anne. Nothing was changed." in done.stderr, done.stderr
    assert file.read_bytes() == before and not (team.folder / "bobs").exists()
    # With the token he isn't, and needs it once only.
    for words in (("--authorize", token), ()):
        done = team.create("bob", "--branch", "guarded", "--production", *words)
        assert done.returncode == 0 and token not in done.stderr.partition("\n")[2], done.stderr
    assert file.read_bytes() == before
    # A new token shuts out the old one, in Airflow too.
    done = team.create("bob", "--branch", "guarded", "--production", "--generate-new-token")
    assert done.returncode == 0 and "Its new namespace is empty." in done.stderr
    assert team.token(name) != token
    for store in ("store", "annes"):
        done = team.create("anne", "--branch", "guarded", "--production", store=store)
        assert done.returncode == 1 and "production token of bob" in done.stderr, done.stderr


def test_a_prediction_finds_the_model_of_its_project(team: Team) -> None:
    flows = {"train.py": "prices.prod.Train", "other.py": "stock.prod.Train", "predict.py": "prices.prod.Predict"}
    tokens = {}
    for file, name in flows.items():
        text = PREDICT if file == "predict.py" else TRAIN
        (team.folder / file).write_text(text.format(project=name.partition(".")[0]))
        done = team.create("anne", "--production", file=file)
        assert done.returncode == 0, done.stderr
        tokens[name] = team.token(name)
    assert tokens["prices.prod.Train"] == tokens["prices.prod.Predict"] != tokens["stock.prod.Train"]
    done = team.create("bob", "--production", file="predict.py")
    assert done.returncode == 1 and "prices.prod is deployed under a production token of anne" in done.stderr
    # The other project's model is newer.
    where = ("--airflow-url", team.airflow.url, "--airflow-user", team.airflow.user)
    for file, name in flows.items():
        team.airflow.wait_dag(name)
        done = team.call("anne", "airflow", "trigger", "--production", *where, file=file)
        assert done.returncode == 0, done.stderr
        team.airflow.wait_run(name, dag_run_id(name, name.rpartition(".")[2], done.stdout.strip()))
    metadata(str(team.folder / "store"))
    namespace("project_and_branch:prices.prod")
    predicted, trained = Flow("Predict").latest_run, Flow("Train").latest_run
    assert predicted is not None and trained is not None
    assert predicted.data.model == "model of prices" and predicted.data.used == trained.pathspec
    assert len(list(Flow("Train"))) == 1
    # Deleted, a flow leaves the claim to the others.
    done = team.call("anne", "airflow", "delete", str(team.airflow.dags), "--production", *where, file="train.py")
    assert done.returncode == 0 and "prices.prod, which all its flows share" in done.stderr, done.stderr
    status, _ = team.airflow.api.send_request("GET", "/variables/flow_sdk.token.prices.prod.%2A")
    assert status == 200
    assert team.create("bob", "--production", file="train.py").returncode == 1


@pytest.mark.one_of(2)  # each of its commands imports all of Airflow
def test_airflows_own_command_line_reaches_the_same_claims(team: Team) -> None:
    own = {name: value for name, value in team.airflow.environment.items() if name.startswith("AIRFLOW")}
    own["PATH"] = team.airflow.environment["PATH"]
    create = ("airflow", "create", str(team.airflow.dags), "--airflow-cli")
    done = team.call("carl", "--branch", "shell", *create, env=own)
    assert done.returncode == 0, done.stderr
    _, variable = team.airflow.api.send_request("GET", "/variables/flow_sdk.token.forecast.test.shell.%2A")
    assert '"owner": "carl"' in variable["description"]
    done = team.create("anne", "--branch", "shell", store="annes")
    assert done.returncode == 1 and "production token of carl" in done.stderr, done.stderr
    done = team.call("anne", "--branch", "shell", *create, store="annes", env=own)
    assert done.returncode == 1 and "production token of carl" in done.stderr, done.stderr
