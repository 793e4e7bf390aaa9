"""Reports of a task's process: who can write them, and what is believed."""

import json
import os
import subprocess
import sys

import pytest

from flow_sdk.runtime.report import Claimed, Finished, Running, open_report, read_report

pytestmark = pytest.mark.slow  # starts processes or servers


def test_what_is_reported_is_read() -> None:
    read, write = os.pipe()
    report = open_report(write)
    facts = {"ok": True, "next": ["a"], "caught": False, "count": 3, "already": True}
    for one in ({"attempt": 2}, {"running": 1.5}, {"running": None}, facts, {"error": "é"}):
        report(one)
    lines = os.read(read, 10_000).decode().splitlines()
    os.close(read)
    assert [read_report(line) for line in lines] == [
        Claimed(2),
        Running(1.5),
        Running(None),
        Finished(facts),
        Finished({"error": "é"}),
    ]
    report({"attempt": 3})  # nobody reads it any more


NO_REPORTS = """
x|{|[]|null|1|"ok"|{}|{"ok":true}|{"ok":1,"next":[]}|{"ok":true,"next":"a"}|{"ok":true,"next":[1]}
{"ok":true,"next":[],"count":-1}|{"ok":true,"next":[],"count":true}|{"ok":true,"next":[],"more":1}|{"error":null}
{"attempt":-1}|{"attempt":1.0}|{"attempt":true}|{"running":"x"}|{"running":-1}|{"running":NaN}|{"running":Infinity}
{"running":1e300}|{"running":1,"attempt":1}
"""


@pytest.mark.parametrize(
    "line",
    ["", *NO_REPORTS.replace("\n", "|").strip("|").split("|"), "[" * 100_000, "9" * 5000, f'{{"attempt":{9**400}}}'],
)
def test_what_is_no_report_is_nothing(line: str) -> None:
    assert read_report(line) is None


def test_a_program_that_is_started_does_not_inherit_the_pipe() -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)
    report = open_report(write)
    look = "import os\nfor fd in os.listdir('/proc/self/fd'):\n    print(os.path.realpath(f'/proc/self/fd/{fd}'))"
    found = subprocess.run([sys.executable, "-c", look], close_fds=False, capture_output=True, text=True, check=True)
    ours = f"/pipe:[{os.fstat(read).st_ino}]"
    assert not any(line.endswith(ours) for line in found.stdout.splitlines())
    report({"attempt": 1})
    assert json.loads(os.read(read, 100)) == {"attempt": 1}
    os.close(read)


def test_a_file_that_takes_the_place_of_the_pipe_gets_nothing(tmp_path: object) -> None:
    code = """
import os, sys
from flow_sdk.runtime.report import open_report
read, write = os.pipe()
report = open_report(write)
os.closerange(3, 4096)
files = [os.open(f"{sys.argv[1]}/{n}", os.O_CREAT | os.O_WRONLY) for n in range(1200)]
report({"attempt": 1})
assert not any(os.fstat(fd).st_size for fd in files)
"""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (2048, 4096))\n"
    subprocess.run([sys.executable, "-c", limit + code, str(tmp_path)], check=True)


def test_a_forked_process_reports_nothing() -> None:
    read, write = os.pipe()
    report = open_report(write)
    child = os.fork()
    if child == 0:
        report({"attempt": 7})
        os._exit(0)
    os.waitpid(child, 0)
    report({"attempt": 1})
    assert json.loads(os.read(read, 100)) == {"attempt": 1}
    os.close(read)
