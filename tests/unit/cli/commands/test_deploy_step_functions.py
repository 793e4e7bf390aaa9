"""``step-functions`` on the command line: what is refused before AWS is asked, and what needs no AWS at all."""

import json
from pathlib import Path

import pytest

from flow_sdk.store.open_store import open_store
from tests.support.ports import free_port
from tests.unit.cli.flow_file import FLOW, call, files, write

pytestmark = pytest.mark.slow  # starts processes or servers

DEPLOYABLE = FLOW.replace("required=True", "default=2")
PROJECT = DEPLOYABLE.replace("JSONType, step", "JSONType, project, step").replace(
    "class T", '@project(name="models")\nclass T'
)
STORE = ("--datastore-root", "s3://bucket/prefix")
SETTINGS = {
    "FLOW_SDK_BATCH_JOB_QUEUE": "queue",
    "FLOW_SDK_BATCH_IMAGE": "image:1",
    "METAFLOW_SFN_IAM_ROLE": "arn:aws:iam::123456789012:role/machine",  # the peer's names are taken as well
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, DEPLOYABLE)
    return tmp_path


@pytest.fixture
def nowhere() -> dict[str, str]:
    """Settings with which any call of AWS fails, and fails quickly."""
    return {**SETTINGS, **KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}", "AWS_MAX_ATTEMPTS": "1"}


REFUSED = [
    ("step-functions", 2, "create or trigger or list-runs or status or terminate or resume or rollback or delete"),
    ("step-functions crate", 2, "Did you mean 'create'?"),
    ("step-functions create x", 2, "step-functions create doesn't take 'x'."),
    ("step-functions create --max-workers 0", 2, "--max-workers can't be '0'."),
    ("step-functions create --workflow-timeout soon", 2, "--workflow-timeout can't be 'soon'."),
    ("step-functions create --workflow-timeout 100000000", 1, "--workflow-timeout is out of range."),
    ("step-functions create --aws-batch-tag team", 2, "--aws-batch-tag takes a key and a value"),
    ("step-functions create --aws-batch-tag a=1 --aws-batch-tag a=2", 2, "a=1 and a=2"),
    ("step-functions create --aws-batch-tag x.$=States.Format", 2, "--aws-batch-tag can't be used"),
    ("step-functions create --aws-batch-tag aws:x=1", 2, "--aws-batch-tag can't be used"),
    ("step-functions create --with rety", 2, "Did you mean 'retry'?"),
    ("step-functions create --log-execution-history", 1, "FLOW_SDK_SFN_EXECUTION_LOG_GROUP_ARN"),
    ("step-functions trigger --folds many", 2, "The parameter 'folds' can't take this value."),
    ("step-functions trigger --fold 3", 2, "Did you mean '--folds'?"),
    ("step-functions create --alert-topic alerts", 1, "--alert-topic isn't the ARN of a topic"),
    ("step-functions trigger --run-id-file no/x", 2, "This file can't be written."),
    ("step-functions trigger --run-id a/b", 2, "--run-id can't be the id of a run of Step Functions."),
    (f"step-functions trigger --run-id {'x' * 81}", 2, "--run-id is too long for a run of Step Functions."),
    ("step-functions terminate", 2, "step-functions terminate needs RUN."),
    ("step-functions terminate a/b", 2, "This isn't a run of Step Functions."),
    ("step-functions resume 'sfn-é'", 2, "This isn't a run of Step Functions."),
    ("step-functions list-runs --done", 2, "There's no option '--done'."),
]


@pytest.mark.parametrize(("line", "code", "text"), REFUSED)
def test_what_is_refused_before_aws_is_asked(folder, nowhere, line, code, text):
    done = call(folder, *STORE, *line.split(), environment=nowhere)
    assert done.returncode == code, done.stderr
    assert text in done.stderr and "doesn't answer" not in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
    assert files(folder) == {"train.py"}


@pytest.mark.parametrize("command", ["create", "trigger"])
def test_an_aws_that_does_not_answer_is_one_message(folder, nowhere, command):
    done = call(folder, *STORE, "step-functions", *command.split(), environment=nowhere)
    assert done.returncode == 1 and "STS doesn't answer at http://127.0.0.1:" in done.stderr, done.stderr
    assert "AWS_ENDPOINT_URL" in done.stderr and "Traceback" not in done.stderr
    assert files(folder) == {"train.py"}


@pytest.mark.parametrize("command", ["create", "trigger", "delete"])
def test_no_credentials_is_one_message(folder, command):
    done = call(folder, *STORE, "step-functions", command, environment=SETTINGS)
    assert done.returncode == 1 and "there are no credentials" in done.stderr, done.stderr
    assert "AWS_ACCESS_KEY_ID" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("missing", ["FLOW_SDK_BATCH_JOB_QUEUE", "FLOW_SDK_BATCH_IMAGE"])
def test_a_missing_setting_is_named(folder, missing):
    settings = {name: value for name, value in SETTINGS.items() if name != missing}
    done = call(folder, *STORE, "step-functions", "create", "--only-json", environment=settings)
    assert done.returncode == 2 and missing in done.stderr, done.stderr


def test_a_local_store_is_refused(folder):
    done = call(folder, "step-functions", "create", "--only-json", environment=SETTINGS)
    assert done.returncode == 1 and "Step Functions needs a store in S3" in done.stderr
    assert files(folder) == {"train.py"}


def test_only_json_prints_the_state_machine_and_asks_nobody(folder, nowhere):
    options = ("--max-workers", "7", "--workflow-timeout", "60", "--aws-batch-tag", "team=a=b", "--tag", "x")
    # Without credentials, roles and an answering AWS: none is looked for.
    bare = {name: value for name, value in nowhere.items() if name not in (*KEYS, "METAFLOW_SFN_IAM_ROLE")}
    one, two = (
        call(folder, *STORE, "step-functions", "create", "--only-json", *options, environment=environment)
        for environment in (nowhere, bare)
    )
    assert one.returncode == 0 and one.stderr == "", one.stderr
    assert one.stdout == two.stdout
    machine = json.loads(one.stdout)
    assert machine["TimeoutSeconds"] == 60 and machine["States"]["start.each"]["MaxConcurrency"] == 7
    assert machine["States"]["end"]["Parameters"]["Tags"]["team"] == "a=b"
    assert files(folder) == {"train.py"}


def test_one_form_of_the_stores_address(folder, nowhere):
    one, two, three = (
        call(folder, "--datastore-root", root, "step-functions", "create", "--only-json", environment=nowhere).stdout
        for root in ("s3://bucket/prefix", "s3://bucket/prefix/", "s3://bucket//prefix//")
    )
    assert one == two == three and json.loads(one)


@pytest.mark.parametrize(
    ("root", "command"),
    [
        ("s3://", "step-functions create --only-json"),
        ("s3:///x", "step-functions create --dry-run"),
        ("s3://b/x/../y", "step-functions create --only-json"),
        ("s3://", "run"),
        ("s3://b/x/../y", "logs 1/start"),
        ("s3://b/./y", "resume"),
    ],
)
def test_what_is_no_address_in_s3(folder, nowhere, root, command):
    done = call(folder, "--datastore-root", root, *command.split(), environment=nowhere)
    assert done.returncode == 2 and "That isn't an address in S3." in done.stderr, done.stderr
    assert files(folder) == {"train.py"}


def test_logs_of_a_run_that_never_began_say_where_the_cause_is(folder):
    open_store(str(folder / ".flow_sdk"))
    for run, where in (("sfn-x", "train.py step-functions status sfn-x"), ("airflow-x", "start task in Airflow")):
        done = call(folder, "logs", f"{run}/start/0")
        assert done.returncode == 1 and where in done.stderr, done.stderr
    assert "step-functions" not in call(folder, "logs", "7/start").stderr


def test_only_json_asks_for_no_profile_of_aws(folder, nowhere):
    environment = {name: value for name, value in nowhere.items() if name not in ("AWS_DEFAULT_REGION", *KEYS)}
    environment |= {"AWS_PROFILE": "gone", "AWS_REGION": "", "AWS_DEFAULT_REGION": ""}
    done = call(folder, *STORE, "step-functions", "create", "--only-json", environment=environment)
    assert done.returncode == 0 and json.loads(done.stdout), done.stderr
    done = call(folder, *STORE, "step-functions", "create", environment=environment)
    assert done.returncode == 1 and "AWS_PROFILE" in done.stderr and "Traceback" not in done.stderr


def test_more_workers_than_one_execution_has(folder, nowhere):
    def made(*options: str) -> tuple[dict[str, object], str]:
        done = call(folder, *STORE, "step-functions", "create", "--only-json", *options, environment=nowhere)
        return json.loads(done.stdout)["States"]["start.each"], done.stderr

    for options, workers, mode in (
        ((), 100, "DISTRIBUTED"),
        (("--max-workers", "200"), 200, "DISTRIBUTED"),
        (("--max-workers", "40"), 40, "INLINE"),
        (("--max-workers", "9", "--use-distributed-map"), 9, "DISTRIBUTED"),
    ):
        each, said = made(*options)
        assert each["MaxConcurrency"] == workers and each["ItemProcessor"]["ProcessorConfig"]["Mode"] == mode
        assert said == ""


def test_a_foreach_of_known_few_items_has_an_inline_map(tmp_path, nowhere):
    text = DEPLOYABLE.replace("self.parts = list(range(self.folds))", "self.parts = list(range(5))")
    assert text != DEPLOYABLE
    write(tmp_path, text)
    done = call(tmp_path, *STORE, "step-functions", "create", "--only-json", environment=nowhere)
    each = json.loads(done.stdout)["States"]["start.each"]
    assert each["MaxConcurrency"] == 40 and each["ItemProcessor"]["ProcessorConfig"]["Mode"] == "INLINE"


def test_a_prefix_of_names_that_aws_does_not_take(folder, nowhere):
    nowhere["FLOW_SDK_SFN_STATE_MACHINE_PREFIX"] = "a b"
    done = call(folder, *STORE, "step-functions", "create", environment=nowhere)
    assert done.returncode == 2 and "SFN_STATE_MACHINE_PREFIX can't be" in done.stderr


def test_only_json_under_a_project(tmp_path, nowhere):
    write(tmp_path, PROJECT)
    found = [
        call(tmp_path, *STORE, *branch, "step-functions", "create", "--only-json", environment=nowhere).stdout
        for branch in (("--production",), ("--branch", "a"), ())
    ]
    assert len(set(found)) == 3  # the runs belong to different branches
    done = call(tmp_path, *STORE, "step-functions", "create", "--only-json", "--name", "x", environment=nowhere)
    assert done.returncode == 2 and "--name can't be used with @project" in done.stderr


def test_parameters_that_are_too_large(folder, nowhere):
    # A quotation mark is two bytes in JSON; Linux takes no single argument above 128 KiB.
    words = (f"--names={chr(34) * 110_000}", "--grid", json.dumps(["x" * 60_000]))
    done = call(folder, *STORE, "step-functions", "trigger", *words, environment=nowhere)
    assert done.returncode == 2 and "262,144" in done.stderr and "'names'" in done.stderr, done.stderr[:500]
