"""Teams at work, on a real Airflow and on state machines that really execute: whose results does one see?

Anne and Will predict things with features that both make. Alice and Bob develop a flow of a project that Carol keeps in
production.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.client import Flow, Run, metadata, namespace
from flow_sdk.errors import NamespaceMismatch
from tests.conftest import interpreter
from tests.integration.airflow_runs import clean_environment
from tests.rig.airflow import AirflowServer
from tests.rig.step_functions import StepFunctionsServer

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
from flow_sdk import Flow, FlowSpec, get_namespace, namespace, step


class PredictionFlow(FlowSpec):
    @step
    def start(self):
        self.seen = get_namespace()
        found = Flow("PredictionFlow").latest_successful_run
        self.before = found.pathspec if found else None
        namespace("xyz_features")
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
        self.branch = current.branch_name
        self.live = current.is_production
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

    def start(self, who: str, file: str, name: str, *words: str) -> str:
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

    def start(self, who: str, file: str, name: str, *words: str) -> str:
        run = self.call(who, file, *words, "step-functions", "trigger").stdout.strip()
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

    def start(self, who: str, file: str, name: str, *words: str) -> str:
        self.airflow.wait_dag(name)
        where = ("--airflow-url", self.airflow.url, "--airflow-user", self.airflow.user)
        run = self.call(who, file, *words, "airflow", "trigger", *where).stdout.strip()
        self.airflow.wait_run(name, run)
        metadata(self.store)
        namespace(None)
        newest = next(iter(Flow(name.rpartition(".")[2])))
        assert newest.finished
        return newest.id


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
    before = dict(os.environ)
    try:
        if request.param == "airflow":
            python = interpreter("airflow3")
            assert python is not None
            env = clean_environment(folder / "home", FLOW_SDK_AIRFLOW_PASSWORD="admin")
            os.environ.clear()
            os.environ.update(env)
            with AirflowServer(python, folder / "airflow") as airflow:
                yield AirflowTeam(folder, env, str(folder / "store"), "airflow", airflow)
        else:
            with StepFunctionsServer("store", slots=2, localstack=before["FLOW_TEST_LOCALSTACK"]) as aws:
                account = aws.prepare()
                env = clean_environment(
                    folder / "home",
                    FLOW_SDK_BATCH_JOB_QUEUE=account.queue,
                    FLOW_SDK_BATCH_IMAGE="flow-sdk:test",
                    FLOW_SDK_BATCH_JOB_ROLE=account.job_role,
                    FLOW_SDK_SFN_IAM_ROLE=account.machine_role,
                    **aws.env(),
                )
                os.environ.clear()
                os.environ.update(env)
                yield StatesTeam(folder, env, "s3://store/flows", "step-functions", aws)
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(autouse=True)
def at_hand(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in team.env.items():
        monkeypatch.setenv(name, value)


def latest(flow: str) -> str | None:
    found = Flow(flow).latest_run
    return found.id if found is not None else None


def test_anne_and_will_share_features_and_nothing_else(team: Team) -> None:
    will_features = team.run("will", "featureflow", "--tag", "xyz_features", "--scale", "10")
    will_predicts = team.run("will", "predictionflow")
    anne_predicts = team.run("anne", "predictionflow")
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
    after = team.run("will", "predictionflow")
    team.as_user("will")
    assert Run(f"PredictionFlow/{after}").data.prediction == 6
    # Anne deploys hers: a namespace of its own, in which it sees itself.
    said = team.deploy("anne", "predictionflow")
    token = token_in(said)
    first = team.start("anne", "predictionflow", "PredictionFlow")
    refused = team.deploy("will", "predictionflow", fails=True)
    assert "production token of anne" in refused
    team.deploy("will", "predictionflow", "--authorize", token)
    second = team.start("will", "predictionflow", "PredictionFlow")
    team.as_user("anne")
    assert latest("PredictionFlow") == anne_predicts
    namespace(f"production:{token}")
    assert [run.id for run in Flow("PredictionFlow")] == [second, first]
    data: Any = Run(f"PredictionFlow/{second}").data
    assert data.seen == f"production:{token}"
    assert data.before == f"PredictionFlow/{first}"
    assert data.origin == f"FeatureFlow/{anne_features}"
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
        assert data.branch == name.removeprefix("example_project.").removesuffix(".ProjectFlow")
        assert data.live is (".prod." in name)
        # A run sees the deployment that it belongs to, and no other.
        assert data.before == (name if len(wanted) == 2 else None)
    # A whole branch is a namespace, too: of both deployments and of what is run on a laptop.
    namespace("project_branch:test.better")
    assert [run.id for run in Flow("ProjectFlow")] == [runs["example_project.test.better.ProjectFlow"]]
    namespace("project:example_project")
    assert len(list(Flow("ProjectFlow"))) == 6
    # Only who holds its token replaces the production.
    assert "production token of carol" in team.deploy("alice", "projectflow", "--production", fails=True)
    team.deploy("alice", "projectflow", "--production", "--authorize", tokens["example_project.prod.ProjectFlow"])
