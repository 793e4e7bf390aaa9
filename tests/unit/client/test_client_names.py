"""Names that are wrong: each error says what is wrong and what is near."""

from collections.abc import Callable

import pytest

from flow_sdk import client
from flow_sdk.client import DataArtifact, Flow, Metaflow, Run, Step, Task
from flow_sdk.errors import NotFound, PathspecError, UsageError
from flow_sdk.metadata.index import RunIndex
from tests.support.run_builder import Builder


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Flow("Shape"), "Did you mean 'Shapes'?"),
        (lambda: Metaflow()["../etc"], "Known: Shapes."),
        (lambda: Run("Shape/1"), "Did you mean 'Shapes'?"),
        (lambda: Run("Shapes/11"), "Its newest runs: 1."),
        (lambda: Run("Shapes/bad id"), "Its newest runs: 1."),
        (lambda: Step("Shapes/1/strat"), "Did you mean 'start'?"),
        (lambda: Run("Shapes/1")["ende"], "Did you mean 'end'?"),
        (lambda: Task("Shapes/1/done/2"), "Known: 0, 1."),
        (lambda: Task("Shapes/1/done/a b"), "Known: 0, 1."),
        (lambda: Task("Shapes/1/strat/0"), "Did you mean 'start'?"),
        (lambda: Step("Shapes/1/done")["0-0"], "Did you mean '0'?"),
        (lambda: DataArtifact("Shapes/1/end/0/totl"), "Did you mean 'total'?"),
        (lambda: DataArtifact("Shapes/1/end/0/total", attempt=4), "Attempts so far: 0."),
        (lambda: Task("Shapes/1/end/0")["totl"], "Did you mean 'total'?"),
    ],
)
def test_near_names(flow: Builder, make: object, text: str) -> None:
    flow.whole_run()
    with pytest.raises(NotFound) as caught:
        make()  # type: ignore[operator]
    assert text in str(caught.value)
    assert isinstance(caught.value, KeyError)


def test_a_step_that_has_not_started(flow: Builder) -> None:
    flow.run()
    flow.commit("1", "start")
    with pytest.raises(NotFound, match="hasn't started") as caught:
        Step("Shapes/1/end")
    assert "Started so far: start." in str(caught.value)


def test_an_empty_store(flow: Builder) -> None:
    with pytest.raises(NotFound, match="The store is empty"):
        Flow("Shapes")
    with pytest.raises(NotFound, match="holds no flow yet"):
        Run("Shapes/1")


@pytest.mark.parametrize(
    ("kind", "pathspec"),
    [
        (Flow, "Shapes/1"),
        (Flow, ""),
        (Run, "Shapes"),
        (Run, "Shapes/1/start"),
        (Run, "Shapes/"),
        (Step, "Shapes/1"),
        (Task, "Shapes/1/start"),
        (Task, "Shapes/1/../0"),
        (DataArtifact, "Shapes/1/start/0"),
        (DataArtifact, "Shapes/1/start/0/x/y"),
        (Run, 1),
        (Run, "Shapes/1\n"),
    ],
)
def test_wrong_pathspecs(flow: Builder, kind: type, pathspec: object) -> None:
    flow.whole_run()
    with pytest.raises(PathspecError):
        kind(pathspec)


@pytest.mark.parametrize("bad", [None, 5, ["ok", None], [["a"]], b"raw"])
def test_what_is_no_tag(flow: Builder, bad: object) -> None:
    flow.whole_run()
    run = Run("Shapes/1")
    asked: list[Callable[[], object]] = [
        lambda: run.add_tag(bad),  # type: ignore[arg-type]
        lambda: run.remove_tags(bad),  # type: ignore[arg-type]
        lambda: run.replace_tag("x", bad),  # type: ignore[arg-type]
        lambda: Flow("Shapes").runs(bad),  # type: ignore[arg-type]
        lambda: run.steps(bad),  # type: ignore[arg-type]
        lambda: run["start"].tasks(bad),  # type: ignore[arg-type]
    ]
    for ask in asked:
        with pytest.raises(UsageError):
            ask()
    assert run.user_tags == frozenset()


@pytest.mark.parametrize(
    "tag",
    ["user:will", "production:F-1", "project:x", "project_branch:prod", "project_and_branch:x.prod", "date:2026-01-01"],
)
def test_a_run_cant_be_made_to_look_like_somebody_elses(flow: Builder, tag: str) -> None:
    flow.whole_run()
    run = Run("Shapes/1")
    for change in (lambda: run.add_tag(tag), lambda: run.replace_tags("x", ["y", tag])):
        with pytest.raises(UsageError, match="can't begin with"):
            change()
    with pytest.raises(UsageError, match="can't begin with"):
        flow.run("2", tags=[tag])
    assert run.user_tags == frozenset() and [found.id for found in Flow("Shapes")] == ["1"]
    run.add_tags(run.system_tags)  # it has them
    assert run.user_tags == frozenset()


def test_a_run_from_before_can_be_read_and_be_rid_of_such_a_tag(flow: Builder) -> None:
    flow.whole_run(started=5.0)
    flow.store.put("flows/Shapes/runs/1/tags/user:will", b"user:will")
    RunIndex(flow.store, "Shapes").add_user_tag("user:will", "1", 5.0)
    client.namespace("user:will")
    (run,) = Flow("Shapes")
    assert run.user_tags == {"user:will"}
    run.add_tag("good")
    run.remove_tag("user:will")
    assert run.user_tags == {"good"}
    assert Metaflow().flows == []


def test_how_many_components_are_wanted(flow: Builder) -> None:
    with pytest.raises(PathspecError) as caught:
        Run("Shapes")
    assert "Run takes 2 components" in str(caught.value) and "Run('Flow/run')" in str(caught.value)


def test_a_foreign_id_is_simply_not_there(flow: Builder) -> None:
    flow.whole_run()
    for name in ("no", "a/b", "..", "", "x\n", "ü"):
        assert name not in Flow("Shapes")
        assert name not in Run("Shapes/1")
        assert name not in Step("Shapes/1/start")
        assert name not in Task("Shapes/1/start/0")
