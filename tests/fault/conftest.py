"""One line at the end of the suite says what the fault tests did."""

from pathlib import Path

import pytest

from tests.fault.report import TOTALS

HERE = Path(__file__).parent


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed and Path(report.fspath).parent.name == HERE.name:
        TOTALS.violations += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(TOTALS.line())
