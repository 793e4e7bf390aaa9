"""What the Makefile promises it has."""

import re
import subprocess

import pytest

from tests.style.tree import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def planned(target: str) -> str:
    """What make would run for a target, whatever is up to date."""
    asked = ["make", "--always-make", "--dry-run", "--no-print-directory", target]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("target", re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[0].split())
def test_each_target_has_a_rule_and_is_told(target: str) -> None:
    rules = [name for names in re.findall(r"^([a-z -]+):(?!=)", MAKEFILE, re.MULTILINE) for name in names.split()]
    assert rules.count(target) == 1
    assert target == "help" or f'"make {target} ' in MAKEFILE


def test_all_faults_are_injected_by_make_test_faults() -> None:
    calls = re.findall(r"-m tests.support.run_parts [^&;]*", planned("test-faults"))
    assert len(calls) == 1
    for call in calls:
        folders = "tests/fault tests/simulation tests/security tests/unit/store tests/unit/upkeep"
        assert f" {folders} tests/integration/test_scale.py " in call
        assert " --every-fault --kills 500" in call
    assert "--every-fault" not in planned("test")


def test_the_folders_of_the_faults_are_there() -> None:
    named = set(re.findall(r" (tests/\S+)(?= )", planned("test-faults").partition("run_parts")[2]))
    assert len(named) > 5 and all((ROOT / path).exists() for path in named), named
