"""Runs started from Python, as real processes."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flow_sdk import Runner, get_namespace
from flow_sdk.errors import ConfigError, FlowSDKError, ParameterError, RunFailed, UsageError
from tests.unit.programmatic.flow_files import FLOW, write

pytestmark = pytest.mark.slow  # starts processes or servers


def left(folder: Path) -> list[str]:
    """Processes whose command line names a folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in command and int(pid) != os.getpid():
            found.append(command.decode(errors="replace"))
    return found


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    yield write(tmp_path)
    assert left(tmp_path) == [], "a process was left"


def test_a_run(flow: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Runner(flow, env={"TALK": "to me"}) as runner:
        done = runner.run(count=2, tags=["a", "b"], max_workers=1, run_id_file=str(tmp_path / "id"))
        assert (done.status, done.returncode) == ("successful", 0)
        assert done.run.successful and done.run.data.variable == "to me"
        assert {"a", "b"} <= done.run.user_tags
        assert (tmp_path / "id").read_text() == done.run.id
        assert "out 2" in done.stdout and "out 2" not in done.stderr
        assert "ünd err" in done.stderr and "Run Talk/1 started" in done.stderr
        shown = capsys.readouterr()
        assert shown.out == done.stdout and shown.err == done.stderr
    assert "out 2" in done.stdout, "known after the files are gone"
    assert list((tmp_path / "tmp").iterdir()) == []


HOSTILE = [
    "",
    " ",
    "a b",
    "-x",
    "--tag=x",
    "'\"`$(touch canary)",
    "line\nbreak\r\n\ttab",
    "☃ 日本 \u202e",
    "\\",
    "%s {x}",
]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_text_arrives_as_it_is(flow: str, tmp_path: Path, text: str) -> None:
    done = Runner(flow, show_output=False).run(my_text=text, names=[text, text + ","], grid={text: [text]})
    assert done.status == "successful", done.stderr
    assert done.run.data.seen[0] == text
    assert done.run.data.seen[4:6] == [{text: [text]}, [text, text + ","]]
    assert not (tmp_path / "canary").exists()


def test_values_of_every_type_arrive(flow: str, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"\0\xff")
    runner = Runner(flow, show_output=False)
    given = {"count": 3, "rate": 1e-9, "loud": True, "grid": [1, None, {"a": (1.5, "b")}], "names": ("x", "y")}
    seen = runner.run(**given, file=tmp_path / "data.bin", my_text="n" * 300_000).run.data.seen
    assert seen == ["n" * 300_000, 3, 1e-9, True, [1, None, {"a": [1.5, "b"]}], ["x", "y"], b"\0\xff"]
    assert runner.run(file=b"\1\xfe", loud="no", names="p,q").run.data.seen[5:] == [["p", "q"], b"\1\xfe"]
    assert runner.run().run.data.seen == ["x", 1, 0.5, False, {}, ["a", "b"], None]


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"coumt": 1}, UsageError, "Did you mean 'count'"),
        ({"max_worker": 1}, UsageError, "Did you mean 'max_worker"),
        ({"nonsense": 1}, UsageError, "no parameter 'nonsense', and run no such option"),
        ({"count": "many"}, UsageError, "a whole number"),
        ({"count": None}, UsageError, "can't take this value"),
        ({"my_text": 5}, UsageError, "can't take this value"),
        ({"grid": object()}, ParameterError, "a object"),
        ({"max_workers": 0}, UsageError, "at least 1"),
        ({"max_workers": [1]}, UsageError, "text or a number"),
        ({"file": "/no/such/file"}, UsageError, "/no/such/file"),
    ],
)
def test_wrong_arguments(flow: str, tmp_path: Path, given: dict, kind: type, said: str) -> None:
    with Runner(flow, show_output=False) as runner, pytest.raises(kind) as raised:
        runner.run(**given)
    assert said in str(raised.value)
    assert not (tmp_path / ".flow_sdk" / "flows").exists(), "no run was begun"
    assert list((tmp_path / "tmp").iterdir()) == []


def test_wrong_runners(flow: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such flow file"):
        Runner(str(tmp_path / "gone.py"))
    with pytest.raises(UsageError, match=r"(?s)no option 'datastor'.*datastore"):
        Runner(flow, datastor="local")
    with pytest.raises(UsageError, match="no such folder"):
        Runner(flow, cwd=str(tmp_path / "gone"))
    with pytest.raises(UsageError, match="True or False"):
        Runner(flow, quiet="yes")
    with pytest.raises(ConfigError, match=r"no profile 'nobody', which profile= names") as caught:
        Runner(flow, profile="nobody", env={"HOME": str(tmp_path)})
    assert "METAFLOW_PROFILE" not in str(caught.value) and f"{tmp_path}/.metaflowconfig" in str(caught.value)
    with pytest.raises(ConfigError, match="profile= isn't the name"):
        Runner(flow, profile="../x")
    for name in ("spin", "async_spin"):
        with pytest.raises(UsageError, match=f"'Runner.{name}' of Metaflow isn't in this release"):
            getattr(Runner(flow), name)(step="start")
    broken = write(tmp_path, FLOW.replace("self.next(self.work)", "self.next(self.wrk)"), "broken.py")
    with pytest.raises(RunFailed, match="didn't begin") as raised:
        Runner(broken, show_output=False).run()
    assert "wrk" in str(raised.value)
    no_python = write(tmp_path, "this is no python", "no.py")
    with pytest.raises(RunFailed, match=r"(?s)didn't begin.*SyntaxError"):
        Runner(no_python, show_output=False).run()


def test_a_profile_of_metaflows(flow: str, tmp_path: Path) -> None:
    (tmp_path / "config_team.json").write_text(f'{{"METAFLOW_DATASTORE_SYSROOT_LOCAL": "{tmp_path / "d"}"}}')
    env = {"METAFLOW_HOME": str(tmp_path), "FLOW_SDK_PROFILE": "other"}
    assert Runner(flow, show_output=False, profile="team", env=env).run().status == "successful"
    assert (tmp_path / "d" / ".flow_sdk" / "store.json").exists()


def test_options_of_all_commands_and_another_folder(flow: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    os.rename(flow, tmp_path / "other" / "talk.py")
    runner = Runner("talk.py", show_output=False, cwd="other", datastore_root=str(tmp_path / "s"), decospecs=["retry"])
    done = runner.run()
    assert (tmp_path / "s" / "flows" / "Talk").is_dir() and done.run["start"].task.successful
    assert get_namespace() == "user:tester"
    assert runner.run(namespace="user:somebody").run.data.seen[1] == 1
    quiet = Runner("talk.py", show_output=False, cwd="other", quiet=True).run()
    assert "started" not in quiet.stderr and "out 1" in quiet.stdout


def test_a_run_that_fails_and_its_resume(flow: str) -> None:
    failed = Runner(flow, show_output=False, env={"FAIL": "1"}).run(count=4)
    assert (failed.status, failed.returncode) == ("failed", 1)
    assert not failed.run.finished and failed.run["start"].task.successful
    again = Runner(flow, show_output=False).resume(origin_run_id=failed.run.id)
    assert again.status == "successful"
    assert again.run.origin_pathspec == failed.run.pathspec and again.run.data.seen[1] == 4
    third = Runner(flow, show_output=False).resume(step_to_rerun="start")
    assert third.run.origin_pathspec == failed.run.pathspec, "a resume without a name is one of the last run"
    with pytest.raises(FlowSDKError, match="nowhere"):
        Runner(flow, show_output=False).resume(step_to_rerun="nowhere")
    with pytest.raises(UsageError, match="has the parameters of its origin"):
        Runner(flow, show_output=False).resume(count=5)


def test_runs_side_by_side(flow: str) -> None:
    async def both() -> list[str]:
        async with Runner(flow) as runner:
            runs = await asyncio.gather(*(runner.async_run(count=number) for number in (2, 3)))
            assert all(run.run.id for run in runs)
            await asyncio.gather(*(run.wait() for run in runs))
            assert [run.status for run in runs] == ["successful"] * 2
            resumed = await runner.async_resume(origin_run_id=runs[0].run.id)
            await resumed.wait()
            assert resumed.run.origin_pathspec == runs[0].run.pathspec
            with pytest.raises(UsageError, match="coumt"):
                await runner.async_run(coumt=1)
            return sorted(str(run.run.data.seen[1]) for run in runs)

    assert asyncio.run(both()) == ["2", "3"]


def test_logs_as_they_come(flow: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def follow() -> None:
        with Runner(flow) as runner:
            run = await runner.async_run(count=30)
            assert run.status == "running" and run.returncode is None
            seen = [(position, line) async for position, line in run.stream_log("stdout")]
            assert [line.split("] ")[1] for _, line in seen] == ["out 30", *(f"line {number}" for number in range(30))]
            rest = [line async for _, line in run.stream_log("stdout", position=seen[10][0])]
            assert rest == [line for _, line in seen[11:]]
            with pytest.raises(UsageError, match="no stream"):
                await run.wait(stream="both")
            await run.wait(stream="stdout")
            assert capsys.readouterr().out == run.stdout

    asyncio.run(follow())


def test_a_run_that_takes_too_long_is_ended(flow: str, tmp_path: Path) -> None:
    async def too_long() -> None:
        run = await Runner(flow).async_run(my_text="sleep")
        await run.wait(timeout=0.3)
        assert run.status == "timeout" and run.returncode not in (None, 0)
        assert run.run.state == "cancelled"
        assert left(tmp_path) == []

    asyncio.run(too_long())


def test_leaving_the_context_ends_what_runs(flow: str, tmp_path: Path) -> None:
    async def leave() -> None:
        async with Runner(flow) as runner:
            run = await runner.async_run(my_text="sleep")
        assert run.status == "failed" and left(tmp_path) == []

    asyncio.run(leave())


def test_cancelling_ends_the_run(flow: str, tmp_path: Path) -> None:
    async def cancelled() -> None:
        runner = Runner(flow)
        starting = asyncio.create_task(runner.async_run(my_text="sleep"))
        await asyncio.sleep(0.05)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert left(tmp_path) == []
        run = await runner.async_run(my_text="sleep")
        waiting = asyncio.create_task(run.wait())
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert left(tmp_path) == []

    asyncio.run(cancelled())


def test_ctrl_c_ends_the_run(flow: str, tmp_path: Path) -> None:
    def press() -> None:
        deadline = time.monotonic() + 20
        while not list((tmp_path / ".flow_sdk").glob("flows/Talk/runs/1/steps/work")) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    with pytest.raises(KeyboardInterrupt):
        Runner(flow, show_output=False).run(my_text="sleep")
    assert left(tmp_path) == []


def test_what_runs_ends_with_python(flow: str, tmp_path: Path) -> None:
    code = (
        "import asyncio; from flow_sdk import Runner\n"
        f"run = asyncio.run(Runner({flow!r}).async_run(my_text='sleep')); print(run.run.id)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "1\n"
    assert left(tmp_path) == [] and list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_what_runs_ends_when_python_is_killed(flow: str, tmp_path: Path, sign: signal.Signals) -> None:
    code = f"from flow_sdk import Runner; Runner({flow!r}, show_output=False).run(my_text='sleep')"
    python = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 30
    while not list((tmp_path / ".flow_sdk").glob("flows/Talk/runs/1/steps/work")):
        assert time.monotonic() < deadline and python.poll() is None
        time.sleep(0.05)
    python.send_signal(sign)
    python.wait()
    while left(tmp_path):
        assert time.monotonic() < deadline, "the run goes on"
        time.sleep(0.05)
    done = subprocess.run([sys.executable, flow, "dump", "1/start"], capture_output=True, text=True, check=True)
    assert "seen" in done.stdout
