"""How a task's process ends: as a Python process does, after the commit, which nothing of it can undo."""

import bz2
import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.integration.fresh_flows import ISOLATIONS, Folder, data_of

LEAVES = """
import atexit, ctypes, gzip, sys, threading, time
from flow_sdk import FlowSpec, step

NOTES = open("notes.log", "a")
PACKED = gzip.open("packed.gz", "at")
atexit.register(print, "registered at import")


class Farewell:
    def __del__(self):
        print("deleted")


FAREWELL = Farewell()


def late():
    time.sleep(0.3)
    print("a thread's last words")
    NOTES.write("a thread's line\\n")


class Leaves(FlowSpec):
    @step
    def start(self):
        NOTES.write("the step's line\\n")
        PACKED.write("packed\\n")
        atexit.register(print, "registered in the step")
        threading.Thread(target=late).start()
        ctypes.CDLL(None).printf(b"from C\\n")
        self.value = 1
        self.next(self.end)

    @step
    def end(self):
        with open("notes.log") as file:
            self.notes = file.read()
        with gzip.open("packed.gz", "rt") as file:
            self.packed = file.read()


if __name__ == "__main__":
    Leaves()
"""


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_what_open_files_hold_is_written_and_what_the_end_prints_is_logged(tmp_path: Path, isolation: str) -> None:
    folder = Folder(tmp_path)
    folder.write("flow.py", LEAVES)
    folder.run_well("run", "--isolation", isolation)
    run = data_of(folder, "Leaves/1")
    assert run.data.notes == "the step's line\na thread's line\n"
    assert run.data.packed == "packed\n"
    with gzip.open(tmp_path / "packed.gz", "rt") as file:
        assert file.read() == "packed\n"
    said = run["start"].task.stdout.splitlines()
    expected = ["a thread's last words", "registered in the step", "registered at import", "deleted"]
    assert [line for line in said if line != "from C"] == expected
    assert "from C" in said


DISTURBED = """
import atexit, os, sys, signal, threading, time
from flow_sdk import FlowSpec, step, timeout


class Disturbed(FlowSpec):
    @timeout(seconds=2)
    @step
    def start(self):
        self.value = 1
        {body}
        self.next(self.end)

    @step
    def end(self):
        self.found = self.value


if __name__ == "__main__":
    import flow_sdk.runtime.task.process_end, flow_sdk.runtime.task.runner
    flow_sdk.runtime.task.process_end.LEAST_SECONDS = flow_sdk.runtime.task.runner.LEAST_SECONDS = 0.5
    Disturbed()
"""

ENDS = {
    "an exception": ("atexit.register(lambda: 1 / 0)", "ZeroDivisionError"),
    "sys.exit": ("atexit.register(sys.exit, 3)", ""),
    "os._exit": ("atexit.register(os._exit, 3)", ""),
    "a kill": ("atexit.register(os.kill, os.getpid(), signal.SIGKILL)", ""),
    "a change": ("atexit.register(setattr, self, 'value', 2)", ""),
    "a function that hangs": ("atexit.register(time.sleep, 600)", "an exit function runs"),
    "a thread that hangs": (
        "threading.Thread(target=time.sleep, args=(600,), name='sleeper').start()",
        "it waits for the thread sleeper",
    ),
    "a closed standard output": ("atexit.register(sys.stdout.close)", ""),
    "a changed folder": ("os.makedirs('gone'); os.chdir('gone'); atexit.register(os.rmdir, os.getcwd())", ""),
}


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("how", ENDS)
def test_nothing_of_the_end_changes_the_result(tmp_path: Path, isolation: str, how: str) -> None:
    body, said = ENDS[how]
    folder = Folder(tmp_path)
    folder.write("flow.py", DISTURBED.format(body=body))
    folder.run_well("run", "--isolation", isolation)
    run = data_of(folder, "Disturbed/1")
    assert run.successful and run.data.found == 1
    start = run["start"].task
    assert said in start.stderr and len(list(start)) > 0
    attempts = [path for path in (folder.store / "flows/Disturbed/runs/1/steps/start/0").iterdir() if path.is_dir()]
    assert len(attempts) == 1


FORKS = """
import os, sys, threading
from flow_sdk import FlowSpec, catch, current, retry, step


class Forks(FlowSpec):
    {decorator}
    @step
    def start(self):
        child = os.fork()
        if child == 0:
            {end}
        self.status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        self.answer = 42
        self.next(self.end)

    @step
    def end(self):
        self.found = (self.answer, self.status)


if __name__ == "__main__":
    Forks()
"""

CHILDREN = {
    "sys.exit(0)": 0,
    "sys.exit(7)": 7,
    "sys.exit('a message')": 1,
    "raise ValueError('in the child')": 1,
    "self.answer = 1; self.next(self.end); return": 0,
    "os._exit(5)": 5,
    "os.abort()": -6,
    "threading.Thread(target=print, args=('thread',)).start(); sys.exit(3)": 3,
}


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("end", CHILDREN)
def test_a_process_that_the_step_forks_is_not_the_step(tmp_path: Path, isolation: str, end: str) -> None:
    folder = Folder(tmp_path)
    folder.write("flow.py", FORKS.format(end=end, decorator="@catch(var='failure')"))
    done = folder.run_well("run", "--isolation", isolation)
    run = data_of(folder, "Forks/1")
    assert run.data.found == (42, CHILDREN[end])
    assert run["start"].task.data.failure is None and "failed" not in done.stderr
    assert ("ValueError: in the child" in run["start"].task.stderr) == ("ValueError" in end)
    assert ("a message" in run["start"].task.stderr) == ("message" in end)


REPORTS = """
import json, os, subprocess, sys, time
from flow_sdk import FlowSpec, retry, step


def pipes():
    for name in os.listdir("/proc/self/fd"):
        try:
            if int(name) > 2 and os.readlink(f"/proc/self/fd/{name}").startswith("pipe:"):
                yield int(name)
        except OSError:
            pass


class Reports(FlowSpec):
    @step
    def start(self):
        inherited = subprocess.run(["ls", "-l", "/proc/self/fd"], capture_output=True, text=True, close_fds=False)
        self.inherited = [line for line in inherited.stdout.splitlines() if "pipe:" in line]
        for fd in pipes():
            for line in GARBAGE:
                os.write(fd, line + b"\\n")
        FORGED
        self.next(self.end)

    @step
    def end(self):
        pass


GARBAGE = [b"\\xff\\x00", b"{", b"[]", b"null", b'{"ok": true}', b'{"ok": "yes", "next": 3}', b'{"running": "x"}',
           b'{"running": 1e999}', b'{"attempt": -1}', b'{"attempt": true}', b"[" * 10_000, b"9" * 5000,
           b'{"error": 1}', b'{"ok": true, "next": ["nowhere"], "count": "many"}']

if __name__ == "__main__":
    Reports()
"""


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_garbage_on_the_pipe_for_reports_ends_no_run(tmp_path: Path, isolation: str) -> None:
    folder = Folder(tmp_path)
    folder.write("flow.py", REPORTS.replace("FORGED", "pass"))
    done = folder.run_well("run", "--isolation", isolation)
    assert done.stderr.count("start/0: something else than its own report was written to the pipe") == 1
    # stdout, stderr and ls's own pipe: none is the one for reports
    assert len(data_of(folder, "Reports/1")["start"].task.data.inherited) <= 2


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_forged_report_is_believed_only_if_the_store_has_the_commit(tmp_path: Path, isolation: str) -> None:
    folder = Folder(tmp_path)
    forged = '[os.write(fd, b\'{"ok": true, "next": ["end"]}\\n\') for fd in pipes()]; os._exit(0)'
    folder.write("flow.py", REPORTS.replace("FORGED", forged))
    done = folder.run("run", "--isolation", isolation)
    assert done.returncode == 1 and "bug in Flow SDK" not in done.stderr
    end: Any = json.loads((folder.store / "flows/Reports/runs/1/end.json").read_text())
    assert end["state"] == "failed" and "exit code 0 and no result" in end["reason"]


KEEPER = """
import functools, threading

KEEP = []
LOCAL = threading.local()


@functools.lru_cache
def call(function):
    return function()
"""

KEPT = """
import bz2, functools, gzip, io, os, tarfile, threading, time, zipfile
import keeper
from flow_sdk import FlowSpec, step

PREFIX = "deleted"


class Journal:
    def __init__(self, name, *held):
        self.name, self.held = name, held

    def __del__(self):
        print(PREFIX, self.name, flush=True)
        for file in self.held:
            file.write("the journal's line\\n")
        if self.name == "broken":
            raise OSError("no journal")


class Raw(io.RawIOBase):
    def __init__(self):
        self.file = open("raw.log", "wb", buffering=0)

    def writable(self):
        return True

    def write(self, data):
        return self.file.write(data)

    def close(self):
        if not self.closed:
            self.file.write(b"closed")
        super().close()


def lines():
    try:
        yield
    finally:
        print(PREFIX, "generator", flush=True)


@functools.lru_cache
def cached():
    return Journal("in a cache")


at_module_level = Journal("at module level")
_private = Journal("private")


class Kept(FlowSpec):
    @step
    def start(self):
        archive = zipfile.ZipFile("a.zip", "w")
        archive.writestr("x", "zipped")
        packed, packed_text, squeezed = gzip.open("b.gz", "wb"), gzip.open("t.gz", "wt"), bz2.open("c.bz2", "wb")
        packed.write(b"packed")
        squeezed.write(b"squeezed")
        keeper.KEEP += [packed, archive, Journal("in a list", packed_text)]
        keeper.LOCAL.file = squeezed
        keeper.call(lambda: Journal("in an installed module's cache"))
        keeper.KEEP.append(Journal("broken"))
        keeper.KEEP.append({"raw": io.TextIOWrapper(io.BufferedWriter(Raw()))})
        keeper.KEEP[-1]["raw"].write("text ")
        cycle = [Journal("in a cycle")]
        cycle.append(cycle)
        keeper.KEEP.append(cycle)
        cached()
        generator = lines()
        next(generator)
        keeper.KEEP.append(generator)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Kept()
"""


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_what_an_installed_module_holds_is_finalized_as_well(tmp_path: Path, isolation: str) -> None:
    folder = Folder(tmp_path)
    folder.install("keeper.py", KEEPER)
    folder.write("flow.py", KEPT)
    folder.run_well("run", "--isolation", isolation)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read("x") == b"zipped"
    with gzip.open(tmp_path / "b.gz") as file:
        assert file.read() == b"packed"
    with gzip.open(tmp_path / "t.gz", "rt") as text:
        assert text.read() == "the journal's line\n"
    with bz2.open(tmp_path / "c.bz2") as squeezed:
        assert squeezed.read() == b"squeezed"
    assert (tmp_path / "raw.log").read_text() == "text closed"
    start = data_of(folder, "Kept/1")["start"].task
    names = ["at module level", "broken", "generator", "in a cache", "in a cycle", "in a list"]
    names += ["in an installed module's cache", "private"]
    assert sorted(start.stdout.splitlines()) == [f"deleted {name}" for name in names]
    assert start.stderr.count("OSError: no journal") == 1 and start.stderr.count("Traceback") == 1


DAEMON = """
import os, sys, threading
from flow_sdk import FlowSpec, step


class Journal:
    def __del__(self):
        print("deleted", flush=True)


class Output:
    def write(self, text):
        return sys.__stdout__.write(text.upper())

    def flush(self):
        sys.__stdout__.flush()


def wait(begun):
    journal = Journal()
    begun.set()
    threading.Event().wait()


class Daemon(FlowSpec):
    @step
    def start(self):
        begun = threading.Event()
        threading.Thread(target=wait, args=(begun,), daemon=True).start()
        begun.wait()
        self.main = (threading.main_thread().native_id, threading.get_native_id(), os.getpid())
        sys.stdout = Output()
        print("replaced")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Daemon()
"""


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_what_a_daemon_thread_uses_is_left_alone(tmp_path: Path, isolation: str) -> None:
    folder = Folder(tmp_path)
    folder.write("flow.py", DAEMON)
    folder.run_well("run", "--isolation", isolation)
    start = data_of(folder, "Daemon/1")["start"].task
    assert (start.stdout, start.stderr) == ("REPLACED\n", "")


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_the_main_thread_has_the_id_of_its_process(tmp_path: Path, isolation: str) -> None:
    folder = Folder(tmp_path)
    folder.write("flow.py", DAEMON)
    folder.run_well("run", "--isolation", isolation)
    main, own, process = data_of(folder, "Daemon/1")["start"].task.data.main
    assert main == own == process


WRAPPED = """
import io, logging, sys
from flow_sdk import FlowSpec, step


class Wrapped(FlowSpec):
    @step
    def start(self):
        logging.warning("logged")
        streams = sys.stdout, sys.stderr
        self.streams = [
            (each.seekable(), each.buffer.seekable(), each.name, each.buffer.name, each.mode, each.encoding,
             each.errors, each.line_buffering, each.write_through, each.newlines, each.fileno(), each.isatty(),
             type(each.buffer))
            for each in streams
        ]
        sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="latin-1")
        print("\\u00e4")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Wrapped()
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_step_can_wrap_the_standard_output(tmp_path: Path, unbuffered: str) -> None:
    folder = Folder(tmp_path)
    folder.write("flow.py", WRAPPED)
    streams = []
    for number, isolation in enumerate(ISOLATIONS, 1):
        folder.run_well("run", "--isolation", isolation, PYTHONUNBUFFERED=unbuffered)
        start = data_of(folder, f"Wrapped/{number}")["start"].task
        assert start.stderr == "WARNING:root:logged\n" and start.stdout in ("\u00e4\n", "\ufffd\n")
        streams.append(start.data.streams)
    assert streams[0] == streams[1]
