"""The benchmarks' table says what was measured and whether the promise is kept."""

import sys
from pathlib import Path

import pytest

from benchmarks.run_all import table
from benchmarks.side import Row, Side, median_seconds


def test_a_row_tells_how_many_times_less_ours_is() -> None:
    assert Row("x", 0.5, 5.0, 8).ratio == 10
    assert Row("x", 0.5, 4.0, 8).kept
    assert not Row("x", 0.5, 3.9, 8).kept


def test_the_table_has_a_line_for_each_row() -> None:
    lines = table([Row("import", 0.02, 0.5, 8), Row("memory", 1.2, 3.6, 0, "GB")]).splitlines()
    assert lines[2:] == ["| import | 0.5 s | 0.02 s | 25.0 | 8 |", "| memory | 3.6 GB | 1.2 GB | 3.0 |  |"]


def test_both_sides_run_the_same_flow_with_their_own_package(tmp_path: Path) -> None:
    sides = []
    for package in ("json", "math"):
        (tmp_path / package).mkdir()
        sides.append(Side(sys.executable, package, tmp_path / package))
    for side in sides:
        assert side.flow("f.py", "import PACKAGE\nprint(PACKAGE.__name__)\n") == "f.py"
    assert all(seconds > 0 for seconds in median_seconds(*sides, ["f.py"], times=1))


def test_a_side_that_fails_ends_the_benchmark(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="failed"):
        Side(sys.executable, "json", tmp_path).seconds(["-c", "raise SystemExit(3)"])
