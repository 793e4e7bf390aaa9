"""Large runs: many tasks, a wide join, many artifacts, many steps; what the scheduler holds in memory stays small.

What they cost is measured by ``python -m benchmarks.scale``, up to 10,000.
"""

from pathlib import Path

import pytest

from benchmarks.scale import ARTIFACTS, FOREACH, long_flow, measure
from flow_sdk.client import Run, metadata, namespace


@pytest.mark.parametrize(
    ("name", "source", "count"), [("Wide", FOREACH, 1500), ("Many", ARTIFACTS, 10_000), ("Long", long_flow(300), 300)]
)
def test_a_large_run_is_whole_and_its_scheduler_small(name: str, source: str, count: int, tmp_path: Path) -> None:
    done = measure(name, count, source, tmp_path / name)
    assert 0 < done.memory < 60e6
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
