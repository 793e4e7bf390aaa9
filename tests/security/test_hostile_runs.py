"""Hostile texts through whole local runs: they arrive as they are, and nothing obeys them."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flow_sdk import client
from flow_sdk.client import Run, Task, reader
from tests.security.hostile import CANARY, HOSTILE, as_terminal, no_canary, obeyed
from tests.security.hostile_flow import GIVEN, SHORT, flow_text

USER = SHORT["shell"] + SHORT["escapes"] + SHORT["markup"]
TAGS = [text for text in SHORT.values() if len(text) < 500]
ITEMS = [*HOSTILE.values(), "nul\0nul"]
ARGUMENTS = [
    *(f"--{name}={text}" for name, text in GIVEN.items()),
    *(f"--tag={text}" for text in TAGS),
    f"--listed={json.dumps(ITEMS)}",
    "--file=given.txt",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "flow.py").write_text(flow_text(), encoding="utf-8")
    (tmp_path / "given.txt").write_text("".join(SHORT.values()), encoding="utf-8", newline="")
    return tmp_path


@pytest.fixture
def environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    monkeypatch.setenv("FLOW_SDK_DATASTORE_SYSROOT_LOCAL", str(folder / "store"))
    client.metadata(f"local@{folder / 'store'}")
    client.namespace(None)
    yield {**os.environ, "FLOW_SDK_USER": USER, "TERM": "xterm", "HOME": str(folder)}
    client.default_metadata()
    client.default_namespace()
    reader._cached_reader.cache_clear()


def call(folder: Path, environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "flow.py", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=120, check=False)


def config() -> str:
    return json.dumps({"text": "".join(SHORT.values())})


def check_run(run: Run) -> None:
    start = run["start"].task
    join = run["join"].task
    assert start is not None and join is not None and run.successful
    assert start.data.given == GIVEN
    assert {name: start._find_child(name).data for name in GIVEN} == GIVEN
    assert start.data.seen == {f"V_{name}": text for name, text in SHORT.items()}
    assert start.data.kept == ITEMS and start.data.by_text == {text: text for text in HOSTILE.values()}
    text = "".join(SHORT.values())
    assert start.data.told == [ITEMS, text.encode(), text, USER]
    assert set(TAGS) <= set(start.data.tags) and run.user_tags == set(TAGS)
    assert join.data.messages == ITEMS and join.data.back == ITEMS
    assert all(getattr(start.data, f"a_{name}") == text for name, text in HOSTILE.items())


def check_folder(folder: Path) -> None:
    no_canary(folder)
    assert {path.name for path in folder.iterdir()} <= {"flow.py", "given.txt", "store", "__pycache__", "out"}
    assert {path.name for path in (folder / "store").iterdir()} <= {
        "store.json",
        "store.probe",
        "blobs",
        "flows",
        "~lasting",
    }


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_a_run_keeps_every_byte_and_obeys_nothing(folder: Path, environment: dict[str, str], isolation: str) -> None:
    words = ("run", "--isolation", isolation, *ARGUMENTS, "--output", "json")
    done = call(folder, environment, "--config-value", "conf", config(), *words)
    assert done.returncode == 0, done.stderr[-3000:]
    events = [json.loads(line) for line in done.stdout.decode().splitlines()]
    printed = "\n".join(e["line"] for e in events if e["event"] == "task_output" and e["stream"] == "stdout")
    for name, text in SHORT.items():
        # A line of output ends at a newline, whatever else is in it.
        assert all(line in printed for line in text.replace("\r\n", "\n").split("\n")), name
    check_run(Run("Hostile/1"))
    check_folder(folder)


def test_a_failed_run_tells_its_message_and_obeys_nothing(folder: Path, environment: dict[str, str]) -> None:
    (folder / "flow.py").write_text(flow_text(fails=True), encoding="utf-8")
    done = call(folder, environment, "run", "--output", "plain", "--quiet")
    assert done.returncode == 1
    last = done.stderr.decode().splitlines()[-4:]
    assert "".join(last).isprintable() and f"$(touch {CANARY})" in "".join(last)
    raised = Task("Hostile/1/end/4").exception
    assert raised is not None and all(text in str(raised.exception) for text in SHORT.values())
    check_folder(folder)


@pytest.mark.parametrize("output", ["live", "plain"])
def test_a_terminal_is_not_obeying_either(folder: Path, environment: dict[str, str], output: str) -> None:
    (folder / "flow.py").write_text(flow_text(fails=True), encoding="utf-8")
    command = [sys.executable, "flow.py"]
    # Fewer parameters: what a terminal is written passes through a buffer of a few kB.
    words = [f"--{name}={text}" for name, text in GIVEN.items() if name != "p_long"]
    code, text = as_terminal([*command, "run", "--output", output, *words, *ARGUMENTS[-10:-2]], folder, environment)
    assert code == 1 and obeyed(text) == [], text[-2000:]
    assert f"$(touch {CANARY})" in text and "evil [label=" in text
    assert "\x1b[31m" in text  # colours stay
    for asked in (["logs", "1/start"], ["logs", "1/end", "--stderr", "--timestamps"], ["dump", "1/start"],
                  ["dump", "1/start", "--include", "a_escapes,nö\x1b[2J"], ["tag", "list", "1"],
                  ["run", "--help"], ["--help"], ["show"], ["run", f"--p_x={SHORT['escapes']}"],
                  ["logs", SHORT["escapes"]], [SHORT["escapes"]]):  # fmt: skip
        code, text = as_terminal([*command, *asked], folder, environment)
        assert obeyed(text) == [] and len(text) > 20 and "bug in Flow SDK" not in text, (asked, text)
    check_folder(folder)


def test_what_is_read_through_a_pipe_is_every_byte(folder: Path, environment: dict[str, str]) -> None:
    assert call(folder, environment, "run", "--quiet", *ARGUMENTS).returncode == 0
    log = call(folder, environment, "logs", "1/start", "--stdout").stdout.decode()
    shown = call(folder, environment, "dump", "1/start", "--max-value-size", "200000").stdout.decode()
    for text in SHORT.values():
        assert all(line in log for line in text.replace("\r\n", "\n").split("\n"))
        assert text in shown
    assert GIVEN["p_long"] in shown
    assert call(folder, environment, "dump", "1/start", "--file", "out").returncode == 0
    with open(folder / "out", "rb") as file:
        assert pickle.load(file)["1/start/0"]["given"] == GIVEN
    check_folder(folder)


@pytest.mark.parametrize("name", ["a/../../b", "..", "/etc/passwd", f"$(touch {CANARY})", "a\nb", "ü" * 400, "\ud800"])
def test_an_artifacts_name_stays_in_the_manifest(name: str, tmp_path: Path) -> None:
    from flow_sdk.store.backends.local import LocalStore
    from tests.support.in_process_runs import InProcessRun, load_source

    source = (
        "from flow_sdk import FlowSpec, step\nclass F(FlowSpec):\n"
        f"    @step\n    def start(self):\n        setattr(self, {name!r}, 'x' * 9000)\n        self.next(self.end)\n"
        "    @step\n    def end(self):\n        pass\n"
    )
    (tmp_path / "in" / "store").mkdir(parents=True)
    store = LocalStore(str(tmp_path / "in" / "store"))
    run = InProcessRun(load_source(source, "F", str(tmp_path)), store=store).run()
    if run.outcomes[0].manifest.ok:
        assert run.value("end", name) == "x" * 9000
    else:
        raised = run.outcomes[0].manifest.exception
        assert raised is not None and "name" in raised["message"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["store"]
    keys = [info.key for info in store.list("")]
    assert all(key.isascii() and ".." not in key and "$" not in key for key in keys)
    no_canary(tmp_path)
