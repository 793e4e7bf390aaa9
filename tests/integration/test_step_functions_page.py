"""The commands of the page on Step Functions, one after the other, on LocalStack and moto."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig.step_functions import StepFunctionsServer
from tests.style.pages import blocks
from tests.style.tree import ROOT

pytestmark = pytest.mark.step_functions

PAGE = (ROOT / "docs" / "step-functions.md").read_text(encoding="utf-8")


def test_the_commands_of_the_page_work_in_their_order(tmp_path: Path) -> None:
    script = ["set -e"]
    for block in blocks(PAGE):
        if block.file:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
        elif block.kind == "sh":
            script += ["set -x", block.text]
    with StepFunctionsServer("store") as aws:
        account = aws.prepare()
        environment = {
            **os.environ,
            **aws.env(),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "FLOW_SDK_DEFAULT_DATASTORE": "s3",
            "FLOW_SDK_DATASTORE_SYSROOT_S3": "s3://store/flows",
            "FLOW_SDK_BATCH_JOB_QUEUE": account.queue,
            "FLOW_SDK_BATCH_IMAGE": "image:1",
            "FLOW_SDK_SFN_IAM_ROLE": account.machine_role,
        }
        done = subprocess.run(
            ["sh", "-c", "\n".join(script)],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stdout
    for said in ("version 1 to 2", "version 2 to 1", "Deleted: the state machine", "would get a new version"):
        assert said in done.stdout, done.stdout
    assert (tmp_path / "run.txt").read_text() in done.stdout


def test_every_command_and_setting_is_on_the_page() -> None:
    from flow_sdk.cli.main import COMMANDS, load_command
    from flow_sdk.config import SETTINGS

    for name in COMMANDS:
        if name.startswith("step-functions "):
            assert name.split()[1] in PAGE, name
    for option in load_command("step-functions create").options:
        assert f"--{option.name}" in PAGE, option.name
    assert all(name in PAGE for name in SETTINGS if "SFN" in name)
    assert not re.search(r"\bTODO\b", PAGE)
