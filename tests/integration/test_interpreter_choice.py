"""A decorator of Flow SDK that has its step run by another interpreter, as one for packages does."""

import ast
import sys
import venv
from pathlib import Path

import pytest

from tests.support.package_copy import PackageCopy

DECORATOR = '''"""``@python``: the interpreter of a step."""

from __future__ import annotations

from flow_sdk.authoring.decorator import StepDecorator, declare_step_decorator


class PythonDecorator(StepDecorator):
    name = "python"

    def choose_interpreter(self):
        if self.path == "fails":
            raise RuntimeError("no packages today")
        return self.path or None


@declare_step_decorator(PythonDecorator)
def python(*, path: str = "") -> None:
    """Run a step with another interpreter."""
'''

FLOW = """import sys

from flow_sdk import FlowSpec, current, environment, python, retry, step, timeout


class Chosen(FlowSpec):
    @python
    @step
    def start(self):
        self.interpreters = {"start": sys.executable}
        self.items = [1, 2]
        self.next(self.work, foreach="items")

    @environment(vars={"A": "b"})
    @timeout(minutes=1)
    @retry(times=1, minutes_between_retries=0)
    @python(path="OTHER")
    @step
    def work(self):
        import os
        assert os.environ["A"] == "b" and "FLOW_SDK_TASK_INTERPRETER" not in os.environ
        assert sys.stdin.read() == ""
        if current.retry_count == 0:
            raise ValueError("try again")
        self.interpreters["work"] = sys.executable
        self.doubled = self.input * 2
        print("worked", self.doubled)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.doubled = [i.doubled for i in inputs]
        self.merge_artifacts(inputs)
        self.next(self.end)

    @step
    def end(self):
        self.interpreters["end"] = sys.executable


if __name__ == "__main__":
    Chosen()
"""

READ = """from flow_sdk import Flow, namespace
namespace(None)
run = Flow("Chosen").latest_run
print([run.successful, run.data.interpreters, run.data.doubled, run["work"].task.stdout])
"""


def test_a_step_runs_in_the_interpreter_that_its_decorator_chooses(tmp_path: Path) -> None:
    venv.create(tmp_path / "other", with_pip=False, system_site_packages=True)
    other = str(tmp_path / "other" / "bin" / "python")
    copy = PackageCopy(tmp_path / "copy")
    copy.add_decorator("python", DECORATOR)
    site = Path(pytest.__file__).parents[1]
    (copy.folder / "sitecustomize.py").write_text(f"import sys; sys.path.append({str(site)!r})\n")
    (copy.folder / "flow.py").write_text(FLOW.replace("OTHER", other))
    (copy.folder / "read.py").write_text(READ)
    copy.run("flow.py", "run")
    successful, interpreters, doubled, output = ast.literal_eval(copy.run("read.py"))
    assert successful and doubled == [2, 4] and output == "worked 2\n"
    assert interpreters == {"start": sys.executable, "work": other, "end": sys.executable}

    failed = copy.run("flow.py", "run", "--with", "python:path=fails", fails=True)
    assert "RuntimeError: no packages today" in failed
    failed = copy.run("flow.py", "run", "--with", "python:path=/nowhere/python", fails=True)
    assert "The interpreter that was chosen for step 'join' isn't there" in failed
