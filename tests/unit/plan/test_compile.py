"""From a class to a plan: what is in it, and that it is the same bytes everywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from flow_sdk.authoring.decorators.schedule import ScheduleDecorator
from flow_sdk.authoring.decospec import parse_with
from flow_sdk.plan.codec import from_json, to_json
from flow_sdk.plan.compile import compile_plan, find_constants
from flow_sdk.plan.model import FlowPlan, LoopPlan, ParameterPlan, Scope, StepPlan
from tests.strategies.flows import flow_source
from tests.strategies.loading import HEADER, flow_text, load_flow, small_flow
from tests.support.function_calls import calls_of

pytestmark = pytest.mark.slow  # starts processes or servers

ROOT = Path(__file__).resolve().parents[3]


def test_a_plan_holds_what_the_source_says(tmp_path: Path) -> None:
    flow = small_flow(
        tmp_path,
        "start: '''Begin.''' ; self.next(self.a, foreach='x')",
        "@retry(times=1)\na: self.next({'x': self.a, 2: self.j}, condition='c')",
        "j(inputs): self.next(self.end)",
        "end: pass",
        body="'''Doc.'''\nalpha = 3",
    )
    plan = compile_plan(flow, file="flow.py", parameters=(ParameterPlan("p", "int", 1),))
    retry = ("retry", {"times": 1, "minutes_between_retries": 2})
    loop = (Scope("foreach", "start"), Scope("loop", "a"))
    assert plan == FlowPlan(
        flow="Small",
        file="flow.py",
        doc="Doc.",
        steps=(
            StepPlan("start", "foreach", next=("a",), foreach="x", doc="Begin.", line=8, number=0),
            StepPlan(
                "a", "switch", next=("a", "j"), condition="c", cases=(("x", "a"), (2, "j")), scopes=loop,
                parents=("start", "a"), back=("a",), decorators=(retry,), line=14, number=1,
            ),
            StepPlan("j", "linear", is_join=True, next=("end",), parents=("a",), joins="start", line=18, number=2),
            StepPlan("end", "end", parents=("j",), line=22, number=3),
        ),
        loops=(LoopPlan("a", ("a",)),),
        parameters=(ParameterPlan("p", "int", 1),),
        constants=("alpha",),
    )  # fmt: skip
    assert from_json(to_json(plan)) == plan


def test_a_single_step_is_start_and_end(tmp_path: Path) -> None:
    plan = compile_plan(small_flow(tmp_path, "only: pass"), file="f.py")
    assert plan.start is plan.end and plan.start.name == "only"


def test_constants_are_plain_attributes_only(tmp_path: Path) -> None:
    body = """
import functools, json
rate = 0.5
_private = 1
names = ["a"]
nothing = None
hidden = 1
p = Parameter("p", default=1)
f = IncludeFile("f")
class Nested: pass
kind = dict
@property
def prop(self): return 1
@functools.cached_property
def cached(self): return 1
@staticmethod
def static(): return 1
@classmethod
def of_class(cls): return 1
def method(self): return 1
small = lambda self: 1
partial = functools.partialmethod(method)
""".strip()
    text = flow_text("start: pass", name="Base", body=body)
    text += "\nclass Child(Base):\n    more: int = 3\n    only_annotated: int\n    rate = 0.7\n"
    text += "    def hidden(self): return 2\n"
    assert find_constants(load_flow(text, tmp_path)) == ("rate", "names", "nothing", "more")


def test_with_adds_a_decorator_to_steps_that_lack_it(tmp_path: Path) -> None:
    flow = small_flow(tmp_path, "@retry(times=0)\nstart: self.next(self.end)", "end: pass")
    extra = [parse_with("timeout:seconds=5"), parse_with("retry:times=4"), parse_with("retry:times=9")]
    plan = compile_plan(flow, file="f.py", extra=extra)
    assert [(d[0], d[1].get("times")) for d in plan["start"].decorators] == [("retry", 0), ("timeout", None)]
    assert [(d[0], d[1].get("times")) for d in plan["end"].decorators] == [("retry", 4), ("timeout", None)]


def test_decorators_have_an_order_of_their_own(tmp_path: Path) -> None:
    first = compile_plan(small_flow(tmp_path, "@retry\n@catch(var='e')\nstart: pass"), file="f.py")
    second = compile_plan(small_flow(tmp_path, "@catch(var='e')\n@retry\nstart: pass"), file="f.py")
    assert first.start.decorators == second.start.decorators


def test_flow_decorators_of_a_base_class_count_and_can_be_replaced(tmp_path: Path) -> None:
    text = flow_text("start: pass", name="Base").replace("class Base", "@schedule(daily=True)\nclass Base")
    text = text.replace("retry, step", "retry, schedule, step")
    child = text + "\nclass Child(Base):\n    pass\n"
    hourly = child.replace("class Child", "@schedule(hourly=True)\nclass Child")
    inherited = compile_plan(load_flow(child, tmp_path), file="f.py").decorator("schedule")
    replaced = compile_plan(load_flow(hourly, tmp_path), file="f.py").decorator("schedule")
    assert inherited == schedule_data(daily=True)
    assert replaced == schedule_data(hourly=True)


def schedule_data(**attributes: bool) -> dict[str, object]:
    return ScheduleDecorator(**attributes).attributes()


def test_a_derived_flow_replaces_a_step(tmp_path: Path) -> None:
    text = flow_text("start: self.next(self.a)", "a: self.next(self.end)", "end: pass", name="Base")
    text += "\nclass Child(Base):\n    @step\n    def a(self):\n        self.next(self.b)\n\n"
    text += "    @step\n    def b(self):\n        self.next(self.end)\n"
    plan = compile_plan(load_flow(text, tmp_path), file="f.py")
    assert [step.name for step in plan.steps] == ["start", "a", "b", "end"]


def pythons() -> list[str]:
    """Every Python this machine has of the supported versions, this one first."""
    found = {sys.version_info[:2]: sys.executable}
    roots = [Path(os.environ["PYENV_ROOT"])] if "PYENV_ROOT" in os.environ else []
    roots.append(Path.home() / ".pyenv")
    for minor in (11, 12, 13):
        known = shutil.which(f"python3.{minor}")
        places = [p for root in roots for p in sorted(root.glob(f"versions/3.{minor}.*/bin/python"))]
        for candidate in [*([known] if known else []), *map(str, places)]:
            run = subprocess.run(
                [candidate, "-c", "import sys; print(sys.version_info[1])"], capture_output=True, text=True
            )
            if run.stdout.strip() == str(minor):
                found.setdefault((3, minor), candidate)
    return list(found.values())


COMPILE = """
import sys, hashlib
sys.path[:0] = [sys.argv[1], sys.argv[2]]
from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.codec import to_json
for name in sys.argv[3:]:
    module = __import__(name)
    flow = [v for v in vars(module).values() if isinstance(v, type) and v.__module__ == name][-1]
    sys.stdout.buffer.write(to_json(compile_plan(flow, file=name + ".py")) + b"\\n")
"""


DOCS = (
    HEADER
    + """
class Docs(FlowSpec):
    '''  Doc.

    more
\t    and a tab
    '''
    b = 1
    a = {'x', 'y'}

    @retry
    @catch(var='e')
    @step
    def start(self):
        '''First.

            Third\tx.
              Fourth.
        '''
"""
)


def test_a_plan_is_the_same_bytes_on_every_python_and_hash_seed(tmp_path: Path) -> None:
    for seed in range(8):
        (tmp_path / f"f{seed}.py").write_text(flow_source(seed, max_steps=25).text, encoding="utf-8")
    (tmp_path / "docs.py").write_text(DOCS, encoding="utf-8")
    names = ["docs", *(f"f{seed}" for seed in range(8))]
    outputs = set()
    for python, seed in [(p, s) for p in pythons() for s in ("0", "1", "777")]:
        command = [python, "-c", COMPILE, str(ROOT), str(tmp_path), *names]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
        outputs.add(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)
    assert len(outputs) == 1
    assert outputs.pop().count(b"\n") == len(names)


def test_what_compiling_costs_grows_with_the_steps_and_no_faster(tmp_path: Path) -> None:
    def calls(count: int) -> int:
        names = [f"s{n}" for n in range(count)] + ["end"]
        steps = [
            f"{name}: '''Doc of it.''' ; self.x = [i * 2 for i in range(9)] ; self.next(self.{after})"
            for name, after in pairwise(names)
        ]
        folder = tmp_path / str(count)
        folder.mkdir()
        flow = small_flow(folder, "start: self.next(self.s0)", *steps, "end: pass")
        return calls_of(lambda: compile_plan(flow, file="f.py"))

    calls(1)  # what is imported at the first time
    few, many = calls(50), calls(200)
    assert few < 50 * 600 and many < 6 * few  # with four times the steps
