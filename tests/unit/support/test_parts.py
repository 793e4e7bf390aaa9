"""The parts that make test runs beside each other: each test is of one, and no part loses one."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import FOLDERS_OF_PROCESSES, ROOT, TESTS
from tests.support.guardian_program import find_family, read_processes
from tests.support.parts import PARTS
from tests.support.run_parts import run_parts

FILES = {
    "test_rest.py": "def test_of_rest(): pass",
    "test_slow.py": "import pytest\n@pytest.mark.slow\ndef test_of_rest_too(): pass",
    "test_line.py": (
        "import pytest\n@pytest.mark.airflow3\ndef test_on_3(): pass\n@pytest.mark.airflow2\ndef test_on_2(): pass"
    ),
    "test_stories.py": (
        "import pytest\npytestmark = [pytest.mark.aws, pytest.mark.processes]\n"
        "@pytest.mark.airflow3\ndef test_story_on_3(): pass\n"
        "@pytest.mark.airflow2\n@pytest.mark.airflow3\ndef test_story_on_both(): pass\n"
        "def test_story(): pass"
    ),
    "test_cluster.py": (
        "import pytest\npytestmark = [pytest.mark.kubernetes, pytest.mark.processes]\ndef test_pod(): pass"
    ),
    "test_run.py": "import pytest\n@pytest.mark.processes\ndef test_run(): pass",
}
OF = {
    "airflow3": {"test_on_3", "test_story_on_3", "test_story_on_both"},
    "airflow2": {"test_on_2"},
    "aws": {"test_story"},
    "kubernetes": {"test_pod"},
    "processes": {"test_run"},
    "rest": {"test_of_rest", "test_of_rest_too"},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    for needed in ("AIRFLOW3", "AIRFLOW2", "KUBERNETES"):
        monkeypatch.setenv(f"FLOW_TEST_{needed}", "something")
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_test_is_of_exactly_one_part() -> None:
    for flags in range(2 ** (len(PARTS) + 1)):
        markers = {name for number, name in enumerate((*PARTS, "slow")) if flags >> number & 1}
        names = {name: name in markers for name in PARTS}
        chosen = [part for part, expression in PARTS.items() if eval(expression, names)]
        assert len(chosen) == 1, (markers, chosen)


@pytest.mark.slow
def test_the_parts_run_what_is_theirs(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["-v", "-p", "no:hypothesispytest", "-p", "no:anyio", "-c", str(ROOT / "pyproject.toml"), str(folder)]
    assert run_parts(arguments) == 0
    shown = capfd.readouterr().out
    assert re.findall(r"^(\w+):$", shown, re.MULTILINE) == ["airflow3", "airflow2", "aws", "kubernetes", "processes"]
    found = {}
    for part, text in zip(["rest", *list(PARTS)[:-1]], re.split(r"^\w+:$", shown, flags=re.MULTILINE), strict=True):
        found[part] = set(re.findall(r"::(\w+) PASSED", text))
    assert found == OF


@pytest.mark.slow
def test_a_failure_in_any_part_is_the_failure_of_all(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "test_run.py").write_text("import pytest\n@pytest.mark.processes\ndef test_run(): assert False")
    assert run_parts(["-p", "no:hypothesispytest", "-c", str(ROOT / "pyproject.toml"), str(folder)]) == 1
    assert "1 failed" in capfd.readouterr().out.partition("processes:")[2]


SLEEPER = """
import pytest, subprocess, sys
from pathlib import Path

@pytest.mark.{part}
def test_sleep():
    Path("{part}").touch()
    subprocess.run(["sleep", "600"], start_new_session=True)
"""

MAKE = """
test:
\t@exec {python} -m tests.support.run_parts -c {root}/pyproject.toml .
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "whom"), [("SIGKILL", "make"), ("SIGKILL", "parts"), ("SIGINT", "all"), ("SIGTERM", "parts")]
)
def test_the_parts_end_with_make(folder: Path, number: str, whom: str) -> None:
    for part in ("aws", "processes"):
        (folder / f"test_{part}.py").write_text(SLEEPER.format(part=part))
    (folder / "Makefile").write_text(MAKE.format(python=sys.executable, root=ROOT))
    with open(folder / "log", "wb") as log:
        make = subprocess.Popen(["make"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while not ((folder / "aws").exists() and (folder / "processes").exists()):
            assert make.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
        before = read_processes()
        family = find_family([make.pid], before)
        (parts,) = [pid for pid in family if before[pid].parent == make.pid]
        if whom == "all":  # as a terminal does
            os.killpg(make.pid, getattr(signal, number))
        else:
            os.kill({"make": make.pid, "parts": parts}[whom], getattr(signal, number))
        make.wait(60)
        deadline = time.monotonic() + 60
        while left := [
            pid for pid, one in read_processes().items() if pid in family and one.start == before[pid].start
        ]:
            assert time.monotonic() < deadline, left
            time.sleep(0.1)
    finally:
        for pid in find_family([make.pid], read_processes()):
            os.kill(pid, signal.SIGKILL)
        make.wait()


def test_the_folders_of_processes_are_there() -> None:
    assert all((TESTS / folder).is_dir() for folder in FOLDERS_OF_PROCESSES)


def test_a_test_is_marked_by_its_folder(request: pytest.FixtureRequest) -> None:
    asked = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q", "-m", "processes"]
    files = ["tests/style/test_makefile.py", "tests/unit/test_config.py"]
    done = subprocess.run([*asked, *files], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "tests/style/test_makefile.py::" in done.stdout and "tests/unit/test_config.py::" not in done.stdout
