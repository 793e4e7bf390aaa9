"""The previous release and the present one together, as real processes of either: stores, code packages, Airflow."""

import json
from pathlib import Path

import pytest

from flow_sdk.store.open_store import open_store
from flow_sdk.upkeep.store_check import check_store
from tests.conftest import interpreter
from tests.support.airflow_runs import dag_test
from tests.support.earlier_release import FLOW_SOURCE, Installation, ReleaseTrees, extract_release

MADE = [["aa", "bb"], 2, "builtins.ZeroDivisionError"]

READ = """
import json, sys
from flow_sdk import Flow, Run, Task, metadata, namespace

metadata(sys.argv[1])
namespace(None)
runs = {
    run.id: {
        "state": run.state,
        "tags": sorted(run.user_tags),
        "tasks": sum(1 for step in run for task in step),
        "made": getattr(run.data, "made", None) if run.successful else None,
        "log": next(iter(run["work"])).stdout,
        "words": [part.word for part in next(iter(run["start"])).data.parts],
    }
    for run in Flow("ReleasesFlow")
}
print(json.dumps(runs))
"""


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> ReleaseTrees:
    return extract_release(tmp_path_factory.mktemp("release"))


def install(trees: ReleaseTrees, folder: Path, sdk: str, provider: str = "", **more: str) -> Installation:
    """An installation with a home that has the flow file."""
    home = folder / f"home-{sdk}-{provider or sdk}"
    home.mkdir(exist_ok=True)
    (home / "releases.py").write_text(FLOW_SOURCE)
    return Installation(trees, home, sdk, provider or sdk, more)


@pytest.mark.parametrize(("writer", "reader"), [("previous", "present"), ("present", "previous")])
def test_a_store_is_read_resumed_from_and_tagged_by_the_other_release(
    trees: ReleaseTrees, tmp_path: Path, writer: str, reader: str
) -> None:
    first, second = install(trees, tmp_path, writer), install(trees, tmp_path, reader)
    store = ("releases.py", "--datastore-root", str(tmp_path / "store"))
    first.call(*store, "run", "--tag", "kept")
    first.call(*store, "run", fails=True, STOP="1")
    expected = {"tags": ["kept"], "tasks": 9, "made": MADE, "log": "working on a\n", "words": ["a", "b"]}
    read = json.loads(second.call("-c", READ, str(tmp_path / "store")).stdout)
    assert read["1"] == {"state": "succeeded", **expected}
    assert read["2"] == {"state": "failed", **expected, "tags": [], "made": None}
    assert second.call(*store, "logs", "1/work").stdout.count("working on a") == 1
    second.call(*store, "tag", "add", "--run-id", "1", "seen")
    second.call(*store, "resume", "--origin-run-id", "2")
    assert "seen" in first.call(*store, "tag", "list", "--run-id", "1").stdout
    read = json.loads(first.call("-c", READ, str(tmp_path / "store")).stdout)
    assert read["1"]["tags"] == ["kept", "seen"]
    assert (read["3"]["state"], read["3"]["made"]) == ("succeeded", MADE)
    report = check_store(open_store(str(tmp_path / "store")))
    assert not report.damage and not report.remains


AIRFLOWS = [
    pytest.param(["previous"], ("present", "present"), id="deployed by the previous release"),
    pytest.param(["present"], ("previous", "previous"), id="run by the previous release"),
    pytest.param(["previous", "present"], ("present", "previous"), id="with the previous provider"),
]
"""The releases that deploy, and those of Airflow's SDK and provider."""


@pytest.mark.airflow3
@pytest.mark.parametrize(("writers", "airflow"), AIRFLOWS)
def test_a_dag_runs_on_an_airflow_with_the_other_release(
    trees: ReleaseTrees, tmp_path: Path, writers: list[str], airflow: tuple[str, str]
) -> None:
    server, dags = install(trees, tmp_path, *airflow), tmp_path / "dags"
    dags.mkdir()
    roots, names = {}, {}
    for writer in writers:
        user = install(trees, tmp_path, writer)
        roots[writer], names[writer] = (tmp_path / writer).as_uri(), f"by-{writer}"
        words = ("airflow", "create", "--name", names[writer], str(dags))
        user.call("releases.py", "--datastore-root", roots[writer], *words)
    python = interpreter("airflow3")
    assert python is not None
    runs = [{"dag": names[writer], "conf": {"rows": 2}} for writer in writers]
    answer = dag_test(python, tmp_path / "airflow", dags, runs, server.env)
    assert answer["import_errors"] == {}
    assert [run["state"] for run in answer["runs"]] == ["success"] * len(writers), answer["log"][-5000:]
    for writer in writers:
        for reader in ("previous", "present"):
            user = install(trees, tmp_path, reader)
            (found,) = json.loads(user.call("-c", READ, roots[writer]).stdout).values()
            assert (found["state"], found["made"], found["tasks"]) == ("succeeded", MADE, 9)


OBJECTS = """
import pickle, sys
from flow_sdk.authoring.caught_failure import CaughtFailure
from flow_sdk.authoring.configs import ConfigValue

objects = [CaughtFailure("a.B", "c", "d"), ConfigValue({"a": {"b": 1}})]
sys.stdout.buffer.write(pickle.dumps(objects))
"""


def test_objects_of_the_sdk_in_artifacts_are_read_by_the_previous_release(trees: ReleaseTrees, tmp_path: Path) -> None:
    present, previous = install(trees, tmp_path, "present"), install(trees, tmp_path, "previous")
    present.call("-c", OBJECTS.replace("sys.stdout.buffer", "open('objects', 'wb')"))
    code = "import pickle, sys; f, c = pickle.load(open(sys.argv[1], 'rb')); print(f.type, c.a.b)"
    for reader in (present, previous):
        assert reader.call("-c", code, str(present.home / "objects")).stdout == "a.B 1\n"
