"""``package info``, ``package list`` and ``package save``."""

import hashlib
import re
import zipfile

import pytest

from tests.unit.cli.flow_file import FLOW, call, write


@pytest.fixture
def folder(tmp_path):
    write(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "fit.py").write_text("x = 1\n")
    (tmp_path / "model" / "query.sql").write_text("select 1\n")
    (tmp_path / "data.csv").write_text("1,2\n")
    return tmp_path


def test_list(folder):
    assert call(folder, "package", "list", "--archive").stdout.split() == ["model/fit.py", "train.py"]
    assert call(folder, "package", "list").stdout.split() == [str(folder / "model/fit.py"), str(folder / "train.py")]
    more = call(folder, "--package-suffixes", ".sql, .csv", "package", "list", "--archive").stdout.split()
    assert more == ["data.csv", "model/fit.py", "model/query.sql", "train.py"]


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
