"""The code package: the right files, the same bytes everywhere, nothing that leads outside."""

import hashlib
import io
import os
import shutil
import stat
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from flow_sdk.errors import IntegrityError, UsageError
from flow_sdk.runtime.task.code_folder import unpack_once
from flow_sdk.store.package.archive import build_archive, find_files, list_files, unpack_archive
from flow_sdk.store.package.ignore_rules import IgnoreFile


def tree(folder: Path, *names: str, text: str = "x") -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + name)
    return folder


def names(folder: Path, **options: object) -> list[str]:
    return [file.name for file in find_files(str(folder), **options)]  # type: ignore[arg-type]


def test_what_is_packaged(tmp_path: Path) -> None:
    tree(
        tmp_path,
        *("flow.py", "pkg/__init__.py", "pkg/deep/er.py", "model.R", "data.RDS", "ünïcode 🎉.py"),
        *("data.csv", "README.md", "noext", ".hidden.py", ".git/x.py", ".venv/x.py", "__pycache__/x.py"),
        *("node_modules/x.py", "env/lib/x.py", ".flow_sdk/x.py", ".env", "x.egg-info/x.py", "xpy"),
    )
    (tmp_path / "env" / "pyvenv.cfg").write_text("")
    assert names(tmp_path) == ["data.RDS", "flow.py", "model.R", "pkg/__init__.py", "pkg/deep/er.py", "ünïcode 🎉.py"]
    assert "data.csv" in names(tmp_path, suffixes=[".csv"])
    assert "flow.py" not in names(tmp_path, leave_out=[str(tmp_path / "pkg" / ".." / "flow.py")])


@pytest.mark.parametrize("name", ["server.pem", "id_rsa", "id_rsa.pub", "x.key", "prod.env", "ID_ED25519", "a.P12"])
def test_keys_are_never_packaged(tmp_path: Path, name: str) -> None:
    tree(tmp_path, "flow.py", name)
    assert names(tmp_path, suffixes=["", name, ".pem", ".key", ".pub", ".env"]) == ["flow.py"]


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    one = tree(tmp_path / "one", "flow.py", "b/x.py", "a.py", "ü.py")
    two = tree(tmp_path / "elsewhere" / "two", "ü.py", "a.py", "b/x.py", "flow.py")
    os.chmod(two / "a.py", 0o600)
    os.utime(two / "a.py", (0, 0))
    assert build_archive(str(one)) == build_archive(str(two))
    os.chmod(two / "a.py", 0o700)
    assert build_archive(str(one)) != build_archive(str(two))


def test_these_bytes_on_every_python(tmp_path: Path) -> None:
    package = build_archive(str(tree(tmp_path, "flow.py", "pkg/ü.py")))
    assert hashlib.sha256(package).hexdigest()[:16] == "704b74145e4ac363"


def test_round_trip(tmp_path: Path) -> None:
    source = tree(tmp_path / "in", "flow.py", "pkg/deep/x.py", "run.py")
    os.chmod(source / "run.py", 0o744)
    package = build_archive(str(source))
    (tmp_path / "out").mkdir()
    unpack_archive(package, str(tmp_path / "out"))
    for file in list_files(package):
        out = tmp_path / "out" / file.name
        assert out.read_text() == "x" + file.name
        assert bool(out.stat().st_mode & stat.S_IXUSR) == file.executable == (file.name == "run.py")
    assert build_archive(str(tmp_path / "out")) == package


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        ("", ["a.py", "b/a.py", "b/c/d.py", "e.py"]),
        ("# comment\n\n  \n", ["a.py", "b/a.py", "b/c/d.py", "e.py"]),
        ("a.py", ["b/c/d.py", "e.py"]),
        ("/a.py", ["b/a.py", "b/c/d.py", "e.py"]),
        ("b/", ["a.py", "e.py"]),
        ("a.py/", ["a.py", "b/a.py", "b/c/d.py", "e.py"]),
        ("*.py\n!e.py", ["e.py"]),
        ("b/*.py", ["a.py", "b/c/d.py", "e.py"]),
        ("b/**", ["a.py", "e.py"]),
        ("**/d.py", ["a.py", "b/a.py", "e.py"]),
        ("b/**/d.py", ["a.py", "b/a.py", "e.py"]),
        ("?.py", []),
        ("[!a].py", ["a.py", "b/a.py"]),
        ("[a-d].py", ["e.py"]),
        ("\\!x\n\\#y", ["a.py", "b/a.py", "b/c/d.py", "e.py"]),
        ("a.py   ", ["b/c/d.py", "e.py"]),
        ("c", ["a.py", "b/a.py", "e.py"]),
    ],
)
def test_ignore_patterns_mean_what_git_means(tmp_path: Path, patterns: str, left: list[str]) -> None:
    tree(tmp_path, "a.py", "b/a.py", "b/c/d.py", "e.py")
    (tmp_path / ".flowignore").write_text(patterns)
    assert names(tmp_path) == left


def test_an_ignore_file_of_a_folder_counts_for_what_is_in_it(tmp_path: Path) -> None:
    tree(tmp_path, "a.py", "b/a.py", "b/c/a.py", "b/c/d.py", "d.py")
    (tmp_path / "b" / ".flowignore").write_text("/a.py\nd.py\n")
    assert names(tmp_path) == ["a.py", "b/c/a.py", "d.py"]
    (tmp_path / ".flowignore").write_text("a.py\n")
    (tmp_path / "b" / "c" / ".flowignore").write_text("!a.py\n")
    assert names(tmp_path) == ["b/c/a.py", "d.py"]


def test_one_folder_of_a_root_and_one_file_of_any_ending(tmp_path: Path) -> None:
    tree(tmp_path, "a.py", "b/a.py", "b/flow", "b/other", "ab/x.py")
    assert names(tmp_path, only="b", also=[str(tmp_path / "b" / "flow")]) == ["b/a.py", "b/flow"]


def test_a_bad_pattern_is_named_with_its_line() -> None:
    with pytest.raises(UsageError, match="pattern") as caught:
        IgnoreFile("ok\n[z-a]x\n", "f/.flowignore")
    assert "f/.flowignore:2" in str(caught.value)


def test_an_unreadable_ignore_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".flowignore").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="ignore file") as caught:
        build_archive(str(tmp_path))
    assert str(tmp_path / ".flowignore") in str(caught.value)


def test_links(tmp_path: Path) -> None:
    outside = tree(tmp_path / "outside", "code.py")
    tree(tmp_path / "data", "big.bin")
    folder = tree(tmp_path / "in", "flow.py", "pkg/x.py")
    (folder / "same.py").symlink_to("flow.py")
    (folder / "also").symlink_to("pkg")
    (folder / "pkg" / "up").symlink_to("..")
    (folder / "data").symlink_to(tmp_path / "data")
    (folder / "dangling.py").symlink_to("nowhere")
    assert names(folder) == ["also/x.py", "flow.py", "pkg/x.py", "same.py"]
    unpacked = tmp_path / "out"
    unpacked.mkdir()
    unpack_archive(build_archive(str(folder)), str(unpacked))
    assert not (unpacked / "same.py").is_symlink()
    (folder / "leak.py").symlink_to(outside / "code.py")
    with pytest.raises(UsageError, match="leads out") as caught:
        build_archive(str(folder))
    assert "leak.py" in str(caught.value) and str(outside) in str(caught.value)
    (folder / "leak.py").unlink()
    (folder / "lib").symlink_to(outside)
    with pytest.raises(UsageError, match="leads out"):
        build_archive(str(folder))
    (folder / ".flowignore").write_text("lib\n")
    assert "flow.py" in names(folder)


def test_a_folder_reached_through_a_link_is_fine(tmp_path: Path) -> None:
    tree(tmp_path / "real", "flow.py", "pkg/x.py")
    (tmp_path / "link").symlink_to("real")
    assert build_archive(str(tmp_path / "link")) == build_archive(str(tmp_path / "real"))


def test_too_large_names_the_largest_files(tmp_path: Path) -> None:
    tree(tmp_path, "flow.py")
    (tmp_path / "weights.py").write_bytes(b"#" * 5000)
    with pytest.raises(UsageError, match="too large") as caught:
        build_archive(str(tmp_path), limit=4000)
    assert "weights.py" in str(caught.value) and ".flowignore" in str(caught.value)
    assert build_archive(str(tmp_path), limit=10_000)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        build_archive(str(tmp_path / "none"))


def archive(name: str, *, mode: int = stat.S_IFREG | 0o644, twice: bool = False, deflate: bool = False) -> bytes:
    target = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(target, "w") as file:
        for _ in range(1 + twice):
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
            file.writestr(info, "evil")
    return target.getvalue()


@pytest.mark.parametrize(
    "package",
    [
        archive("../evil.py"),
        archive("/evil.py"),
        archive("a/../../evil.py"),
        archive("a//b.py"),
        archive("./a.py"),
        archive("a\\..\\b.py"),
        archive("link.py", mode=stat.S_IFLNK | 0o777),
        archive("folder/", mode=stat.S_IFDIR | 0o755),
        archive("twice.py", twice=True),
        archive("bomb.py", deflate=True),
        b"",
        b"not a zip",
        archive("cut.py")[:-10],
    ],
)
def test_a_hostile_package_writes_nothing(tmp_path: Path, package: bytes) -> None:
    out = tmp_path / "in" / "out"
    out.mkdir(parents=True)
    with pytest.raises(IntegrityError):
        unpack_archive(package, str(out))
    assert list(out.iterdir()) == []
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["out"]


def test_a_damaged_package_is_found(tmp_path: Path) -> None:
    package = bytearray(build_archive(str(tree(tmp_path / "in", "flow.py", text="x" * 200))))
    package[80] ^= 1
    with pytest.raises(IntegrityError):
        (tmp_path / "out").mkdir()
        unpack_archive(bytes(package), str(tmp_path / "out"))
    shutil.rmtree(tmp_path / "out")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A package, and a place of its own for where it is unpacked."""
    source = tree(tmp_path / "source", "flow.py", "run.py", "pkg/deep/er.py", "pkg/__init__.py")
    (source / "run.py").chmod(0o755)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return build_archive(str(source))


def contents(folder: Path) -> dict[str, tuple[bytes, bool]]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)): (path.read_bytes(), os.access(path, os.X_OK)) for path in files}


def damages() -> dict[str, Callable[[Path], object]]:
    def linked(folder: Path) -> None:
        (folder / "flow.py").rename(folder / "elsewhere.py")
        (folder / "flow.py").symlink_to("elsewhere.py")

    return {
        "missing": lambda folder: (folder / "run.py").unlink(),
        "a folder missing": lambda folder: shutil.rmtree(folder / "pkg"),
        "zeros": lambda folder: (folder / "flow.py").write_bytes(bytes(len("xflow.py"))),
        "cut off": lambda folder: (folder / "flow.py").write_bytes(b"x"),
        "empty": lambda folder: [path.unlink() for path in folder.rglob("*.py")],
        "another mode": lambda folder: (folder / "run.py").chmod(0o644),
        "a link": linked,
    }


@pytest.mark.parametrize("damage", damages())
def test_what_was_unpacked_before_is_mended(package: bytes, damage: str) -> None:
    folder = Path(unpack_once(package, "d" * 64))
    whole = contents(folder)
    assert set(whole) == {"flow.py", "run.py", "pkg/deep/er.py", "pkg/__init__.py"}
    (folder / "made by a step.txt").write_text("stays")
    with open(folder / "flow.py", "rb") as in_use:
        damages()[damage](folder)
        other = folder / "pkg" / "__init__.py"
        before = os.stat(other) if other.exists() else None
        seen = in_use.read()
        assert unpack_once(package, "d" * 64) == str(folder)
        found = contents(folder)
        assert found.pop("made by a step.txt")[0] == b"stays"
        found.pop("elsewhere.py", None)
        assert found == whole
        in_use.seek(0)
        assert in_use.read() == seen  # who has it open isn't disturbed
    assert before is None or os.stat(other).st_ino == before.st_ino  # what is whole isn't touched


def test_what_cannot_be_mended_is_said(package: bytes) -> None:
    folder = Path(unpack_once(package, "d" * 64))
    (folder / "flow.py").unlink()
    (folder / "flow.py" / "below").mkdir(parents=True)
    with pytest.raises(IntegrityError, match=r"flow\.py"):
        unpack_once(package, "d" * 64)


def test_all_is_on_the_disk_before_the_folder_has_its_name(package: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real, rename = os.fsync, os.rename

    def fsync(fd: int) -> None:
        real(fd)
        synced.append(os.path.realpath(f"/dev/fd/{fd}"))

    def renamed(source: str, target: str) -> None:
        assert {source, *map(str, Path(source).rglob("*"))} == set(synced)
        rename(source, target)
        synced.clear()

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", renamed)
    folder = unpack_once(package, "d" * 64)
    assert synced == [os.path.dirname(folder)]
