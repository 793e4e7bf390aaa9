"""``current`` in the tasks of a real run: every name that users know, whatever namespace the step works in."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.flow_file import call, write

FLOW = '''
import json
from flow_sdk import FlowSpec, Parameter, Run, current, metadata, namespace, project, step
from flow_sdk.errors import NamespaceMismatch

NAMES = ("flow_name run_id step_name task_id retry_count origin_run_id pathspec namespace username parameter_names "
         "is_running_flow tempdir project_name branch_name is_user_branch is_production project_flow_name").split()


@project(name="sales")
class Seen(FlowSpec):
    """What it is about."""

    size = 3
    alpha = Parameter("alpha", default=0.5)

    @step
    def start(self):
        found = {name: getattr(current, name) for name in NAMES}
        found["tags"] = sorted(current.tags)
        found["listed"] = sorted({*NAMES, "tags", "graph", "flow", "run", "task"} - set(dir(current)))
        found["graph"] = current.graph
        self.own(found, "objects")
        namespace("xyz_features")
        self.own(found, "in another namespace")
        try:
            Run(current.pathspec.rpartition("/start")[0])
        except NamespaceMismatch:
            found["others are checked"] = True
        current.run.add_tag("scored")
        metadata("./elsewhere")
        found["in another store"] = sorted(current.run.user_tags)
        print(json.dumps(found))
        self.items = [1]
        self.next(self.each, foreach="items")

    def own(self, found, name):
        found[name] = [current.flow.pathspec, current.run.pathspec, current.task.pathspec, current.task.state,
                       current.run.state, current.run.successful, current.task.parent.parent == current.run]

    @step
    def each(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Seen()
'''


@pytest.mark.parametrize("namespace", [None, "other"])
def test_every_name(tmp_path: Path, namespace: str | None) -> None:
    write(tmp_path, FLOW)
    words = ["--namespace", namespace] if namespace else []
    done = call(tmp_path, "run", "--quiet", "--tag", "mine", *words)
    assert done.returncode == 0, done.stderr
    (found,) = [json.loads(line[line.index("{") :]) for line in done.stdout.splitlines() if "{" in line]
    graph = found.pop("graph")
    own = ["Seen", "Seen/1", "Seen/1/start/0", "running", "running", False, True]
    assert found.pop("tempdir")
    assert found == {
        "flow_name": "Seen",
        "run_id": "1",
        "step_name": "start",
        "task_id": "0",
        "retry_count": 0,
        "origin_run_id": None,
        "pathspec": "Seen/1/start/0",
        "namespace": namespace or "user:tester",
        "username": "tester",
        "parameter_names": ["alpha"],
        "is_running_flow": True,
        "project_name": "sales",
        "branch_name": "user.tester",
        "is_user_branch": True,
        "is_production": False,
        "project_flow_name": "sales.user.tester.Seen",
        "tags": ["mine"],
        "listed": [],
        "objects": own,
        "in another namespace": own,
        "others are checked": True,
        "in another store": ["mine", "scored"],
    }
    assert graph["file"] == "train.py" and graph["doc"] == "What it is about."
    assert (graph["start_step"], graph["end_step"]) == ("start", "end")
    assert graph["parameters"] == [{"name": "alpha", "type": "float"}] and graph["constants"] == [{"name": "size"}]
    assert [decorator["name"] for decorator in graph["decorators"]] == ["project"]
    assert {name: (one["type"], one["next"]) for name, one in graph["steps"].items()} == {
        "start": ("split-foreach", ["each"]),
        "each": ("linear", ["join"]),
        "join": ("join", ["end"]),
        "end": ("end", []),
    }
    assert graph["steps"]["start"]["foreach_artifact"] == "items"
    assert graph["steps"]["start"]["matching_join"] == "join"
