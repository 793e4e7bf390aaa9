"""One line at the end of the suite says what the fault tests did."""

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.fault.report import TOTALS

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


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed and Path(report.fspath).parent.name == HERE.name:
        TOTALS.violations += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(TOTALS.line())
