"""The example flows by the command line: checked, shown in every form, run."""

import json
import re
from pathlib import Path

import pytest

from flow_sdk.cli.commands.show import FORMATS
from tests.unit.cli.flow_file import call, files

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = sorted(path for path in (ROOT / "dags_examples").glob("*.py") if "FlowSpec" in path.read_text())


def test_there_are_examples():
    assert len(EXAMPLES) > 5


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_check_and_show(example, tmp_path):
    done = call(tmp_path, "check", file=str(example))
    assert (done.returncode, done.stdout) == (0, "")
    assert re.search(r"is fine: \d+ steps?\.\n", done.stderr)
    shown = {form: call(tmp_path, "show", "--format", form, file=str(example)) for form in FORMATS}
    assert {form: (done.returncode, done.stderr) for form, done in shown.items()} == dict.fromkeys(FORMATS, (0, ""))
    steps = [step["name"] for step in json.loads(shown["json"].stdout)["steps"]]
    for form in FORMATS:
        assert all(step in shown[form].stdout for step in steps), form
    assert call(tmp_path, "output-dot", file=str(example)).stdout == shown["dot"].stdout
    assert files(tmp_path) == set()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_run(example, tmp_path):
    done = call(tmp_path, "run", file=str(example))
    assert done.returncode == 0, done.stderr
    assert "Run 1 succeeded after" in done.stderr.splitlines()[-1]
    end = json.loads(call(tmp_path, "show", "--format", "json", file=str(example)).stdout)["steps"][-1]["name"]
    assert call(tmp_path, "logs", f"1/{end}", file=str(example)).returncode == 0
    dumped = call(tmp_path, "dump", f"1/{end}", "--private", file=str(example))
    assert dumped.returncode == 0, dumped.stderr
