"""All benchmarks in one run: ``python -m benchmarks.run_all --peer PYTHON`` prints the table that README quotes."""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.artifacts import artifact_rows
from benchmarks.foreach import foreach_rows
from benchmarks.runs import runs_rows
from benchmarks.side import Row, Side
from benchmarks.startup import startup_rows
from benchmarks.state_machines import state_machine_rows

PARTS = {
    "startup": startup_rows,
    "foreach": foreach_rows,
    "artifacts": artifact_rows,
    "state-machines": state_machine_rows,
    "runs": runs_rows,
}


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| what | peer | Flow SDK | times better |", "|---|--:|--:|--:|"]
    for row in rows:
        results = f"{_short(row.peers)} {row.unit} | {_short(row.ours)} {row.unit}"
        lines.append(f"| {row.what} | {results} | {row.ratio:.1f} |")
    return "\n".join(lines)


def _short(number: float) -> str:
    """Three digits, never with an exponent."""
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def main() -> int:
    """Measure, print, and return 1 if a ratio is below its limit."""
    parser = argparse.ArgumentParser(prog="benchmarks.run_all", description=__doc__)
    parser.add_argument("--peer", required=True, help="a Python that has the peer (metaflow) installed")
    parser.add_argument("--only", choices=PARTS, action="append", help="run this part only")
    given = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        sides = []
        for name, python, package in (("ours", sys.executable, "flow_sdk"), ("peer", given.peer, "metaflow")):
            (Path(folder) / name).mkdir()
            sides.append(Side(str(Path(python).absolute()), package, Path(folder) / name))
        for part in given.only or PARTS:
            print(f"measuring: {part}", file=sys.stderr, flush=True)
            rows += PARTS[part](*sides)
    print(table(rows))
    broken = [row for row in rows if not row.kept]
    for row in broken:
        print(f"{row.what}: {row.ratio:.1f} times better, at least {row.wanted:g} expected", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
