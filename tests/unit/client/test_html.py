"""Notebook views: hostile values stay text."""

from flow_sdk.client import Run, Step, Task
from tests.unit.client.builder import Builder

EVIL = '<script>alert("x")</script>'


def test_every_value_is_escaped(flow: Builder) -> None:
    flow.run(tags=[EVIL])
    flow.fail("1", "start", values={"x": 1}, exception={"type": EVIL, "message": EVIL, "stacktrace": ""})
    task = Task("Shapes/1/start/0")
    pages = [Run("Shapes/1")._repr_html_(), Step("Shapes/1/start")._repr_html_(), task._repr_html_()]
    pages.append(task["x"]._repr_html_())
    for page in pages:
        assert "<script" not in page
    assert "&lt;script&gt;" in pages[0] and "&lt;script&gt;" in pages[2]


def test_what_they_show(flow: Builder) -> None:
    flow.whole_run()
    flow.start("1", "done", "2")
    flow.commit("1", "done", "3", successful=False)
    flow.fail("1", "done", "4")
    assert "<td>succeeded</td>" in Run("Shapes/1")._repr_html_() and "<td>merge</td>" in Run("Shapes/1")._repr_html_()
    page = Step("Shapes/1/done")._repr_html_()
    for state in ("succeeded", "running", "failed, caught", "failed"):
        assert f"<td>{state}</td>" in page
    assert "<td>builtins.dict</td>" in Task("Shapes/1/end/0")._repr_html_()
    assert Task("Shapes/1/end/0")["result"].sha in Task("Shapes/1/end/0")["result"]._repr_html_()
