"""Secrets of a machine: after runs, deployments and failures they are nowhere but where their owner put them."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flow_sdk import client
from flow_sdk.client import Run, Task, reader
from flow_sdk.metadata.runs import Runs
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records.layout import blob_key, commit_key, log_key
from tests.conftest import ROOT
from tests.security.stored import holding
from tests.support.airflow_runs import dag_test
from tests.support.batch_server import BatchServer
from tests.support.parts import LINES

NAMES = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "DB_PASSWORD", "GITHUB_TOKEN",
    "AIRFLOW_CONN_STORE", "AIRFLOW_CONN_OTHER", "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW_PASSWORD",
    "FLOW_SDK_AIRFLOW_PASSWORD", "METAFLOW_SERVICE_AUTH_KEY", "SSH_KEY", "API_KEY_OF_OTHERS",
    "file_credentials", "file_netrc", "file_env", "file_key", "file_git", "fetched", "parameter", "given",
)  # fmt: skip
CANARIES = {name: f"canary{n:02}Secret{n * 7919 + 100003}" for n, name in enumerate(NAMES)}
# Where Airflow is imported it has to be a real key.
CANARIES["AIRFLOW__CORE__FERNET_KEY"] = base64.urlsafe_b64encode(hashlib.sha256(b"canary").digest()).decode()
FETCHED = hashlib.sha256(CANARIES["fetched"].encode()).hexdigest()
PARAMETERS = ("parameter", "given")
"""Stored as artifacts, as a parameter is one. They have no business anywhere else."""

FLOW = """
import hashlib
import os
from flow_sdk import FlowSpec, Parameter, catch, environment, retry, secrets, step


class Careful(FlowSpec):
    \"\"\"Uses secrets and keeps none.\"\"\"

    given = Parameter("given", default="none")
    parameter = Parameter("parameter", default=lambda context: "none")
    fail = Parameter("fail", default=False)

    @environment(vars={"PLAIN": "documented-to-be-in-the-plan"})
    @secrets(sources=["aws-secrets-manager.careful"])
    @step
    def start(self):
        print("fetched", hashlib.sha256(os.environ["OF_THE_MANAGER"].encode()).hexdigest())
        password = os.environ["DB_PASSWORD"]
        self.length = len(password) + len(self.given)
        print("connected", self.length)
        self.next(self.work)

    @catch(var="failure", print_exception=True)
    @retry(times=1, minutes_between_retries=0)
    @step
    def work(self):
        password = os.environ["DB_PASSWORD"]
        connection = {"password": password, "given": self.given}
        if connection:
            raise ConnectionError("refused by the database")
        self.next(self.end)

    @step
    def end(self):
        password = os.environ["DB_PASSWORD"]
        if self.fail:
            raise ConnectionError("refused again")
        self.last = len(password)


if __name__ == "__main__":
    Careful()
"""
STORE = "s3://store/secrets"


@pytest.fixture(scope="module")
def aws() -> Iterator[BatchServer]:
    with BatchServer("store") as server:
        server.prepare()
        secret = json.dumps({"OF_THE_MANAGER": CANARIES["fetched"]})
        server.client("secretsmanager").create_secret(Name="careful", SecretString=secret)
        yield server


class Machine:
    """A person's machine that is full of secrets."""

    def __init__(self, aws: BatchServer, folder: Path, root: str) -> None:
        self.folder, self.root = folder / "code", root
        self.said: list[str] = []
        account = aws.prepare()
        for path, content in {
            "home/.aws/credentials": f"[work]\naws_access_key_id = {CANARIES['file_credentials']}\n"
            f"aws_secret_access_key = {CANARIES['file_credentials']}\n",
            "home/.netrc": f"machine example.org login me password {CANARIES['file_netrc']}\n",
            "code/.env": f"TOKEN={CANARIES['file_env']}\n",
            "code/server.key": CANARIES["file_key"],
            "code/.git/config": f"url = https://x:{CANARIES['file_git']}@example.org/\n",
            "code/flow.py": FLOW,
        }.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
        connection = {"conn_type": "aws", "login": CANARIES["AIRFLOW_CONN_STORE"],
                      "password": CANARIES["AIRFLOW_CONN_STORE"],
                      "extra": {"endpoint_url": aws.url, "region_name": "us-east-1"}}  # fmt: skip
        self.environment = {
            **{name: value for name, value in CANARIES.items() if name.isupper()},
            "AIRFLOW_CONN_STORE": json.dumps(connection),
            "AIRFLOW_CONN_OTHER": f"postgres://me:{CANARIES['AIRFLOW_CONN_OTHER']}@example.org/db",
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "provider" / "src"))),
            "AWS_ENDPOINT_URL": aws.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "FLOW_SDK_USER": "anne",
            "FLOW_SDK_DEFAULT_DATASTORE": "s3",
            "FLOW_SDK_DATASTORE_SYSROOT_S3": root,
            "FLOW_SDK_BATCH_JOB_QUEUE": account.queue,
            "FLOW_SDK_BATCH_IMAGE": "image:1",
            "FLOW_SDK_SFN_IAM_ROLE": account.machine_role,
        }

    def call(self, *words: str, code: int = 0, **more: str) -> str:
        """Call the flow file; what it says is kept."""
        done = subprocess.run(
            [sys.executable, "flow.py", *words], cwd=self.folder, env={**self.environment, **more},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        self.said.append(done.stdout + done.stderr)
        assert done.returncode == code, done.stderr
        return done.stdout

    def found(self, *texts: str, words: dict[str, str] = CANARIES) -> dict[str, set[str]]:
        """Where which secret is: in what was ``said``, in a text by its number, under a key of the store."""
        found = holding(open_store(self.root), words)
        for place, text in {"said": "\n".join(self.said), **{str(n): text for n, text in enumerate(texts)}}.items():
            assert text
            for name in (name for name, word in words.items() if word in text):
                found.setdefault(name, set()).add(place)
        return found

    def check(self, *texts: str) -> None:
        """Check that no secret is in what was said or in ``texts``, and in the store only parameters as artifacts."""
        found = self.found(*texts)
        assert set(found) <= set(PARAMETERS), found
        for key in {key for keys in found.values() for key in keys}:
            assert key.endswith(("/run.json", "/commit.json", "/manifest.json", "/start.json")), key


@pytest.fixture
def machine(aws: BatchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    for name, value in aws.env().items():
        monkeypatch.setenv(name, value)
    root = f"{STORE}/{tmp_path.name}"
    client.metadata(root)
    client.namespace(None)
    yield Machine(aws, tmp_path, root)
    client.default_metadata()
    client.default_namespace()
    reader._cached_reader.cache_clear()


GIVEN = (f"--given={CANARIES['given']}", f"--parameter={CANARIES['parameter']}")


def pages(run: str) -> str:
    task = Task(f"Careful/{run}/work/1")
    found = [Run(f"Careful/{run}"), task, task.data, Task(f"Careful/{run}/end/2"), Run(f"Careful/{run}").code]
    return "".join(item._repr_html_() + repr(item) for item in found if item is not None)


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_runs_and_failures(machine: Machine, isolation: str) -> None:
    machine.call("run", "--isolation", isolation, *GIVEN)
    machine.call("run", "--isolation", isolation, *GIVEN, "--fail", "true", code=1)
    machine.call("resume", code=1)
    machine.call("logs", "1/work", "--timestamps")
    assert f"fetched {FETCHED}" in machine.call("logs", "1/start")
    machine.call("logs", "2/end")
    machine.call("dump", "1/end", "--include", "length,last,failure", "--private")
    machine.call("tag", "list", "1")
    machine.call("run", "--given", *GIVEN, code=2)
    machine.call("show", "--format", "json")
    machine.call("package", "list")
    raised = Task("Careful/2/end/2").exception
    assert raised is not None and "refused again" in str(raised)
    assert holding(open_store(machine.root), CANARIES).keys() == set(PARAMETERS)  # what is looked for is found
    machine.check(pages("1"), pages("2"), raised.stacktrace)


CARELESS = """
import os
from flow_sdk import FlowSpec, environment, step

# LEAK_package


def word(name):
    return "LEAK_" + name


class Careful(FlowSpec):
    @environment(vars={"PLAIN": word("plan")})
    @step
    def start(self):
        self.kept, self.large = word("artifact"), word("blob") * 1000
        print(word("log"))
        self.next(self.leak_of_definition)

    @step
    def leak_of_definition(self):
        self.next(self.end)

    @step
    def end(self):
        raise ValueError(word("error"))


if __name__ == "__main__":
    Careful()
"""


def test_what_is_searched_is_found_wherever_it_is(machine: Machine) -> None:
    """The search of these tests, with a secret planted on each surface."""
    leaks = {name: f"LEAK_{name}" for name in ("plan", "package", "artifact", "blob", "log", "error", "page")}
    leaks["definition"] = "leak_of_definition"
    (machine.folder / "flow.py").write_text(CARELESS)
    (machine.folder / "dags").mkdir()
    machine.call("run", "--tag", leaks["page"], code=1)
    machine.call("airflow", "create", "dags")
    definition = machine.call("step-functions", "create", "--only-json")
    dag = (machine.folder / "dags" / "Careful.py").read_text()
    end = Task("Careful/1/end/2", attempt=0)
    run = Run("Careful/1")
    shown = "".join(item._repr_html_() for item in (run, end, end.data))
    raised = end.exception
    assert raised is not None and run.code is not None
    found = machine.found(dag, definition, shown, raised.stacktrace, words=leaks)
    record = Runs(open_store(machine.root)).read("Careful", "1")
    wanted = {
        "plan": {blob_key(record.plan), "0"},
        "package": {blob_key(record.package or "")},
        "artifact": {commit_key("Careful", "1", "start", "0")},
        "log": {log_key("Careful", "1", "start", "0", 0, 0), "said"},
        "error": {"said", "3", log_key("Careful", "1", "end", "2", 0, 0)},
        "page": {"2"},
        "definition": {"0", "1"},
    }
    for name, places in wanted.items():
        assert places <= found.get(name, set()), (name, found.get(name))
    assert any(key.startswith("blobs/") for key in found["blob"])


def test_a_laptop_with_tasks_on_batch(aws: BatchServer, machine: Machine) -> None:
    before = len(aws.jobs())
    # The job's own environment has no DB_PASSWORD: a laptop's variables don't travel.
    machine.call("run", "--with", "batch", *GIVEN, code=1)
    jobs = aws.jobs()[before:]
    said = "\n".join(aws.log(jobs[0]))
    assert "KeyError: 'DB_PASSWORD'" in said and f"fetched {FETCHED}" in said
    definitions = aws.client("batch").describe_job_definitions()["jobDefinitions"]
    machine.check(json.dumps([jobs, definitions], default=str), *("\n".join(aws.log(job)) for job in jobs))


def test_a_state_machine(aws: BatchServer, machine: Machine) -> None:
    machine.call("step-functions", "create")
    machine.call("step-functions", "create", "--only-json")
    states = aws.client("stepfunctions", aws.url)
    made = [states.describe_state_machine(stateMachineArn=one["stateMachineArn"])
            for one in states.list_state_machines()["stateMachines"]]  # fmt: skip
    definitions = aws.client("batch").describe_job_definitions()["jobDefinitions"]
    assert made and definitions
    # The plan holds the variables of @environment, and the pages say so; neither definition does.
    assert "documented-to-be" not in json.dumps([made, definitions], default=str)
    assert "variables" in holding(open_store(machine.root), {"variables": "documented-to-be-in-the-plan"})
    machine.call("step-functions", "terminate", "sfn-nothing", code=1)
    machine.check(json.dumps([made, definitions], default=str))


def test_a_dag_file(machine: Machine) -> None:
    (machine.folder / "dags").mkdir()
    machine.call("airflow", "create", "dags")
    machine.call("airflow", "trigger", "--airflow-url", "http://127.0.0.1:1", *GIVEN, code=1)
    machine.check((machine.folder / "dags" / "Careful.py").read_text())


@pytest.mark.parametrize("line", [pytest.param(line, marks=getattr(pytest.mark, line)) for line in reversed(LINES)])
@pytest.mark.one_of(2)  # the lines of Airflow take turns
def test_a_run_on_airflow(line: str, airflow_python: str, machine: Machine, tmp_path: Path) -> None:
    dags = machine.folder / "dags"
    dags.mkdir()
    machine.call("airflow", "create", str(dags), AIRFLOW_CONN_AWS_DEFAULT=machine.environment["AIRFLOW_CONN_STORE"])
    environment = {name: value for name, value in machine.environment.items() if not name.startswith("AWS_")}
    environment["AIRFLOW_CONN_AWS_DEFAULT"] = environment["AIRFLOW_CONN_STORE"]
    runs = [{"dag": "Careful", "conf": {"given": CANARIES["given"], "fail": fail}} for fail in (False, True)]
    done = dag_test(airflow_python, tmp_path / "airflow", dags, runs, environment)
    assert "refused again" in done["log"] and f"fetched {FETCHED}" in done["log"]
    logs = [path.read_text("utf-8", "replace") for path in (tmp_path / "airflow").rglob("*.log")]
    # Airflow itself keeps a run's conf, and says it at its start.
    said = "\n".join(one for one in done["log"].splitlines() if "conf" not in one)
    machine.check(said, (dags / "Careful.py").read_text(), *(log for log in logs if log))


def test_settings_are_shown_without_what_is_secret(machine: Machine) -> None:
    for words in (["status"], ["doctor"], ["configure", "show"], ["store", "check"]):
        done = subprocess.run([sys.executable, "-m", "flow_sdk", *words], cwd=machine.folder, env=machine.environment,
                              capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
        machine.said.append(f"{words}: {done.stdout}{done.stderr}")
    machine.check()
