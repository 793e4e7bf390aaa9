"""What the shells complete, and the shells themselves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flow_sdk.cli.completion import complete_console, complete_flow
from flow_sdk.cli.console import execute_console
from flow_sdk.cli.console_commands import CONSOLE_COMMANDS, load_console_command
from flow_sdk.cli.flow_source import MOST_BYTES, read_flow_source
from flow_sdk.errors import UsageError
from tests.unit.cli.flow_file import FLOW, call, write
from tests.unit.cli.typed_lines import completed_line

pytestmark = pytest.mark.slow  # starts processes or servers

SHELLS = [
    pytest.param("bash"),
    pytest.param("zsh", marks=pytest.mark.zsh),
    pytest.param("fish", marks=pytest.mark.fish),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("flow")
    write(made)
    (made / "other.py").write_text("print('not a flow')\n")
    for _ in range(2):
        done = call(made, "run", "--folds", "1")
        assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def words(candidates):
    return [word for word, _ in candidates]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (["du"], ["dump"]),
        (["tag", ""], ["add", "list", "remove", "replace"]),
        (["ta"], ["tag"]),
        (["--quiet", "--datastore", "local", "sho"], ["show"]),
        (["--datastore", ""], ["azure", "gs", "local", "s3"]),
        (["--datastore", "s"], ["s3"]),
        (["show", "--format", "me"], ["mermaid"]),
        (["show", "--format=me"], ["--format=mermaid"]),
        (["show", "--output", ""], ["json", "text"]),
        (["run", "--alp"], ["--alpha"]),
        (["run", "--max-w"], ["--max-workers"]),
        (["run", "--max-workers", "4", "--max-w"], []),
        (["run", "--tag", "a", "--ta"], ["--tag"]),
        (["dump", "--alp"], []),
        (["run", "--caller", ""], []),
        (["run", "--run-id-file", ""], []),
        (["dump", ""], ["1", "2"]),
        (["dump", "2/"], ["2/end", "2/fit", "2/join", "2/start"]),
        (["dump", "2/f"], ["2/fit"]),
        (["logs", "2/start/"], ["2/start/0"]),
        (["dump", "2", ""], []),
        (["resume", "--origin-run-id", ""], ["1", "2"]),
        (["resume", "jo"], ["join"]),
        (["tag", "add", "--run-id", "2"], ["2"]),
        (["nonsense", ""], []),
        (["run", "--", ""], []),
    ],
)
def test_a_flow_file(here, typed, found):
    assert words(complete_flow("train.py", typed)) == found


def test_every_visible_option_is_offered_with_its_help(here):
    offered = dict(complete_flow("train.py", ["run", "--"]))
    assert {"--alpha", "--folds", "--tag", "--namespace", "--help"} <= set(offered)
    assert "--caller" not in offered and "--pylint" not in offered
    assert offered["--max-workers"] == "Most tasks at a time."


def test_the_store_that_the_line_names_is_read(here, tmp_path):
    assert complete_flow("train.py", ["--datastore-root", str(tmp_path), "dump", ""]) == []
    for line in (["--datastore-root", str(here / ".flow_sdk")], [f"--datastore-root={here}/.flow_sdk"]):
        assert words(complete_flow("train.py", [*line, "dump", ""])) == ["1", "2"]
    assert complete_flow("train.py", ["--datastore-root", "s3://nowhere/x", "dump", ""]) == [], "no service is asked"


def test_nothing_of_the_flow_file_is_executed(here, tmp_path):
    (tmp_path / "effects.py").write_text(FLOW + "\nopen('executed', 'w').close()\nimport nowhere_at_all\n")
    assert words(complete_flow(str(tmp_path / "effects.py"), ["run", "--fo"])) == ["--folds"]
    assert not Path("executed").exists()


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (["con"], ["configure"]),
        (["configure", ""], ["aws", "show"]),
        (["configure", "aws", "--batch-p"], ["--batch-platform"]),
        (["store", "g"], ["gc"]),
        (["store", "gc", "--keep-t"], ["--keep-tag"]),
        (["doctor", "--output", ""], ["json", "text"]),
        (["completion", "z"], ["zsh"]),
    ],
)
def test_the_console(typed, found):
    assert words(complete_console(typed)) == found


@pytest.mark.parametrize("name", CONSOLE_COMMANDS)
def test_every_command_of_the_console_has_help(name, capsys):
    assert execute_console([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: flow-sdk {name}") and CONSOLE_COMMANDS[name][1] in text
    for option in load_console_command(name).options:
        assert f"--{option.name}" in text
    execute_console(["--help"])
    assert f"\n  {name} " in capsys.readouterr().out


def test_a_source_is_read_as_far_as_it_goes(tmp_path):
    source = read_flow_source(str(write(tmp_path)))
    assert (source.flow, source.steps) == ("TrainFlow", ["start", "fit", "join", "end"])
    assert source.parameters == ["alpha", "folds", "shuffle", "grid", "names"]
    text = FLOW.replace("class TrainFlow(FlowSpec)", "class Common(FlowSpec)").replace("TrainFlow()", "Last()")
    text = text.replace(
        "\n\nif __name__", "\n\nclass Last(Common):\n    pass\n\n\nclass Unused(Common): ...\n\nif __name__"
    )
    inherited = read_flow_source(str(write(tmp_path, text, "inherited.py")))
    assert (inherited.flow, inherited.steps) == ("Last", source.steps)
    for wrong in ("def broken(:", "print(1)", "\0"):
        assert read_flow_source(str(write(tmp_path, wrong, "wrong.py"))) is None
    assert read_flow_source(str(tmp_path / "gone.py")) is None
    assert read_flow_source(str(write(tmp_path, f"{FLOW}\nnumber = {'-' * 100_000}1\n", "deep.py"))) is None
    large = f"{FLOW}\n# {'x' * MOST_BYTES}\n"
    assert read_flow_source(str(write(tmp_path, large, "large.py"))) is None
    os.mkfifo(tmp_path / "pipe.py")
    assert read_flow_source(str(tmp_path / "pipe.py")) is None


@pytest.mark.parametrize("arguments", [["powershell"], ["bash", "zsh"]])
def test_an_unknown_shell(arguments):
    with pytest.raises(UsageError) as wrong:
        execute_console(["completion", *arguments])
    assert wrong.value.wanted == "bash or zsh or fish"


def test_the_program_prints_words_with_explanations(folder):
    program = [sys.executable, "-m", "flow_sdk.cli.completion", "train.py", "tag", "l"]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("list\tList the tags of runs.\n", "")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("flow-sdk store ch", "flow-sdk store check"),
        ("flow-sdk doctor --output j", "flow-sdk doctor --output json"),
        ("python train.py show --format me", "python train.py show --format mermaid"),
        ("python train.py show --format=me", "python train.py show --format=mermaid"),
        ("python train.py run --fol", "python train.py run --folds"),
        ("python train.py dump 2/jo", "python train.py dump 2/join"),
        ("python -X utf8 train.py resume sta", "python -X utf8 train.py resume sta"),
        ("python -I train.py resume sta", "python -I train.py resume start"),
        ("python oth", "python other.py"),
        ("python other.py tra", "python other.py train.py"),
    ],
)
def test_a_shell_completes_what_is_typed(folder, shell, typed, line):
    assert completed_line(shell, folder, typed) == line


@pytest.mark.parametrize("shell", SHELLS)
def test_a_flow_file_in_another_folder(folder, shell, tmp_path):
    os.symlink(folder / "train.py", tmp_path / "train.py")
    typed = f"python {tmp_path}/train.py ru"
    assert completed_line(shell, folder, typed) == f"{typed}n"


@pytest.mark.parametrize("shell", SHELLS)
def test_modules_beside_the_flow_file_arent_executed(folder, shell, tmp_path):
    os.symlink(folder / "train.py", tmp_path / "train.py")
    for name in ("ast.py", "flow_sdk.py"):
        (tmp_path / name).write_text("open('executed', 'w').close()\n")
    assert completed_line(shell, tmp_path, "python train.py ru") == "python train.py run"
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("shell", SHELLS[:2])
def test_what_a_shell_would_execute_is_quoted(shell, tmp_path):
    write(tmp_path, FLOW.replace('"alpha"', '"odd;touch $(x)"'), "odd.py")
    assert completed_line(shell, tmp_path, "python odd.py run --od") == r"python odd.py run --odd\;touch\ \$\(x\)"
