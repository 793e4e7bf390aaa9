"""What the demo says of a run that it follows."""

from typing import Any

import pytest

from demo import follow as following
from demo.follow import follow, progress


def instance(task: str, state: str | None, index: int = -1) -> dict[str, Any]:
    return {"task_id": task, "state": state, "map_index": index}


def test_tasks_that_have_not_begun_are_left_out() -> None:
    found = progress([instance("start", "success"), instance("join", None), instance("end", "scheduled")])
    assert found == {"start": "success"}


def test_mapped_tasks_are_counted_by_state() -> None:
    states = ["success", "running", "success", None]
    found = progress([instance("each.fit", state, number) for number, state in enumerate(states)])
    assert found == {"each.fit": "1 running, 2 success, 1 waiting"}


class Api:
    """An Airflow whose run is seen once running and once at its end."""

    def __init__(self) -> None:
        self.looks = 0

    def dag_run(self, dag: str, run: str) -> dict[str, str]:
        self.looks += 1
        return {"state": "running" if self.looks == 1 else "success"}

    def task_instances(self, dag: str, run: str) -> list[dict[str, Any]]:
        return [instance("start", "running" if self.looks == 1 else "success")]


def test_each_change_is_said_once_until_the_run_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(following, "EVERY", 0.0)
    assert follow(Api(), "dag", "run") == "success"  # type: ignore[arg-type]
    assert [line.split()[-2:] for line in capsys.readouterr().out.splitlines()] == [
        ["start", "running"],
        ["start", "success"],
    ]
