"""Finding one's way: up, down, sideways, by name."""

import pickle
from datetime import datetime

import pytest

from flow_sdk.client import DataArtifact, Flow, Metaflow, Run, Step, Task
from flow_sdk.errors import UsageError
from tests.support.run_builder import Builder


def ids(items: object) -> list[str]:
    return [item.id for item in items]  # type: ignore[attr-defined]


def test_from_all_flows_down_to_a_value(flow: Builder) -> None:
    flow.whole_run()
    assert Metaflow().flows == [Flow("Shapes")]
    assert "Shapes" in Metaflow() and "Other" not in Metaflow()
    assert Metaflow()["Shapes"]["1"]["end"]["0"]["result"].data == {"ok": True}
    assert Run("Shapes/1").data is not None
    assert Run("Shapes/1").data.result == {"ok": True}  # type: ignore[union-attr]


def test_what_no_run_of_this_release_has_is_none(flow: Builder) -> None:
    flow.whole_run()
    assert Run("Shapes/1").trigger is None
    step = Run("Shapes/1")["end"]
    assert step.control_task is None and list(step.control_tasks()) == []


def test_steps_come_newest_first_and_only_those_that_started(flow: Builder) -> None:
    flow.whole_run()
    assert ids(Run("Shapes/1")) == ["end", "merge", "b", "a", "collect", "done", "work", "start"]
    flow.run("2")
    flow.commit("2", "start", next=("work",))
    assert ids(Run("Shapes/2").steps()) == ["start"]
    assert "start" in Run("Shapes/2") and "work" not in Run("Shapes/2") and "typo" not in Run("Shapes/2")


def test_tasks_come_by_index_and_passes_newest_first(flow: Builder) -> None:
    flow.run()
    for task in ("10-0", "2-0", "2-1", "10-2", "2-10", "10-1"):
        flow.commit("1", "work", task)
    assert ids(Step("Shapes/1/work")) == ["2-10", "2-1", "2-0", "10-2", "10-1", "10-0"]
    assert Step("Shapes/1/work").task == Task("Shapes/1/work/2-10")


def test_index_is_the_innermost_foreachs(flow: Builder) -> None:
    flow.whole_run()
    assert Task("Shapes/1/work/1-0").index == 1
    assert Task("Shapes/1/start/0").index is None


def test_a_wide_step_is_walked_in_full(flow: Builder) -> None:
    flow.run()
    for index in range(150):
        flow.commit("1", "done", str(index), values={"n": index})
    assert [task.data.n for task in Step("Shapes/1/done")] == list(range(150))


def test_runs_come_newest_first_whatever_their_ids(flow: Builder) -> None:
    flow.run("9", started=30.0)
    flow.run("10", started=20.0)
    flow.run("airflow-x", started=40.0)
    assert ids(Flow("Shapes")) == ["airflow-x", "9", "10"]
    assert Flow("Shapes").latest_run == Run("Shapes/airflow-x")
    assert Flow("Shapes").created_at == datetime.fromtimestamp(20.0)


def test_tagging_an_old_run_keeps_the_order_and_the_time(flow: Builder) -> None:
    flow.run("1", started=10.0)
    flow.run("2", started=20.0)
    Run("Shapes/1").add_tag("best")
    assert ids(Flow("Shapes")) == ["2", "1"]
    assert ids(Flow("Shapes").runs("best")) == ["1"]
    assert Run("Shapes/1").created_at == datetime.fromtimestamp(10.0)
    Run("Shapes/2").add_tags(["best", "new"])
    assert ids(Flow("Shapes").runs("best")) == ["2", "1"]
    assert ids(Flow("Shapes").runs("best", "new")) == ["2"]
    Run("Shapes/2").replace_tag("best", "worst")
    assert Run("Shapes/2").user_tags == {"new", "worst"}
    Run("Shapes/2").remove_tags(["new", "worst"])
    assert Run("Shapes/2").tags == Run("Shapes/2").system_tags == {"user:anne", "runtime:local"}
    assert Task._make_related(Run("Shapes/1"), ("Shapes", "1", "start", "0")).user_tags == {"best"}


def test_parents_and_children_of_tasks(flow: Builder) -> None:
    flow.whole_run()

    def around(name: str) -> tuple[list[str], list[str]]:
        task = Task(f"Shapes/1/{name}")
        return (
            ["/".join(parent.path_components[2:]) for parent in task.parent_tasks],
            ["/".join(child.path_components[2:]) for child in task.child_tasks],
        )

    assert around("start/0") == ([], ["work/0-0", "work/1-0"])
    assert around("work/0-0") == (["start/0"], ["work/0-1"])
    assert around("work/0-1") == (["work/0-0"], ["done/0"])
    assert around("done/1") == (["work/1-0"], ["collect/0"])
    assert around("collect/0") == (["done/0", "done/1"], ["a/0", "b/0"])
    assert around("merge/0") == (["a/0", "b/0"], ["end/0"])
    assert around("end/0") == (["merge/0"], [])


def test_parents_and_children_of_steps(flow: Builder) -> None:
    flow.whole_run()
    assert ids(Step("Shapes/1/work").parent_steps) == ["start", "work"]
    assert ids(Step("Shapes/1/collect").child_steps) == ["a", "b"]
    flow.run("2")
    flow.commit("2", "start")
    assert ids(Step("Shapes/2/start").child_steps) == []


def test_children_that_have_not_started_are_not_there(flow: Builder) -> None:
    flow.run()
    items = flow.artifacts.save_items(list(range(20)), where="test")
    flow.commit("1", "start", next=("work",), items=items)
    flow.start("1", "work", "7-0")
    flow.commit("1", "work", "3-0")
    assert ids(Task("Shapes/1/start/0").child_tasks) == ["3-0", "7-0"]


def test_upwards(flow: Builder) -> None:
    flow.whole_run()
    artifact = DataArtifact("Shapes/1/end/0/result")
    assert artifact.parent == Task("Shapes/1/end/0")
    assert artifact.parent.parent == Step("Shapes/1/end")
    assert artifact.parent.parent.parent == Run("Shapes/1")
    assert artifact.parent.parent.parent.parent == Flow("Shapes")
    assert Flow("Shapes").parent is None
    assert artifact.pathspec == "Shapes/1/end/0/result"
    assert artifact.path_components == ["Shapes", "1", "end", "0", "result"]
    assert artifact.id == "result"


def test_an_artifact_knows_its_hash_size_and_type(flow: Builder) -> None:
    flow.whole_run()
    artifact = Task("Shapes/1/a/0").artifacts.side
    assert (artifact.data, artifact.size, artifact.type) == ("a", 1, "builtins.str")
    assert artifact.sha == flow.ref("a").hash
    assert artifact.finished_at == datetime.fromtimestamp(1_700_000_002.0)
    with pytest.raises(TypeError, match="no children"):
        iter(artifact)


def test_private_artifacts_are_not_listed_but_can_be_read(flow: Builder) -> None:
    flow.whole_run()
    task = Task("Shapes/1/start/0")
    assert ids(task) == ["alpha", "items"]
    assert [artifact.id for artifact in task.artifacts] == ["alpha", "items"]
    assert dir(task.data) == ["alpha", "items"]
    assert repr(task.data) == "<Data of Shapes/1/start/0: alpha, items>"
    assert task.data._hidden == 1
    assert task["_hidden"].data == task.artifacts._hidden.data == 1
    assert "_hidden" in task.data and "nothing" not in task.data


def test_parameters_are_artifacts_of_every_task_and_a_tasks_own_come_first(flow: Builder) -> None:
    flow.run(values={"alpha": 0.5, "beta": 1})
    flow.commit("1", "start", values={"beta": 2})
    data = Task("Shapes/1/start/0").data
    assert (data.alpha, data.beta) == (0.5, 2)


def test_data_is_loaded_once_and_read_only(flow: Builder) -> None:
    flow.whole_run()
    data = Task("Shapes/1/start/0").data
    assert data.items is data.items
    with pytest.raises(AttributeError, match="from outside"):
        data.items = []
    with pytest.raises(AttributeError, match=r"no artifact 'item'. Did you mean 'items'\?"):
        _ = data.item


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda: Flow("Shapes"), "Flow('Shapes')"),
        (lambda: Run("Shapes/1"), "Run('Shapes/1')"),
        (lambda: Step("Shapes/1/end"), "Step('Shapes/1/end')"),
        (lambda: Task("Shapes/1/end/0"), "Task('Shapes/1/end/0')"),
        (lambda: Task("Shapes/1/end/0", attempt=0), "Task('Shapes/1/end/0', attempt=0)"),
        (lambda: DataArtifact("Shapes/1/end/0/total"), "DataArtifact('Shapes/1/end/0/total')"),
        (lambda: DataArtifact("Shapes/1/end/0/total", attempt=0), "DataArtifact('Shapes/1/end/0/total', attempt=0)"),
    ],
)
def test_repr_equality_and_pickling(flow: Builder, made: object, text: str) -> None:
    flow.whole_run()
    item = made()  # type: ignore[operator]
    again = pickle.loads(pickle.dumps(item))
    assert repr(item) == repr(again) == text
    assert item == again and hash(item) == hash(again)
    assert item != Run._make_unchecked(("Shapes", "2"), item._url, None)


def test_pickled_data_still_reads(flow: Builder) -> None:
    flow.whole_run()
    task = Task("Shapes/1/end/0")
    assert pickle.loads(pickle.dumps(task.data)).result == {"ok": True}
    assert pickle.loads(pickle.dumps(task.artifacts)).total.data == 1


def test_a_tag_like_a_namespace_is_refused_with_what_python_has(flow: Builder) -> None:
    flow.run("1", started=10.0)
    for change in (Run("Shapes/1").add_tag, Run("Shapes/1").add_tags):
        with pytest.raises(UsageError, match="can't begin with 'user:'") as refused:
            change("user:x")
        assert refused.value.help == "To look for results in another namespace, call namespace('user:x')."
