"""``--part``: the tests in parts that run beside each other, of which none imports what it doesn't run."""

import functools
import re
from pathlib import Path

import pytest

__all__ = ["LINES", "PARTS", "part_of"]

TESTS = Path(__file__).resolve().parents[1]

LINES = ("airflow3", "airflow2")
"""Markers of tests on a line of Airflow."""

PARTS = (*LINES, "aws", "processes", "rest")
"""Each test is of one of these, which take about as long: on a line of Airflow, of what an AWS account is given
(infra/, docker/) and on Step Functions, with other servers and whole processes, and all others."""

_AWS = (
    "test_deployer_step_functions",
    "test_image",
    "test_infra",
    "test_resume_orchestrated",
    "test_support_step_functions",
    "test_step_functions",
    "test_stories",
    "test_two_targets",
)
"""How the names of their files begin; all of the latter kind share one LocalStack."""

_OF_PROCESSES = ("integration", "security", "soak", "style")

_NAMES_A_LINE = re.compile(r"\b(airflow[23]|LINES)\b")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--part", choices=PARTS, help="run only the tests of one of the parts that run beside each other")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files without a test of the part that is asked for."""
    part = config.getoption("--part")
    if part is None or collection_path.suffix != ".py":
        return None
    wanted = _may_want_airflow(collection_path) if part in LINES else part == _part_of_file(collection_path)
    return None if wanted else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of other parts.

    Raises
    ------
    pytest.UsageError
        If a test wants an Airflow and its file doesn't name it: the part of that line wouldn't look into the file.
    """
    part = config.getoption("--part")
    if part is None:
        return
    for item in items:
        if part_of(item) in LINES and not _may_want_airflow(item.path):
            raise pytest.UsageError(f"{item.nodeid} is marked for {part_of(item)}, and its file names none of {LINES}")
    config.hook.pytest_deselected(items=[item for item in items if part_of(item) != part])
    items[:] = [item for item in items if part_of(item) == part]


def part_of(item: pytest.Item) -> str:
    """Which of the parts a test belongs to."""
    line = next((line for line in LINES if item.get_closest_marker(line)), None)
    return line or _part_of_file(item.path)


def _part_of_file(path: Path) -> str:
    folder = path.relative_to(TESTS).parts[0] if TESTS in path.parents else ""
    if folder == "integration" and path.stem.startswith(_AWS):
        return "aws"
    return "processes" if folder in _OF_PROCESSES else "rest"


@functools.cache
def _may_want_airflow(path: Path) -> bool:
    return _NAMES_A_LINE.search(path.read_text(encoding="utf-8")) is not None
