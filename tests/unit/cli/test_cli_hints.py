"""Commands that are printed can be pasted into a shell, however the flow was started."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.flow_file import call, write

pytestmark = pytest.mark.slow  # starts processes or servers

FAILS = """
from flow_sdk import FlowSpec, step


class Fails(FlowSpec):
    @step
    def start(self):
        raise ValueError("sev" + "en")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Fails()
"""

TALKS = FAILS.replace('raise ValueError("sev" + "en")', "self.x = 1; print('hello from start')").replace(
    "pass", "print('hello from end')"
)


@pytest.mark.parametrize("name", ["plain.py", "my flow.py", "it's.py", "$(touch canary).py", "-dash.py", "ünï.py"])
def test_the_hint_at_the_log_of_a_task_runs_in_a_shell(tmp_path: Path, name: str) -> None:
    write(tmp_path, FAILS, name)
    said = call(tmp_path, "run", file=f"./{name}").stderr
    (hint,) = re.findall(r"\]   (python .*)", said)
    log = subprocess.run(
        hint.replace("python", shlex.quote(sys.executable), 1), shell=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert log.returncode == 0 and "ValueError: seven" in log.stdout
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(("module", "start"), [("shop.flows", "shop.flows"), ("shop.__main__", "shop")])
def test_the_hint_of_a_module_has_its_name(tmp_path: Path, module: str, start: str) -> None:
    path = tmp_path.joinpath(*module.split("."))
    path.parent.mkdir()
    write(path.parent, FAILS, f"{path.name}.py")
    words = [sys.executable, "-m", start, "run"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env={**os.environ}, timeout=120)
    assert f"python -m {start} logs " in done.stderr


def test_a_failure_is_told_once_beside_its_traceback(tmp_path: Path) -> None:
    write(tmp_path, FAILS, "fails.py")
    said = call(tmp_path, "run", file="fails.py").stderr
    assert said.count("ValueError: seven") == 2


def test_logs_and_dump_of_a_run(tmp_path: Path) -> None:
    write(tmp_path, TALKS, "talks.py")
    call(tmp_path, "run", file="talks.py")
    for path in ("1", "Fails/1"):
        done = call(tmp_path, "logs", path, file="talks.py")
        assert done.stdout.splitlines() == ["[1/start/0] hello from start", "[1/end/1] hello from end"]
    shown = call(tmp_path, "dump", "1", file="talks.py").stdout.splitlines()
    assert shown[0] == "[1/start/0]" and "[1/end/1]" in shown and sum(line.startswith("x ") for line in shown) == 2
    assert call(tmp_path, "dump", "7", file="talks.py").returncode == 1


def test_tag_list_names_the_run_that_it_chose(tmp_path: Path) -> None:
    write(tmp_path, TALKS, "talks.py")
    call(tmp_path, "run", "--tag", "fine", file="talks.py")
    chosen = call(tmp_path, "tag", "list", file="talks.py")
    assert "Tags of Fails/1, the newest run" in chosen.stderr and "fine" in chosen.stdout
    assert "Tags of" not in call(tmp_path, "tag", "list", "1", file="talks.py").stderr
