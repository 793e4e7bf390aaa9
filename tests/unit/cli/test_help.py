"""The help, and how little it loads."""

import subprocess
import sys

import pytest

from flow_sdk import __version__
from flow_sdk.cli.registry import BUILT_IN_SUMMARIES, COMMANDS, CommandTable, load_command
from flow_sdk.deploy.registry import BUILT_IN, built_in_targets
from tests.unit.cli.flow_file import call, files, write

pytestmark = pytest.mark.slow  # starts processes or servers


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("flow")
    write(made)
    return made


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("help",), ("--datastore", "s3", "--help")])
def test_the_whole_help(folder, arguments):
    done = call(folder, *arguments)
    assert done.returncode == 0
    assert done.stdout.startswith(
        "Usage: python train.py [OPTIONS] COMMAND [ARGUMENTS]\n\nTrainFlow: Trains a model.\n"
    )
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout
    assert "--datastore-root URL" in done.stdout
    assert "--pylint" not in done.stdout
    assert done.stderr == ""
    assert files(folder) == {"train.py"}


@pytest.mark.parametrize("name", tuple(COMMANDS))
def test_every_command_has_help(folder, name):
    done = call(folder, *name.split(), "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: python train.py {name} [OPTIONS]")
    assert COMMANDS[name][1] in done.stdout
    for option in load_command(name).options:
        assert (f"--{option.name}" in done.stdout) is not option.hidden
    assert max(map(len, done.stdout.splitlines())) <= 120


def test_the_help_of_run_tells_the_parameters(folder):
    for arguments in (("run", "--help"), ("--help", "run"), ("help", "run")):
        text = call(folder, *arguments).stdout
        lines = {line.split()[0]: " ".join(line.split()[1:]) for line in text.splitlines() if line.startswith("  --")}
        assert lines["--alpha"] == "FLOAT How fast. [default: 0.5]"
        assert lines["--folds"] == "INTEGER How many. [required]"
        assert lines["--shuffle"] == "true|false [default: true]"
        assert lines["--grid"].startswith("JSON")
        assert lines["--names"] == "TEXT Several values with ',' between them. [default: a,b]"
        assert lines["--max-workers"] == "INTEGER Most tasks at a time. [default: 16]"


def test_the_help_of_a_group(folder):
    for arguments in (("tag", "--help"), ("help", "tag")):
        done = call(folder, *arguments)
        assert done.returncode == 0
        assert "tag replace" in done.stdout and "airflow" not in done.stdout


def test_the_version(folder):
    for arguments in (("version",), ("--version",), ("--quiet", "version")):
        done = call(folder, *arguments)
        assert (done.returncode, done.stdout) == (0, f"{__version__}\n")


def test_the_summaries_of_our_targets_are_those_of_their_declarations():
    declared = {
        target.name: {command.verb: command.summary for command in target.commands} for target in built_in_targets()
    }
    assert {name: declared[name] for name in BUILT_IN_SUMMARIES} == BUILT_IN_SUMMARIES


def test_help_imports_nothing_heavy(folder):
    code = "import runpy, sys\nsys.argv = ['train.py', '--help']\n"
    code += "try: runpy.run_path('train.py', run_name='__main__')\nexcept SystemExit: print('@', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split("@ ")[1].split())
    heavy = {
        "click",
        "dataclasses",
        "inspect",
        "json",
        "typing",
        "re",
        "asyncio",
        "ast",
        "flow_sdk.plan.model",
        "flow_sdk.store",
        "flow_sdk.deploy.airflow",
        "flow_sdk.deploy.declaration",
        "importlib.metadata",
        "warnings",
    }
    # runpy and the interpreter's own start-up load some of these on some versions.
    bare = subprocess.run(
        [sys.executable, "-c", "import sys, runpy; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert loaded & heavy <= set(bare.stdout.split()) | {"re", "typing"}


def test_one_line_of_the_registry_adds_a_target_with_its_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUILT_IN, "fake", "flow_sdk.testing.fake_target:FAKE")
    commands = CommandTable()
    assert "fake create" in commands and commands["fake create"][1]
    assert {"fake create", "fake list-runs"} <= set(commands.find_in(["fake", "create", "list-runs"]))
