"""Unpacked code packages: removed when no task has used them for long, never while one does."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flow_sdk.runtime.task import code_folder
from flow_sdk.runtime.task.code_folder import MOST_UNUSED, UNUSED_AGE, unpack_once
from flow_sdk.store.package.archive import build_archive

pytestmark = pytest.mark.slow  # starts processes or servers

HOLDER = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from flow_sdk.runtime.task.code_folder import unpack_once
with open(sys.argv[2], "rb") as file:
    print(unpack_once(file.read(), sys.argv[3]), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(code_folder, "_held", [])
    yield tmp_path / "tmp" / f"flow_sdk-code-{os.getuid()}"
    release()


@pytest.fixture
def package(tmp_path: Path) -> bytes:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "flow.py").write_text("x = 1\n")
    return build_archive(str(tmp_path / "code"))


def release() -> None:
    """Close the locks of this process, as its end does."""
    while code_folder._held:
        os.close(code_folder._held.pop())


def name(number: int) -> str:
    return f"{number:064x}"


def unused_for(base: Path, digest: str, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(base / f"{digest}.lock", (then, then))


def left(base: Path) -> set[str]:
    return {path.name for path in base.iterdir() if path.is_dir()}


def test_what_was_unused_for_long_is_removed_with_its_lock(base: Path, package: bytes) -> None:
    for number in range(3):
        unpack_once(package, name(number))
    release()
    unused_for(base, name(0), UNUSED_AGE + 60)
    unused_for(base, name(1), UNUSED_AGE - 60)
    unpack_once(package, name(2))
    assert left(base) == {name(1), name(2)}
    assert not (base / f"{name(0)}.lock").exists()
    assert (base / name(1) / "flow.py").read_text() == "x = 1\n"


def test_use_counts_from_its_last_time(base: Path, package: bytes) -> None:
    unpack_once(package, name(0))
    release()
    unused_for(base, name(0), UNUSED_AGE + 60)
    unpack_once(package, name(0))
    release()
    unpack_once(package, name(1))
    assert left(base) == {name(0), name(1)}


def test_the_oldest_of_many_are_removed_but_none_of_the_last_hour(base: Path, package: bytes) -> None:
    count = MOST_UNUSED + 5
    for number in range(count):
        unpack_once(package, name(number))
    release()
    unpack_once(package, name(count))
    assert len(left(base)) == count + 1
    release()
    for number in range(count):
        unused_for(base, name(number), 7200 + number)
    unpack_once(package, name(count))
    assert left(base) == {name(count), *(name(number) for number in range(MOST_UNUSED - 1))}


def test_what_a_task_of_another_process_uses_stays(base: Path, package: bytes, tmp_path: Path) -> None:
    (tmp_path / "package").write_bytes(package)
    words = [sys.executable, "-c", HOLDER, str(tmp_path / "tmp"), str(tmp_path / "package"), name(0)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        assert holder.stdout.readline().decode().strip() == str(base / name(0))
        unused_for(base, name(0), UNUSED_AGE + 60)
        unpack_once(package, name(1))
        assert left(base) == {name(0), name(1)}
        holder.stdin.close()
        holder.wait()
    unused_for(base, name(0), UNUSED_AGE + 60)
    unpack_once(package, name(1))
    assert left(base) == {name(1)}


def test_a_task_that_waited_for_a_removed_package_unpacks_it_anew(
    base: Path, package: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpack_once(package, name(0))
    release()
    lock = code_folder.fcntl.flock
    removed: list[int] = []

    def flock(fd: int, operation: int) -> None:
        lock(fd, operation)
        if not removed:  # somebody removed the package between the opening of the lock file and the lock
            removed.append(fd)
            os.unlink(base / f"{name(0)}.lock")
            (base / name(0) / "flow.py").unlink()
            (base / name(0)).rmdir()

    monkeypatch.setattr(code_folder.fcntl, "flock", flock)
    folder = Path(unpack_once(package, name(0)))
    assert removed and (folder / "flow.py").exists()
    assert os.path.samestat(os.fstat(code_folder._held[0]), os.stat(base / f"{name(0)}.lock"))


def test_what_killed_processes_left_is_removed_after_a_day(base: Path, package: bytes) -> None:
    unpack_once(package, name(0))
    for leftover, days in (("new-a", 2), ("old-b", 2), ("tmpc", 2), ("new-d", 0)):
        (base / leftover).mkdir()
        (base / leftover / "x.py").write_text("")
        os.utime(base / leftover, (time.time() - days * 86400 - 60,) * 2)
    unpack_once(package, name(1))
    assert left(base) == {name(0), name(1), "new-d"}


def test_packages_of_an_earlier_release_have_no_lock_and_are_removed_too(base: Path, package: bytes) -> None:
    unpack_once(package, name(0))
    (base / name(9)).mkdir()
    os.utime(base / name(9), (time.time() - UNUSED_AGE - 60,) * 2)
    unpack_once(package, name(0))
    assert left(base) == {name(0)}
    assert {path.name for path in base.iterdir()} == {name(0), f"{name(0)}.lock"}


def test_where_there_are_no_locks_nothing_is_removed(
    base: Path, package: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpack_once(package, name(0))
    release()
    unused_for(base, name(0), UNUSED_AGE + 60)

    def flock(fd: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(code_folder.fcntl, "flock", flock)
    unpack_once(package, name(1))
    assert left(base) == {name(0), name(1)}
