"""One line at the end of the suite says what the fault tests did."""

import os
import subprocess
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest

from tests.fault.report import TOTALS, Totals

SHARE, FEW = 3, 12
"""One fault of how many is injected, and how many are few enough to inject all."""
T = TypeVar("T")
HERE = Path(__file__).parent


@cache
def may_mount() -> bool:
    """Tell whether this process may mount a file system; tried where nobody else sees it."""
    if os.geteuid() != 0:
        return False
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=64k", "flow-sdk-probe", "/mnt"]
    try:
        return not subprocess.run(probe, capture_output=True, check=False).returncode
    except FileNotFoundError:
        return False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, and count as such, the tests that mount a file system where that isn't allowed."""
    left_out = [item for item in items if "small_disk" in getattr(item, "fixturenames", ()) and not may_mount()]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def share(request: pytest.FixtureRequest) -> Callable[[Sequence[T]], Sequence[T]]:
    """Takes the share of a list of faults that this run of the suite has time for; ``--every-fault`` takes all."""
    if request.config.getoption("--every-fault"):
        return lambda faults: faults
    first = zlib.crc32(request.node.name.encode()) % SHARE
    return lambda faults: faults if len(faults) <= FEW else faults[first::SHARE]


@pytest.fixture
def seeds(request: pytest.FixtureRequest) -> Callable[[int], range]:
    """The seeds to play where so many are the usual ones; ten times as many with ``--every-fault``."""
    every, given = request.config.getoption("--every-fault"), request.config.getoption("--seeds")
    return lambda usual: range(given or (10 * usual if every else usual))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed and Path(report.fspath).parent.name in (HERE.name, "simulation"):
        TOTALS.violations += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if Totals() != TOTALS:
        terminalreporter.write_line(TOTALS.line())
