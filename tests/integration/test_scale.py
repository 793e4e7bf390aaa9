"""Large runs: many tasks, a wide join, many artifacts, many steps; what the scheduler holds in memory stays small.

``make test-faults`` runs the full numbers, ``make test`` smaller ones. What they cost is measured by
``python -m benchmarks.scale``, up to 10,000.
"""

from pathlib import Path

import pytest

from benchmarks.scale import ARTIFACTS, FOREACH, long_flow, measure
from flow_sdk.client import Run, metadata, namespace

SMALL = [("Wide", 1_500), ("Many", 10_000), ("Long", 300)]
FULL = [("Wide", 10_000), ("Long", 1_000)]
MORE = {"Wide": 8e6, "Many": 8e6, "Long": 25e6}
"""Bytes that the scheduler may take beyond what it takes for a foreach of 100: to know of 10,000 tasks, or for the
source and the plan of 1,000 steps."""


@pytest.fixture(scope="module")
def of_a_hundred(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Memory of the scheduler of a foreach of 100."""
    return measure("Wide", 100, FOREACH, tmp_path_factory.mktemp("hundred") / "Wide").memory


@pytest.mark.parametrize(
    ("name", "count"), [*SMALL, *(pytest.param(*large, marks=pytest.mark.every_fault) for large in FULL)]
)
def test_a_large_run_is_whole_and_its_scheduler_small(name: str, count: int, tmp_path: Path, of_a_hundred: int) -> None:
    source = {"Wide": FOREACH, "Many": ARTIFACTS, "Long": long_flow(count)}[name]
    done = measure(name, count, source, tmp_path / name)
    assert 0 < done.memory < of_a_hundred + MORE[name]
    metadata(str(tmp_path / name / ".flow_sdk"))
    namespace(None)
    run = Run(f"{name}/1")
    assert run.successful
    if name == "Wide":
        assert [task.index for task in run["square"]] == list(range(count))
        assert run.data.total == sum(n**2 for n in range(count))
    elif name == "Many":
        assert len(list(run["end"].task)) == count
    else:
        assert len(list(run)) == count
