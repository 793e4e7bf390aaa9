"""Teams at work, on a real Airflow and on state machines that really execute: whose results does one see?

Anne and Will predict things with features that both make. Alice and Bob develop a flow of a project that Carol keeps in
production.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.client import Flow, Run, metadata, namespace
from flow_sdk.errors import NamespaceMismatch
from tests.support.airflow import AirflowServer
from tests.support.airflow_runs import clean_environment, dag_run_id
from tests.support.airflow_servers import only
from tests.support.step_functions import StepFunctionsServer

pytestmark = pytest.mark.aws

FEATURES = """
from flow_sdk import FlowSpec, Parameter, step


class FeatureFlow(FlowSpec):
    scale = Parameter("scale", default=1)

    @step
    def start(self):
        self.features = [self.scale * number for number in (1, 2, 3)]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    FeatureFlow()
"""

PREDICTION = """
from flow_sdk import Flow, FlowSpec, current, get_namespace, step


class PredictionFlow(FlowSpec):
    @step
    def start(self):
        self.seen = get_namespace(), current.namespace
        run = Flow("FeatureFlow").latest_successful_run
        self.origin, self.prediction = run.pathspec, sum(run.data.features)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    PredictionFlow()
"""

PROJECT = """
from flow_sdk import Flow, FlowSpec, current, project, step


@project(name="example_project")
class ProjectFlow(FlowSpec):
    @step
    def start(self):
        self.where = current.project_flow_name
        names = ("project_name", "branch_name", "is_user_branch", "is_production", "project_flow_name")
        self.facts = {name: getattr(current, name) for name in names}
        found = Flow("ProjectFlow").latest_successful_run
        self.before = found.data.where if found else None
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    ProjectFlow()
"""


@dataclass
class Team:
    """People, each on a machine of their own, who share a store and an orchestrator."""

    folder: Path
    env: dict[str, str]
    store: str
    target: str

    def call(self, who: str, file: str, *words: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        """Call a flow file as one of them."""
        own = {"FLOW_SDK_USER": who, "FLOW_SDK_HOME": str(self.folder / who)}
        kind = "s3" if self.store.startswith("s3://") else "local"
        done = subprocess.run(
            [sys.executable, f"{file}.py", "--datastore", kind, "--datastore-root", self.store, *words],
            cwd=self.folder,
            env={**self.env, **own},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert (done.returncode != 0) is fails, f"{who}: {words}\n{done.stdout}\n{done.stderr}"
        return done

    def paste(self, who: str, said: str) -> str:
        """Have somebody paste the line for others that a first deployment printed; what was said then."""
        line = said.partition("For others to deploy:")[2].partition("\n")[0]
        path = os.pathsep.join([os.path.dirname(sys.executable), self.env.get("PATH", "")])
        own = {"FLOW_SDK_USER": who, "FLOW_SDK_HOME": str(self.folder / who), "PATH": path}
        done = subprocess.run(
            ["sh", "-c", line],
            cwd=self.folder,
            env={**self.env, **own},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{who}: {line}\n{done.stderr}"
        return done.stderr

    def run(self, who: str, file: str, *words: str) -> str:
        """Run on the laptop; the run's id."""
        self.call(who, file, "run", "--run-id-file", "id", *words)
        return (self.folder / "id").read_text().strip()

    def as_user(self, who: str) -> None:
        """Sit down at somebody's notebook."""
        os.environ["FLOW_SDK_USER"] = who
        metadata(self.store)
        namespace(f"user:{who}")

    def deploy(self, who: str, file: str, *words: str, fails: bool = False) -> str:
        """Deploy; what was said."""
        raise NotImplementedError

    def start(self, who: str, file: str, name: str, *words: str, trigger: tuple[str, ...] = ()) -> str:
        """Start a run of a deployment and wait for its end; the run's id."""
        raise NotImplementedError


def token_in(said: str) -> str:
    """The token in what a first deployment says."""
    return said.partition('namespace("production:')[2].partition('"')[0]


@dataclass
class StatesTeam(Team):
    """A team on AWS."""

    aws: StepFunctionsServer

    def deploy(self, who: str, file: str, *words: str, fails: bool = False) -> str:
        options = [word for word in words if word in ("--production",) or word.startswith("--branch=")]
        rest = [word for word in words if word not in options]
        return self.call(who, file, *options, "step-functions", "create", *rest, fails=fails).stderr

    def start(self, who: str, file: str, name: str, *words: str, trigger: tuple[str, ...] = ()) -> str:
        run = self.call(who, file, *words, "step-functions", "trigger", *trigger).stdout.strip()
        states = self.aws.client("stepfunctions")
        machines = {found["name"]: found["stateMachineArn"] for found in states.list_state_machines()["stateMachines"]}
        arn = f"{machines[name].replace(':stateMachine:', ':execution:')}:{run.removeprefix('sfn-')}"
        done = self.aws.wait(arn)
        assert done["status"] == "SUCCEEDED", done
        return run


@dataclass
class AirflowTeam(Team):
    """A team on Airflow."""

    airflow: AirflowServer

    def deploy(self, who: str, file: str, *words: str, fails: bool = False) -> str:
        options = [word for word in words if word in ("--production",) or word.startswith("--branch=")]
        rest = [word for word in words if word not in options]
        where = ("--airflow-url", self.airflow.url, "--airflow-user", self.airflow.user)
        dags = str(self.airflow.dags)
        return self.call(who, file, *options, "airflow", "create", dags, *where, *rest, fails=fails).stderr

    def start(self, who: str, file: str, name: str, *words: str, trigger: tuple[str, ...] = ()) -> str:
        self.airflow.wait_dag(name)
        where = ("--airflow-url", self.airflow.url, "--airflow-user", self.airflow.user)
        run = self.call(who, file, *words, "airflow", "trigger", *where, *trigger).stdout.strip()
        assert self.airflow.wait_run(name, dag_run_id(name, name.rpartition(".")[2], run)) == "success"
        return run


@contextmanager
def team_on(request: pytest.FixtureRequest, folder: Path) -> Iterator["StatesTeam | AirflowTeam"]:
    """A team whose files and homes are in a folder, on the target that is the fixture's parameter."""
    if request.param == "airflow":
        env = clean_environment(folder / "home", FLOW_SDK_AIRFLOW_PASSWORD="admin")
        with request.getfixturevalue("airflows").use("airflow3", request.module.__name__) as airflow:
            yield AirflowTeam(folder, env, str(folder / "store"), "airflow", airflow)
        return
    aws = request.getfixturevalue("aws")
    account = aws.prepare()
    env = clean_environment(
        folder / "home",
        FLOW_SDK_BATCH_JOB_QUEUE=account.queue,
        FLOW_SDK_BATCH_IMAGE="flow-sdk:test",
        FLOW_SDK_BATCH_JOB_ROLE=account.job_role,
        FLOW_SDK_SFN_IAM_ROLE=account.machine_role,
        **aws.env(),
    )
    yield StatesTeam(folder, env, "s3://store/flows", "step-functions", aws)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("step-functions", marks=pytest.mark.step_functions),
        pytest.param("airflow", marks=pytest.mark.airflow3),
    ],
)
def team(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("team")
    for name, text in (("featureflow", FEATURES), ("predictionflow", PREDICTION), ("projectflow", PROJECT)):
        (folder / f"{name}.py").write_text(text)
    with team_on(request, folder) as running, only(running.env):
        yield running


@pytest.fixture(autouse=True)
def at_hand(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in team.env.items():
        monkeypatch.setenv(name, value)


def latest(flow: str) -> str | None:
    found = Flow(flow).latest_run
    return found.id if found is not None else None


def test_anne_and_will_share_features_and_nothing_else(team: Team) -> None:
    will_features = team.run("will", "featureflow", "--tag", "xyz_features", "--scale", "10")
    shared = ("--namespace", "xyz_features")
    will_predicts = team.run("will", "predictionflow", *shared)
    anne_predicts = team.run("anne", "predictionflow", *shared)
    # Each sees their own latest run.
    for who, own in (("anne", anne_predicts), ("will", will_predicts)):
        team.as_user(who)
        assert latest("PredictionFlow") == own
    # Anne can't take Will's for hers by accident, and can look at it on purpose.
    team.as_user("anne")
    with pytest.raises(NamespaceMismatch, match="user:will"):
        Run(f"PredictionFlow/{will_predicts}")
    namespace("user:will")
    assert Run(f"PredictionFlow/{will_predicts}").data.prediction == 60 and latest("PredictionFlow") == will_predicts
    namespace(None)
    assert {run.id for run in Flow("PredictionFlow")} == {will_predicts, anne_predicts}
    # The features are shared under a tag: the latest count, whoever made them.
    team.as_user("anne")
    assert Run(f"PredictionFlow/{anne_predicts}").data.origin == f"FeatureFlow/{will_features}"
    anne_features = team.run("anne", "featureflow", "--tag", "xyz_features")
    namespace("xyz_features")
    assert latest("FeatureFlow") == anne_features
    after = team.run("will", "predictionflow", *shared)
    team.as_user("will")
    assert Run(f"PredictionFlow/{after}").data.prediction == 6
    # Without it one has features of one's own alone; in the empty one, which is the global, everybody's.
    own, everybody = team.run("will", "predictionflow"), team.run("will", "predictionflow", "--namespace", "")
    assert Run(f"PredictionFlow/{own}").data.origin == f"FeatureFlow/{will_features}"
    data: Any = Run(f"PredictionFlow/{everybody}").data
    assert (data.origin, data.seen) == (f"FeatureFlow/{anne_features}", (None, None))
    # Anne has the features made for the team, deployed under the tag that they share.
    team.deploy("anne", "featureflow", "--tag", "xyz_features")
    made = team.start("anne", "featureflow", "FeatureFlow", trigger=("--scale", "100"))
    # She deploys her predictions: a namespace of their own, and a look at the shared features.
    said = team.deploy("anne", "predictionflow", *shared)
    token = token_in(said)
    first = team.start("anne", "predictionflow", "PredictionFlow")
    refused = team.deploy("will", "predictionflow", fails=True)
    assert "production token of anne" in refused
    assert "first deployment" not in team.paste("will", said)
    second = team.start("will", "predictionflow", "PredictionFlow")
    team.as_user("anne")
    assert latest("PredictionFlow") == anne_predicts and latest("FeatureFlow") == anne_features
    namespace(f"production:{token}")
    assert [run.id for run in Flow("PredictionFlow")] == [second, first]
    data = Run(f"PredictionFlow/{second}").data
    assert data.seen == ("xyz_features", "xyz_features")
    assert data.origin == f"FeatureFlow/{made}" and data.prediction == 600
    namespace("xyz_features")
    assert [run.id for run in Flow("FeatureFlow")] == [made, anne_features, will_features]
    assert f"runtime:{team.target}" in Run(f"PredictionFlow/{second}").tags


def test_three_developers_of_a_project(team: Team) -> None:
    deployments = {
        "example_project.user.alice.ProjectFlow": ("alice", ()),
        "example_project.user.bob.ProjectFlow": ("bob", ()),
        "example_project.test.better.ProjectFlow": ("bob", ("--branch=better",)),
        "example_project.prod.ProjectFlow": ("carol", ("--production",)),
        "example_project.prod.better.ProjectFlow": ("alice", ("--production", "--branch=better")),
    }
    tokens = {name: token_in(team.deploy(who, "projectflow", *words)) for name, (who, words) in deployments.items()}
    assert len(set(tokens.values())) == 5 and all(tokens.values())
    runs = {}
    for name, (who, words) in deployments.items():
        runs[name] = team.start(who, "projectflow", name, *words)
    again = team.start("bob", "projectflow", "example_project.prod.ProjectFlow", "--production")
    metadata(team.store)
    for name, token in tokens.items():
        namespace(f"production:{token}")
        wanted = [runs[name]] if name != "example_project.prod.ProjectFlow" else [again, runs[name]]
        assert [run.id for run in Flow("ProjectFlow")] == wanted
        data: Any = Run(f"ProjectFlow/{wanted[0]}").data
        assert data.where == name
        assert data.facts == {
            "project_name": "example_project",
            "branch_name": name.removeprefix("example_project.").removesuffix(".ProjectFlow"),
            "is_user_branch": ".user." in name,
            "is_production": ".prod." in name,
            "project_flow_name": name,
        }
        # A run sees the deployment that it belongs to, and no other.
        assert data.before == (name if len(wanted) == 2 else None)
    # A whole branch is a namespace, too: of both deployments and of what is run on a laptop.
    laptop = team.run("bob", "projectflow", "--branch=better")
    namespace("project_branch:test.better")
    assert [run.id for run in Flow("ProjectFlow")] == [laptop, runs["example_project.test.better.ProjectFlow"]]
    assert Run(f"ProjectFlow/{laptop}").data.where == "example_project.test.better.ProjectFlow"
    namespace("project:example_project")
    assert len(list(Flow("ProjectFlow"))) == 7
    # Only who holds its token replaces the production.
    assert "production token of carol" in team.deploy("alice", "projectflow", "--production", fails=True)
    team.deploy("alice", "projectflow", "--production", "--authorize", tokens["example_project.prod.ProjectFlow"])
