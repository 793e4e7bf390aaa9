"""A flow file run on this machine by its command line, and its results read back by it."""

import json
import os
import pickle
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.cli.flow_file import FLOW, call, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a flow file and its first run."""
    made = tmp_path_factory.mktemp("flow")
    write(made)
    # A module's fixture is made before each test's own environment is.
    who = {"FLOW_SDK_USER": "tester"}
    done = call(made, "run", "--folds", "3", "--tag", "first", "--run-id-file", "id", "--tag", "a b", environment=who)
    assert done.returncode == 0, done.stderr
    (made / "out").write_text(done.stdout)
    (made / "err").write_text(done.stderr)
    return made


def untimed(text: str) -> list[str]:
    return [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} ", "", line) for line in text.splitlines()]


def test_results_go_to_stdout_and_messages_to_stderr(folder):
    out = untimed((folder / "out").read_text())
    assert out[0] == "[1/start/0] alpha is 0.5 names ['a', 'b']"
    assert sorted(out[1:4]) == [f"[1/fit/1.{n}] fitting {n}" for n in range(3)]
    assert out[4:] == ["[1/end/3] done [0, 10, 20]"]
    err = untimed((folder / "err").read_text())
    assert err[0] == "[1] Run TrainFlow/1 started, tags first, a b"
    assert err.count("[1/fit/1.1] careful") == 1
    assert "[1/start/0] foreach starts 3 tasks" in err
    assert err[-1].startswith("[1] Run 1 succeeded after ")
    assert (folder / "id").read_text() == "1"


def test_dump(folder):
    done = call(folder, "dump", "1/fit/1.2")
    assert done.returncode == 0, done.stderr
    assert "score [size: " in done.stdout and "= 20" in done.stdout
    assert "_hidden" not in done.stdout
    assert "_hidden" in call(folder, "dump", "TrainFlow/1/fit/1.2", "--private").stdout
    assert "score" not in call(folder, "dump", "1/fit/1.2", "--include", "alpha").stdout
    assert "= 20" not in call(folder, "dump", "1/fit/1.2", "--max-value-size", "0").stdout
    whole = call(folder, "dump", "1/fit", "--include", "score").stdout
    assert [line for line in whole.splitlines() if line.startswith("[")] == [
        "[1/fit/1.0]",
        "[1/fit/1.1]",
        "[1/fit/1.2]",
    ]


def test_dump_to_a_file(folder):
    done = call(folder, "dump", "1/fit", "--file", "values.pkl", "--include", "score")
    assert done.returncode == 0 and done.stdout == ""
    with open(folder / "values.pkl", "rb") as file:
        assert pickle.load(file) == {f"1/fit/1.{n}": {"score": n * 10} for n in range(3)}


def test_what_cannot_be_pickled_leaves_no_file(tmp_path):
    write(tmp_path, FLOW.replace("self.score =", "self.call = lambda: 1; self.score ="))
    assert call(tmp_path, "run", "--folds", "1", "--quiet").returncode == 0
    done = call(tmp_path, "dump", "1/fit", "--file", "values.pkl")
    assert done.returncode == 1 and "can't be pickled" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "values.pkl").exists()
    assert call(tmp_path, "dump", "1/fit", "--file", "values.pkl", "--include", "score").returncode == 0


def test_logs(folder):
    assert call(folder, "logs", "1/fit/1.1").stdout == "fitting 1\ncareful\n"
    assert call(folder, "logs", "1/fit/1.1", "--stdout").stdout == "fitting 1\n"
    assert call(folder, "logs", "1/fit/1.1", "--stderr").stdout == "careful\n"
    assert call(folder, "logs", "show", "1/fit/1.1", "--no-stderr").stdout == "fitting 1\n"
    assert call(folder, "logs", "1/fit", "--stdout").stdout == "".join(f"[1/fit/1.{n}] fitting {n}\n" for n in range(3))
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d .* done \[0, 10, 20\]\n", call(folder, "logs", "1/end", "--timestamps").stdout
    )


@pytest.mark.parametrize(
    ("line", "code", "headline"),
    [
        ("dump 9/fit", 1, "has no run '9'"),
        ("dump 1/fti", 1, "has no step 'fti'"),
        ("logs 1/fit/1.7", 1, "'1.7'"),
        ("logs 1/fit/1.0 --attempt 3", 1, "3"),
        ("dump 1/fit/1.0/score/x", 2, "needs one run, step or task"),
        ("tag add x --run-id 9", 1, "has no run '9'"),
        ("tag remove user:tester --run-id 1", 2, "user:tester"),
        ("tag list --all --my-runs", 2, "Choose one"),
        ("tag list --flat --group-by-run", 2, "Choose one"),
    ],
)
def test_what_is_not_there(folder, line, code, headline):
    done = call(folder, *line.split())
    assert done.returncode == code, done.stderr
    assert headline in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_tags(tmp_path):
    write(tmp_path)
    assert call(tmp_path, "run", "--folds", "1", "--quiet").returncode == 0

    def user_tags() -> list[str]:
        return call(tmp_path, "tag", "list", "--flat", "--hide-system-tags").stdout.splitlines()

    assert call(tmp_path, "tag", "add", "x", "y z", "--run-id", "1").returncode == 0
    assert user_tags() == ["x", "y z"]
    assert call(tmp_path, "tag", "remove", "x", "--run-id", "TrainFlow/1").returncode == 0
    assert user_tags() == ["y z"]
    assert call(tmp_path, "tag", "replace", "--run-id", "1", "--remove", "y z", "--add", "v").returncode == 0
    assert user_tags() == ["v"]
    gone = call(tmp_path, "tag", "remove", "x", "v", "--run-id", "1")
    assert gone.returncode == 0 and "TrainFlow/1 didn't have the tag x.\n" in gone.stderr
    gone = call(tmp_path, "tag", "replace", "--run-id", "1", "--remove", "x", "--remove", "v", "--add", "w")
    assert gone.returncode == 0 and "TrainFlow/1 didn't have the tags x, v.\n" in gone.stderr
    assert call(tmp_path, "tag", "replace", "--run-id", "1", "--remove", "w", "--add", "v").returncode == 0
    assert "user:tester" in call(tmp_path, "tag", "list", "1").stdout
    assert call(tmp_path, "tag", "list", "--all", "--group-by-tag").stdout.splitlines()[0] == "v: TrainFlow/1"
    assert call(tmp_path, "tag", "list", "--my-runs", "--group-by-run").stdout.startswith("TrainFlow/1: v, ")


def test_parameters_reach_the_steps_as_they_are(tmp_path):
    write(
        tmp_path, FLOW.replace("type=int, required=True", "type=str, required=True").replace("range(self.folds)", "[1]")
    )
    text = "$(id) `id` {{ 1 }} \\ ' \" \n\t😀 %s"
    done = call(tmp_path, "run", "--folds", text, "--quiet")
    assert done.returncode == 0, done.stderr
    script = (
        "from flow_sdk import Run, namespace; namespace(None); print(ascii(Run('TrainFlow/1').end_task['folds'].data))"
    )
    read = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert read.stdout.strip() == ascii(text)


def test_parameters_may_be_called_like_options(tmp_path):
    names = ("version", "output", "quiet", "datastore", "name", "isolation", "run")
    declared = "".join(f"    {name}_ = Parameter({name!r}, default='')\n" for name in names)
    shown = "[" + ", ".join(f"self.{name}_" for name in names) + "]"
    text = FLOW.replace("    alpha =", declared + "    alpha =").replace("repr(self.alpha)", shown)
    write(tmp_path, text)
    given = [part for name in names for part in (f"--{name}", f"-{name}")]
    done = call(tmp_path, "--quiet", "--datastore", "local", "run", "--folds", "1", *given)
    assert done.returncode == 0, done.stderr
    assert str([f"-{name}" for name in names]) in done.stdout


def test_parameters_from_the_environment(tmp_path):
    write(tmp_path)
    environment = {"FLOW_SDK_RUN_FOLDS": "1", "METAFLOW_RUN_ALPHA": "7"}
    assert "alpha is 7.0" in call(tmp_path, "run", "--quiet", environment=environment).stdout
    assert "alpha is 2.0" in call(tmp_path, "run", "--quiet", "--alpha", "2", environment=environment).stdout
    done = call(tmp_path, "run", environment={"FLOW_SDK_RUN_FOLDS": "some"})
    assert done.returncode == 2 and "'folds'" in done.stderr


def test_a_failing_step_shows_the_users_traceback_and_how_to_go_on(tmp_path):
    write(tmp_path)
    done = call(tmp_path, "run", "--folds", "1", "--alpha", "13", "--with", "retry:times=1,minutes_between_retries=0")
    assert done.returncode == 1
    err = untimed(done.stderr)
    assert "[1/fit/1.0] ValueError: an unlucky number" in err
    assert not [line for line in err if "flow_sdk" + os.sep in line]
    assert "[1/fit/1.0] attempt 0 failed: ValueError: an unlucky number; trying again" in err
    assert err[-4:-1] == [
        "[1] 1/fit/1.0 failed after 2 attempts: ValueError: an unlucky number",
        "[1]   python train.py logs 1/fit/1.0",
        "[1] To run what is left: python train.py resume --origin-run-id 1",
    ]
    assert err[-1].startswith("[1] Run 1 failed after ")
    assert "an unlucky number" in call(tmp_path, "logs", "1/fit/1.0").stdout
    assert "an unlucky number" in call(tmp_path, "logs", "1/fit/1.0", "--attempt", "0").stdout


def test_options_that_change_nothing_are_taken(tmp_path):
    write(tmp_path)
    line = "--no-pylint --event-logger nullSidecarLogger --monitor nullSidecarMonitor --metadata local --quiet"
    assert call(tmp_path, *line.split(), "run", "--folds", "1").returncode == 0


def test_a_store_elsewhere(tmp_path):
    write(tmp_path)
    done = call(tmp_path, "--datastore-root", "far/away", "run", "--folds", "1", "--alpha", "13")
    assert done.returncode == 1
    assert (tmp_path / "far" / "away" / "store.json").exists()
    assert not (tmp_path / ".flow_sdk").exists()
    hint = next(line for line in done.stderr.splitlines() if " logs " in line)
    assert hint.endswith("python train.py --datastore-root far/away logs 1/fit/1.0")
    assert "unlucky" in call(tmp_path, "--datastore-root", "far/away", "logs", "1/fit/1.0").stdout


def test_json_lines(tmp_path):
    write(tmp_path)
    done = call(tmp_path, "run", "--folds", "2", "--output", "json")
    assert done.returncode == 0 and done.stderr == ""
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["event"] == "run_started" and events[-1]["event"] == "run_finished"
    assert events[-1]["state"] == "succeeded"
    assert [e["line"] for e in events if e["event"] == "task_output" and e["step"] == "end"] == ["done [0, 10]"]


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_both_ways_to_start_a_task(tmp_path, isolation):
    write(tmp_path)
    done = call(tmp_path, "run", "--folds", "2", "--isolation", isolation, "--quiet")
    assert done.returncode == 0, done.stderr
    assert untimed(done.stdout)[-1] == "[1/end/3] done [0, 10]"


SLOW = FLOW.replace('print("careful"', "import time; time.sleep(60); print('careful'")


def test_an_interrupt_ends_the_run(tmp_path):
    write(tmp_path, SLOW)
    run = subprocess.Popen(
        [sys.executable, "train.py", "run", "--folds", "2"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    pids: list[int] = []
    assert run.stderr is not None
    for line in run.stderr:
        found = re.search(r"1/fit/1\.\d\] started \(pid (\d+)\)", line)
        pids += [int(found.group(1))] if found else []
        if len(pids) == 2:
            break
    time.sleep(0.2)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=30)
    assert run.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1].endswith(": interrupted") and "Run 1 cancelled" in err
    for pid in pids:
        assert not Path(f"/proc/{pid}").exists()


def on_terminal(folder: Path, *arguments: str, until: str | None = None, columns: int = 80) -> tuple[int, str]:
    """Call the flow file on a terminal of its own; with ``until``, interrupt it once that text is on it."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        environment = {**os.environ, "TERM": "xterm", "PYTHONUTF8": "1"}
        environment.pop("NO_COLOR", None)
        os.execve(sys.executable, [sys.executable, "train.py", *arguments], environment)
    import fcntl
    import struct
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    shown, sent, end = "", False, time.monotonic() + 60
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data.decode("utf-8", "replace")
        if until is not None and until in shown and not sent:
            sent = True
            os.write(terminal, b"\x03")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


def test_live_lines_on_a_terminal(tmp_path):
    write(tmp_path, FLOW.replace('print("careful"', "import time; time.sleep(1.2); print('careful'"))
    code, shown = on_terminal(tmp_path, "run", "--folds", "3")
    assert code == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert "Run TrainFlow/1" in plain
    assert re.search(r"fit +0/3 .* 3 running", plain)
    assert re.search(r"✓ fit +3/3", plain)
    assert "[1/end/3] done [0, 10, 20]" in plain
    # The clock goes on while nothing happens.
    assert len(set(re.findall(r"fit +0/3 +(\d\.\d\d) s", plain))) >= 3
    assert "Run 1 succeeded after" in plain.rstrip().splitlines()[-1]


def test_ctrl_c_on_a_terminal(tmp_path):
    write(tmp_path, SLOW)
    code, shown = on_terminal(tmp_path, "run", "--folds", "2", until="2 running")
    assert code == 130
    assert "Traceback" not in shown
    assert "Run 1 cancelled" in shown.rstrip().splitlines()[-1]


KILLED = """
import os, signal
from flow_sdk import FlowSpec, catch, retry, step

class Killed(FlowSpec):
    @catch(var="failure")
    {retry}
    @step
    def start(self):
        print("the step runs")
        {end}
        self.next(self.end)

    @step
    def end(self):
        print("caught", self.failure.exception)

if __name__ == "__main__":
    Killed()
"""


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(3)"])
@pytest.mark.parametrize("tries", [1, 2])
def test_a_killed_step_with_catch_is_not_told_to_run_again(tmp_path, tries, end):
    retry = f"@retry(times={tries - 1}, minutes_between_retries=0)" if tries > 1 else ""
    write(tmp_path, KILLED.format(retry=retry, end=end))
    done = call(tmp_path, "run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the step runs") == tries and "caught " in done.stdout
    said = [line.partition("] ")[2] for line in untimed(done.stderr) if line.startswith("[1/start/0] ")]
    assert sum("; trying again" in line for line in said) == tries - 1
    assert sum(line.endswith("), to store the failure") for line in said) == 1
    assert (
        sum(f"attempt {tries - 1} failed: " in line and line.endswith("; @catch handles the failure") for line in said)
        == 1
    )
    assert not any(f"attempt {tries}" in line for line in said)
