"""The image in which tasks run, built and run by a container engine: FLOW_TEST_CONTAINERS names it (docker, podman)."""

import subprocess
from pathlib import Path

import pytest

from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.task.run_start import read_record
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from tests.support.containers import LIMITS, ROOT, base
from tests.support.containers import call as call_engine
from tests.support.moto import MotoServer
from tests.unit.cli.flow_file import call, write

pytestmark = [pytest.mark.aws, pytest.mark.containers]

MOST_ADDED = 90
"""Megabytes over the base; 81 when this was written."""


def in_image(image: str, *command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return call_engine("run", "--rm", "--network", "host", *LIMITS, *options, image, *command, check=False)


def size(image: str) -> float:
    """Megabytes."""
    return int(call_engine("image", "inspect", "--format", "{{.Size}}", image).stdout) / 1e6


def test_it_is_small_and_says_itself_that_it_isnt_root(image: str) -> None:
    assert size(image) - size(base()) < MOST_ADDED
    assert call_engine("image", "inspect", "--format", "{{.Config.User}}", image).stdout.strip() == "1000:1000"


def test_it_holds_the_sdk_and_no_tools(image: str) -> None:
    assert in_image(image, "id", "-u").stdout.strip() == "1000"
    code = (
        "import flow_sdk.runtime.batch.container, flow_sdk.store.backends.object_storage, boto3, cloudpickle; "
        "print(flow_sdk.__version__)"
    )
    done = in_image(image, "python", "-c", code)
    assert done.stdout.strip() == __import__("flow_sdk").__version__, done.stderr
    assert in_image(image, "sh", "-c", "touch /opt/flow-sdk/x").returncode != 0
    assert in_image(image, "sh", "-c", "touch /flow/x $(mktemp)").returncode == 0
    tools = "gcc cc c++ clang as ld make rustc pip pip3"
    assert in_image(image, "sh", "-c", f"for tool in {tools}; do command -v $tool; done; true").stdout == ""
    left = (
        "import os, itertools as i; tops = [t for t in os.listdir('/') if t not in ('proc', 'sys', 'dev')];"
        "walks = i.chain.from_iterable(os.walk('/' + top) for top in tops);"
        "print([at for at, folders, files in walks if '.cache' in folders or any(f.endswith('.whl') for f in files)])"
    )
    assert in_image(image, "python", "-c", left, options=("--user", "0")).stdout.strip() == "[]"


def test_it_holds_exactly_the_versions_that_are_pinned(image: str) -> None:
    listed = "distributions(path=['/opt/flow-sdk'])"
    code = f"from importlib.metadata import *; print(*(f'{{d.name}}=={{d.version}}' for d in {listed}))"
    found = in_image(image, "python", "-c", code).stdout.split()
    pinned = (ROOT / "docker" / "requirements.txt").read_text(encoding="utf-8").split()
    assert sorted(line.replace("_", "-") for line in found) == pinned


def test_without_variables_it_says_what_is_missing(image: str) -> None:
    done = in_image(image)
    assert done.returncode == 1
    assert "FLOW_SDK_STORE isn't set" in done.stderr and "Traceback" not in done.stderr


def test_it_runs_a_task(image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    with MotoServer("flows") as s3:
        for name, value in s3.env().items():
            monkeypatch.setenv(name, value)
        at = ("--datastore", "s3", "--datastore-root", "s3://flows/team")
        assert call(tmp_path, *at, "run", "--folds", "1").returncode == 0
        # The start of another run, with the plan and package of the first one.
        store = open_store("s3://flows/team")
        record = read_record(store, "TrainFlow", "1")
        assert record is not None
        request = TaskRequest("", "", "", "", "", record.plan, record.package, parameters={"folds": 2}, user="tester")
        variables = {
            **s3.env(),
            "FLOW_SDK_STORE": "s3://flows/team",
            "FLOW_SDK_TASK": "TrainFlow/by-hand/start/0",
            "FLOW_SDK_REQUEST": Artifacts(store).put_bytes(request.to_json()),
        }
        options = tuple(part for name, value in variables.items() for part in ("--env", f"{name}={value}"))
        for _ in range(2):  # the second one finds the task committed
            done = in_image(image, options=options)
            assert done.returncode == 0, done.stderr
            assert done.stdout.count("alpha is 0.5") <= 1
        dumped = call(tmp_path, *at, "dump", "by-hand/start/0")
        assert "parts" in dumped.stdout and "[0, 1]" in dumped.stdout, dumped.stderr
        assert call(tmp_path, *at, "logs", "by-hand/start/0").stdout.startswith("alpha is 0.5")
