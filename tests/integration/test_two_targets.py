"""One name that is deployed to Airflow and to Step Functions: one token, one namespace, and who is told what."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from flow_sdk.client import Flow, metadata, namespace
from tests.integration.test_airflow_projects import PREDICT, TRAIN
from tests.support.step_functions import StepFunctionsServer
from tests.unit.cli.flow_file import FLOW, write

pytestmark = [pytest.mark.aws, pytest.mark.step_functions]

TARGETS = {"airflow": ("airflow", "create", "../dags"), "states": ("step-functions", "create")}


@dataclass
class Place:
    """A store in S3, a DAGs folder and an AWS account, and who deploys there."""

    aws: StepFunctionsServer
    folder: Path

    def call(
        self, who: str, *words: str, code: int | None = 0, file: str = "train.py"
    ) -> subprocess.CompletedProcess[str]:
        """Call the flow file as somebody with a machine of their own."""
        account = self.aws.prepare()
        environment = {
            **os.environ,
            **self.aws.env(),
            "FLOW_SDK_USER": who,
            "FLOW_SDK_HOME": str(self.folder / who),
            "FLOW_SDK_BATCH_JOB_QUEUE": account.queue,
            "FLOW_SDK_BATCH_IMAGE": "image:1",
            "FLOW_SDK_SFN_IAM_ROLE": account.machine_role,
            "FLOW_SDK_DATASTORE_SYSROOT_S3": f"s3://store/{self.folder.name}",
            "FLOW_SDK_DEFAULT_DATASTORE": "s3",
        }
        done = subprocess.run(
            [sys.executable, file, *words],
            cwd=self.folder / "code",
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert code is None or done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    def create(self, who: str, target: str, *words: str, code: int = 0) -> str:
        """Deploy; what was said."""
        return self.call(who, *TARGETS[target], "--name", self.name, *words, code=code).stderr

    @property
    def name(self) -> str:
        return f"n{self.folder.name}"


@pytest.fixture
def place(aws: StepFunctionsServer, tmp_path: Path) -> Place:
    (tmp_path / "code").mkdir()
    (tmp_path / "dags").mkdir()
    write(tmp_path / "code", FLOW.replace("required=True", "default=2"))
    return Place(aws, tmp_path)


def token_of(said: str) -> str:
    return re.findall(r"--authorize=(\S+)$", said, re.MULTILINE)[0]


@pytest.mark.parametrize(("first", "second"), [("airflow", "states"), ("states", "airflow")])
def test_both_targets_share_a_token(place: Place, first: str, second: str) -> None:
    said = place.create("anne", first)
    token = token_of(said)
    said = place.create("anne", second)
    assert "token" not in said and f"runs are in production:{token}" in said
    for target in TARGETS:
        said = place.create("bob", target, code=1)
        assert f"{place.name} is deployed under a production token of anne. Nothing was changed." in said
    place.create("bob", second, "--authorize", token)
    assert "token" not in place.create("bob", first)


@pytest.mark.parametrize(("first", "second"), [("airflow", "states"), ("states", "airflow")])
def test_a_new_token_made_on_one_target_counts_on_the_other(place: Place, first: str, second: str) -> None:
    old = token_of(place.create("anne", first))
    place.create("anne", second)
    place.create("bob", second, "--authorize", old)
    new = token_of(place.create("anne", first, "--generate-new-token"))
    assert new != old
    said = place.create("bob", second, code=1)
    assert "a token that anne has replaced by a new one on" in said and "--authorize TOKEN" in said
    said = place.create("bob", second, "--authorize", old, code=1)
    assert "a token that anne has replaced by a new one on" in said
    assert f"runs are in production:{new}" in place.create("anne", second)
    assert f"runs are in production:{new}" in place.create("bob", second, "--authorize", new)


def test_racing_deployers_on_both_targets(place: Place) -> None:
    people = [(f"p{number}", list(TARGETS)[number % 2]) for number in range(6)]

    def deploy(who: str, target: str) -> subprocess.CompletedProcess[str]:
        return place.call(who, *TARGETS[target], "--name", place.name, code=None)

    with ThreadPoolExecutor(len(people)) as pool:
        done = list(pool.map(lambda each: deploy(*each), people))
    winners = [who for (who, _), each in zip(people, done, strict=True) if each.returncode == 0]
    assert len(winners) == 1, [each.stderr for each in done]
    for each in done:
        assert each.returncode == 0 or (
            re.search(rf"(deployed under a production token of {winners[0]}|{winners[0]} has made a production token)",
                      each.stderr)
        ), each.stderr  # fmt: skip
    for target in TARGETS:
        place.create(winners[0], target)
        place.create(next(who for who, _ in people if who != winners[0]), target, code=1)


def test_deleted_on_one_target_it_stays_on_the_other(place: Place) -> None:
    token = token_of(place.create("anne", "airflow"))
    place.create("anne", "states")
    place.call("bob", "airflow", "delete", "../dags", "--name", place.name, code=1)
    place.call("anne", "airflow", "delete", "../dags", "--name", place.name)
    assert "version 1" in place.create("anne", "states") and not list((place.folder / "dags").iterdir())
    place.call("anne", "step-functions", "delete", "--name", place.name)
    assert "production token of anne" in place.create("bob", "airflow", code=1)
    assert f"production:{token}" in place.create("anne", "airflow")


def test_a_prediction_finds_the_model_of_its_project(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Step Functions; the flows of a project's branch share the token on both targets."""
    prices, stock = (f"{kind}_{place.folder.name}" for kind in ("prices", "stock"))
    flows = {"model.py": (TRAIN, prices), "other.py": (TRAIN, stock), "predict.py": (PREDICT, prices)}
    said = {}
    for file, (text, project) in flows.items():
        (place.folder / "code" / file).write_text(text.format(project=project))
        said[file] = place.call("anne", "--production", "step-functions", "create", file=file).stderr
    assert f"first deployment of {prices}.prod: it gets a production token" in said["model.py"]
    token = token_of(said["model.py"])
    assert "token" not in said["predict.py"] and f"runs are in production:{token}" in said["predict.py"]
    assert f"production:{token}" in place.call("anne", "--production", *TARGETS["airflow"], file="predict.py").stderr
    bob = place.call("bob", "--production", "step-functions", "create", file="predict.py", code=1)
    assert f"{prices}.prod is deployed under a production token of anne" in bob.stderr
    # The other project's model is newer.
    for file in flows:
        run = place.call("anne", "--production", "step-functions", "trigger", file=file).stdout.strip()
        machines = place.aws.client("stepfunctions").list_state_machines()["stateMachines"]
        flow = "Predict" if file == "predict.py" else "Train"
        name = f"{flows[file][1]}.prod.{flow}"
        machine = next(found["stateMachineArn"] for found in machines if found["name"] == name)
        arn = f"{machine.replace(':stateMachine:', ':execution:')}:{run.removeprefix('sfn-')}"
        assert place.aws.wait(arn)["status"] == "SUCCEEDED"
    for variable, value in place.aws.env().items():
        monkeypatch.setenv(variable, value)
    metadata(f"s3://store/{place.folder.name}")
    namespace(f"project_and_branch:{prices}.prod")
    predicted, trained = Flow("Predict").latest_run, Flow("Train").latest_run
    assert predicted is not None and trained is not None
    assert predicted.data.model == f"model of {prices}" and predicted.data.used == trained.pathspec
    # Deleted, a flow leaves the claim to the others.
    said["deleted"] = place.call("anne", "--production", "step-functions", "delete", file="model.py").stderr
    assert f"{prices}.prod, which all its flows share" in said["deleted"]
    parameter = f"/flow-sdk/{prices}.prod/project-token"
    assert place.aws.client("ssm").get_parameter(Name=parameter, WithDecryption=True)
    place.call("bob", "--production", "step-functions", "create", file="model.py", code=1)


def test_another_namespace_leaves_the_tokens_as_a_system_tag(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    said = place.create("anne", "states", "--namespace", "team:forecast", "--tag", "mine")
    token = token_of(said)
    run = place.call("anne", "step-functions", "trigger", "--name", place.name).stdout.strip()
    execution = place.aws.client("stepfunctions")
    machines = execution.list_state_machines()["stateMachines"]
    machine = next(found["stateMachineArn"] for found in machines if found["name"] == place.name)
    arn = f"{machine.replace(':stateMachine:', ':execution:')}:{run.removeprefix('sfn-')}"
    assert place.aws.wait(arn)["status"] == "SUCCEEDED"
    for name, value in place.aws.env().items():
        monkeypatch.setenv(name, value)
    metadata(f"s3://store/{place.folder.name}")
    for wanted in (f"production:{token}", "team:forecast", "mine"):
        namespace(wanted)
        found = Flow("TrainFlow").latest_run
        assert found is not None and found.id == run, wanted
    assert {f"production:{token}", "runtime:step-functions"} <= found.system_tags
    assert f"production:{token}" not in found.user_tags and "mine" in found.user_tags
