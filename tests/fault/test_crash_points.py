"""SIGKILL at every write boundary there is: a reader sees all or nothing, and the same done again ends right."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from flow_sdk.store.check import check_store
from tests.fault.disk import layer
from tests.fault.killer import Killer
from tests.fault.report import count, recovering
from tests.fault.writers import WRITERS, Place, Writer
from tests.rig.verify import verify_store


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    with Killer() as running:
        yield running


def check_whole(place: Place) -> None:
    """Nothing in the store is damaged, and what is readable is whole."""
    report = check_store(place.store(), threads=1)
    assert not report.damage, report.damage
    assert not report.foreigners, report.foreign
    verify_store(place.url)


def calls_of(writer: Writer, place: Place) -> list[str]:
    """The calls by which the act changes the folder."""
    calls: list[str] = []
    with layer(place.folder, lambda call: calls.append(call.name)):
        writer.act(place)
    return calls


@pytest.mark.parametrize("name", WRITERS)
def test_killed_at_every_call_on_a_disk(killer: Killer, tmp_path: Path, name: str) -> None:
    writer = WRITERS[name]

    def copy(folder: str) -> Place:
        shutil.copytree(tmp_path / "before", tmp_path / folder)
        return Place(str(tmp_path / folder / "store"), str(tmp_path / folder))

    (tmp_path / "before").mkdir()
    writer.prepare(Place(str(tmp_path / "before" / "store"), str(tmp_path / "before")))
    before = writer.look(copy("untouched"))
    undisturbed = copy("undisturbed")
    calls = calls_of(writer, undisturbed)
    after = writer.look(undisturbed)
    moments = [(at, half) for at, call in enumerate(calls) for half in (False, True) if call == "write" or not half]
    for at, half in moments:
        place = copy("killed")
        assert killer.act(name, place, at=at, half=half) == -signal.SIGKILL
        seen = writer.look(place)
        assert seen in (before, after) or writer.between(seen), f"killed at {at}, {calls[at]}: {seen}"
        check_whole(place)
        with recovering():
            writer.act(place)
        assert writer.again(writer.look(place)) == writer.again(after), f"killed at {at}, {calls[at]}"
        check_whole(place)
        shutil.rmtree(place.folder)
    assert len(moments) >= 3
    count(faults=len(moments))
