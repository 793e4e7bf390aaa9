"""Power cuts: what was reported as stored is there and whole, whatever of the rest the file system has lost."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.store.check import check_store
from tests.fault.disk import Call
from tests.fault.power import Recorder, Tree, build
from tests.fault.report import count, recovering
from tests.fault.writers import WRITERS, Place
from tests.rig.verify import verify_store

Share = Callable[[list[tuple[int, Tree, bool]]], list[tuple[int, Tree, bool]]]
CUT = (
    "a new store",
    "a small blob",
    "a commit",
    "a task cleared and committed",
    "a failure",
    "a run's allocation",
    "an orchestrated run",
    "a run's end",
    "a heartbeat",
    "tags replaced",
    "a task with a foreach",
    "a task of a foreach",
    "the last task",
    "a token's first claim",
    "a token renewed",
)
IN_ORDER = ("a run's allocation", "an orchestrated run", "the last task")
"""Their index entries aren't flushed: they rely on a journal that keeps the order of new names."""
AGAIN = 7
"""The act is done again after each seventh state: it takes longer than all other looks at it."""


def recorded(name: str, place: Place, skipped: Any = lambda call: False) -> Recorder:
    """Prepare, and record the act."""
    Path(place.folder).mkdir(exist_ok=True)
    WRITERS[name].prepare(place)
    recorder = Recorder(place.folder)
    recorder.skipped = skipped
    with recorder.recording():
        WRITERS[name].act(place)
    return recorder


@pytest.mark.parametrize("name", CUT)
def test_what_was_reported_survives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: Share, name: str) -> None:
    writer = WRITERS[name]
    clean = Place(str(tmp_path / "clean" / "store"), str(tmp_path / "clean"))
    recorder = recorded(name, clean)
    after = writer.again(writer.look(clean))
    place = Place(str(tmp_path / "cut" / "store"), str(tmp_path / "cut"))
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # of what is done again
    all_states = list(recorder.states(random.Random(1)))
    for at, tree, _ in all_states:
        assert not recorder.broken(at, tree), f"cut after operation {at}"
    for number, (at, tree, ordered) in enumerate(share(all_states)):
        build(Path(place.folder), tree)
        if "store/store.json" in tree:
            check_whole(place)
            if ordered or name not in IN_ORDER:
                writer.look(place)
        if number % AGAIN == 0:
            with recovering():
                writer.act(place)
            if ordered or name not in IN_ORDER:
                assert writer.again(writer.look(place)) == after, f"cut after operation {at}"
            check_whole(place)
    assert len(all_states) > 5
    count(faults=len(all_states))


def check_whole(place: Place) -> None:
    report = check_store(place.store(), threads=1)
    assert not report.damage, report.damage
    verify_store(place.url)


def is_folder(call: Call) -> bool:
    return call.name == "fsync" and os.path.isdir(call.path)


def is_file(call: Call) -> bool:
    return call.name == "fsync" and not os.path.isdir(call.path)


@pytest.mark.parametrize("skipped", [is_folder, is_file])
@pytest.mark.parametrize("name", ["a task with a foreach", "a run's allocation", "a token's first claim"])
def test_a_sync_that_is_left_out_is_found(tmp_path: Path, name: str, skipped: Any) -> None:
    place = Place(str(tmp_path / "store"), str(tmp_path))
    recorder = recorded(name, place, skipped)
    assert any(recorder.broken(at, tree) for at, tree, _ in recorder.states(random.Random(1)))
