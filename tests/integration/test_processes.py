"""Processes of a local run at their limits: many at once, much output, grandchildren, signals, slow ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

HEAD = """
import os, signal, subprocess, sys, time
import flow_sdk.runtime.crash_record, flow_sdk.runtime.local.driver, flow_sdk.runtime.local.workers
from flow_sdk import FlowSpec, catch, retry, step, timeout

for module in (flow_sdk.runtime.crash_record, flow_sdk.runtime.local.driver, flow_sdk.runtime.local.workers):
    module.HARD_GRACE = 0.5


class SlowToStore:
    def __reduce__(self):
        time.sleep(2.5)
        return (int, ())
"""

LINEAR = """
class Limits(FlowSpec):
    {decorators}
    @step
    def start(self):
        {body}
        self.next(self.end)

    @step
    def end(self):
        {end}


if __name__ == "__main__":
    Limits()
"""

WIDE = """
class Limits(FlowSpec):
    @step
    def start(self):
        self.items = list(range({count}))
        self.next(self.work, foreach="items")

    @step
    def work(self):
        {body}
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Limits()
"""


def write(folder: Path, text: str, **fields: Any) -> list[str]:
    """Write the flow; returns the command that runs it."""
    given = {"decorators": "", "body": "pass", "end": "pass", **fields}
    path = folder / "limits.py"
    path.write_text(HEAD + text.format(**given))
    return [sys.executable, str(path), "--datastore-root", str(folder / "store"), "run"]


def environment() -> dict[str, str]:
    return {**os.environ, "FLOW_SDK_USER": "t"}


def run(command: list[str], *options: str, **how: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*command, *options], capture_output=True, text=True, env=environment(), timeout=60, check=False, **how
    )


def outcome(folder: Path) -> Any:
    return json.loads((folder / "store/flows/Limits/runs/1/end.json").read_text())


def few_descriptors() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def test_more_tasks_at_once_than_a_socket_holds_messages(tmp_path: Path) -> None:
    command = write(tmp_path, WIDE, count=700)
    done = run(command, "--max-workers", "700", "--max-num-splits", "700", preexec_fn=few_descriptors)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_a_very_long_message_fails_the_task_alone(tmp_path: Path, isolation: str) -> None:
    done = run(write(tmp_path, LINEAR, body="raise ValueError('x' * 300_000)"), "--isolation", isolation)
    assert done.returncode == 1 and "bug in Flow SDK" not in done.stderr
    assert outcome(tmp_path)["reason"].startswith("start/0: ValueError: xxx")
    assert len(outcome(tmp_path)["reason"]) < 1200


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_a_grandchild_that_writes_for_ever_holds_up_nothing(tmp_path: Path, isolation: str) -> None:
    began = time.monotonic()
    done = run(write(tmp_path, LINEAR, body="os.system('timeout 60 yes &')"), "--isolation", isolation)
    assert done.returncode == 0 and time.monotonic() - began < 45


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
@pytest.mark.parametrize("leave", ["sys.exit(2)", "os._exit(2)"])
def test_an_exit_code_of_the_users_is_tried_again(tmp_path: Path, isolation: str, leave: str) -> None:
    body = f"from flow_sdk import current; current.retry_count or {leave}"
    command = write(tmp_path, LINEAR, decorators="@retry(times=1, minutes_between_retries=0)", body=body)
    done = run(command, "--isolation", isolation)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_storing_is_not_under_the_timeout(tmp_path: Path, isolation: str) -> None:
    command = write(tmp_path, LINEAR, decorators="@timeout(seconds=1)", body="self.slow = SlowToStore()")
    done = run(command, "--isolation", isolation)
    assert done.returncode == 0, done.stderr


def test_code_that_does_not_react_to_its_timeout_is_killed(tmp_path: Path) -> None:
    body = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM]); time.sleep(30)"
    done = run(write(tmp_path, LINEAR, decorators="@timeout(seconds=0.5)", body=body))
    assert done.returncode == 1 and "didn't react to its @timeout" in outcome(tmp_path)["reason"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_and_says_so_even_when_it_comes_twice(tmp_path: Path, number: int) -> None:
    begun = tmp_path / "begun"
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    command = write(tmp_path, LINEAR, body=f"{stubborn}; open({str(begun)!r}, 'w').close(); time.sleep(60)")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()) as process:
        until = time.monotonic() + 20
        while not begun.exists() and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(number)
        time.sleep(0.3)
        process.send_signal(number)
        assert process.wait(10) == 130
    assert outcome(tmp_path)["state"] == "cancelled"


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_fork_server_is_said_in_words(tmp_path: Path, seed: int) -> None:
    body = f"self.input == {seed * 3} and os.kill(os.getppid(), signal.SIGKILL)"
    done = run(write(tmp_path, WIDE, count=20, body=body), "--max-workers", "2")
    assert done.returncode == 1 and "bug in Flow SDK" not in done.stderr
    assert "fork server" in outcome(tmp_path)["reason"]


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_a_run_needs_no_standard_streams(tmp_path: Path, isolation: str) -> None:
    command = write(tmp_path, LINEAR, body="print('said'); os.system('echo more')")
    shell = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command, "--isolation", isolation]
    assert subprocess.run(shell, env=environment(), timeout=60, check=False).returncode == 0
    logs = list((tmp_path / "store/flows/Limits/runs/1/steps/start/0/0/log").iterdir())
    text = "".join(path.read_text() for path in logs)
    assert "o said\n" in text and "o more\n" in text


def test_a_run_does_its_work_when_nobody_can_be_told(tmp_path: Path) -> None:
    done_file = tmp_path / "done"
    command = write(tmp_path, LINEAR, body="print('said')", end=f"open({str(done_file)!r}, 'w').close()")
    with open("/dev/full", "w") as full:
        for streams in ({"stdout": full, "stderr": full}, {"stdout": full, "stderr": subprocess.PIPE}):
            done = subprocess.run(command, env=environment(), timeout=60, check=False, text=True, **streams)
            assert done.returncode == 0 and done_file.exists()
            done_file.unlink()
    assert "What the run printed couldn't be written: No space left on device." in done.stderr


@pytest.mark.parametrize("options", [(), ("--output", "json")])
@pytest.mark.parametrize("streams", ["", "2>&1"])
def test_a_run_does_its_work_when_its_reader_goes_away(tmp_path: Path, streams: str, options: tuple[str, ...]) -> None:
    done_file = tmp_path / "done"
    body = "for i in range(2000): print('said' * 50)"
    command = write(tmp_path, LINEAR, body=body, end=f"open({str(done_file)!r}, 'w').close()")
    line = f'{{ "$@" {streams}; echo $? > code; }} | head -n 1'
    shell = ["sh", "-c", line, "sh", *command, *options]
    done = subprocess.run(
        shell, env=environment(), timeout=120, check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert done_file.exists(), done.stderr
    assert (tmp_path / "code").read_text() == "0\n" and done.stdout.count("\n") == 1
    assert "BrokenPipe" not in done.stderr and "Exception ignored" not in done.stderr
    if not streams:
        assert done.stderr.endswith("The run continued after the reader of its output had gone.\n")


def test_an_output_that_cannot_be_written_is_one_message(tmp_path: Path) -> None:
    command = write(tmp_path, LINEAR)
    with open("/dev/full", "w") as full:
        done = run_to([*command[:-1], "help"], full)
    assert done.returncode == 1 and "There's no space left to write to." in done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def run_to(command: list[str], out: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, stdout=out, stderr=subprocess.PIPE, text=True, env=environment(), timeout=60, check=False
    )


@pytest.mark.parametrize("most", [8, 24])
def test_a_lack_of_descriptors_is_one_message(tmp_path: Path, most: int) -> None:
    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    done = run(write(tmp_path, WIDE, count=12), "--max-workers", "12", preexec_fn=limit)
    assert done.returncode == 1 and "This process can't open more files." in done.stderr
    assert "--max-workers" in done.stderr and "Traceback" not in done.stderr
