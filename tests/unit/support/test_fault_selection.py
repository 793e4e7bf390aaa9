"""What a failing fault test says: that it is a violation, and a command that plays the same seed or share again."""

import re
import shlex
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.fault_selection import SHARE

pytestmark = pytest.mark.slow  # starts processes or servers

TESTS = """
import pytest
from tests.support.fault_counts import count

@pytest.mark.seeds(4)
def test_one(seed):
    count(seeds=1)
    assert seed != 3

@pytest.mark.seeds(6, at_once=3)
def test_parts(part):
    for seed in part:
        count(seeds=1, faults=2)
        assert seed < 5

def test_loop(seeds):
    for seed in seeds(5):
        count(seeds=1)
        assert seed not in (2, 4)

def test_share(share):
    taken = share(range(30))
    count(faults=len(taken))
    assert len(taken) == 30 or 8 not in taken

@pytest.mark.every_fault
def test_large():
    count(faults=1000)
"""


WITHOUT = [word for plugin in ("cacheprovider", "hypothesispytest", "anyio") for word in ("-p", f"no:{plugin}")]
"""What a pytest of its own needn't wait for."""

TURNS = """
import pytest

@pytest.mark.seeds(5, of=2)
def test_seeds(seed): pass

@pytest.mark.seeds(6, at_once=3, of=2)
def test_parts(part):
    print("part", *part)

@pytest.mark.one_of(2)
@pytest.mark.parametrize("name", "abc")
def test_names(name): pass
"""


def suite(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pytest", *WITHOUT, "-c", str(ROOT / "pyproject.toml"), *words],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(
        'from tests.conftest import *\npytest_plugins = ["tests.support.fault_selection"]\n'
    )
    (tmp_path / "test_made.py").write_text(TESTS)
    return tmp_path


def test_a_failure_is_a_violation_and_can_be_played_again(folder: Path) -> None:
    # Of the faults of one share, one breaks something.
    number = next(n for n in range(SHARE) if 8 in range(30)[(zlib.crc32(b"test_share") + n) % SHARE :: SHARE])
    said = suite(folder, str(folder), "--share", str(number)).stdout
    assert "faults: 13 seeds run, 15 faults injected, 4 violations" in said
    assert f"faults: share {number} of {SHARE} (the same again: --share {number})" in said
    again = re.findall(r"^python -m pytest (.*)$", said, re.MULTILINE)
    assert [re.sub(r".*::", "", one) for one in again] == [
        "test_one --replay 3",
        "test_parts --replay 5",
        "test_loop --replay 2",
        f"test_share --share {number}",
    ]
    for one in again[1:]:
        done = suite(folder, *shlex.split(one))
        assert " 1 failed" in done.stdout and "passed" not in done.stdout, done.stdout


def test_every_fault_injects_all_faults(folder: Path) -> None:
    said = suite(folder, str(folder), "--every-fault", "-k", "share or large").stdout
    assert "faults: 0 seeds run, 1,030 faults injected, 0 violations" in said and "2 passed" in said


def test_all_cases_that_take_turns_are_played(folder: Path) -> None:
    (folder / "test_made.py").write_text(TURNS)
    ran = [
        suite(folder, str(folder), "-v", "-s", *words).stdout
        for words in (("--share", "0"), ("--share", "1"), ("--every-fault",))
    ]
    seeds, names = ([re.findall(rf"test_{of}\[(\w+)\]", said) for said in ran] for of in ("seeds", "names"))
    assert seeds[:2] == [["0", "2", "4"], ["1", "3"]] and len(seeds[2]) == 50
    assert names == [["a", "c"], ["b"], ["a", "b", "c"]]
    parts = [re.findall(r"part (.*)", said) for said in ran]
    assert parts[:2] == [["0 2", "3 5"], ["1", "4"]] and parts[2][:2] == ["0 1 2", "3 4 5"]


def test_the_share_of_a_run_is_that_of_its_day(folder: Path) -> None:
    (folder / "test_made.py").write_text("def test(share): share(range(30))")
    shown = suite(folder, str(folder)).stdout
    day = int(time.time() // 86400)
    assert any(f"(the same again: --share {number})" in shown for number in (day - 1, day)), shown


def test_each_fault_and_each_case_has_its_day() -> None:
    for days, n in ((SHARE, 2), (SHARE, 5)):
        assert {(day % SHARE, day % n) for day in range(days * n)} == {(s, k) for s in range(SHARE) for k in range(n)}
