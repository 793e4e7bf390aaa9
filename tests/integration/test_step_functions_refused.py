"""AWS refuses what a ``step-functions`` command asks: one clear message that names what is missing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.batch_server import BatchServer
from tests.support.refusing_aws import RefusingAws
from tests.unit.cli.flow_file import write

pytestmark = pytest.mark.aws

VERBS = (("create",), ("trigger", "--folds", "2"), ("list-runs",))
DENIED = "User: arn:aws:sts::123456789012:assumed-role/dev/anne isn't allowed to do this"


@pytest.fixture(scope="module")
def server() -> Iterator[BatchServer]:
    with BatchServer("store") as running:
        running.prepare()
        yield running


@pytest.fixture(scope="module")
def refusing(server: BatchServer) -> Iterator[RefusingAws]:
    with RefusingAws(server.url) as running:
        yield running


class Caller:
    """A user who calls a flow file, to whom AWS is the server that refuses."""

    def __init__(self, server: BatchServer, refusing: RefusingAws, folder: Path) -> None:
        account = server.prepare()
        write(folder)
        self.folder = folder
        self.env = {
            **os.environ,
            **server.env(),
            "AWS_ENDPOINT_URL": refusing.url,
            "HOME": str(folder),
            "FLOW_SDK_HOME": str(folder / "home"),
            "FLOW_SDK_USER": "anne",
            "FLOW_SDK_BATCH_JOB_QUEUE": account.queue,
            "FLOW_SDK_BATCH_IMAGE": "image:1",
            "FLOW_SDK_SFN_IAM_ROLE": account.machine_role,
            "FLOW_SDK_DATASTORE_SYSROOT_S3": f"s3://store/{folder.name}",
            "FLOW_SDK_DEFAULT_DATASTORE": "s3",
        }

    def __call__(self, *words: str, code: int = 1) -> str:
        """Call a command; what it says on stderr, which is one message and no traceback."""
        command = [sys.executable, "train.py", "step-functions", *words, "--name", f"F-{self.folder.name[-30:]}"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        if code:
            assert sum(line.startswith("error: ") for line in done.stderr.splitlines()) == 1, done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def call(server: BatchServer, refusing: RefusingAws, tmp_path: Path) -> Caller:
    refusing.refuse()
    return Caller(server, refusing, tmp_path)


def each(call: Caller) -> list[str]:
    """What the commands say, all called at once."""
    with ThreadPoolExecutor(len(VERBS)) as pool:
        return list(pool.map(lambda words: call(*words), VERBS))


def test_without_credentials(call: Caller) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del call.env[name]
    for said in each(call):
        assert "there are no credentials" in said and "AWS_ACCESS_KEY_ID" in said, said


def test_with_credentials_that_have_expired(call: Caller, refusing: RefusingAws) -> None:
    refusing.refuse("*", "ExpiredTokenException", "The security token included in the request is expired")
    for said in each(call):
        assert "the credentials aren't accepted" in said and "aws sso login" in said, said


@pytest.mark.parametrize(
    ("operation", "code", "permission"),
    [
        ("DescribeJobQueues", "AccessDeniedException", "batch:DescribeJobQueues"),
        ("PutParameter", "AccessDeniedException", "ssm:PutParameter"),
        ("CreateStateMachine", "AccessDeniedException", "states:CreateStateMachine"),
    ],
)
def test_a_permission_that_create_lacks_is_named(
    operation: str, code: str, permission: str, call: Caller, refusing: RefusingAws
) -> None:
    refusing.refuse(operation, code, DENIED)
    said = call("create")
    assert f"the permission {permission}" in said and DENIED in said, said


@pytest.mark.parametrize("words", VERBS[1:], ids=lambda words: words[0])
def test_a_permission_to_see_what_is_deployed_is_named(
    words: tuple[str, ...], call: Caller, refusing: RefusingAws
) -> None:
    refusing.refuse("DescribeStateMachine", "AccessDeniedException", DENIED)
    assert "the permission states:DescribeStateMachine" in call(*words)


def test_a_call_that_is_throttled_is_made_again(call: Caller, refusing: RefusingAws) -> None:
    refusing.refuse("DescribeJobQueues", "TooManyRequestsException", "Too Many Requests", times=2)
    assert "this is what create would do" in call("create", "--dry-run", code=0)
    assert refusing.calls["DescribeJobQueues"] >= 3
