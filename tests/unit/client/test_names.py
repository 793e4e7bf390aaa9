"""Names that are wrong: each error says what is wrong and what is near."""

import pytest

from flow_sdk.client import DataArtifact, Flow, Metaflow, Run, Step, Task
from flow_sdk.errors import NotFound, PathspecError
from tests.unit.client.builder import Builder


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
