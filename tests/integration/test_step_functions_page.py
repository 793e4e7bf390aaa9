"""The commands of the page on Step Functions, one after the other, on LocalStack and moto."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.style.pages import blocks, shell_commands
from tests.style.tree import ROOT
from tests.support.step_functions import StepFunctionsServer

pytestmark = [pytest.mark.aws, pytest.mark.step_functions]

PAGE = (ROOT / "docs" / "step-functions.md").read_text(encoding="utf-8")


def environment_of(aws: StepFunctionsServer) -> dict[str, str]:
    """What somebody has set who has an account, and the flow's dependencies."""
    account = aws.prepare()
    return {
        **os.environ,
        **aws.env(),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "FLOW_SDK_DEFAULT_DATASTORE": "s3",
        "FLOW_SDK_DATASTORE_SYSROOT_S3": "s3://store/flows",
        "FLOW_SDK_BATCH_JOB_QUEUE": account.queue,
        "FLOW_SDK_BATCH_IMAGE": "image:1",
        "FLOW_SDK_SFN_IAM_ROLE": account.machine_role,
        "FLOW_SDK_EVENTS_SFN_ACCESS_IAM_ROLE": account.schedule_role,
    }


def run(script: list[str], folder: Path, aws: StepFunctionsServer) -> str:
    """Run lines of a shell, of which none may fail; what they print."""
    done = subprocess.run(
        ["sh", "-c", "\n".join(["set -e", *script])],
        cwd=folder,
        env=environment_of(aws),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_commands_of_the_page_work_in_their_order(aws: StepFunctionsServer, tmp_path: Path) -> None:
    script = []
    for block in blocks(PAGE):
        if block.file:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
        elif block.kind == "sh":
            script += ["set -x", block.text]
    printed = run(script, tmp_path, aws)
    for said in ("version 1 to 2", "version 2 to 1", "Deleted: the state machine", "would get a new version"):
        assert said in printed, printed
    assert (tmp_path / "run.txt").read_text() in printed


def test_the_commands_of_the_page_on_scheduling_work(aws: StepFunctionsServer, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "scheduling.md").read_text(encoding="utf-8")
    (tmp_path / "report.py").write_text(next(block.text for block in blocks(page) if block.file == "report.py"))
    commands = [f"python report.py {shlex.join(words)}" for words, _ in shell_commands(page, "step-functions")]
    assert commands == ["python report.py step-functions trigger --days 30"]
    printed = run(["python report.py step-functions create", *commands], tmp_path, aws)
    assert re.search(r"Next: .* 06:30 CES?T", printed) and re.search(r"^sfn-\S+$", printed, re.MULTILINE), printed


def test_every_command_and_setting_is_on_the_page() -> None:
    from flow_sdk.cli.registry import COMMANDS, load_command
    from flow_sdk.config import SETTINGS

    for name in COMMANDS:
        if name.startswith("step-functions "):
            assert name.split()[1] in PAGE, name
    for option in load_command("step-functions create").options:
        assert f"--{option.name}" in PAGE, option.name
    assert all(name in PAGE for name in SETTINGS if "SFN" in name)
    assert not re.search(r"\bTODO\b", PAGE)
