"""The table of scale: what is beyond the start-up, and how it grows."""

from benchmarks.scale import Measured, costs, table


def test_the_start_up_is_taken_off() -> None:
    rows = [
        Measured("tasks", 1, 0.5, 0.4, 24_000_000),
        Measured("tasks", 100, 1.49, 0.895, 24_000_000),
        Measured("tasks", 10_000, 200.48, 200.38, 27_000_000),
        Measured("joins", 1, 0.01, 0.0, 0),
        Measured("joins", 100, 0.01, 0.0, 0),
    ]
    assert [round(1000 * cost, 6) for cost, _ in costs(rows)[1:3]] == [10.0, 20.0]
    assert table(rows).splitlines()[2:] == [
        "| tasks | 1 | 0.50 |  |  |  |  | 24 MB |",
        "| tasks | 100 | 1.49 | 10.00 | 1.00 | 5.00 | 1.00 | 24 MB |",
        "| tasks | 10,000 | 200.48 | 20.00 | 2.00 | 20.00 | 4.00 | 27 MB |",
        "| joins | 1 | 0.01 |  |  |  |  |  |",
        "| joins | 100 | 0.01 |  |  |  |  |  |",
    ]
