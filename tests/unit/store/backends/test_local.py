"""The local store: what a kill, a full disk, a missing folder and a file system without links do to it."""

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from flow_sdk.errors import ConfigError, ObjectExists, StoreError, StoreUnavailable
from flow_sdk.store.backends.local import LocalStore
from flow_sdk.store.open_store import open_store

pytestmark = pytest.mark.slow  # starts processes or servers


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(str(tmp_path))


def raising(code: int) -> Any:
    def fail(*args: object, **options: object) -> NoReturn:
        raise OSError(code, os.strerror(code))

    return fail


class Calls:
    """Records what is made durable, and when a name appears."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.seen: list[str] = []
        self.root = str(root)
        for name in ("fsync", "link", "rename"):
            monkeypatch.setattr(os, name, self._wrapped(name, getattr(os, name)))

    def _wrapped(self, name: str, real: Any) -> Any:
        def call(*args: Any) -> Any:
            path = os.readlink(f"/proc/self/fd/{args[0]}") if name == "fsync" else args[1]
            path = os.path.relpath(path, self.root)
            self.seen.append(f"{name} {'~' if '~' in path else path}")
            return real(*args)

        return call


def test_a_durable_put_syncs_the_file_first_then_every_new_folder(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch, tmp_path)
    store.put_if_absent("a/b/c", b"x")
    above = [f"fsync {os.path.relpath(folder, tmp_path)}" for folder in tmp_path.parents]
    assert calls.seen == ["fsync ~", "link a/b/c", "fsync a/b", "fsync a", "fsync .", *above]
    calls.seen.clear()
    store.put("a/b/d", b"x")
    assert calls.seen == ["fsync ~", "rename a/b/d", "fsync a/b"]


def test_a_folder_made_by_a_put_that_was_not_durable_is_synced_later(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch, tmp_path)
    store.put("z", b"x")
    calls.seen.clear()
    store.put("a/b/c", b"x", durable=False)
    assert calls.seen == ["rename a/b/c"]
    calls.seen.clear()
    store.put("a/d", b"x")
    assert calls.seen == ["fsync ~", "rename a/d", "fsync a", "fsync ."]


def test_a_folder_that_another_process_made_is_synced_until_one_has_said_that_it_lasts(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("z", b"x")
    store.put("a/b/c/0", b"x", durable=False)  # and then it is killed
    calls = Calls(monkeypatch, tmp_path)

    def synced(key: str) -> list[str]:
        calls.seen.clear()
        LocalStore(str(tmp_path)).put(key, b"x")
        return calls.seen[2:]

    assert synced("a/b/c/1") == ["fsync a/b/c", "fsync a/b", "fsync a", "fsync ."]
    assert synced("a/b/c/2") == ["fsync a/b/c"]
    assert synced("a/b/d/1") == ["fsync a/b/d", "fsync a/b"]
    assert synced("a/b/e/f/1") == ["fsync a/b/e/f", "fsync a/b/e", "fsync a/b"]
    assert synced("a/b/e/g/1") == ["fsync a/b/e/g", "fsync a/b/e"]


def test_an_object_that_was_found_is_made_to_last(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a/b", b"x")
    calls = Calls(monkeypatch, tmp_path)
    store.make_durable("a/b")
    assert calls.seen == ["fsync a"]
    calls.seen.clear()
    store.make_durable("a/c")
    store.make_durable("d/e")
    assert not calls.seen


def test_a_folder_that_may_not_be_read_is_no_error(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    real = os.open

    def refusing(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if path == f"{tmp_path}/a/" and not flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", refusing)
    store.put("a/b/c", b"x")
    assert store.get("a/b/c") == b"x" and "~lasting" not in os.listdir(tmp_path / "a/b")


def test_a_killed_put_leaves_nothing_to_read(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom flow_sdk.store.backends.local import LocalStore\n"
        "def parts():\n    yield b'x' * 1000\n    print('half', flush=True)\n    time.sleep(60)\n"
        f"LocalStore({str(tmp_path)!r}).put('a/b', parts())\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
    store = LocalStore(str(tmp_path))
    left = os.listdir(tmp_path / "a")
    assert len(left) == 1 and left[0].startswith("~")
    assert list(store.list("")) == []
    assert store.folders("") == []
    assert store.head("a/b") is None
    store.put_if_absent("a/b", b"whole")
    assert [info.key for info in store.list("")] == ["a/b"]


def test_a_put_that_fails_leaves_nothing(store: LocalStore, tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield b"x"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put("a", parts())
    with pytest.raises(ObjectExists):
        store.put("b", b"1")
        store.put_if_absent("b", b"2")
    assert sorted(os.listdir(tmp_path)) == ["b", "~lasting"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.EMLINK])
def test_without_hard_links_exactly_one_caller_wins(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(os, "link", raising(code))
    start = threading.Barrier(8)
    won: list[int] = []

    def race(number: int) -> None:
        start.wait()
        try:
            store.put_if_absent("a/b", str(number).encode())
        except ObjectExists:
            return
        won.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.get("a/b") == str(won[0]).encode()
    assert [info.key for info in store.list("")] == ["a/b"]


def test_a_full_disk_is_named_with_path_and_need(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "write", raising(errno.ENOSPC))
    with pytest.raises(StoreError, match="no space left") as caught:
        store.put("a/b", b"x" * 100)
    assert str(tmp_path / "a" / "b") in str(caught.value)
    assert "bytes free" in str(caught.value)
    monkeypatch.undo()
    assert os.listdir(tmp_path / "a") == []


def test_a_write_error_that_the_disk_reports_late_is_not_lost(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fdatasync", raising(errno.EIO))
    with pytest.raises(StoreError, match="can't write"):
        store.put("a", [bytes(8 << 20)] * 5)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_folder_that_refuses_us_is_named(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    store.put("a", b"")
    monkeypatch.setattr(os, "open", raising(code))
    for operation in (lambda: store.put("b", b""), lambda: store.get("a"), lambda: store.get_range("a", 0, 1)):
        with pytest.raises(StoreUnavailable, match="doesn't let us") as caught:
            operation()
        assert str(tmp_path) in str(caught.value)


def test_an_object_is_no_folder(store: LocalStore) -> None:
    store.put("a", b"")
    store.put("b/c", b"")
    for key in ("a/b", "b"):
        with pytest.raises(StoreError, match="object and a folder"):
            store.put(key, b"x")
        with pytest.raises(StoreError):
            store.put_if_absent(key, b"x")


def test_a_store_whose_folder_is_gone(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    store.put("a", b"")
    os.rename(tmp_path / "store", tmp_path / "elsewhere")
    for operation in (
        lambda: store.get("a"),
        lambda: store.head("a"),
        lambda: list(store.list("")),
        lambda: store.folders(""),
        lambda: store.put("b", b""),
    ):
        with pytest.raises(StoreUnavailable, match="folder is gone"):
            operation()


def test_other_files_in_the_folder_are_left_alone(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "a file with blanks").write_text("")
    (tmp_path / "~temp").write_text("")
    (tmp_path / "dangling").symlink_to("nowhere")
    store.put("a", b"")
    assert [info.key for info in store.list("")] == ["a"]


@pytest.mark.parametrize("name", ["plain", "with blank", "per%cent", "hash#mark", "ünï", "q?x"])
def test_any_folder_name_opens_by_path_and_url(tmp_path: Path, name: str) -> None:
    store = open_store(str(tmp_path / name))
    store.put("a", b"x")
    assert os.path.exists(tmp_path / name / "a")
    assert open_store(store.url).get("a") == b"x"


def test_a_home_folder_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    open_store("~/flows").put("a", b"")
    assert (tmp_path / "flows" / "a").exists()


def test_what_cannot_be_opened_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="can't be made"):
        open_store(tmp_path / "file" / "store")
    with pytest.raises(StoreUnavailable, match="There is no store"):
        open_store(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()
    with pytest.raises(ConfigError, match="'ftp'"):
        open_store("ftp://bucket")
    with pytest.raises(ConfigError, match="absolute"):
        open_store("file://relative")
    with pytest.raises(ConfigError, match="empty"):
        open_store("")


def test_a_store_that_ignores_create_only_is_refused(tmp_path: Path) -> None:
    from flow_sdk.store.open_store import initialise_store

    class Overwriting(LocalStore):
        def put_if_absent(self, key: str, data: Any, *, durable: bool = True) -> None:
            self.put(key, data, durable=durable)

    store = Overwriting(str(tmp_path))
    for _ in range(2):  # and not taken for good the second time
        with pytest.raises(StoreError, match="ignores create-only puts"):
            initialise_store(store)
    assert store.head("store.json") is None


def test_a_probe_that_was_cut_short_is_no_obstacle(tmp_path: Path) -> None:
    LocalStore(str(tmp_path)).put("store.probe", b"left behind")
    assert open_store(tmp_path).head("store.json") is not None


def test_many_openers_at_once(tmp_path: Path) -> None:
    errors: list[BaseException] = []
    start = threading.Barrier(8)

    def run() -> None:
        start.wait()
        try:
            open_store(tmp_path)
        except StoreError as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_opening_and_using_it_imports_little(tmp_path: Path) -> None:
    code = (
        "import sys\nbefore = set(sys.modules)\n"
        "from flow_sdk.store.open_store import open_store\n"
        "from flow_sdk.store.artifacts import Artifacts\n"
        f"store = open_store({str(tmp_path)!r})\nstore.put('a', b'x')\nstore.get('a')\nArtifacts(store)\n"
        "heavy = {'obstore', 'boto3', 'numpy', 'zstandard', 'blake3', 'cloudpickle', 'concurrent', 'asyncio',"
        " 'urllib', 'socket'}\n"
        "print(sorted(heavy & {m.partition('.')[0] for m in set(sys.modules) - before}))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
