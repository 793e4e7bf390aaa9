"""Runs that failed on a real Airflow and on executing state machines are resumed on a laptop, by somebody else."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.client import Flow, Run, Task, metadata, namespace
from flow_sdk.errors import NamespaceMismatch
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records.layout import run_end_key
from tests.integration.test_stories import AirflowTeam, StatesTeam, Team, team_on
from tests.support.airflow_runs import dag_run_id
from tests.support.airflow_servers import only

pytestmark = pytest.mark.aws

BROKEN = """
import time
import uuid
from flow_sdk import Config, FlowSpec, Parameter, current, get_namespace, project, step

MENDED = False


@project(name="shop")
class MiddleFlow(FlowSpec):
    rate = Parameter("rate", default=1)
    label = Parameter("label", default="none")
    settings = Config("settings", default_value={"depth": 1})
    kept = "constant of the deployment"

    @step
    def start(self):
        print("starting with", self.rate)
        self.made, self.branch = str(uuid.uuid4()), current.branch_name
        self.depth = self.settings.depth
        self.parts = [0, 1, 2, 3]
        self.next(self.fit, foreach="parts")

    @step
    def fit(self):
        print("fitting", self.input)
        if self.input == 2 and not MENDED:
            time.sleep(4)
            raise ValueError("the third is broken")
        self.made = str(uuid.uuid4())
        self.score = self.input * self.rate
        self.next(self.join)

    @step
    def join(self, inputs):
        self.scores = sorted(each.score for each in inputs)
        self.next(self.end)

    @step
    def end(self):
        self.facts = {
            "origin": current.origin_run_id,
            "namespace": get_namespace(),
            "branch": current.branch_name,
            "live": current.is_production,
            "depth": self.settings.depth,
            "label": self.label,
            "kept": self.kept,
        }


if __name__ == "__main__":
    MiddleFlow()
"""

MENDED = (
    BROKEN.replace("MENDED = False", "MENDED = True")
    .replace('{"depth": 1}', '{"depth": 9}')
    .replace("constant of the deployment", "constant of today")
)
NAME = "shop.prod.MiddleFlow"
LABEL = 'it\'s "$(id)" {{ ds }} `x`'


@dataclass
class Origin:
    """A production run of carol's that failed in its middle."""

    team: Team
    run: str
    token: str

    def keys(self) -> list[str]:
        """All that is in the store."""
        return sorted(found.key for found in open_store(self.team.store).list(""))


def fail_on_airflow(team: AirflowTeam) -> str:
    """Start carol's deployment in Airflow and see it fail; the run's id in the store."""
    team.airflow.wait_dag(NAME)
    where = ("--airflow-url", team.airflow.url, "--airflow-user", team.airflow.user)
    words = ("--production", "airflow", "trigger", *where, "--rate", "3", "--label", LABEL)
    run = team.call("carol", "middleflow", *words).stdout.strip()
    assert team.airflow.wait_run(NAME, dag_run_id(NAME, "MiddleFlow", run)) == "failed"
    store = open_store(team.store)  # Airflow calls what notes the run's end after it says that it has failed
    team.airflow.wait(lambda: store.head(run_end_key("MiddleFlow", run)), 60, "the run's end isn't noted")
    return run


def fail_on_states(team: StatesTeam) -> str:
    """Start carol's deployment on Step Functions and see it fail; the run's id in the store."""
    words = ("--production", "step-functions", "trigger", "--rate", "3", "--label", LABEL)
    run = team.call("carol", "middleflow", *words).stdout.strip()
    states = team.aws.client("stepfunctions")
    machine = next(found["stateMachineArn"] for found in states.list_state_machines()["stateMachines"])
    done = team.aws.wait(f"{machine.replace(':stateMachine:', ':execution:')}:{run.removeprefix('sfn-')}")
    assert done["status"] == "FAILED"
    return run


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("step-functions", marks=pytest.mark.step_functions),
        pytest.param("airflow", marks=pytest.mark.airflow3),
    ],
)
def origin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    folder = tmp_path_factory.mktemp("resume")
    (folder / "middleflow.py").write_text(BROKEN)
    with team_on(request, folder) as team, only(team.env):
        token = _deploy(team)
        run = fail_on_airflow(team) if isinstance(team, AirflowTeam) else fail_on_states(team)
        yield Origin(team, run, token)


def _deploy(team: Team) -> str:
    said = team.deploy("carol", "middleflow", "--production", "--config-value", "settings", '{"depth": 5}')
    token = said.partition('namespace("production:')[2].partition('"')[0]
    (team.folder / "middleflow.py").write_text(MENDED)
    return token


@pytest.fixture(autouse=True)
def at_hand(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in origin.team.env.items():
        monkeypatch.setenv(name, value)
    metadata(origin.team.store)
    namespace(None)


def made(run: str) -> dict[str, str | None]:
    """What each task of the foreach has made, by its index; None where it has made nothing."""
    found: dict[str, str | None] = {}
    for task in Run(f"MiddleFlow/{run}")["fit"]:
        found[str(task.index)] = task.data.made if task.successful else None
    return found


def test_the_origin_failed_in_its_middle(origin: Origin) -> None:
    run = Run(f"MiddleFlow/{origin.run}")
    assert (run.state, run.successful) == ("failed", False)
    assert f"production:{origin.token}" in run.system_tags and "project_branch:prod" in run.system_tags
    assert run["start"].task.data.depth == 5
    before = made(origin.run)
    assert before["2"] is None and before["0"] and before["1"]


def test_dry_run_says_what_is_reused_and_writes_nothing(origin: Origin) -> None:
    keys = origin.keys()
    done = origin.team.call("alice", "middleflow", "resume", "--dry-run", "--origin-run-id", origin.run)
    rows = {row[0]: row[1:] for row in (line.split(maxsplit=3) for line in done.stdout.splitlines())}
    reused = sum(value is not None for value in made(origin.run).values())
    assert rows["start"][:2] == ["1", "0"] and rows["fit"][:2] == [str(reused), str(4 - reused)]
    assert rows["join"][:2] == rows["end"][:2] == ["0", "1"]
    assert re.fullmatch(
        rf"(it failed|1 failed(, \d w\w+ stopped)?(, \d hadn't begun)?) in run {re.escape(origin.run)}",
        rows["fit"][2],
    )
    assert origin.keys() == keys


def test_somebody_else_resumes_it_on_a_laptop(origin: Origin) -> None:
    team, before = origin.team, made(origin.run)
    done = team.call("alice", "middleflow", "resume", "--origin-run-id", origin.run, "--run-id-file", "id")
    run = (team.folder / "id").read_text().strip()
    assert "starting with" not in done.stdout and "fitting 0" not in done.stdout and "fitting 2" in done.stdout
    resumed = Run(f"MiddleFlow/{run}")
    assert resumed.successful and resumed.origin_pathspec == f"MiddleFlow/{origin.run}"
    # Reused is exactly what the origin has; the parameters are its own, and so are config and constants.
    after = made(run)
    assert {item: value for item, value in after.items() if before.get(item)} == {k: v for k, v in before.items() if v}
    assert all(after.values()) and len(after) == 4
    data: Any = resumed.data
    assert data.scores == [0, 3, 6, 9]
    assert data.facts == {
        "origin": origin.run,
        "namespace": "user:alice",
        "branch": "user.alice",
        "live": False,
        "depth": 5,
        "label": LABEL,
        "kept": "constant of the deployment",
    }
    # A reused task leads back to where it ran, with its log.
    task = Task(f"MiddleFlow/{run}/fit/1.0")
    assert task.origin_pathspec == f"MiddleFlow/{origin.run}/fit/1.0" and "fitting 0" in task.stdout
    shown = team.call("alice", "middleflow", "logs", "--stdout", f"{run}/fit").stdout
    assert all(f"fitting {item}" in shown for item in range(4))
    # The result is alice's and nobody else's, and what carol has is as it was.
    assert f"production:{origin.token}" not in resumed.tags and "project_branch:user.alice" in resumed.tags
    namespace("user:alice")
    assert Flow("MiddleFlow").latest_run.id == run
    namespace(f"production:{origin.token}")
    assert [found.id for found in Flow("MiddleFlow")] == [origin.run]
    with pytest.raises(NamespaceMismatch):
        Run(f"MiddleFlow/{run}")
    namespace(None)
    assert made(origin.run) == before and Run(f"MiddleFlow/{origin.run}").state == "failed"


def test_from_a_step_on_and_from_the_resumed_run(origin: Origin) -> None:
    """Also start runs again, with the parameters of the origin; a resume of a resume leads to the first run."""
    team = origin.team
    team.call("bob", "middleflow", "resume", "start", "--origin-run-id", origin.run, "--run-id-file", "id")
    run = (team.folder / "id").read_text().strip()
    again = Run(f"MiddleFlow/{run}")
    assert again.successful and again.data.scores == [0, 3, 6, 9]
    assert again["start"].task.data.made != Run(f"MiddleFlow/{origin.run}")["start"].task.data.made
    assert again["start"].task.data.branch == "user.bob"
    team.call("bob", "middleflow", "resume", "end", "--origin-run-id", run, "--run-id-file", "id")
    third = (team.folder / "id").read_text().strip()
    assert Run(f"MiddleFlow/{third}").origin_pathspec == f"MiddleFlow/{run}"
    assert made(third) == made(run)


@pytest.mark.parametrize("unknown", ["airflow-none", "sfn-none", "airflow-../../x", "sfn-x/y", "99"])
def test_an_unknown_origin_leaves_nothing_behind(origin: Origin, unknown: str) -> None:
    keys = origin.keys()
    done = origin.team.call("alice", "middleflow", "resume", "--origin-run-id", unknown, fails=True)
    assert unknown in done.stderr and "Traceback" not in done.stderr
    assert origin.keys() == keys


def test_an_origin_of_another_flow_or_step_is_refused(origin: Origin) -> None:
    keys = origin.keys()
    done = origin.team.call("alice", "middleflow", "resume", "fitt", "--origin-run-id", origin.run, fails=True)
    assert "fitt" in done.stderr and "fit" in done.stderr
    other = Path(origin.team.folder / "otherflow.py")
    other.write_text(MENDED.replace("MiddleFlow", "OtherFlow"))
    done = origin.team.call("alice", "otherflow", "resume", "--origin-run-id", origin.run, fails=True)
    assert origin.run in done.stderr and "Traceback" not in done.stderr
    other.unlink()
    assert origin.keys() == keys
