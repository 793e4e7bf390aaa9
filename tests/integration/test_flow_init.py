"""A flow class with an ``__init__`` of its own: it runs in every task, and the flow starts with and without super()."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flow_sdk.client import Run, metadata, namespace

FLOW = """
import os
from flow_sdk import FlowSpec, Parameter, step

class Base({beside}):
{base}

class Made(Base{after}):
    alpha = Parameter("alpha", default=2)
{init}

    @step
    def start(self):
        self.words["b"] = self.alpha
        self.seen = dict(self.words)
        self.next(self.fit, foreach="items")

    @step
    def fit(self):
        self.words["c"] = self.input
        self.made_in = os.getpid()
        self.next(self.join)

    @step
    def join(self, inputs):
        self.merge_artifacts(inputs, include=["seen"])
        self.pids = [i.made_in for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        print("words are", self.words, "items", self.items)

if __name__ == "__main__":
    Made({arguments})
"""

STATE = '        self.words = {"a": 1}\n        self.items = [1, 2]\n'
FORMS = {
    "super last": ("    pass", f"    def __init__(self):\n{STATE}        super().__init__()", ""),
    "no super": ("    pass", f"    def __init__(self):\n{STATE}", ""),
    "use_cli": (
        "    pass",
        f"    def __init__(self, use_cli=True):\n{STATE}        super().__init__(use_cli=use_cli)",
        "",
    ),
    "arguments": (
        "    pass",
        "    def __init__(self, words, *, items):\n        self.words, self.items = dict(words), items\n"
        "        super().__init__()",
        '{"a": 1}, items=[1, 2]',
    ),
    "inherited": (f"    def __init__(self):\n{STATE}", "", ""),
    "mixin": (f"    def __init__(self):\n{STATE}", "", ""),
    "both": (
        f"    def __init__(self):\n{STATE}        super().__init__()",
        "    def __init__(self):\n        super().__init__()",
        "",
    ),
}


def write_flow(folder: Path, base: str, init: str, arguments: str = "", *, is_mixin: bool = False) -> None:
    beside, after = ("object", ", FlowSpec") if is_mixin else ("FlowSpec", "")
    text = FLOW.format(base=base, init=init, arguments=arguments, beside=beside, after=after)
    (folder / "made.py").write_text(text)


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "made.py", "--datastore-root", str(folder / "store"), *words],
        cwd=folder,
        env={**os.environ, "FLOW_SDK_USER": "ada"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_runs_and_its_state_is_fresh_in_each_task(tmp_path: Path, form: str, isolation: str) -> None:
    base, init, arguments = FORMS[form]
    write_flow(tmp_path, base, init, arguments, is_mixin=form == "mixin")
    done = call(tmp_path, "run", "--isolation", isolation)
    assert done.returncode == 0, done.stderr
    assert "words are {'a': 1} items [1, 2]" in done.stdout
    metadata(str(tmp_path / "store"))
    namespace(None)
    run = Run("Made/1")
    assert run["start"].task.data.words == {"a": 1, "b": 2} == run.data.seen
    assert sorted(task.data.words["c"] for task in run["fit"]) == [1, 2]
    assert run.data.words == {"a": 1}
    assert len(set(run.data.pids)) == 2


def test_an_init_that_raises_fails_the_task_with_its_traceback(tmp_path: Path) -> None:
    init = """    def __init__(self):
        super().__init__(use_cli=False)
        self.words, self.items = {}, os.environ["NOT" "THERE"]
"""
    write_flow(tmp_path, "    pass", init)
    file = tmp_path / "made.py"
    file.write_text(file.read_text().replace("    Made()", "    FlowSpec.__init__(Made.__new__(Made))"))
    done = call(tmp_path, "run")
    assert done.returncode == 1
    assert "KeyError: 'NOTTHERE'" in done.stdout + done.stderr and "bug in Flow SDK" not in done.stderr
    metadata(str(tmp_path / "store"))
    namespace(None)
    task = Run("Made/1")["start"].task
    assert not task.successful and "KeyError" in str(task.exception)


def test_an_init_that_asks_for_no_command_line_gets_none(tmp_path: Path) -> None:
    init = f"    def __init__(self):\n        super().__init__(use_cli=False)\n{STATE}"
    write_flow(tmp_path, "    pass", init)
    with (tmp_path / "made.py").open("a") as file:
        file.write("    print('made')\n")
    done = call(tmp_path, "run")
    assert (done.returncode, done.stdout) == (0, "made\n"), done.stderr


ONCE = """
import os
from flow_sdk import FlowSpec, catch, step

def log(word):
    with open("log.txt", "a") as file:
        file.write(f"{os.getpid()} {word}\\n")

class Once(FlowSpec):
    def __init__(self, *arguments, **named):
        log("before")
        self.early = 1
        super().__init__(*arguments, **named)
        log("after")
        self.late = 2

    @catch(var="failure", print_exception=False)
    @step
    def start(self):
        assert (self.early, self.late) == (1, 2)
        log("start")
        if os.environ.get("END") == "exception":
            raise ValueError
        if os.environ.get("END") == "process":
            os._exit(1)
        self.next(self.end)

    @step
    def end(self):
        log("end")

if __name__ == "__main__":
    Once()
"""


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
@pytest.mark.parametrize("end", ["", "exception", "process"])
def test_an_init_runs_once_in_each_task(
    tmp_path: Path, isolation: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "made.py").write_text(ONCE)
    monkeypatch.setenv("END", end)
    done = call(tmp_path, "run", "--isolation", isolation)
    assert done.returncode == 0, done.stderr
    said: dict[str, list[str]] = {}
    for line in (tmp_path / "log.txt").read_text().splitlines():
        said.setdefault(line.split()[0], []).append(line.split()[1])
    first = [["before", "after", "start"], *([["before", "after"]] if end == "process" else [])]
    assert list(said.values()) == [["before"], *first, ["before", "after", "end"]]


def test_what_an_init_raises_after_super_is_the_failure_of_the_task(tmp_path: Path) -> None:
    init = (
        f"    def __init__(self):\n        super().__init__()\n{STATE}        print('once')\n        raise KeyError(1)"
    )
    write_flow(tmp_path, "    pass", init)
    done = call(tmp_path, "run")
    assert done.returncode == 1 and done.stdout.count("once") == 1
    metadata(str(tmp_path / "store"))
    namespace(None)
    assert "KeyError" in str(Run("Made/1")["start"].task.exception)
