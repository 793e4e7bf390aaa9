"""Draw the table of README as a bar chart: ``python -m benchmarks.plot`` writes ``docs/images/speed.svg``."""

import math
import sys
from html import escape
from pathlib import Path
from typing import NamedTuple

__all__ = ["SpeedRow", "draw_chart", "read_table"]

ROOT = Path(__file__).resolve().parent.parent
PAGE, CHART = ROOT / "README.md", ROOT / "docs" / "images" / "speed.svg"
HEADER = "| what | peer | Flow SDK | times better |"

LEFT, RIGHT, TOP, ROW, BAR = 400, 150, 34, 34, 18
"""Pixels: before and behind the bars, above them, from bar to bar, a bar's height."""
DECADE = 100
"""Pixels of one power of ten."""

STYLE = (
    'text{font:13px -apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:#1f2328}'
    ".value{font-weight:600}.seen,.axis{fill:#57606a}.seen{font-weight:400}.axis{font-size:11px}"
    "rect{fill:#0969da}line{stroke:#d0d7de}"
    "@media (prefers-color-scheme: dark){text{fill:#e6edf3}.seen,.axis{fill:#9198a1}rect{fill:#4493f8}"
    "line{stroke:#30363d}}"
)


class SpeedRow(NamedTuple):
    """One row of the table."""

    what: str
    peer: str
    """The peer's result with its unit."""
    ours: str
    ratio: float
    """How many times smaller ours is."""


def read_table(page: str) -> list[SpeedRow]:
    """Return the rows of the speed table of a page.

    Raises
    ------
    ValueError
        If the page has no such table.
    """
    _, header, rest = page.partition(HEADER)
    lines = rest.split("\n\n")[0].splitlines()[2:]
    if not header or not lines:
        raise ValueError(f"the page has no table that begins with {HEADER!r}")
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return [SpeedRow(what, peer, ours, float(ratio)) for what, peer, ours, ratio in cells]


def draw_chart(rows: list[SpeedRow]) -> str:
    """Return the chart as SVG: a bar for each row, on a logarithmic axis that begins at 1.

    Parameters
    ----------
    rows : list[SpeedRow]
        The rows, from top to bottom.

    Returns
    -------
    str
        The document, the same for the same rows.
    """
    decades = max(1, math.ceil(math.log10(max(row.ratio for row in rows))))
    width, bottom = LEFT + DECADE * decades + RIGHT, TOP + ROW * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + 30}" '
        f'viewBox="0 0 {width} {bottom + 30}" role="img">',
        "<title>How many times less Flow SDK needs than Metaflow</title>",
        f"<style>{STYLE}</style>",
        f'<text class="value" x="{LEFT}" y="16">times less than Metaflow (logarithmic)</text>',
    ]
    for power in range(decades + 1):
        x = LEFT + DECADE * power
        parts.append(f'<line x1="{x}" y1="{TOP - 6}" x2="{x}" y2="{bottom}"/>')
        parts.append(f'<text class="axis" x="{x}" y="{bottom + 18}" text-anchor="middle">{10**power:,}</text>')
    for number, row in enumerate(rows):
        parts += _draw_row(row, TOP + ROW * number)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _draw_row(row: SpeedRow, y: int) -> list[str]:
    """Return the elements of one row: its name, its bar, its ratio and the two results."""
    length = DECADE * math.log10(max(row.ratio, 1))
    middle = y + BAR / 2 + 4.5
    return [
        f'<text x="{LEFT - 12}" y="{middle}" text-anchor="end">{escape(row.what)}</text>',
        f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>',
        f'<text class="value" x="{LEFT + length + 8:.1f}" y="{middle}">{row.ratio:g}'
        f'<tspan class="seen" dx="8">{escape(row.peer)} → {escape(row.ours)}</tspan></text>',
    ]


def main() -> int:
    """Write the chart of README's table."""
    CHART.write_text(draw_chart(read_table(PAGE.read_text(encoding="utf-8"))), encoding="utf-8")
    print(CHART.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
