"""Importing packages before a fork gives what importing them in a task does."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.integration.fresh_flows import ISOLATIONS, Folder, data_of

FLOW = """
{first}
from flow_sdk import FlowSpec, step
{imports}


class Imports(FlowSpec):
    @step
    def start(self):
        self.items = [1, 2]
        self.next(self.use, foreach="items")

    @step
    def use(self):
        import gc, multiprocessing, os, sys, threading
        self.found = {found}
        self.next(self.join)

    @step
    def join(self, inputs):
        self.all = [task.found for task in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Imports()
"""


def found(tmp_path: Path, isolation: str, imports: str, expression: str, first: str = "", **how: Any) -> Any:
    folder = Folder(tmp_path / isolation)
    folder.write("flow.py", FLOW.format(imports=imports, found=expression, first=first))
    folder.install(
        "reads.py", "import os, sys\nMODE, FOLDER, ARGV = os.environ.get('MODE'), os.getcwd(), sys.argv[0]\n"
    )
    folder.install("sets.py", "import os\nos.environ['SET'] = 'set'\nos.environ.setdefault('MODE', 'default')\n")
    folder.install("moves.py", "import os\nos.makedirs('there', exist_ok=True)\nos.chdir('there')\n")
    folder.install("shared.py", "import mmap\nPAGE = mmap.mmap(-1, 8)\n")
    folder.install("named.py", "import os\nOWNER = os.getpid()\n")
    folder.install("collects.py", "import gc\ngc.disable()\n")
    folder.install("copies.py", "from json import dumps\n")
    (folder.path / "below").mkdir()
    folder.run_well("run", "--isolation", isolation, **how)
    return data_of(folder, "Imports/1")["join"].task.data.all


NOW = "import os\nos.environ['MODE'] = 'changed'\nos.chdir('below')\n"
READ = "(reads.MODE, os.path.basename(reads.FOLDER), os.path.basename(reads.ARGV))"
CASES: dict[str, tuple[str, str, str, object]] = {
    "changed after it": ("", "import reads\n" + NOW, READ, (None, "{isolation}", "flow.py")),
    "changed before it": ("", NOW + "import reads", READ, ("changed", "below", "flow.py")),
    "changed before the SDK": (NOW, "import reads", READ, ("changed", "below", "flow.py")),
    "counted before the SDK": (
        "import os\nos.environ['COUNT'] = os.environ.get('COUNT', '') + '1'\nos.chdir('below')\n",
        "",
        "(os.environ['COUNT'], os.path.basename(os.getcwd()))",
        ("1", "below"),
    ),
    "kept by a package": ("", "import sets", "(os.environ['SET'], os.environ['MODE'])", ("set", "default")),
    "set by another package": ("", "import sets, reads", READ, ("default", "{isolation}", "flow.py")),
    "moved by a package": ("", "import moves, reads", READ, (None, "there", "flow.py")),
    "memory": ("", "import shared", "shared.PAGE.write_byte(shared.PAGE[0] + 1) or shared.PAGE[0]", 1),
    "process id": ("", "import named", "named.OWNER == os.getpid()", True),
    "thread id": ("", "", "threading.main_thread().native_id == os.getpid()", True),
    "garbage collection": ("", "import collects", "gc.isenabled()", False),
    "a patch": (
        "",
        "import json\nreal = json.dumps\njson.dumps = len\nimport copies\njson.dumps = real",
        "copies.dumps is len",
        True,
    ),
}


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("case", CASES)
def test_a_package_finds_what_it_finds_in_a_fresh_interpreter(tmp_path: Path, isolation: str, case: str) -> None:
    first, imports, expression, expected = CASES[case]
    if isinstance(expected, tuple):
        expected = tuple(isolation if part == "{isolation}" else part for part in expected)
    assert found(tmp_path, isolation, imports, expression, first) == [expected] * 2


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_every_task_has_a_key_of_its_own(tmp_path: Path, isolation: str) -> None:
    expression = "hash(bytes(multiprocessing.current_process().authkey))"
    keys = found(tmp_path, isolation, "import multiprocessing", expression, PYTHONHASHSEED="1")
    assert len(set(keys)) == 2


HELPER = "import logging\nimport numpy as np\nLOG = logging.getLogger(__name__)\n"
USUAL = "import numpy as np\nimport pandas as pd\nimport helper\nfrom sklearn.linear_model import LinearRegression\n"


def test_libraries_of_a_usual_flow_are_imported_before_the_fork(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("pandas")
    folder = Folder(tmp_path)
    # In a forked task they were loaded before the file began.
    ready = "import sys\nREADY = [n for n in ('numpy', 'pandas', 'sklearn.linear_model') if n in sys.modules]\n"
    effect = "READY += [LinearRegression.__name__]\n"
    folder.write("flow.py", FLOW.format(first=ready, imports=USUAL + effect, found="READY"))
    folder.write("helper.py", HELPER)
    done = folder.run_well("run", "--isolation", "fork")
    assert "by itself" not in done.stderr
    expected = ["numpy", "pandas", "sklearn.linear_model", "LinearRegression"]
    assert data_of(folder, "Imports/1")["join"].task.data.all == [expected] * 2


@pytest.mark.parametrize("how", ["absolute", "relative", "python -m", "python -c"])
def test_the_folder_that_the_program_began_in(tmp_path: Path, how: str) -> None:
    folder = Folder(tmp_path)
    first = "import os\nos.chdir('below')\n" if how != "absolute" else ""
    text = FLOW.format(first=first, imports="", found="os.path.basename(os.getcwd())")
    folder.write("parts/flow.py", text)
    folder.write("parts/__init__.py", "")
    (tmp_path / "below").mkdir()
    if how == "python -m":
        folder.run_well(flow="parts.flow", python=("-X", "dev", "-m"))
    elif how == "python -c":
        launch = "import os, runpy, sys; sys.argv = ['flow.py', *sys.argv[2:]]; os.environ['A'] = '1'"
        path = str(tmp_path / "parts" / "flow.py")
        folder.write("parts/flow.py", text.replace("os.chdir('below')", "assert os.environ['A'] == '1'"))
        folder.run_well(flow="flow.py", python=("-c", f"{launch}; runpy.run_path({path!r}, run_name='__main__')"))
    else:
        path = "./parts/../parts/flow.py" if how == "relative" else str(tmp_path / "parts/flow.py")
        folder.run_well(flow=path)
    expected = os.path.basename(tmp_path) if how in ("absolute", "python -c") else "below"
    assert data_of(folder, "Imports/1")["join"].task.data.all == [expected] * 2
