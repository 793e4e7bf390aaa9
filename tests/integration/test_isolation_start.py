"""What a task begins with, and what of the flow file it executes: as in `python flow.py`."""

import json
import sys
from pathlib import Path

import pytest

from tests.integration.fresh_flows import ISOLATIONS, Folder, data_of

BEGINS = """
import os, signal, sys
from flow_sdk import FlowSpec, step

COUNT = os.environ["COUNT"] = str(int(os.environ.get("COUNT", "0")) + 1)
os.makedirs("below", exist_ok=True)
os.chdir("below")
sys.path.append("added")
READY = "random" in sys.modules


class Begins(FlowSpec):
    @step
    def start(self):
        self.facts = {
            "count": COUNT,
            "folder": os.getcwd(),
            "argv": sys.argv,
            "path": sys.path,
            "flags": [sys.flags.optimize, sys.flags.dev_mode, sys.warnoptions, sys._xoptions, __debug__],
            "signals": {name: str(signal.getsignal(getattr(signal, name))) for name in SIGNALS},
            "main": [__name__, __file__, __spec__ is None, type(__loader__).__name__, sys.modules["__main__"].COUNT],
            "descriptors": sorted(os.listdir("/proc/self/fd"), key=int)[:3],
            "variables": {n: v for n, v in os.environ.items() if n.startswith("MINE")},
        }
        self.next(self.end)

    @step
    def end(self):
        self.count = COUNT


SIGNALS = ("SIGINT", "SIGTERM", "SIGCHLD", "SIGALRM", "SIGPIPE", "SIGUSR1")

if __name__ == "__main__":
    Begins()
"""


def begins(tmp_path: Path, *words: str, python: tuple[str, ...] = ()) -> dict[str, object]:
    folder = Folder(tmp_path)
    folder.write("flow.py", BEGINS)
    folder.run_well("run", *words, python=python, MINE="1", MINE_EMPTY="", MINE_TEXT="é")
    run = data_of(folder, "Begins/1")
    facts: dict[str, object] = run["start"].task.data.facts
    assert run.data.count == "1"
    return facts


def test_forked_and_spawned_tasks_begin_alike(tmp_path: Path) -> None:
    python = ("-O", "-W", "ignore::DeprecationWarning", "-X", "dev")
    forked, spawned = (begins(tmp_path / kind, "--isolation", kind, python=python) for kind in ISOLATIONS)
    for facts, kind in ((forked, "fork"), (spawned, "spawn")):
        place = str(tmp_path / kind)
        assert facts["count"] == "1", "the file begins with the variables that the run began with"
        assert facts["folder"] == f"{place}/below"
        assert facts["argv"] == [f"{place}/flow.py", "step", "start", "--run-id", "1", "--task-id", "0"]
        assert facts["main"] == ["__main__", f"{place}/flow.py", True, "SourceFileLoader", "1"]
        assert facts["variables"] == {"MINE": "1", "MINE_EMPTY": "", "MINE_TEXT": "é"}
        facts["path"] = [entry.replace(place, "") for entry in facts["path"]]  # type: ignore[attr-defined]
    for name in ("path", "flags", "signals", "descriptors"):
        assert forked[name] == spawned[name], name
    assert forked["path"][0] == "" and forked["path"][-1] == "added"  # type: ignore[index]


ONCE = """
import os
from flow_sdk import Config, FlowSpec, JSONType, Parameter, step


def note(what):
    with open("called.txt", "a") as file:
        file.write(what + "\\n")


def default(context):
    note("default")
    return 4


def parse(text):
    note("parser")
    return {"number": int(text)}


class Once(FlowSpec):
    size = Parameter("size", default=default, type=int)
    setup = Config("setup", default_value="3", parser=parse)
    CONSTANT = os.urandom(4).hex()

    @step
    def start(self):
        self.items = [1, 2, 3]
        self.next(self.use, foreach="items")

    @step
    def use(self):
        self.found = (self.size, self.setup.number, self.CONSTANT)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.all = [task.found for task in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Once()
"""


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_default_functions_and_parsers_are_called_once(tmp_path: Path, isolation: str) -> None:
    folder = Folder(tmp_path)
    folder.write("flow.py", ONCE)
    folder.run_well("run", "--isolation", isolation)
    assert (tmp_path / "called.txt").read_text().split() == ["parser", "default"]
    found = data_of(folder, "Once/1")["join"].task.data.all
    assert found == [(4, 3, found[0][2])] * 3


GUARDED = """
import os, sys
from flow_sdk import FlowSpec, step

print("imported as", __name__)


class Guarded(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


{guard}
"""

GUARDS = {
    "something before": ("print('prepared')\n    Guarded()\n    print('never')", ["prepared"]),
    "arguments decide": ("if len(sys.argv) > 1:\n        Guarded()\n    else:\n        os._exit(3)", []),
    "the task isn't meant": (
        "if 'run' in sys.argv:\n        Guarded()\n    print('done otherwise')",
        ["done otherwise"],
    ),
    "another flow": ("class Other(FlowSpec):\n        pass\n    Guarded() if 'run' in sys.argv else Other()", []),
}


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("how", GUARDS)
def test_a_task_executes_the_main_guard_up_to_the_flow(tmp_path: Path, isolation: str, how: str) -> None:
    guard, printed = GUARDS[how]
    folder = Folder(tmp_path)
    folder.write("flow.py", GUARDED.format(guard=f'if __name__ == "__main__":\n    {guard}'))
    folder.run_well("run", "--isolation", isolation)
    for step in data_of(folder, "Guarded/1"):
        assert step.task.stdout.splitlines() == ["imported as __main__", *printed]


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_file_that_fails_in_the_task_is_a_failed_attempt_with_its_log(tmp_path: Path, isolation: str) -> None:
    folder = Folder(tmp_path)
    guard = "if 'step' in sys.argv:\n    raise KeyError('not here')\nif __name__ == '__main__':\n    Guarded()"
    folder.write("flow.py", GUARDED.format(guard=guard))
    done = folder.run("run", "--isolation", isolation)
    assert done.returncode == 1 and "bug in Flow SDK" not in done.stderr
    task = data_of(folder, "Guarded/1")["start"].task
    assert "KeyError: 'not here'" in task.stderr and "flow_sdk/runtime" not in task.stderr
    assert not task.successful
    end = json.loads((folder.store / "flows/Guarded/runs/1/end.json").read_text())
    assert end["reason"] == "start/0: KeyError: 'not here'"


def test_a_file_that_ends_by_itself_in_the_task_says_so(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    guard = "if 'run' not in sys.argv:\n    sys.exit(2)\nif __name__ == '__main__':\n    Guarded()"
    folder.write("flow.py", GUARDED.format(guard=guard))
    done = folder.run()
    assert done.returncode == 1 and "The flow file ended before it came to Guarded()" in done.stderr


PACKAGED = """
from flow_sdk import FlowSpec, step
from . import near


class Packaged(FlowSpec):
    @step
    def start(self):
        from .near import VALUE
        self.found = (near.VALUE, VALUE, near.__name__, __name__)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Packaged()
"""


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("how", ["python -m", "imported"])
def test_a_flow_in_a_package_runs(tmp_path: Path, isolation: str, how: str) -> None:
    folder = Folder(tmp_path)
    folder.write("parts/__init__.py", "")
    folder.write("parts/near.py", "VALUE = 5\n")
    folder.write("parts/flow.py", PACKAGED)
    folder.write("main.py", "from parts.flow import Packaged\nPackaged()\n")
    words = ("run", "--isolation", isolation)
    if how == "python -m":
        folder.run_well(*words, flow="parts.flow", python=("-m",))
    else:
        folder.run_well(*words, flow="main.py")
    name = "__main__" if how == "python -m" else "parts.flow"
    assert data_of(folder, "Packaged/1")["start"].task.data.found == (5, 5, "parts.near", name)


def test_a_setting_chooses_the_isolation(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    text = GUARDED.format(guard="if __name__ == '__main__':\n    Guarded()")
    # The parent of a forked task isn't the process that runs the flow.
    body = "self.forked = os.environ['RUN_PID'] != str(os.getppid())\n        self.next(self.end)"
    folder.write("flow.py", text.replace("self.next(self.end)", body))
    folder.write(
        "start.py", "import os, sys\nos.environ['RUN_PID'] = str(os.getpid())\nos.execv(sys.argv[1], sys.argv[1:])\n"
    )
    chosen = (("spawn", (), False), ("fork", (), True), ("fork", ("--isolation", "spawn"), False))
    for number, (setting, words, forked) in enumerate(chosen, 1):
        folder.run_well("run", *words, python=("start.py", sys.executable), FLOW_SDK_ISOLATION=setting)
        assert data_of(folder, f"Guarded/{number}").data.forked == forked
    done = folder.run(FLOW_SDK_ISOLATION="warm")
    assert done.returncode == 2 and "FLOW_SDK_ISOLATION" in done.stderr and "fork or spawn" in done.stderr


def test_a_changed_flow_file_is_the_same_for_all_tasks_of_a_run(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    text = GUARDED.format(guard="VERSION = 1\nif __name__ == '__main__':\n    Guarded()")
    edit = "open(__file__, 'a').write('\\nraise SystemError\\n'); self.version = VERSION\n        self.next(self.end)"
    folder.write("flow.py", text.replace("self.next(self.end)", edit))
    folder.run_well("run", "--isolation", "fork")
    assert data_of(folder, "Guarded/1").data.version == 1
