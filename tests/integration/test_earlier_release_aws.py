"""Flows that one release sends to AWS, in containers of the other release: commands, variables, results."""

import json
import shlex
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_earlier_release import MADE, READ, install
from tests.support.batch_server import BatchServer
from tests.support.earlier_release import FLOW_SOURCE, Installation, ReleaseTrees, extract_release
from tests.support.step_functions import StepFunctionsServer

pytestmark = pytest.mark.aws

BOTH = [("previous", "present"), ("present", "previous")]
"""The release that deploys, and the release in the containers."""


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> ReleaseTrees:
    return extract_release(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BatchServer, Path]]:
    """A Batch, and the file that names the folders of the release that its containers have."""
    folder = tmp_path_factory.mktemp("images")
    chosen, python = folder / "chosen", folder / "python"
    python.write_text(
        f'#!/bin/sh\nexport PYTHONPATH="$(cat {shlex.quote(str(chosen))})"\nexec {shlex.quote(sys.executable)} "$@"\n'
    )
    python.chmod(0o755)
    with BatchServer("flows", python=str(python)) as server:
        server.prepare()
        yield server, chosen


def settings(server: BatchServer, prefix: str) -> dict[str, str]:
    account = server.prepare()
    return {
        **server.env(),
        "FLOW_SDK_BATCH_JOB_QUEUE": account.queue,
        "FLOW_SDK_BATCH_IMAGE": "image:1",
        "FLOW_SDK_SFN_IAM_ROLE": account.machine_role,
        "FLOW_SDK_DEFAULT_DATASTORE": "s3",
        "FLOW_SDK_DATASTORE_SYSROOT_S3": prefix,
    }


def read(user: Installation, root: str) -> dict[str, Any]:
    """What the client of the release that deployed reads of the one run."""
    (found,) = json.loads(user.call("-c", READ, root).stdout).values()
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(("deployer", "image"), BOTH)
def test_steps_on_batch_run_in_an_image_of_the_other_release(
    trees: ReleaseTrees, batch: tuple[BatchServer, Path], tmp_path: Path, deployer: str, image: str
) -> None:
    server, chosen = batch
    chosen.write_text(trees.python_path(sdk=image, provider=image))
    root = f"s3://flows/{deployer}"
    user = install(trees, tmp_path, deployer, **settings(server, root))
    flow = user.home / "releases.py"
    on_batch = FLOW_SOURCE.replace("import FlowSpec", "import batch, FlowSpec").replace(
        "    @retry", "    @batch\n    @retry"
    )
    flow.write_text(on_batch.replace("    @catch", "    @batch\n    @catch"))
    before = len(server.jobs())
    user.call("releases.py", "run")
    found = read(user, root)
    assert (found["state"], found["made"], found["tasks"]) == ("succeeded", MADE, 9)
    assert "working on a" in found["log"]
    assert len(server.jobs()) - before == 4


def with_python_path(state: Any, path: str) -> None:
    """Give each job of a state machine a variable PYTHONPATH, as an image of another release has another SDK."""
    if isinstance(state, dict):
        overrides = state.get("ContainerOverrides")
        if overrides is not None:
            overrides["Environment"].append({"Name": "PYTHONPATH", "Value": path})
        state = list(state.values())
    if isinstance(state, list):
        for inner in state:
            with_python_path(inner, path)


@pytest.mark.step_functions
@pytest.mark.parametrize(("deployer", "image"), BOTH)
def test_a_state_machine_runs_in_an_image_of_the_other_release(
    trees: ReleaseTrees, aws: StepFunctionsServer, tmp_path: Path, deployer: str, image: str
) -> None:
    root = f"s3://store/{deployer}"
    user = install(trees, tmp_path, deployer, **settings(aws, root))
    arn = user.call("releases.py", "step-functions", "create", "--name", f"of-{deployer}").stdout.strip()
    definition = json.loads(aws.client("stepfunctions").describe_state_machine(stateMachineArn=arn)["definition"])
    with_python_path(definition, trees.python_path(sdk=image, provider=image))
    assert json.dumps(definition).count('"PYTHONPATH"') == 8
    name = uuid.uuid4().hex
    ended = aws.run(definition, {"rows": 2}, name=name, seconds=120)
    assert ended["status"] == "SUCCEEDED", (ended.get("error"), ended.get("cause"), aws.states_log())
    found = read(user, root)
    assert (found["state"], found["made"], found["tasks"]) == ("succeeded", MADE, 9)
    refused = aws.run(definition, {"rows": "many"}, name=f"{name}-x", seconds=120)
    assert (refused["status"], refused["error"]) == ("FAILED", "FlowSDK.RefusedInput") and "rows" in refused["cause"]
