"""Notebook views: what they show, and that hostile values stay text."""

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from flow_sdk.client import DataArtifact, Flow, Metaflow, Run, Step, Task
from tests.support.run_builder import PLAN, Builder

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>\N{RIGHT-TO-LEFT OVERRIDE}\x1b[31m</pre></details>"
ALLOWED = {"div", "strong", "code", "bdi", "table", "thead", "tbody", "tr", "th", "td", "span", "details", "summary"}


class Tags(HTMLParser):
    """Checks that elements nest, that they are the few that views are made of, and keeps the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.cells: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED | {"pre"}, tag
        assert {name for name, _ in attrs} <= {"style"}, attrs
        assert not any("url" in (value or "") for _, value in attrs)
        self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if "td" in self.open or "th" in self.open:
            self.cells[-1] += data


def read(item: Any) -> Tags:
    return Tags(item._repr_html_())


def row(tags: Tags, first: str, count: int) -> list[str]:
    """The cells of the table's row that begins with ``first``."""
    start = tags.cells.index(first)
    return tags.cells[start : start + count]


def test_every_value_stays_text(flow: Builder) -> None:
    steps = tuple(replace(one, doc=EVIL) for one in PLAN.steps)
    flow = Builder(flow.store.url, replace(PLAN, file=EVIL + ".py", doc=EVIL, steps=steps))
    flow.run(
        tags=[EVIL],
        system_tags=("user:anne", EVIL + "2"),
        values={"alpha": 1, EVIL: 2},
        user=EVIL,
        package=flow.artifacts.put_bytes(b"a package"),
    )
    raised = {"type": EVIL, "message": EVIL, "stacktrace": EVIL + "\n" + EVIL}
    flow.fail("1", "start", values={"x": 1}, exception=raised, for_good=True)
    run, task = Run("Shapes/1"), Task("Shapes/1/start/0")
    items = [Metaflow(), Flow("Shapes"), run, Step("Shapes/1/start"), task, task["x"], task.data, task.artifacts]
    items.append(run.code)
    for item in items:
        page = item._repr_html_()
        assert "<script" not in page and "<img" not in page and "\x1b" not in page and "\u202e" not in page
        Tags(page)
    assert "&lt;script&gt;" in task._repr_html_()
    shown = [read(item).words for item in (Flow("Shapes"), run, Step("Shapes/1/start"), run.code)]
    # User and tag; parameter, user, tag and system tag; docstring; the flow file.
    assert [sum("<script>" in word for word in words) for words in shown] == [2, 4, 1, 1]


def test_a_run(flow: Builder) -> None:
    flow.whole_run(tags=["best"])
    flow.fail("1", "done", "2", for_good=True)
    seen = read(Run("Shapes/1"))
    assert row(seen, "state", 2) == ["state", "succeeded"]
    assert row(seen, "tags", 2) == ["tags", "best"]
    assert row(seen, "Shapes/1/done", 4) == ["Shapes/1/done", "3", "2", "1"]
    assert row(seen, "Shapes/1/work", 4) == ["Shapes/1/work", "3", "3", ""]
    assert row(seen, "alpha", 2) == ["alpha", "float"]
    steps = [cell for cell in seen.cells if cell.startswith("Shapes/1/")]
    assert steps == [f"Shapes/1/{name}" for name in ("start", "work", "done", "collect", "a", "b", "merge", "end")]


def test_a_run_that_runs_and_one_that_failed(flow: Builder) -> None:
    flow.run("1")
    flow.commit("1", "start")
    seen = read(Run("Shapes/1"))
    assert row(seen, "state", 2) == ["state", "running"] and "last seen" in seen.cells
    flow.fail("1", "done", "0", for_good=True)
    seen = read(Run("Shapes/1"))
    assert row(seen, "state", 2) == ["state", "failed"]
    assert row(seen, "reason", 2) == ["reason", "Task done/0 failed: ValueError: bad"]
    assert "last seen" not in seen.cells


def test_a_flow_and_all_flows(flow: Builder) -> None:
    flow.whole_run("1", started=1.0, tags=["best"])
    flow.run("2", started=2.0)
    seen = read(Flow("Shapes"))
    assert [cell for cell in seen.cells if cell.startswith("Shapes/")] == ["Shapes/2", "Shapes/1"]
    assert row(seen, "Shapes/1", 6)[1::3] == ["succeeded", "anne"] and row(seen, "Shapes/1", 6)[5] == "best"
    assert row(seen, "Shapes/2", 2) == ["Shapes/2", "running"]
    assert row(seen, "namespace", 2) == ["namespace", "user:anne"]
    assert row(read(Metaflow()), "Shapes", 2) == ["Shapes", "Shapes/2"]


def test_the_states_of_tasks(flow: Builder) -> None:
    flow.run()
    flow.commit("1", "done", "0")
    flow.start("1", "done", "1")
    flow.commit("1", "done", "2", successful=False)
    flow.fail("1", "done", "3")
    flow.fail("1", "done", "4", for_good=True)
    flow.start("1", "work", "0-0")
    states = [row(read(Step("Shapes/1/done")), f"Shapes/1/done/{n}", 2)[1] for n in range(5)]
    # The run has failed: what has no result won't get one.
    assert states == ["succeeded", "failed", "failed, caught", "failed", "failed"]
    assert [task.state for task in Step("Shapes/1/done")] == [state.partition(",")[0] for state in states]
    flow.run("2")
    flow.start("2", "done", "0")
    flow.fail("2", "done", "1")
    assert [task.state for task in Step("Shapes/2/done")] == ["running", "running"]  # may be tried again
    assert Task("Shapes/2/done/1", attempt=0).state == "failed"


def test_a_wide_step_is_cut(flow: Builder) -> None:
    flow.run()
    for index in range(60):
        flow.commit("1", "done", str(index))
    seen = read(Step("Shapes/1/done"))
    assert row(seen, "tasks", 2)[1] == "60, of which the first 20 are shown"
    assert row(seen, "comes after", 2)[1] == "work" and row(seen, "leads to", 2)[1] == "collect"
    assert "Shapes/1/done/19" in seen.cells and "Shapes/1/done/20" not in seen.cells
    assert row(read(Run("Shapes/1")), "Shapes/1/done", 3)[1:] == ["60", "60"]


def test_a_task_and_its_artifacts(flow: Builder) -> None:
    flow.whole_run()
    task = Task("Shapes/1/merge/0")
    seen = read(task)
    assert row(seen, "parents", 2) == ["parents", "Shapes/1/a/0, Shapes/1/b/0"]
    assert row(seen, "total", 2) == ["total", "int"]
    assert "_hidden" not in read(Task("Shapes/1/start/0")).cells
    for collection in (task.data, task.artifacts):
        assert row(read(collection), "total", 2) == ["total", "int"]
    artifact = DataArtifact("Shapes/1/end/0/result")
    assert row(read(artifact), "sha", 2) == ["sha", artifact.sha]
    assert row(read(artifact), "type", 2) == ["type", "builtins.dict"]


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (12_345_678, "12.3 MB")]
)
def test_sizes(count: int, shown: str) -> None:
    from flow_sdk.client.html.elements import show_size

    assert show_size(count) == shown
    assert show_size(2_345_000_000_000) == "2,345 GB"
