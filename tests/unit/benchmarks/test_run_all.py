"""The benchmarks' table holds what was measured; README's chart is drawn from it."""

import sys
from pathlib import Path

import pytest

from benchmarks.plot import CHART, PAGE, SpeedRow, draw_chart, read_table
from benchmarks.run_all import table
from benchmarks.side import Row, Side, median_seconds


def test_a_row_tells_how_many_times_less_ours_is() -> None:
    assert Row("x", 0.5, 5.0, 8).ratio == 10
    assert Row("x", 0.5, 4.0, 8).kept
    assert not Row("x", 0.5, 3.9, 8).kept


def test_the_table_has_a_line_for_each_row() -> None:
    lines = table([Row("import", 0.02, 0.5, 8), Row("memory", 1.2, 3.6, 0, "GB")]).splitlines()
    assert lines[2:] == ["| import | 0.5 s | 0.02 s | 25.0 |", "| memory | 3.6 GB | 1.2 GB | 3.0 |"]


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


def test_the_chart_of_readme_shows_its_table() -> None:
    rows = read_table(PAGE.read_text(encoding="utf-8"))
    assert len(rows) == 10
    assert CHART.read_text(encoding="utf-8") == draw_chart(rows), "run: python -m benchmarks.plot"


def test_the_axis_of_the_chart_is_logarithmic() -> None:
    rows = read_table(
        "# Page\n\n" + table([Row("a", 1, 10, 0), Row("b <c>", 1, 100, 0), Row("d", 2, 1, 0)]) + "\n\nEnd.\n"
    )
    assert rows[0] == SpeedRow("a", "10 s", "1 s", 10)
    chart = draw_chart(rows)
    assert 'width="100.0"' in chart and 'width="200.0"' in chart and 'width="0.0"' in chart
    assert "b &lt;c&gt;" in chart


def test_a_page_without_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no table"):
        read_table("# Page\n")
