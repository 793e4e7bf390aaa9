"""Flows of a notebook's cell."""

import asyncio
import gc
import linecache
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flow_sdk import NBDeployer, NBRunner
from flow_sdk.errors import UsageError
from flow_sdk.programmatic.notebook import flow_file_text

pytestmark = pytest.mark.slow  # starts processes or servers

CELL = '''
"""A cell."""
import math
from flow_sdk import FlowSpec, NBRunner, Parameter, project, step

FACTOR = 2
get_ipython().run_line_magic("matplotlib", "inline")
out = get_ipython().getoutput("ls")
print(out)


def scaled(x):
    return math.floor(x) * FACTOR


@project(name="cells")
class CellFlow(FlowSpec):
    text = Parameter("text", default="""two
lines""")
    count = Parameter("count", default=1)

    @step
    def start(self):
        self.result = scaled(self.count + 0.5)
        self.next(self.end)

    @step
    def end(self):
        print("result", self.result)


runs = [NBRunner(CellFlow).nbrun()] if False else NBRunner
first = runs
if __name__ == "__main__":
    CellFlow()
'''


class Notebook:
    """Stands in for IPython in a cell that only asks it for lines."""

    def run_line_magic(self, *words: str) -> None:
        pass

    def getoutput(self, line: str) -> list[str]:
        return [line]


def cell(text: str = CELL, name: str = "<cell 1>") -> dict[str, Any]:
    """Run a cell as a notebook does: its source is known to linecache only."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    scope: dict[str, Any] = {"__name__": "__notebook__", "get_ipython": Notebook}
    exec(compile(text, name, "exec"), scope)
    return scope


def test_a_flow_of_a_cell_runs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    flow = cell()["CellFlow"]
    (tmp_path / "beside.py").write_text("x = 1")
    runner = NBRunner(flow, base_dir=str(tmp_path))
    run = runner.nbrun(count=4, text="a\nb")
    assert run.successful and run.data.result == 8 and run.data.text == "a\nb"
    assert "result 8" in capfd.readouterr().out
    again = runner.nbresume(step_to_rerun="end")
    assert again.origin_pathspec == run.pathspec
    runner.cleanup()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".flow_sdk", "beside.py"]


def test_the_file_of_a_cell_has_what_the_flow_needs() -> None:
    text = flow_file_text(cell()["CellFlow"])
    assert "get_ipython" not in text and "print(out)" not in text and "NBRunner(" not in text and "first" not in text
    assert "@project(name=" in text and "FACTOR = 2" in text and '"""two\nlines"""' in text
    assert text.endswith('if __name__ == "__main__":\n    CellFlow()\n') and text.count("CellFlow()") == 1


def test_a_flow_of_a_cell_is_deployed(tmp_path: Path) -> None:
    flow = cell()["CellFlow"]
    (tmp_path / "dags").mkdir()
    with NBDeployer(flow, show_output=False, base_dir=str(tmp_path), production=True) as deployer:
        deployed = deployer.airflow().create(target="dags")
    assert deployed.name == "cells.prod.CellFlow"
    assert (tmp_path / "dags" / "cells.prod.CellFlow.py").exists()
    assert not list(tmp_path.glob("*.py"))


def test_the_file_of_a_forgotten_runner_goes_with_python(tmp_path: Path) -> None:
    (tmp_path / "mod.py").write_text(
        "from flow_sdk import FlowSpec, step\nclass F(FlowSpec):\n    @step\n    def start(self): self.next(self.end)\n"
        "    @step\n    def end(self): pass\n"
    )
    code = "import glob, mod; from flow_sdk import NBRunner; r = NBRunner(mod.F); print(len(glob.glob('f_*.py')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n" and not list(tmp_path.glob("f_*.py"))


def test_what_is_no_flow_of_a_cell(tmp_path: Path) -> None:
    for wrong in (object, 3, "Flow"):
        with pytest.raises(UsageError, match="isn't a flow"):
            NBRunner(wrong)  # type: ignore[arg-type]
    flow = cell()["CellFlow"]
    linecache.cache.pop("<cell 1>")
    with pytest.raises(UsageError, match="isn't known"):
        NBRunner(flow)
    with pytest.raises(UsageError, match="can't be written"):
        NBRunner(cell()["CellFlow"], base_dir=str(tmp_path / "gone"))


CALLED_IN_A_CELL = """
import sys
from IPython.core.interactiveshell import InteractiveShell
sys.argv = ["ipykernel_launcher.py", "-f", "kernel-0.json"]
sys.path.insert(0, ".")
InteractiveShell.instance().run_cell(sys.stdin.read())
"""
CELL_FLOW = """
from flow_sdk import FlowSpec, step
class CellFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.end)
    @step
    def end(self):
        pass
"""


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        (CELL_FLOW + "CellFlow()", "NBRunner(CellFlow).nbrun()"),
        ("from in_a_file import CellFlow\nCellFlow()", "in_a_file.py').run()"),
    ],
)
def test_a_flow_that_is_called_in_a_cell_says_what_starts_it(cell: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "in_a_file.py").write_text(CELL_FLOW)
    words = [sys.executable, "-c", CALLED_IN_A_CELL]
    done = subprocess.run(words, input=cell, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    shown = done.stdout + done.stderr
    assert hint in shown and "kernel-0.json" not in shown and "There is none in a notebook" in shown


def test_a_flow_that_is_called_at_the_prompt_says_what_starts_it(tmp_path: Path) -> None:
    words = [sys.executable, "-i"]
    lines = CELL_FLOW.replace("class", "\nclass") + "\nCellFlow()\n"
    done = subprocess.run(words, input=lines, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert "Runner('flow.py').run()" in done.stderr


def test_a_failure_of_a_cells_flow_names_no_command_line(tmp_path: Path) -> None:
    cell = CELL_FLOW.replace("pass", "1 / 0") + "from flow_sdk import NBRunner\nNBRunner(CellFlow).nbrun()"
    words = [sys.executable, "-c", CALLED_IN_A_CELL]
    done = subprocess.run(words, input=cell, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    shown = done.stdout + done.stderr
    assert 'print(Task("CellFlow/1/end/1").stderr)' in shown and "python cell" not in shown


def test_a_flow_of_a_cell_is_deployed_in_one_line(tmp_path: Path) -> None:
    flow = cell()["CellFlow"]
    (tmp_path / "dags").mkdir()
    deployed = NBDeployer(flow, False, base_dir=str(tmp_path), production=True).airflow().create(target="dags")
    assert list(tmp_path.glob("cellflow_*.py")), "the deployed flow's commands need the file"
    assert deployed.delete()
    del deployed
    gc.collect()
    assert not list(tmp_path.glob("*.py"))


def test_a_deployed_flow_of_a_cell_has_commands_after_the_cleanup(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    with NBDeployer(cell()["CellFlow"], show_output=False, base_dir=str(tmp_path), production=True) as deployer:
        deployed = deployer.airflow().create(target="dags")
    assert deployed.delete() and not (tmp_path / "dags" / "cells.prod.CellFlow.py").exists()


def test_a_run_of_a_cell_keeps_its_file(tmp_path: Path) -> None:
    async def started() -> list[str]:
        run = await NBRunner(cell()["CellFlow"], False, base_dir=str(tmp_path)).async_run(count=4)
        gc.collect()
        kept = [path.name for path in tmp_path.glob("cellflow_*.py")]
        await run.wait()
        assert run.status == "successful"
        run._process.close_files()
        return kept

    assert asyncio.run(started())
    gc.collect()
    assert not list(tmp_path.glob("cellflow_*.py"))


IMPORTS_ELSEWHERE = """
class CellFlow(FlowSpec):
    @step
    def start(self):
        self.root = helper()
        self.next(self.end)
    @step
    def end(self):
        pass
def helper():
    return math.sqrt(4)
def shown():
    return plot.show()
"""


def test_a_cell_without_its_imports_says_what_it_lacks(tmp_path: Path) -> None:
    import math

    from flow_sdk import FlowSpec, step

    def defined(text: str) -> Any:
        linecache.cache["<cell 2>"] = (len(text), None, text.splitlines(keepends=True), "<cell 2>")
        scope: dict[str, Any] = {"__name__": "__nb__", "FlowSpec": FlowSpec, "step": step, "math": math, "plot": 1}
        exec(compile(text, "<cell 2>", "exec"), scope)
        return scope["CellFlow"]

    for kind in (NBRunner, NBDeployer):
        with pytest.raises(UsageError, match="has to hold its imports, too") as refused:
            kind(defined(IMPORTS_ELSEWHERE), base_dir=str(tmp_path))
        assert "not defined in the cell: FlowSpec, math, step" in str(refused.value)
    assert not list(tmp_path.iterdir())
    flow_file_text(defined("from flow_sdk import FlowSpec, step\nimport math\n" + IMPORTS_ELSEWHERE))
    flow_file_text(defined("from flow_sdk import *\nfrom math import *\n" + IMPORTS_ELSEWHERE))
