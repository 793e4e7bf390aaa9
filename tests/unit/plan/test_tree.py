"""The tree of a plan: every step once, the scopes back, and the nesting of each shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from flow_sdk.errors import CheckFailed, PlanError
from flow_sdk.graph.model import Scope
from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.plan.tree import ForEach, Loop, Parallel, Sequence, SingleStep, Switch
from flow_sdk.plan.tree_builder import build_tree
from tests.strategies.flows import FlowSource, flow_source, flow_sources
from tests.strategies.loading import load_flow
from tests.strategies.transitions import plan_of

SETTINGS = settings(
    max_examples=150, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

SPLIT = "start: self.a, self.b\na: self.j\nb: self.j\nj(inputs): self.end\nend:"
EACH = "start: self.a, foreach='x'\na: self.j\nj(inputs): self.end\nend:"


def flatten(sequence: Sequence, around: tuple[Scope, ...] = ()) -> Iterator[tuple[StepPlan, tuple[Scope, ...]]]:
    """Each step with the scopes that the nesting of the tree gives it."""
    for node in sequence.nodes:
        if not isinstance(node, Loop):
            yield node.step, around
        match node:
            case Parallel(step, branches):
                for branch in branches:
                    yield from flatten(branch.body, (*around, Scope("split", step.name, branch.target)))
            case ForEach(step, body):
                yield from flatten(body, (*around, Scope("foreach", step.name)))
            case Switch(cases=ways):
                for way in ways:
                    yield from flatten(way.body, around)
            case Loop(step, body, exits):
                yield from flatten(body, (*around, Scope("loop", step.name)))
                for way in exits:
                    yield from flatten(way.body, around)


def outline(sequence: Sequence) -> list[object]:
    """The example of the module's documentation."""
    lines: list[object] = []
    for node in sequence.nodes:
        match node:
            case SingleStep(step):
                lines.append(step.name)
            case Switch(step, cases):
                lines.append([step.name, *(outline(case.body) for case in cases)])
            case Parallel(step, branches):
                lines.append([step.name, *(outline(branch.body) for branch in branches)])
            case ForEach(step, body):
                lines.append([step.name, outline(body)])
            case Loop(_, body, exits):
                lines.append([outline(body), *(outline(way.body) for way in exits)])
    return lines


def check_tree(plan: FlowPlan) -> None:
    tree = build_tree(plan)
    found = list(flatten(tree.root))
    assert [step for step, _ in found] == list(tree.root.steps())
    assert sorted(step.name for step, _ in found) == sorted(step.name for step in plan.steps)
    assert all(step.scopes == scopes for step, scopes in found)
    number = {step.name: index for index, (step, _) in enumerate(found)}
    assert all(number[to] > number[step.name] for step in plan.steps for to in step.next if to not in step.back)
    assert tree.root.targets == ()
    for node in tree.root.walk():
        if not isinstance(node, Loop):
            assert tree.nodes[node.step.name] is node
    for entry in plan.loops:
        inside = [step for step in plan.steps if Scope("loop", entry.entry) in step.scopes]
        assert sorted(inside, key=plan.steps.index) == [step for step in plan.steps if step.name in entry.body]
        assert set(map(id, tree.loops[entry.entry].body.steps())) == set(map(id, inside))
    regions = {step.name: tuple(scope for scope in step.scopes if scope.kind != "loop") for step in plan.steps}
    for node in [*tree.root.walk()]:
        for body, scope in regions_of(node):
            wanted = [step.name for step in plan.steps if regions[step.name] == (*regions[node.step.name], scope)]
            assert [inner.step.name for inner in tree.region(body)] == wanted
    assert [n.step.name for n in tree.region(tree.root)] == [name for name in regions if not regions[name]]


def regions_of(node: object) -> Iterator[tuple[Sequence, Scope]]:
    """The regions that a node opens."""
    match node:
        case Parallel(step, branches):
            yield from ((branch.body, Scope("split", step.name, branch.target)) for branch in branches)
        case ForEach(step, body):
            yield body, Scope("foreach", step.name)


def compiled(source: FlowSource, folder: Path) -> FlowPlan:
    return compile_plan(load_flow(source.text, folder), file="flow.py")


@SETTINGS
@given(source=flow_sources(max_steps=30, max_tasks=80, max_depth=5))
def test_the_tree_of_any_flow_has_each_step_once_and_gives_its_scopes_back(source: FlowSource, tmp_path: Path) -> None:
    check_tree(compiled(source, tmp_path))


@pytest.mark.parametrize("seed", range(60))
def test_the_tree_of_a_flow_from_a_seed(seed: int, tmp_path: Path) -> None:
    check_tree(compiled(flow_source(seed), tmp_path))


@st.composite
def switch_graphs(draw: st.DrawFn) -> str:
    """Transitions of a flow of switches alone, with cases that meet, cross, end early and lead back at random."""
    count = draw(st.integers(2, 9))
    names = ["start", *(f"s{number}" for number in range(1, count)), "end"]
    lines = []
    for number, name in enumerate(names[:-1]):
        forward = draw(st.lists(st.sampled_from(names[number + 1 :]), min_size=1, max_size=3, unique=True))
        if draw(st.booleans()):
            forward = list(dict.fromkeys([names[number + 1], *forward]))
        back = draw(st.lists(st.sampled_from(names[1 : number + 1]), max_size=1)) if number else []
        targets = list(dict.fromkeys([*forward, *back]))
        cases = ", ".join(f"{value}: self.{target}" for value, target in enumerate(targets))
        lines.append(f"{name}: {{{cases}}}, condition='c'" if len(targets) > 1 else f"{name}: self.{targets[0]}")
    return "\n".join([*lines, "end:"])


@settings(SETTINGS, max_examples=300)
@given(source=switch_graphs())
def test_the_tree_of_any_graph_of_switches_has_each_step_once(source: str, tmp_path: Path) -> None:
    try:
        plan = plan_of(source, tmp_path)
    except CheckFailed:
        reject()  # steps that can't be reached, cycles with two ways in, loops without an exit
    check_tree(plan)
    certain_steps = {visit.node.step.name for visit in build_tree(plan).root.visit() if visit.is_certain}
    assert certain_steps == {name for name in reached_outside_of_loops(plan) if not can_avoid(plan, name)}


def reached_outside_of_loops(plan: FlowPlan) -> set[str]:
    """The steps outside of loops, and the entries of the outermost loops, which stand for them."""
    return {step.name for step in plan.steps if not step.scopes or step.loop_entries == (step.name,)}


def can_avoid(plan: FlowPlan, name: str) -> bool:
    """Whether some way from the start to the end doesn't pass a step."""
    if name in (plan.start.name, plan.end.name):
        return False
    seen, waiting = {name}, [plan.start.name]
    while waiting:
        step = waiting.pop()
        if step == plan.end.name:
            return True
        if step not in seen:
            seen.add(step)
            waiting += plan[step].next
    return False


SHAPES = {
    "branches": (SPLIT, [["start", ["a"], ["b"]], "j", "end"]),
    "items": (EACH, [["start", ["a"]], "j", "end"]),
    "cases that meet": (
        "start: {1: self.a, 2: self.b}, condition='c'\na: self.m\nb: self.m\nm: self.end\nend:",
        [["start", ["a"], ["b"]], "m", "end"],
    ),
    "an early end": (
        "start: {1: self.a, 2: self.end}, condition='c'\na: self.b\nb: self.end\nend:",
        [["start", ["a", "b"], []], "end"],
    ),
    "cases that meet one after another": (
        "start: {1: self.a, 2: self.b, 3: self.c}, condition='c'\na: self.m\nb: self.m\nc: self.end\nm: self.end\nend:",
        [["start", ["a"], ["b"], ["c"]], "m", "end"],
    ),
    "cases that cross": (
        "start: {1: self.a, 2: self.b}, condition='c'\na: {1: self.d, 2: self.e}, condition='c'\n"
        "b: {1: self.d, 2: self.e}, condition='c'\nd: self.end\ne: self.end\nend:",
        [["start", [["a", [], []]], [["b", [], []]]], "d", "e", "end"],
    ),
    "a case that leads to the join": (
        "start: self.s, foreach='x'\ns: {1: self.a, 2: self.j}, condition='c'\na: self.j\nj(inputs): self.end\nend:",
        [["start", [["s", ["a"], []]]], "j", "end"],
    ),
    "a step that repeats itself": (
        "start: self.a\na: {1: self.a, 2: self.end}, condition='c'\nend:",
        ["start", [[["a", [], []]], []], "end"],
    ),
    "a loop with two exits": (
        "start: self.a\na: self.b\nb: {1: self.a, 2: self.x, 3: self.y}, condition='c'\nx: self.m\ny: self.m\n"
        "m: self.end\nend:",
        ["start", [["a", ["b", [], [], []]], ["x"], ["y"]], "m", "end"],
    ),
    "a loop in a loop": (
        "start: self.a\na: self.b\nb: {1: self.b, 2: self.a, 3: self.end}, condition='c'\nend:",
        ["start", [["a", [[["b", [], [], []]], [], []]], []], "end"],
    ),
    "a foreach in a loop": (
        "start: self.a\na: self.b, foreach='x'\nb: self.j\nj(inputs): {1: self.a, 2: self.end}, condition='c'\nend:",
        ["start", [[["a", ["b"]], ["j", [], []]], []], "end"],
    ),
    "a loop at the start of a branch": (
        "start: self.a, self.b\na: {1: self.a, 2: self.j}, condition='c'\nb: self.j\nj(inputs): self.end\nend:",
        [["start", [[[["a", [], []]], []]], ["b"]], "j", "end"],
    ),
    "a join that splits": (
        "start: self.a, foreach='x'\na: self.j\nj(inputs): self.c, self.d\nc: self.k\nd: self.k\n"
        "k(inputs): self.end\nend:",
        [["start", ["a"]], ["j", ["c"], ["d"]], "k", "end"],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_nesting_of_a_shape(shape: str, tmp_path: Path) -> None:
    source, wanted = SHAPES[shape]
    plan = plan_of(source, tmp_path)
    check_tree(plan)
    assert outline(build_tree(plan).root) == wanted


def test_a_case_knows_its_values_and_its_target(tmp_path: Path) -> None:
    plan = plan_of("start: {1: self.a, 'x': self.end, 3: self.a}, condition='c'\na: self.end\nend:", tmp_path)
    switch = build_tree(plan).nodes["start"]
    assert isinstance(switch, Switch) and switch.targets == ("end",)
    assert [(case.target, case.values) for case in switch.cases] == [("a", (1, 3)), ("end", ("x",))]


def test_a_node_says_which_steps_follow_it(tmp_path: Path) -> None:
    tree = build_tree(plan_of(SHAPES["a loop with two exits"][0], tmp_path))
    loop = tree.loops["a"]
    assert [way.target for way in loop.exits] == ["x", "y"] and loop.targets == ("m",)
    assert loop.body.targets == ("a", "x", "y")
    split = build_tree(plan_of(SPLIT, tmp_path)).nodes["start"]
    assert isinstance(split, Parallel) and split.join == "j" and split.targets == ("j",)


def certain(source: str, folder: Path) -> list[str]:
    return [visit.node.step.name for visit in build_tree(plan_of(source, folder)).root.visit() if visit.is_certain]


def test_what_no_switch_can_pass_by_is_certain(tmp_path: Path) -> None:
    assert certain(SHAPES["cases that meet"][0], tmp_path) == ["start", "m", "end"]
    assert certain(SHAPES["cases that meet one after another"][0], tmp_path) == ["start", "end"]
    assert certain(SHAPES["a case that leads to the join"][0], tmp_path) == ["start", "s", "j", "end"]
    assert certain(SHAPES["a loop with two exits"][0], tmp_path) == ["start", "a", "m", "end"]


def test_a_visit_knows_the_foreach_nodes_around_it_and_stays_out_of_loops(tmp_path: Path) -> None:
    source = (
        "start: self.a, foreach='x'\na: self.b, foreach='y'\nb: self.c\nc: {1: self.b, 2: self.d}, condition='c'\n"
        "d: self.i\ni(inputs): self.o\no(inputs): self.end\nend:"
    )
    visits = list(build_tree(plan_of(source, tmp_path)).root.visit())
    around = {visit.node.step.name: [each.step.name for each in visit.enclosing] for visit in visits}
    assert around == {
        "start": [], "a": ["start"], "b": ["start", "a"], "d": ["start", "a"], "i": ["start"], "o": [], "end": [],
    }  # fmt: skip


def test_a_flow_of_thousands_of_steps_has_a_tree() -> None:
    """No recursion: neither along a chain nor into switches inside each other."""
    names = [f"s{number}" for number in range(3000)]
    chain = [StepPlan(name, "linear", next=(to,)) for name, to in zip(names, [*names[1:], "end"], strict=True)]
    check = build_tree(FlowPlan("F", "f.py", "", (*chain, StepPlan("end", "end"))))
    assert len(list(check.root.steps())) == 3001
    switches = [replace(step, kind="switch", next=(*step.next, "end"), condition="c") for step in chain[:-1]]
    nested = build_tree(FlowPlan("F", "f.py", "", (*switches, chain[-1], StepPlan("end", "end"))))
    assert len(list(nested.root.visit())) == 3001 == len(nested.region(nested.root))


@pytest.mark.parametrize(
    "steps",
    [
        (StepPlan("a", "foreach", next=("b",), foreach="x"), StepPlan("b", "end")),
        (StepPlan("a", "linear", next=("c",)), StepPlan("b", "linear", next=("c",)), StepPlan("c", "end")),
        (StepPlan("a", "linear", next=("b",)), StepPlan("b", "end", scopes=(Scope("foreach", "a"),))),
    ],
)
def test_a_plan_whose_scopes_do_not_fit_is_refused(steps: tuple[StepPlan, ...]) -> None:
    with pytest.raises(PlanError, match="don't fit its edges"):
        build_tree(FlowPlan("F", "f.py", "", steps))
