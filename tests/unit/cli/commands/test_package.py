"""``package info``, ``package list`` and ``package save``."""

import hashlib
import re
import zipfile

import pytest

from tests.unit.cli.flow_file import FLOW, call, write

pytestmark = pytest.mark.slow  # starts processes or servers


@pytest.fixture
def folder(tmp_path):
    write(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "fit.py").write_text("x = 1\n")
    (tmp_path / "model" / "query.sql").write_text("select 1\n")
    (tmp_path / "data.csv").write_text("1,2\n")
    return tmp_path


def test_list(folder):
    def listed(*words):
        lines = call(folder, *words).stdout.splitlines()
        return {name: int(size.replace(",", "")) for size, name in (line.split() for line in lines)}

    (folder / "model" / "large.py").write_bytes(b"#" * 12_345)
    sizes = {"model/fit.py": 6, "model/large.py": 12_345, "train.py": len(FLOW.encode())}
    assert listed("package", "list", "--archive") == sizes
    assert listed("package", "list") == {str(folder / name): size for name, size in sizes.items()}
    more = listed("--package-suffixes", ".sql, .csv", "package", "list", "--archive")
    assert list(more) == ["data.csv", "model/fit.py", "model/large.py", "model/query.sql", "train.py"]
    assert "3 files, 13" in call(folder, "package", "list").stderr


def test_what_a_worker_would_lack_is_said(folder):
    write(folder, "import nowhere.tools\nopen('data.csv')\n" + FLOW)
    (folder / "nowhere").mkdir()
    (folder / "nowhere" / "tools.py").write_text("")
    (folder / ".flowignore").write_text("nowhere\n")
    for command in ("list", "info"):
        said = call(folder, "package", command).stderr
        assert "--package-suffixes .csv" in said and "nowhere.tools" in said


def test_a_large_package_is_warned_of(folder):
    (folder / "weights.py").write_bytes(b"#" * (21 << 20))
    said = call(folder, "package", "list").stderr
    assert "weights.py 21.0 MiB" in said and "100.0 MiB" in said


def test_save(folder):
    done = call(folder, "package", "save", "code.zip")
    assert (done.returncode, done.stdout) == (0, "")
    with zipfile.ZipFile(folder / "code.zip") as archive:
        assert archive.namelist() == ["model/fit.py", "train.py"]
        assert archive.read("train.py").decode() == FLOW
    data = (folder / "code.zip").read_bytes()
    info = call(folder, "package", "info").stdout
    assert re.search(r"^files: +2, ", info, re.MULTILINE)
    assert hashlib.sha256(data).hexdigest() in info
    call(folder, "package", "save", "code.zip")
    assert (folder / "code.zip").read_bytes() == data
