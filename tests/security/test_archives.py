"""Code packages: secrets stay out of them, and one that somebody made by hand writes nothing outside its folder."""

import io
import os
import random
import stat
import struct
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from flow_sdk.client import Run
from flow_sdk.errors import FlowSDKError, IntegrityError, PlanError, UsageError
from flow_sdk.runtime.task.code_folder import unpack_once
from flow_sdk.store.package.archive import build_archive, find_files, list_files, unpack_archive
from tests.support.fault_counts import count
from tests.support.run_builder import Builder
from tests.unit.client.conftest import flow as flow  # the fixture

FILE = stat.S_IFREG | 0o644
WORDS = "SECRETS-OF-SOMEBODY"

SECRETS = [
    ".env", ".env.local", "prod.env", "prod.env.bak", ".envrc", ".netrc", "_netrc", ".pgpass", ".git-credentials",
    ".npmrc", ".pypirc", "server.pem", "SERVER.PEM", "a.key", "a.ppk", "a.p8", "a.p12", "a.pfx", "a.jks", "a.keystore",
    "a.kdbx", "a.keytab", "id_rsa", "id_rsa.pub", "id_ed25519", "id_ecdsa", "credentials", "credentials.json",
    "my-credentials.json", "anne_accessKeys.csv", "new_user_credentials.csv", "rootkey.csv", "client_secret_12.json",
    "service_account.json", "service-account-x.json", "secrets.json", "secrets.toml", "secrets.yaml", "kubeconfig",
    "terraform.tfstate", "terraform.tfstate.backup", ".git/config", ".git/hooks/x.py", ".aws/credentials",
    ".aws/config", ".ssh/id_rsa", ".ssh/config.py", ".kube/config", ".docker/config.json", ".venv/lib/x.py",
    "venv/lib/x.py", "conda/conda-meta/x.py", "site-packages/x.py", "node_modules/x.py", "__pycache__/x.py",
    "deep/er/.env", "deep/er/id_rsa", "deep/.git/x.py",
]  # fmt: skip
KEPT = ["flow.py", "secrets.py", "credentials.py", "env.py", "keys.py", "deep/er/service.py", "settings.json"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in [*SECRETS, *KEPT]:
        path = tmp_path / "code" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(WORDS if name in SECRETS else "x")
    (tmp_path / "code" / "venv" / "pyvenv.cfg").write_text("")
    return tmp_path / "code"


def test_secrets_stay_out_even_where_every_file_is_asked_for(folder: Path) -> None:
    everything = ["", *{Path(name).suffix for name in SECRETS}]
    assert {file.name for file in find_files(str(folder), suffixes=[s for s in everything if s])} == set(KEPT)
    (folder / ".flowignore").write_text("".join(f"!{name}\n!/{name}\n" for name in SECRETS))
    package = build_archive(
        str(folder),
        find_files(str(folder), suffixes=[".json", ".env", ".key", ".pem", "credentials", "id_rsa", "config"]),
    )
    assert {file.name for file in list_files(package)} == set(KEPT)
    assert WORDS.encode() not in package


@pytest.mark.parametrize("target", ["server.pem", ".env", ".netrc", "deep/er/id_rsa", "credentials"])
def test_a_secret_stays_out_under_another_name(folder: Path, target: str) -> None:
    (folder / "innocent.py").symlink_to(folder / target)
    package = build_archive(str(folder))
    assert "innocent.py" not in {file.name for file in list_files(package)} and WORDS.encode() not in package


def test_links_that_leave_the_folder(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "code.py").write_text(WORDS)
    for name, target in {
        "file.py": outside / "deep" / "code.py", "relative.py": Path("../outside/deep/code.py"),
        "folder": outside, "chain.py": Path("middle"), "pkg": Path("../code/../outside/deep"),
        "beside": tmp_path / "code2",
    }.items():  # fmt: skip
        (tmp_path / "code2").mkdir(exist_ok=True)
        (tmp_path / "code2" / "x.py").write_text(WORDS)
        (folder / "middle").unlink(missing_ok=True)
        (folder / "middle").symlink_to(outside / "deep" / "code.py")
        (folder / name).symlink_to(target)
        with pytest.raises(UsageError, match="leads out"):
            build_archive(str(folder))
        (folder / name).unlink()
    (folder / "middle").unlink()
    assert build_archive(str(folder))


def test_pipes_and_devices_are_not_read(folder: Path) -> None:
    os.mkfifo(folder / "pipe.py")
    (folder / "zero.py").symlink_to("/dev/zero")
    assert {file.name for file in find_files(str(folder))} == {name for name in KEPT if name.endswith(".py")}


def entry(name: str, data: bytes = b"evil", *, mode: int = FILE, **facts: object) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    for key, value in facts.items():
        setattr(info, key, value)
    return info, data


def archive(*entries: tuple[zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(target, "w", method) as file:
        for info, data in entries:
            file.writestr(info, data, compress_type=method)
    return target.getvalue()


def renamed(name: bytes) -> bytes:
    """An archive with raw bytes for a name, which zipfile wouldn't write."""
    return archive(entry("N" * len(name))).replace(b"N" * len(name), name)


def flagged(offset: int, value: int) -> bytes:
    """An archive with a field of its directory changed."""
    package = bytearray(archive(entry("a.py")))
    start = package.index(b"PK\x01\x02")
    struct.pack_into("<H", package, start + offset, value)
    return bytes(package)


def bomb(entries: int, size: int) -> bytes:
    """Many entries that share the same bytes."""
    data = b"#" * size
    head = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 0, 0, 33, zipfile.crc32(data), size, size, 6, 0)
    body = head + b"000.py" + data
    directory = b"".join(
        struct.pack("<4s4B4H3L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 33, zipfile.crc32(data), size, size, 6,
                    *(0, 0, 0, 0), FILE << 16, 0) + f"{n:03}.py".encode()
        for n in range(entries)
    )  # fmt: skip
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, entries, entries, len(directory), len(body), 0)
    return body + directory + end


EVIL = {
    "up": archive(entry("../evil.py")),
    "up inside": archive(entry("a/../../evil.py")),
    "up at the end": archive(entry("a/..")),
    "absolute": archive(entry("/evil.py")),
    "two slashes": archive(entry("//evil.py")),
    "empty part": archive(entry("a//evil.py")),
    "dot": archive(entry("./evil.py")),
    "backslashes": renamed(rb"..\..\evil.py"),
    "drive": renamed(rb"C:\evil.py"),
    "no name": renamed(b"\0evil.py"),
    "link": archive(entry("link.py", b"/etc/passwd", mode=stat.S_IFLNK | 0o777)),
    "link and through it": archive(entry("d", b"/etc", mode=stat.S_IFLNK | 0o777), entry("d/evil.py")),
    "device": archive(entry("null.py", mode=stat.S_IFCHR | 0o666)),
    "block device": archive(entry("disk.py", mode=stat.S_IFBLK | 0o666)),
    "pipe": archive(entry("pipe.py", mode=stat.S_IFIFO | 0o666)),
    "socket": archive(entry("socket.py", mode=stat.S_IFSOCK | 0o666)),
    "folder": archive(entry("folder/", b"", mode=stat.S_IFDIR | 0o777)),
    "no mode": archive(entry("a.py", mode=0)),
    "twice": archive(entry("a.py"), entry("a.py", b"other")),
    "file and folder": archive(entry("a.py"), entry("a.py/b.py")),
    "folder and file": archive(entry("a/b/c.py"), entry("a/b")),
    "deflated bomb": archive(entry("zeros.py", bytes(50_000_000)), method=zipfile.ZIP_DEFLATED),
    "other methods": archive(entry("a.py"), method=zipfile.ZIP_LZMA),
    "shared bytes": bomb(999, 1_000_000),
    "encrypted": flagged(8, 1),
    "method nobody knows": flagged(10, 77),
    "larger than it is": flagged(24, 60_000),
    "smaller than it is": flagged(24, 1),
    "another name inside": archive(entry("a.py")).replace(b"a.py", b"b.py", 1),
    "cut": archive(entry("a.py"))[:-12],
    "no archive": b"#!/bin/sh\n",
    "nothing": b"",
    "tar": b"../evil.py".ljust(512, b"\0") + bytes(1024),
}


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    """An empty folder; afterwards nothing lies beside it."""
    folder = tmp_path / "in" / "out"
    folder.mkdir(parents=True)
    yield folder
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["out"]
    assert not list(tmp_path.rglob("*evil*")) and not Path("/evil.py").exists()


@pytest.mark.parametrize("package", EVIL.values(), ids=EVIL)
def test_an_evil_package_is_refused_whole(package: bytes, out: Path) -> None:
    with pytest.raises(IntegrityError):
        unpack_archive(package, str(out))
    assert list(out.iterdir()) == []


def test_special_bits_are_not_taken_over(out: Path) -> None:
    unpack_archive(archive(entry("a.py", mode=stat.S_IFREG | 0o7777), entry("b.py", mode=stat.S_IFREG)), str(out))
    assert stat.S_IMODE((out / "a.py").stat().st_mode) & 0o7022 == 0
    assert (out / "b.py").stat().st_mode & 0o111 == 0


@pytest.mark.parametrize("name", ["n" * 300 + ".py", "/".join("a" * 100 for _ in range(60)), "a\nb.py", "$(x).py",
                                  "e\N{COMBINING ACUTE ACCENT}.py", "COM1.py", "-rf.py"])  # fmt: skip
def test_odd_names_are_kept_or_refused(name: str, out: Path) -> None:
    try:
        unpack_archive(archive(entry(name), entry("\xe9.py")), str(out))
    except (FlowSDKError, OSError):
        assert len(name) > 255
    else:
        assert {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} == {name, "\xe9.py"}


def test_names_that_are_one_on_this_machine(out: Path) -> None:
    (out / "a.py").write_text("as if the file system took A.py and a.py for one")
    with pytest.raises(IntegrityError, match="can't be unpacked") as caught:
        unpack_archive(archive(entry("a.py")), str(out))
    assert "a.py" in str(caught.value)


def test_any_damage_is_one_error(out: Path, tmp_path: Path, seeds: Callable[[int], Iterable[int]]) -> None:
    package = archive(*(entry(f"d/{n}.py", b"x" * n) for n in range(8)))
    for seed in seeds(1500):
        chance = random.Random(seed)
        bad = bytearray(package)
        for _ in range(chance.randint(1, 4)):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        target = tmp_path / "damaged" / str(seed)
        target.mkdir(parents=True)
        try:
            unpack_archive(bytes(bad), str(target))
        except IntegrityError:
            pass
        inside = list(target.rglob("*"))
        assert all(path.resolve().is_relative_to(target.resolve()) and not path.is_symlink() for path in inside), seed
        count(seeds=1, faults=1)
    assert {path.name for path in tmp_path.iterdir()} == {"in", "damaged"}


@pytest.mark.parametrize("name", ["up", "absolute", "link", "shared bytes", "deflated bomb"])
def test_nobody_unpacks_one_from_a_store(name: str, flow: Builder, tmp_path: Path, monkeypatch) -> None:
    digest = flow.artifacts.put_bytes(EVIL[name])
    flow.run(package=digest)
    code = Run("Shapes/1").code
    assert code is not None
    for use in (code.extract, lambda: code.flowspec, lambda: code.tarball):
        with pytest.raises(IntegrityError):
            use()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(IntegrityError):
        unpack_once(EVIL[name], digest)
    (base,) = tmp_path.iterdir()
    assert [path for path in base.iterdir() if path.suffix != ".lock"] == [] and stat.S_IMODE(
        base.stat().st_mode
    ) == 0o700


def test_a_plan_names_no_file_outside_the_package(flow: Builder) -> None:
    from dataclasses import replace

    from flow_sdk.plan.codec import to_json

    for file in ("/etc/hostname", "../../etc/hostname", "none.py"):
        plan = flow.artifacts.put_bytes(to_json(replace(flow.plan, file=file)))
        flow.hash = plan
        flow.run(str(len(file)), package=flow.artifacts.put_bytes(archive(entry("a.py"))))
        code = Run(f"Shapes/{len(file)}").code
        assert code is not None
        with pytest.raises(PlanError if "/" in file else IntegrityError):
            code.flowspec  # noqa: B018


def test_a_folder_for_unpacked_code_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    script = (
        "import sys, tempfile; from flow_sdk.runtime.task.code_folder import unpack_once\n"
        "tempfile.tempdir = sys.argv[1]\nunpack_once(open(sys.argv[2], 'rb').read(), 'd' * 64)"
    )
    package = tmp_path / "package"
    package.write_bytes(archive(entry("a.py")))
    outside = tmp_path / "outside"
    outside.mkdir()
    for number in range(3):
        folder = tmp_path / f"tmp{number}"
        folder.mkdir()
        base = folder / f"flow_sdk-code-{os.getuid()}"
        if number == 0:
            base.symlink_to(outside)
        elif number == 1:
            base.mkdir(mode=0o700)
            base.chmod(0o777)
        command = [sys.executable, "-c", script, str(folder), str(package)]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
        assert (done.returncode == 0) is (number == 2), done.stderr
        assert number == 2 or "isn't private" in done.stderr
    assert list(outside.iterdir()) == []
