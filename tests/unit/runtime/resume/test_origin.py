"""Which run is resumed."""

import dataclasses
from pathlib import Path

import pytest

from flow_sdk.errors import NotFound, UsageError
from flow_sdk.metadata.index import RunIndex
from flow_sdk.metadata.runs import Runs
from flow_sdk.runtime.resume.origin import find_origin
from flow_sdk.store.backends.memory import MemoryStore
from tests.unit.runtime.resume.resumed_runs import finished, small


def test_origins(tmp_path: Path) -> None:
    first = finished(small(tmp_path))
    runs = Runs(first.store)
    runs.create(dataclasses.replace(first.record, run="2", system_tags=(), started=2.0))
    with pytest.raises(NotFound, match="no run '42'") as far:
        find_origin(runs, "Small", "tester", "42")
    assert far.value.help == "Its newest runs: 1, 2."
    for name in ("1", "Small/1"):
        assert find_origin(runs, "Small", "tester", name) == (first.record, "it was named")
    with pytest.raises(UsageError, match="can't resume a run of 'Other'"):
        find_origin(runs, "Small", "tester", "Other/1")
    with pytest.raises(NotFound, match="no run '7'"):
        find_origin(runs, "Small", "tester", "7")
    with pytest.raises(NotFound, match="no run of 'Small' by 'tester'") as none:
        find_origin(runs, "Small", "tester", None)  # this run carries no user's tag
    assert none.value.help is not None and "1" in none.value.help
    with pytest.raises(NotFound):
        find_origin(Runs(MemoryStore("memory://empty-for-resume")), "Small", "tester", None)
    for number, user in enumerate(["anne", "ben", "anne", "ben"], start=2):
        tags = (f"user:{user}",)
        runs.create(dataclasses.replace(first.record, run=str(number), system_tags=tags, started=float(number)))
    assert find_origin(runs, "Small", "anne", None)[0].run == "4"
    # A tag of somebody else's run, from a time when it could be given, doesn't make the run anne's.
    RunIndex(first.store, "Small").add_run("user:anne", "5", 5.0)
    assert next(runs.newest("Small", "user:anne")) == "5"
    assert find_origin(runs, "Small", "anne", None)[0].run == "4"
    runs.create(dataclasses.replace(first.record, run="airflow-scheduled-1", started=9.0))
    with pytest.raises(NotFound) as close:
        find_origin(runs, "Small", "anne", "airflow-sheduled-1")
    assert close.value.help == "Did you mean 'airflow-scheduled-1'?"


def test_a_resume_without_a_name_is_one_of_the_users_last_run(tmp_path: Path) -> None:
    first = finished(small(tmp_path))
    runs = Runs(first.store)

    def add(run: str, *tags: str, origin: str | None = None) -> None:
        record = dataclasses.replace(first.record, run=run, system_tags=tags, origin_run=origin, started=float(run[-1]))
        runs.create(record)

    add("2", "user:anne", "runtime:local", origin="1")
    with pytest.raises(NotFound, match="no run of 'Small' by 'anne'") as none:
        find_origin(runs, "Small", "anne", None)
    assert "--origin-run-id 2" in str(none.value.help)
    add("3", "user:anne", "runtime:local")
    assert find_origin(runs, "Small", "anne", None)[1] == "it is the last run of 'anne'"
    add("4", "user:anne", "runtime:local", origin="3")
    add("5", "user:anne", "runtime:local", origin="4")
    add("6", "user:ben", "runtime:local")
    # A deployment may have been given anne's namespace: she has run none of its runs.
    add("airflow-7", "user:anne", "runtime:airflow")
    origin, why = find_origin(runs, "Small", "anne", None)
    assert origin.run == "3" and "the newest resume, give --origin-run-id 5" in why
    assert find_origin(runs, "Small", "anne", "4")[0].run == "4"
