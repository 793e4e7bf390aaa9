"""The ``step-functions`` commands as users call them, with real runs on LocalStack and moto."""

import hashlib
import itertools
import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.store.open_store import open_store
from tests.security.stored import holding
from tests.support.step_functions import StepFunctionsServer
from tests.unit.cli.flow_file import FLOW, write

pytestmark = [pytest.mark.aws, pytest.mark.step_functions]

HOSTILE = "$(touch canary) `touch canary` {} States.Format('{}', $.a) \\ \"' {{ x }} 😀\nb"
SLOW = FLOW.replace("required=True", "default=2").replace(
    "self.parts = list(range(self.folds))", "import time; print('asleep'); time.sleep(600)"
)
FAILING = FLOW.replace("required=True", "default=2").replace("default=0.5", "default=13.0")
_numbers = itertools.count()


class User:
    """Somebody with a machine of their own, who calls the flow file for a deployment."""

    def __init__(self, aws: StepFunctionsServer, folder: Path, who: str, name: str) -> None:
        account = aws.prepare()
        self.folder, self.name = folder, name
        self.environment = {
            **os.environ,
            **aws.env(),
            "FLOW_SDK_USER": who,
            "FLOW_SDK_HOME": str(folder / who),
            "FLOW_SDK_BATCH_JOB_QUEUE": account.queue,
            "FLOW_SDK_BATCH_IMAGE": "image:1",
            "FLOW_SDK_SFN_IAM_ROLE": account.machine_role,
            "FLOW_SDK_DATASTORE_SYSROOT_S3": f"s3://store/{folder.name}",
            "FLOW_SDK_DEFAULT_DATASTORE": "s3",
        }

    def call(self, *words: str, code: int = 0) -> tuple[str, str]:
        """Call the flow file; what it prints to stdout and stderr."""
        done = subprocess.run(
            [sys.executable, "train.py", *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout, done.stderr

    def step_functions(self, *words: str, code: int = 0) -> tuple[str, str]:
        """Call one of the commands under test."""
        return self.call("step-functions", *words, "--name", self.name, code=code)

    def wait(self, run: str) -> str:
        """Wait until a run has ended; what ``status`` shows then."""
        deadline = time.monotonic() + 120
        while "Status         RUNNING" in (shown := self.step_functions("status", run)[0]):
            assert time.monotonic() < deadline, shown
            time.sleep(0.5)
        return shown

    def end(self, run: str, *, forget: bool = False) -> dict[str, Any]:
        """What the store was told of a run's end; ``forget`` takes it away afterwards."""
        code = """
import sys
from flow_sdk.store.records.layout import run_end_key
from flow_sdk.store.open_store import open_store

store, key = open_store(sys.argv[1]), run_end_key("TrainFlow", sys.argv[2])
print(store.get(key).decode())
store.delete([key] if sys.argv[3] == "True" else [])
"""
        words = [sys.executable, "-c", code, self.environment["FLOW_SDK_DATASTORE_SYSROOT_S3"], run, str(forget)]
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def artifact(self, step: str, name: str) -> Any:
        """The value of an artifact of a run's step with one task."""
        file = self.folder / f"{next(_numbers)}.pickle"
        self.call("dump", step, "--include", name, "--file", str(file))
        found = pickle.loads(file.read_bytes())
        while isinstance(found, dict) and name not in found:
            (found,) = found.values()
        return found[name]


@pytest.fixture
def people(aws: StepFunctionsServer, tmp_path: Path) -> tuple[User, User]:
    write(tmp_path, FLOW.replace("required=True", "default=2"))
    name = f"train-{next(_numbers)}"
    return User(aws, tmp_path, "anne", name), User(aws, tmp_path, "bob", name)


def test_a_run_from_the_command_line(people, tmp_path):
    anne, _ = people
    out, err = anne.step_functions("create")
    assert out == f"arn:aws:states:us-east-1:123456789012:stateMachine:{anne.name}\n"
    assert "is deployed as version 1" in err and f"step-functions trigger --name {anne.name}" in err
    assert f"--name={anne.name} step-functions create --authorize=train-" in err
    words = ("--names", HOSTILE, "--alpha", "0.25", "--grid", '"text"', "--run-id-file", "id")
    out, err = anne.step_functions("trigger", *words)
    run = out.strip()
    assert (tmp_path / "id").read_text() == run and f"step-functions status {run}" in err
    shown = anne.wait(run)
    assert "SUCCEEDED" in shown and f"logs {run}/STEP" in shown, shown
    values = {"names": HOSTILE.split(","), "alpha": 0.25, "grid": "text", "shuffle": True, "scores": [0, 10]}
    assert {name: anne.artifact(f"{run}/end", name) for name in values} == values
    assert not list(tmp_path.rglob("canary"))
    assert anne.step_functions("list-runs", "--succeeded")[0].startswith(f"{run} ")
    out, err = anne.step_functions("list-runs", "--failed")
    assert out == "" and "has no failed runs" in err
    assert "Version        1 of 1" in anne.step_functions("status")[0]
    assert "isn't running" in anne.step_functions("terminate", run, code=1)[1]
    assert "has succeeded" in anne.step_functions("resume", run, code=1)[1]


def test_a_run_with_an_id_of_its_own_and_one_whose_input_is_refused(people, tmp_path, aws):
    anne, _ = people
    anne.step_functions("create", "--quiet")
    words = ("trigger", "--folds", "1", "--quiet", "--run-id")
    assert anne.step_functions(*words, "nightly-1", "--run-id-file", "id")[0] == "sfn-nightly-1\n"
    assert (tmp_path / "id").read_text() == "sfn-nightly-1"
    for again in ("nightly-1", "sfn-nightly-1"):
        said = anne.step_functions(*words, again, code=1)[1]
        assert "There is a run sfn-nightly-1 in Step Functions already" in said
    assert "SUCCEEDED" in anne.wait("sfn-nightly-1")
    assert "There is a run sfn-nightly-1" in anne.step_functions(*words, "nightly-1", code=1)[1]
    states = aws.client("stepfunctions", aws.states_url)
    alias = f"arn:aws:states:us-east-1:123456789012:stateMachine:{anne.name}:live"
    states.start_execution(stateMachineArn=alias, name="wrong", input=json.dumps({"Parameters": '{"fold": 3}'}))
    shown = anne.wait("sfn-wrong")
    assert "FAILED" in shown and "FlowSDK.RefusedInput" in shown and "no parameter 'fold'" in shown, shown
    assert "never began" in anne.step_functions("resume", "sfn-wrong", code=1)[1]
    listed, said = anne.step_functions("list-runs", "--failed")
    assert len(listed.splitlines()) == 1 and "it never began: The flow has no parameter 'fold'" in said


@pytest.mark.parametrize(
    ("options", "said"), [((), "Failed task    fit/1.0: ValueError"), (("--max-workers", "40"), "exit code 1")]
)
def test_a_failed_run_names_its_task(options, said, people, tmp_path):
    write(tmp_path, FAILING)
    anne, _ = people
    anne.step_functions("create", "--quiet", *options)
    run = anne.step_functions("trigger", "--folds", "1", "--quiet")[0].strip()
    shown = anne.wait(run)
    assert f"logs {run}/fit/1.0" in shown and said in shown, shown
    command = next(line.partition("train.py ")[2] for line in shown.splitlines() if line.startswith("Logs"))
    assert "an unlucky number" in "".join(anne.call(*command.split()))


CAREFUL = """
import hashlib, os
from flow_sdk import FlowSpec, secrets, step


class Train(FlowSpec):
    @secrets(sources=["aws-secrets-manager.of-the-manager"])
    @step
    def start(self):
        print("fetched", hashlib.sha256(os.environ["FETCHED"].encode()).hexdigest())
        self.next(self.end)

    @secrets(sources=["aws-secrets-manager.of-the-manager"])
    @step
    def end(self):
        assert not os.environ["FETCHED"], "refused"


if __name__ == "__main__":
    Train()
"""


def test_a_secret_is_in_the_jobs_process_alone(aws, people, tmp_path, monkeypatch):
    secrets = {"fetched": f"canary{71 * 7919}Secret", "own": f"canary{73 * 7919}Secret"}
    (tmp_path / "train.py").write_text(CAREFUL)
    value = json.dumps({"FETCHED": secrets["fetched"]})
    aws.client("secretsmanager").create_secret(Name="of-the-manager", SecretString=value)
    anne, _ = people
    anne.environment["DB_PASSWORD"] = secrets["own"]
    before = len(aws.jobs())
    said = ["".join(anne.step_functions("create"))]
    run = anne.step_functions("trigger", "--quiet")[0].strip()
    said.append(anne.wait(run))
    said += ["".join(anne.call("logs", f"{run}/{step}")) for step in ("start", "end")]
    assert f"fetched {hashlib.sha256(secrets['fetched'].encode()).hexdigest()}" in said[2] and "refused" in said[3]
    states = aws.client("stepfunctions", aws.states_url)
    (machine,) = (one["stateMachineArn"] for one in states.list_state_machines()["stateMachines"]
                  if one["name"] == anne.name)  # fmt: skip
    said.append(states.describe_state_machine(stateMachineArn=machine)["definition"])
    for one in states.list_executions(stateMachineArn=machine)["executions"]:
        said.append(json.dumps(states.get_execution_history(executionArn=one["executionArn"]), default=str))
    jobs = aws.jobs()[before:]
    said += ["\n".join(aws.log(job)) for job in jobs]
    said.append(json.dumps([jobs, aws.client("batch").describe_job_definitions()["jobDefinitions"]], default=str))
    assert len(jobs) == 2 and len(said) == 9 and all(said)
    assert [text for text in said if any(secret in text for secret in secrets.values())] == []
    for name, text in aws.env().items():
        monkeypatch.setenv(name, text)
    store = open_store(f"s3://store/{tmp_path.name}")
    assert holding(store, secrets) == {}
    # What is looked for would be found: the secret's name is in the plan.
    assert holding(store, {"name": "of-the-manager"}).keys() == {"name"}


def test_a_run_that_fails_before_it_begins_says_why(aws, people):
    anne, _ = people
    arn = anne.step_functions("create", "--quiet")[0].strip()
    started = aws.client("stepfunctions").start_execution(
        stateMachineArn=f"{arn}:live", name="bad-input", input='{"alpha": "zz"}'
    )
    assert aws.wait(started["executionArn"])["status"] == "FAILED"
    shown = anne.step_functions("status", "sfn-bad-input")[0]
    assert "The parameter 'alpha' can't take this value." in shown and "none in the store" in shown, shown
    told = anne.call("logs", "sfn-bad-input/start/0", code=1)[1]
    assert "step-functions status sfn-bad-input" in told


def test_a_run_is_stopped_by_who_holds_the_token(aws, people, tmp_path):
    write(tmp_path, SLOW)
    anne, bob = people
    anne.step_functions("create", "--quiet")
    run = bob.step_functions("trigger", "--folds", "1", "--quiet")[0].strip()
    deadline = time.monotonic() + 60
    while not any("-start-" in job["jobName"] and job["status"] == "RUNNING" for job in aws.jobs()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    for words in (("terminate", run), ("delete",), ("rollback",)):
        assert "under a production token of anne" in bob.step_functions(*words, code=1)[1]
    assert "Running for" in bob.step_functions("status", run)[0]
    assert "is still running" in bob.step_functions("resume", run, code=1)[1]
    out, err = anne.step_functions("terminate", run)
    assert out.strip() == run and "is stopped" in err
    assert "Status         ABORTED" in anne.wait(run)
    # The store is told: by who stops a run, and by who looks at one that was stopped elsewhere.
    assert anne.end(run, forget=True)["reason"] == "it was stopped with step-functions terminate"
    anne.step_functions("status", run)
    assert anne.end(run)["reason"].startswith("Step Functions says that it was stopped")
    while any(job["status"] == "RUNNING" for job in aws.jobs()):
        assert time.monotonic() < deadline + 60, "AWS Batch ends the jobs of a stopped run"
        time.sleep(0.2)


def test_deleting_stops_what_runs_and_says_so(people, tmp_path):
    write(tmp_path, SLOW)
    anne, _ = people
    anne.step_functions("create", "--quiet")
    run = anne.step_functions("trigger", "--folds", "1", "--quiet")[0].strip()
    out, err = anne.step_functions("delete")
    assert out.strip() == anne.name
    assert f"Stopping the run {run}." in err and "Deleted: the state machine" in err and "What remains" in err
    assert "isn't deployed to Step Functions" in anne.step_functions("trigger", code=1)[1]
    assert "there was nothing to delete" in anne.step_functions("delete")[1]
