"""A disk that is full, fails or may only be read, at every write: the error says what and where, nothing is damaged."""

import errno
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flow_sdk.errors import FlowSDKError
from flow_sdk.upkeep.store_check import check_store
from tests.support.crash_runs import Hashes, begin, check_whole, end, hashes, listed, run_ids
from tests.support.disk_faults import fail_at, layer
from tests.support.fault_counts import count, recovering
from tests.support.store_verification import verify_store
from tests.support.store_writers import WRITERS, Place

Share = Callable[[list[tuple[int, str]]], list[tuple[int, str]]]
CODES = ("ENOSPC", "EIO", "EROFS", "EDQUOT")


def numbers_of(name: str, place: Place) -> list[str]:
    """The calls of an act that change the folder; ``mark`` is one that only saves the next process work."""
    calls: list[str] = []
    with layer(place.folder, lambda call: calls.append("mark" if call.path.endswith("/~lasting") else call.name)):
        WRITERS[name].act(place)
    return calls


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.one_of(2)
def test_an_error_at_every_call(tmp_path: Path, share: Share, name: str) -> None:
    writer = WRITERS[name]

    def copy(folder: str) -> Place:
        shutil.copytree(tmp_path / "before", tmp_path / folder)
        return Place(str(tmp_path / folder / "store"), str(tmp_path / folder))

    (tmp_path / "before").mkdir()
    writer.prepare(Place(str(tmp_path / "before" / "store"), str(tmp_path / "before")))
    before = writer.look(copy("untouched"))
    undisturbed = copy("undisturbed")
    calls = numbers_of(name, undisturbed)
    after = writer.look(undisturbed)
    for at, code in share([(at, code) for at in range(len(calls)) for code in CODES]):
        place = copy("broken")
        told = None
        try:
            with layer(place.folder, fail_at(at, getattr(errno, code))):
                writer.act(place)
        except FlowSDKError as error:
            told = error
        if told is None:  # what fails there is only tidying up
            assert calls[at] in ("unlink", "mark"), f"{code} at {at}, {calls[at]}, and nobody says so"
        else:
            assert told.where is not None and place.folder in told.where, repr(told)
            assert told.help or told.seen, repr(told)
            if code in ("ENOSPC", "EDQUOT"):
                assert "no space left in the store" in str(told) or os.strerror(getattr(errno, code)) in str(told), told
        seen = writer.look(place)
        assert seen in (before, after) or writer.between(seen), f"{code} at {at}, {calls[at]}: {seen}"
        report = check_store(place.store(), threads=1)
        assert not report.damage, report.damage
        assert not report.foreigners, report.foreign
        with recovering():
            writer.act(place)
        assert writer.again(writer.look(place)) == writer.again(after), f"{code} at {at}, {calls[at]}"
        verify_store(place.url)
        shutil.rmtree(place.folder)
        count(faults=1)


PROLOGUE = """
import mmap, os, struct
from tests.support.disk_faults import layer
with open({counter!r}, "r+b") as file:
    counter = mmap.mmap(file.fileno(), 8)  # shared by all processes of the run
def see(call):
    at = struct.unpack("q", counter[:])[0]
    counter[:] = struct.pack("q", at + 1)
    if at >= {at} and (call.name != "unlink" or {code} not in (28, 122)):
        raise OSError({code}, "injected", call.path)
laid = layer({root!r}, see)
laid.__enter__()
"""


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Hashes:
    """What an undisturbed run makes."""
    root = tmp_path_factory.mktemp("clean")
    code, errors = end(begin(root, "run"))
    assert code == 0, errors
    return hashes(root, "1")


@pytest.mark.seeds(10, of=3)
def test_a_run_whose_disk_fails_for_good_ends_and_is_resumed(tmp_path: Path, clean: Hashes, seed: int) -> None:
    draw = random.Random(seed)
    code = getattr(errno, CODES[seed % len(CODES)])
    at = draw.randrange(0, 250)
    root, counter = tmp_path / "store", tmp_path / "counter"
    counter.write_bytes(bytes(8))
    prologue = PROLOGUE.format(at=at, code=code, root=str(root), counter=str(counter))
    status, errors = end(begin(root, "run", prologue=prologue))
    count(seeds=1, faults=1)
    assert status == 1, errors
    assert str(root) in errors, errors
    assert "internal error" not in errors.lower(), errors
    if root.exists():
        check_whole(root)
    with recovering():
        status, errors = end(begin(root, "resume" if root.exists() and listed(root) else "run"))
    assert status == 0, errors
    assert hashes(root, run_ids(root)[-1]) == clean
    check_whole(root)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system that is full after 300 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "flow-sdk-test", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_is_really_full(small_disk: Path, clean: Hashes) -> None:
    status, errors = end(begin(small_disk, "run"))
    assert status == 1
    assert "no space left in the store" in errors, errors
    assert re.search(r"[\d,]+ bytes free", errors) and re.search(r"wanted: +[\d,]+ bytes", errors), errors
    assert str(small_disk) in errors, errors
    check_whole(small_disk)
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    with recovering():
        status, errors = end(begin(small_disk, "resume"))
    assert status == 0, errors
    assert hashes(small_disk, "2") == clean
    check_whole(small_disk)
    count(faults=1)
