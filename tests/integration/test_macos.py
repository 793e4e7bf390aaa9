"""Local runs on macOS, as far as Linux can show them: a Python of that platform's name without what Linux alone has."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLATFORM = '''
"""Executed by each interpreter before anything else: takes away what Python doesn't have on macOS."""

import builtins
import errno
import fcntl
import io
import os
import select
import selectors
import signal
import socket
import sys

sys.platform = "darwin"
selectors.DefaultSelector = selectors.PollSelector  # stands in for that of kqueue
ABSENT = {
    os: """fdatasync memfd_create sendfile splice eventfd pidfd_open copy_file_range posix_fadvise posix_fallocate
        sched_getaffinity sched_setaffinity setns unshare pipe2 getrandom waitid WNOWAIT P_ALL WEXITED O_TMPFILE O_PATH
        O_DIRECT O_NOATIME getresuid setresuid listxattr getxattr setxattr POSIX_SPAWN_CLOSEFROM""",
    fcntl: "F_GETPIPE_SZ F_SETPIPE_SZ F_OFD_SETLK F_NOTIFY F_ADD_SEALS F_SETSIG F_GETSIG",
    select: "epoll",
    signal: "sigwaitinfo sigtimedwait SIGRTMIN SIGPOLL SIGPWR SIGSTKFLT signalfd",
    socket: "SO_PEERCRED AF_NETLINK SO_PASSCRED SOCK_CLOEXEC SOCK_NONBLOCK",
}
for module, names in ABSENT.items():
    for name in names.split():
        for home in (module, sys.modules.get({os: "posix", socket: "_socket"}.get(module, ""), module)):
            home.__dict__.pop(name, None)


def without_proc(function):
    def opened(path, *args, **kwargs):
        if isinstance(path, (str, bytes)) and os.fsdecode(path).startswith("/proc"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return function(path, *args, **kwargs)

    return opened


builtins.open = io.open = without_proc(open)
for name in ("open", "readlink", "listdir", "scandir", "stat", "lstat"):
    setattr(os, name, without_proc(getattr(os, name)))

import ctypes


class Library(ctypes.CDLL):
    def __getattr__(self, name):
        if name in ("prctl", "gettid", "syscall", "malloc_trim"):
            raise AttributeError(name)
        return super().__getattr__(name)


ctypes.CDLL = Library
'''

FLOW = """
import os
import sys

from flow_sdk import FlowSpec, catch, current, retry, step, timeout


class MacFlow(FlowSpec):
    @step
    def start(self):
        assert sys.platform == "darwin" and not hasattr(os, "fdatasync") and not os.path.exists("/proc/self")
        self.parts = [1, 2]
        self.big = os.urandom(40_000_000)
        self.next(self.work, foreach="parts")

    @retry(times=1, minutes_between_retries=0)
    @timeout(seconds=60)
    @step
    def work(self):
        print("part", self.input, flush=True)
        if self.input == 2 and current.retry_count == 0:
            raise ValueError("the first try fails")
        self.process = os.getpid()
        self.next(self.join)

    @step
    def join(self, inputs):
        self.processes = [one.process for one in inputs]
        self.modules = sorted(sys.modules)
        self.next(self.end)

    @catch(var="failure")
    @step
    def end(self):
        if "STOP" in os.environ:
            os._exit(7)
        print("size", len(self.big) if hasattr(self, "big") else 0)


if __name__ == "__main__":
    MacFlow()
"""

READ = """
import json, sys
from flow_sdk import Flow, metadata, namespace

metadata(sys.argv[1])
namespace(None)
run = Flow("MacFlow").latest_run
join = next(iter(run["join"])).data
print(json.dumps([run.id, run.state, join.processes, join.modules, len(run["start"].task.data.big)]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "platform").mkdir()
    (tmp_path / "platform" / "sitecustomize.py").write_text(PLATFORM)
    (tmp_path / "platform" / "_scproxy.py").write_text("_get_proxies = _get_proxy_settings = dict\n")
    (tmp_path / "mac.py").write_text(FLOW)
    return tmp_path


def call(folder: Path, *words: str, code: int = 0, **more: str) -> str:
    path = os.pathsep.join((str(folder / "platform"), os.environ["PYTHONPATH"]))
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder, env={**os.environ, "PYTHONPATH": path, **more}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr or "the first try fails" in done.stderr, done.stderr
    return done.stdout + done.stderr


def test_a_run_without_what_linux_alone_has(folder: Path) -> None:
    flow = ("mac.py", "--datastore-root", "store")
    call(folder, *flow, "run")
    run, state, processes, modules, size = json.loads(call(folder, "-c", READ, "store").splitlines()[0])
    assert (run, state, size) == ("1", "succeeded", 40_000_000)
    assert len(set(processes)) == 2
    assert "flow_sdk.runtime.task.runner" in modules and "flow_sdk.runtime.local.fork_server_main" not in modules
    assert "part 1" in call(folder, *flow, "logs", "1/work")


def test_a_run_whose_process_was_lost_is_resumed_there(folder: Path) -> None:
    flow = ("mac.py", "--datastore-root", "store")
    (folder / "mac.py").write_text(FLOW.replace('@catch(var="failure")', ""))
    assert "exit code 7" in call(folder, *flow, "run", code=1, STOP="1")
    call(folder, *flow, "resume")
    run, state, *_ = json.loads(call(folder, "-c", READ, "store").splitlines()[0])
    assert (run, state) == ("2", "succeeded")


def test_tasks_are_spawned_where_no_isolation_was_chosen(folder: Path) -> None:
    code = """
from flow_sdk.runtime.local.driver import RunOptions
print(RunOptions("", "", "").isolation)
"""
    assert call(folder, "-c", code).strip() == "spawn"
    assert call(folder, "-S", "-c", code).strip() == "fork"
