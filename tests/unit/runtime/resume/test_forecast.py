"""What a resume would do."""

from collections import Counter
from pathlib import Path

from flow_sdk.runtime.resume.forecast import describe_states, forecast_resume
from tests.unit.runtime.resume.resumed_runs import finished, reuse_of, small


def test_a_forecast_changes_nothing_and_is_right(tmp_path: Path) -> None:
    first = finished(small(tmp_path, work="assert self.input != 2"))
    before = [info.key for info in first.store.list("")]
    reuse, _ = reuse_of(first, small(tmp_path))
    lines = [(line.step, line.reused, line.again, line.more) for line in forecast_resume(reuse)]
    assert lines == [("start", 1, 0, False), ("work", 2, 1, False), ("join", 0, 1, False), ("end", 0, 1, False)]
    whys = [line.why for line in forecast_resume(reuse)]
    assert whys[0] == "" and "@catch took its failure" in whys[1]
    assert whys[2] == "it comes after work/1.1, which runs again"
    assert len([key for key in before if "/runs/" in key]) == len(
        [info.key for info in first.store.list("") if "/runs/" in info.key]
    )


def test_a_forecast_says_what_it_cannot_know(tmp_path: Path) -> None:
    first = finished(small(tmp_path), tasks=0)
    reuse, _ = reuse_of(first, small(tmp_path))
    start, work, *_ = forecast_resume(reuse)
    assert (start.reused, start.again, start.more) == (0, 1, False)
    assert (work.reused, work.again, work.more) == (0, 0, True)


def test_several_tasks_that_were_stopped_or_are_running_are_shown_in_the_plural() -> None:
    text = describe_states(Counter({"failed": 2, "was stopped": 2, "is running": 3, "hadn't begun": 2}), "", "1")
    assert text == "2 failed, 2 were stopped, 3 are running, 2 hadn't begun in run 1"
    assert describe_states(Counter({"failed": 1, "was stopped": 1}), "", "1") == "1 failed, 1 was stopped in run 1"
