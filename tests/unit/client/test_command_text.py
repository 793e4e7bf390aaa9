"""What ``dump``, ``logs`` and ``tag list`` print."""

import pytest

from flow_sdk import client
from flow_sdk.client.command_text import dump_lines, dump_values, find_runs, find_tasks, log_lines, tag_lines
from flow_sdk.errors import NotFound, PathspecError, UsageError
from tests.support.run_builder import Builder


class Unshowable:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_find_tasks_in_any_namespace(flow: Builder) -> None:
    flow.whole_run("1", system_tags=("user:bob",))
    assert [task.id for task in find_tasks("Shapes", "1/done")] == ["0", "1"]
    assert [task.pathspec for task in find_tasks("Shapes", "1/work/0-1")] == ["Shapes/1/work/0-1"]
    assert [task.id for task in find_tasks("Shapes", "1/done/1", store=flow.store.url)] == ["1"]


def test_find_tasks_of_a_run_in_the_order_of_its_steps(flow: Builder) -> None:
    flow.whole_run("1")
    found = [task.pathspec.split("/", 2)[2] for task in find_tasks("Shapes", "1")]
    assert found[0] == "start/0" and "done/1" in found
    steps = list(dict.fromkeys(name.partition("/")[0] for name in found))
    assert steps == [step.name for step in flow.plan.steps if step.name in steps] and len(steps) > 3
    assert find_tasks("Shapes", "1", attempt=0)
    with pytest.raises(NotFound, match="attempt 5"):
        find_tasks("Shapes", "1", attempt=5)
    with pytest.raises(NotFound):
        find_tasks("Shapes", "2")


@pytest.mark.parametrize("path", ["1/done/0/x", "", "1//0"])
def test_find_tasks_wants_a_run(flow: Builder, path: str) -> None:
    flow.whole_run()
    with pytest.raises(PathspecError):
        find_tasks("Shapes", path)


@pytest.mark.parametrize("path", ["2/done", "1/dine", "1/done/7"])
def test_find_tasks_says_what_is_missing(flow: Builder, path: str) -> None:
    flow.whole_run()
    with pytest.raises(NotFound):
        find_tasks("Shapes", path)


def test_find_tasks_by_attempt(flow: Builder) -> None:
    flow.run()
    flow.commit("1", "done", "0", values={"n": 1})
    flow.fail("1", "done", "1", values={"n": 2})
    flow.commit("1", "done", "1", values={"n": 3})
    found = find_tasks("Shapes", "1/done", attempt=1)
    assert [(task.id, task.data.n) for task in found] == [("1", 3)]
    assert [task.data.n for task in find_tasks("Shapes", "1/done/1", attempt=0)] == [2]
    with pytest.raises(NotFound, match="attempt 5"):
        find_tasks("Shapes", "1/done", attempt=5)
    with pytest.raises(NotFound, match="attempt 5"):
        find_tasks("Shapes", "1/done/0", attempt=5)


def test_dump(flow: Builder) -> None:
    flow.run(values={"alpha": 1})
    flow.commit("1", "start", values={"text": "hello", "long": "x" * 50, "_private": 2, "odd": Unshowable()})
    (task,) = find_tasks("Shapes", "1/start")
    odd = task["odd"]
    size = task["alpha"].size
    shown = f"odd [size: {odd.size} type: {odd.type}]"
    assert list(dump_lines(task, max_value_size=0)) == [
        f"alpha [size: {size} type: int]",
        "long [size: 50 type: str]",
        shown,
        "text [size: 5 type: str]",
    ]
    assert list(dump_lines(task, private=True, max_value_size=50)) == [
        f"_private [size: {size} type: int] = 2",
        f"alpha [size: {size} type: int] = 1",
        f"long [size: 50 type: str] = {'x' * 50}",
        f"{shown} = < artifact too large >" if odd.size > 50 else f"{shown} = < can't be shown: RuntimeError: no >",
        "text [size: 5 type: str] = hello",
    ]
    assert list(dump_lines(task, max_value_size=49, include=["long", "nope", "_private"])) == [
        f"_private [size: {size} type: int] = 2",
        "long [size: 50 type: str] = < artifact too large >",
        "nope = < no such artifact >",
    ]
    assert list(dump_lines(task, include=["odd"])) == [f"{shown} = < can't be shown: RuntimeError: no >"]


def test_dump_in_safe_mode_says_so(flow: Builder) -> None:
    flow.run()
    flow.commit("1", "start", values={"x": [1]})
    client.safe_mode()
    (line,) = dump_lines(find_tasks("Shapes", "1/start")[0])
    assert line.startswith("x [size: ") and " = < " in line and "[1]" not in line


def test_dump_values(flow: Builder) -> None:
    flow.whole_run()
    tasks = find_tasks("Shapes", "1/done")
    assert dump_values(tasks) == {"1/done/0": {"alpha": 0.5, "n": 1}, "1/done/1": {"alpha": 0.5, "n": 0}}
    assert dump_values(tasks, include=["n"]) == {"1/done/0": {"n": 1}, "1/done/1": {"n": 0}}
    with pytest.raises(NotFound, match="'alfa'") as caught:
        dump_values(tasks, include=["n", "alfa"])
    assert "Did you mean 'alpha'?" in str(caught.value)


def test_log_lines(flow: Builder) -> None:
    flow.run()
    flow.commit("1", "start")
    flow.log("1", "start", "0", "2026-01-02T03:04:05.678901Z o out\n2026-01-02T03:04:06.000000Z e err\n")
    (task,) = find_tasks("Shapes", "1/start")
    assert list(log_lines(task)) == ["out", "err"]
    assert list(log_lines(task, stderr=False)) == ["out"]
    assert list(log_lines(task, stdout=False, timestamps=True)) == ["2026-01-02 03:04:06.000 err"]
    assert next(log_lines(task, timestamps=True)) == "2026-01-02 03:04:05.678 out"


def test_which_runs_tags_are_listed_of(flow: Builder) -> None:
    flow.run("1", started=1.0)
    flow.run("2", started=2.0)
    flow.run("3", started=3.0, system_tags=("user:bob",))

    def ids(**options: object) -> list[str]:
        return [run.id for run in find_runs("Shapes", **options)]  # type: ignore[arg-type]

    assert ids() == ["2"]
    assert ids(run="3") == ["3"]
    assert ids(everyone=True) == ["3", "2", "1"]
    assert ids(tag="user:anne") == ["2", "1"]
    with pytest.raises(NotFound, match="user:nobody"):
        ids(tag="user:nobody")
    with pytest.raises(NotFound, match="'9'"):
        ids(run="9")


def test_tag_list(flow: Builder) -> None:
    flow.run("1", started=1.0, tags=["b", "a"])
    flow.run("2", started=2.0, tags=["a", "line\nbreak"])
    runs = find_runs("Shapes", everyone=True)
    assert list(tag_lines(runs)) == [
        r"Tags: a, b, 'line\nbreak'",
        "System tags (can't be changed): runtime:local, user:anne",
    ]
    assert list(tag_lines(runs, hide_system_tags=True, flat=True)) == ["a", "b", r"'line\nbreak'"]
    assert list(tag_lines(runs[1:], flat=True)) == ["a", "b", "runtime:local", "user:anne"]
    assert list(tag_lines(runs, group_by_tag=True, hide_system_tags=True)) == [
        "a: Shapes/2, Shapes/1",
        "b: Shapes/1",
        r"'line\nbreak': Shapes/2",
    ]
    assert list(tag_lines(runs, group_by_run=True)) == [
        r"Shapes/2: a, 'line\nbreak', runtime:local, user:anne",
        "Shapes/1: a, b, runtime:local, user:anne",
    ]
    with pytest.raises(UsageError, match="--flat"):
        tag_lines(runs, flat=True, group_by_run=True)
