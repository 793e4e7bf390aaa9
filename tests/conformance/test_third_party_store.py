"""A distribution outside of Flow SDK adds a store, and tests it with the suite that Flow SDK ships."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

STORE = '''
import sqlite3
import tempfile
import threading
import time
from pathlib import Path

from flow_sdk.errors import ObjectExists, ObjectMissing
from flow_sdk.store.address import StoreAddress, StoreKind
from flow_sdk.store.key_syntax import check_key, check_prefix
from flow_sdk.store.port import Capabilities, ObjectInfo

KIND = StoreKind("sqlite", "sqlite", "SQLite", "sqlite_store:open_store")


def open_store(address: StoreAddress):
    return SqliteStore(address.bucket)


class SqliteStore:
    """Objects in a table of a database below the folder for temporary files."""

    INSERT = "INSERT INTO objects VALUES (?, ?, ?)"

    def __init__(self, name):
        self.url, self.capabilities = f"sqlite://{name}", Capabilities()
        self.lock = threading.Lock()
        file = Path(tempfile.gettempdir(), f"{name}.db")
        self.database = sqlite3.connect(file, check_same_thread=False, isolation_level=None, timeout=60)
        self.query("CREATE TABLE IF NOT EXISTS objects (key TEXT PRIMARY KEY, data BLOB, time REAL)")

    def query(self, text, *values):
        with self.lock:
            return self.database.execute(text, values).fetchall()

    def get(self, key):
        found = self.query("SELECT data FROM objects WHERE key = ?", check_key(key))
        if not found:
            raise ObjectMissing("There is no such object in the store.", where=f"{self.url}/{key}")
        return found[0][0]

    def get_range(self, key, start, length):
        return self.get(key)[start : start + length]

    def read_into(self, key, start, buffer):
        found = self.get_range(key, start, len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def get_many(self, keys):
        for key in keys:
            yield self.get(key) if self.head(key) else None

    def put(self, key, data, *, durable=True):
        self.query("INSERT OR REPLACE INTO objects VALUES (?, ?, ?)", check_key(key), join(data), time.time())

    def put_if_absent(self, key, data, *, durable=True):
        try:
            self.query(self.INSERT, check_key(key), join(data), time.time())
        except sqlite3.IntegrityError:
            raise ObjectExists("The object is already in the store.", where=f"{self.url}/{key}") from None

    def make_durable(self, key):
        check_key(key)

    def head(self, key):
        found = self.query("SELECT length(data), time FROM objects WHERE key = ?", check_key(key))
        return ObjectInfo(key, *found[0]) if found else None

    def keys(self, prefix):
        keys = self.query("SELECT key FROM objects WHERE substr(key, 1, ?) = ? ORDER BY key", len(prefix), prefix)
        return [key for (key,) in keys]

    def list(self, prefix, *, limit=None):
        for key in self.keys(check_prefix(prefix))[:limit]:
            info = self.head(key)
            if info is not None:
                yield info

    def folders(self, prefix):
        rest = (key[len(prefix) :] for key in self.keys(check_prefix(prefix)))
        return sorted({name.split("/", 1)[0] for name in rest if "/" in name})

    def delete(self, keys):
        for key in keys:
            self.query("DELETE FROM objects WHERE key = ?", check_key(key))


def join(data):
    return bytes(data) if isinstance(data, (bytes, bytearray, memoryview)) else b"".join(data)
'''

TESTS = """
import sys
import uuid

import pytest

sys.modules["tests"] = None  # an import of the checkout's own tests is an ImportError

from flow_sdk.store.open_store import open_store
from flow_sdk.testing.deploy_targets import DeployTargetSuite
from flow_sdk.testing.object_stores import ObjectStoreSuite


class TestSqliteStore(ObjectStoreSuite):
    @pytest.fixture
    def new_store(self):
        url = f"sqlite://{uuid.uuid4().hex}"
        return lambda: open_store(url)
"""


@pytest.fixture
def distribution(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    information = folder / "sqlite_store-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: sqlite-store\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[flow_sdk.stores]\nsqlite = sqlite_store:KIND\n")
    (folder / "sqlite_store.py").write_text(STORE)
    (folder / "test_sqlite_store.py").write_text(TESTS)
    return folder


def run_suite(folder: Path) -> tuple[int, set[str], int]:
    """Run the distribution's tests; return the exit code, the names of the tests that failed, how many passed."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-q", "-rf"]
    (folder.parent / "tmp").mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}
    environment["TMPDIR"] = str(folder.parent / "tmp")
    done = subprocess.run(
        [*command, "-c", os.devnull, "--rootdir", str(folder), str(folder)],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    failed = set(re.findall(r"^FAILED .*::(test_\w+)", done.stdout, re.MULTILINE))
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed or failed, done.stdout + done.stderr
    return done.returncode, failed, int(passed[1]) if passed else 0


def test_a_store_of_another_distribution_passes_the_suite(distribution: Path) -> None:
    code, failed, passed = run_suite(distribution)
    assert (code, failed) == (0, set()) and passed > 50


def test_the_suite_finds_a_store_that_overwrites(distribution: Path) -> None:
    broken = STORE.replace('INSERT = "INSERT INTO', 'INSERT = "INSERT OR REPLACE INTO')
    assert broken != STORE
    (distribution / "sqlite_store.py").write_text(broken)
    code, failed, _ = run_suite(distribution)
    assert code == 1 and "test_one_of_many_racing_callers_wins" in failed
