"""Power cuts: what was reported as stored is there and whole, whatever of the rest the file system has lost."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.upkeep.store_check import check_store
from tests.support.disk_faults import Call
from tests.support.fault_counts import count, recovering
from tests.support.power_cut import Recorder, build
from tests.support.store_verification import verify_store
from tests.support.store_writers import WRITERS, Place

Share = Callable[[list[Any]], list[Any]]
PASSING = ("a new store", "the claim on an attempt", "a heartbeat", "a log", "tags removed", "tags replaced")
"""What they did a power cut may undo: an empty store, what serves a living process only, logs, what was taken away."""
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


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.one_of(2)
def test_what_was_reported_survives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: Share, name: str) -> None:
    writer = WRITERS[name]
    clean = Place(str(tmp_path / "clean" / "store"), str(tmp_path / "clean"))
    recorder = recorded(name, clean)
    after = writer.again(writer.look(clean))
    place = Place(str(tmp_path / "cut" / "store"), str(tmp_path / "cut"))
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # of what is done again
    all_states = list(recorder.states(random.Random(1)))
    for at, tree in all_states:
        assert not recorder.broken(at, tree), f"cut after operation {at}"
    for number, (at, tree) in enumerate(share(all_states)):
        build(Path(place.folder), tree)
        if "store/store.json" in tree:
            check_whole(place)
            writer.look(place)
        if number % AGAIN == 0:
            with recovering():
                writer.act(place)
            assert writer.again(writer.look(place)) == after, f"cut after operation {at}"
            check_whole(place)
    assert len(all_states) > 5
    count(faults=len(all_states))


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.one_of(2)
def test_what_is_reported_after_a_kill_survives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: Share, name: str
) -> None:
    """A first process is killed, a second one does the same and says that it is done; then the power fails."""
    writer, place = WRITERS[name], Place(str(tmp_path / "it" / "store"), str(tmp_path / "it"))
    (tmp_path / "it").mkdir()
    writer.prepare(place)
    before = Recorder(place.folder)
    with before.recording():
        writer.act(place)
    after = writer.again(writer.look(place))
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    for at in share(share(list(range(before.count + 1)))):
        build(Path(place.folder), before.base)
        recorder = Recorder(place.folder)
        with recorder.recording(killed_at=at):
            writer.act(place)
        with recorder.recording():
            writer.act(place)
        states = [tree for _, tree in recorder.states(random.Random(at), recorder.count)]
        for tree in states:
            assert not recorder.broken(recorder.count, tree), f"killed before call {at}"
        build(Path(place.folder), min(states, key=len))
        assert writer.again(writer.look(place)) == after or name in PASSING, f"killed before call {at}"
        check_whole(place)
        count(faults=1 + len(states))


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
    assert any(recorder.broken(at, tree) for at, tree in recorder.states(random.Random(1)))
