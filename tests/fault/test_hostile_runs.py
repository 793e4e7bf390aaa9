"""Whole runs on an S3 that fails: they end with a clean run's artifacts, or with a clear error and a whole store."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flow_sdk.client import Run, metadata, namespace
from flow_sdk.runtime.local.scheduler import TaskKey
from flow_sdk.store.open_store import open_store
from flow_sdk.upkeep.store_check import check_store
from tests.support.fault_counts import count, recovering
from tests.support.fault_proxy import FaultProxy, Rule
from tests.support.in_process_runs import InProcessRun, load_source
from tests.support.moto import MotoServer
from tests.support.request_counts import CountingS3
from tests.support.stores import s3_store

FLOW = Path(__file__).with_name("hostile_flow.py")
PRINTING = Path(__file__).with_name("printing_flow.py")
WRONG = 0.5
"""Share of the answers that are wrong: so many that an object is often asked for in vain five times in a row."""
HASTY = """
import runpy, sys
from flow_sdk.store.backends import retry
retry._FIRST_PAUSE, retry._LONGEST_PAUSE, retry._REPORT_AFTER = 0.02, 0.8, 0.8
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""A run that waits as one does, but a fifth of the time."""
NAMED = re.compile(
    r"\b(IntegrityError|StoreError|StoreUnavailable|ObjectMissing): |A stored object is (damaged|missing)\."
)
OURS = re.compile(r'File "[^"]*/flow_sdk/')
"""A frame of ours in a traceback."""


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer("flows") as server:
        yield server


@pytest.fixture
def proxy(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """A proxy before moto. This process asks moto itself; a run asks the proxy."""
    for name, value in moto.env().items():
        monkeypatch.setenv(name, value)
    with FaultProxy(moto.url) as found:
        yield found
    count(faults=found.faults)


def run(
    proxy: FaultProxy, folder: Path, root: str, *command: str, flow: Path = FLOW, **environment: str
) -> subprocess.CompletedProcess[str]:
    options = ("--datastore", "s3", "--datastore-root", root)
    return subprocess.run(
        [sys.executable, "-c", HASTY, str(flow), *options, *(command or ("run",)), "--max-workers", "2"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "FLOW_SDK_USER": "tester", "AWS_ENDPOINT_URL": proxy.url, **environment},
        timeout=240,
    )


def hashes(root: str, number: str = "1") -> dict[str, str]:
    """The hash of each artifact of each task."""
    metadata(root)
    namespace(None)
    found = Run(f"HostileFlow/{number}")
    assert found.successful
    return {f"{task.pathspec.split('/', 2)[2]}.{a.id}": a.sha for step in found for task in step for a in task}


def check_clean(root: str) -> None:
    report = check_store(open_store(root, create=False))
    assert not report.damage, report.damage


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("clean")
    command = [sys.executable, str(FLOW), "--datastore-root", str(root), "run"]
    subprocess.run(command, cwd=root, env={**os.environ, "FLOW_SDK_USER": "tester"}, check=True, capture_output=True)
    return hashes(str(root))


@pytest.mark.one_of(3)
@pytest.mark.parametrize("share", [0.01, 0.1, 0.3])
def test_a_run_on_a_busy_store(
    proxy: FaultProxy, tmp_path: Path, share: float, clean: dict[str, str], seeds: Callable[[int], range]
) -> None:
    for seed in seeds(1):
        proxy.seed = seed
        proxy.set(
            *(Rule(fault, share=share / 4) for fault in ("InternalError", "ServiceUnavailable", "SlowDown", "lost"))
        )
        root = f"s3://flows/run-{share}-{seed}"
        before = proxy.faults
        start = time.monotonic()
        done = run(proxy, tmp_path, root)
        assert done.returncode == 0, done.stderr
        count(seeds=1, recovery=time.monotonic() - start)
        assert proxy.faults > before or share < 0.1
        assert hashes(root) == clean
        check_clean(root)
        store = open_store(root)
        starts = [info.key for info in store.list("") if info.key.endswith("start.json")]
        assert len(starts) == 6 and all("/0/start.json" in key for key in starts), "an attempt was made twice"


@pytest.mark.one_of(5)
@pytest.mark.parametrize("fault", ["flip", "other", "cut", "short", "empty"])
def test_a_run_on_a_store_that_gives_wrong_bytes(
    proxy: FaultProxy, tmp_path: Path, clean: dict[str, str], fault: str, seeds: Callable[[int], range]
) -> None:
    for seed in seeds(1):
        proxy.seed = seed
        proxy.set(Rule(fault, "GET", key=r"\.json$|blobs/", share=WRONG))
        root = f"s3://flows/wrong-{fault}-{seed}"
        done = run(proxy, tmp_path, root)
        proxy.set()
        check_clean(root)
        number = "1"
        if done.returncode:
            assert done.returncode == 1
            assert NAMED.search(done.stderr), done.stderr
            assert not OURS.search(done.stderr), done.stderr
            begun = open_store(root).head("flows/HostileFlow/runs/1/run.json") is not None
            with recovering():
                again = run(proxy, tmp_path, root, *(("resume", "--origin-run-id", "1") if begun else ()))
            assert again.returncode == 0, again.stderr
            number = "2" if begun else "1"
        assert hashes(root, number) == clean
        check_clean(root)
        count(seeds=1)


@pytest.mark.parametrize("failing", [4, None])
def test_a_log_that_the_store_does_not_take_ends_nothing(
    proxy: FaultProxy, tmp_path: Path, failing: int | None
) -> None:
    proxy.set(Rule("AccessDenied", "PUT", key="/log/", most=failing))
    root = f"s3://flows/log-{failing}"
    done = run(proxy, tmp_path, root, flow=PRINTING, FLUSHED_EVERY="0.05")
    proxy.set()
    assert done.returncode == 0, done.stderr
    assert proxy.count("PUT", "/log/") > 3
    metadata(root)
    namespace(None)
    task = Run("PrintingFlow/1")["start"].task
    assert task.data.printed == 30 and open_attempts(root) == ["0"]
    lines = [f"line {number}" for number in range(30)]
    told = [line for line in done.stderr.splitlines() if "log isn't whole" in line]
    if failing:
        assert task.stdout.splitlines() == lines and not told
    else:
        assert len(told) == 1 and "30 lines weren't stored, from start/0, attempt 0 on" in told[0]
        assert "AccessDenied" in told[0] and task.stdout == ""
    assert not OURS.search(done.stderr)
    check_clean(root)
    count(seeds=1)


def open_attempts(root: str) -> list[str]:
    return open_store(root).folders("flows/PrintingFlow/runs/1/steps/start/0/")


def test_a_run_says_what_it_waits_for(proxy: FaultProxy, tmp_path: Path, clean: dict[str, str]) -> None:
    proxy.set(Rule("SlowDown", key="runs/1/steps/join/2/commit", method="PUT", most=7))
    done = run(proxy, tmp_path, "s3://flows/waits")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "trying again" in line]
    assert "1/join/2]" in line and "S3 answers SlowDown" in line and "join/2/commit.json" in line
    assert hashes("s3://flows/waits") == clean


def test_credentials_that_expire_end_the_run_clearly(proxy: FaultProxy, tmp_path: Path, clean: dict[str, str]) -> None:
    root = "s3://flows/expire"
    proxy.set(Rule("ExpiredToken", nth=range(25, 100_000)))
    done = run(proxy, tmp_path, root)
    assert done.returncode == 1
    assert "The AWS credentials aren't accepted." in done.stderr and "ExpiredToken" in done.stderr
    assert "Traceback" not in done.stderr and "trying again to" not in done.stderr
    check_clean(root)
    proxy.set()
    again = run(proxy, tmp_path, root, "resume", "--origin-run-id", "1")
    assert again.returncode == 0, again.stderr
    assert hashes(root, "2") == clean


def test_credentials_that_are_renewed_in_the_middle_are_taken_up(
    proxy: FaultProxy, tmp_path: Path, clean: dict[str, str]
) -> None:
    file = tmp_path / "credentials"
    used: list[str] = []

    def write(number: int) -> None:
        new = tmp_path / "new"
        new.write_text(f"[lab]\naws_access_key_id = 10000000000{number}\naws_secret_access_key = s\n", encoding="ascii")
        new.replace(file)

    def expired(method: str, key: str, by: str) -> bool:
        """Tell whether a key has ended; every twenty requests one does, and the next one is in the file."""
        used.append(by)
        age = len(used) // 20
        write(min(age, 9))
        return int(by[-1]) < min(age, 9)

    write(0)
    proxy.set(Rule("ExpiredToken", only=expired))
    keys = {"AWS_PROFILE": "lab", "AWS_SHARED_CREDENTIALS_FILE": str(file)}
    done = run(proxy, tmp_path, "s3://flows/renewed", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", **keys)
    assert done.returncode == 0, done.stderr
    assert len(set(used)) > 2 and proxy.count(fault="ExpiredToken") > 2
    assert hashes("s3://flows/renewed") == clean


WIDE = """
from flow_sdk import FlowSpec, step


class Wide(FlowSpec):
    @step
    def start(self):
        self.items = list(range(1000))
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.value = self.input * 2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(task.value for task in inputs)
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def test_a_join_of_a_thousand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = load_source(WIDE, "Wide", str(tmp_path))
    made = InProcessRun(flow).run()
    with CountingS3("wide") as server, FaultProxy(f"http://127.0.0.1:{server.port}", seed=1) as proxy:
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        wanted = [info.key for info in made.store.list("") if "/steps/join/" not in info.key]
        server.fill((f"x/{key}", made.store.get(key)) for key in wanted)
        joining = InProcessRun(flow, store=s3_store("wide", "x"))
        proxy.set(*(Rule(fault, share=0.01 / 4) for fault in ("InternalError", "SlowDown", "lost", "cut")))
        before = len(proxy.asked)
        joining.attempt(TaskKey("join", ()), 0)
        assert joining.task("join").artifacts["total"] == made.task("join").artifacts["total"]
        assert proxy.faults > 3
        assert proxy.count("GET", r"work/1[.]\d+/commit.json", fault="") in range(995, 1001)
        assert len(proxy.asked) - before < 1.03 * 1000 + 20
        assert proxy.most_at_once <= 17
        count(seeds=1, faults=proxy.faults)
