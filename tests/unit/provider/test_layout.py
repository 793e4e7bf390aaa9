"""Plans to DAGs: groups, edges, who asks and who waits for whom."""

from pathlib import Path

import pytest

from flow_provider.layout import DagLayout, lay_out
from flow_sdk.plan.compile import compile_plan
from tests.strategies.flows import flow_source
from tests.strategies.transitions import plan_of
from tests.support.in_process_runs import load_source


def edges(layout: DagLayout) -> dict[str, list[str]]:
    return {node.id: [upstream.id for upstream in node.upstream] for node in layout.nodes}


def groups(layout: DagLayout) -> dict[str, tuple[str, list[str]]]:
    return {group.id: (group.source.id, [node.id for node in group.nodes]) for group in layout.groups}


def asking(layout: DagLayout) -> set[str]:
    return {node.id for node in layout.nodes if node.needs_chosen_check}


def test_a_linear_flow_is_a_chain(tmp_path: Path) -> None:
    (layout,) = lay_out(plan_of("start: self.a\na: self.end\nend:", tmp_path))
    assert edges(layout) == {"start": [], "a": ["start"], "end": ["a"]}
    assert not layout.groups and not asking(layout)


def test_a_foreach_is_a_mapped_group_and_its_join_a_plain_task(tmp_path: Path) -> None:
    (layout,) = lay_out(
        plan_of("start: self.a, foreach='x'\na: self.b\nb: self.j\nj(inputs): self.end\nend:", tmp_path)
    )
    assert groups(layout) == {"x-each": ("start", ["a", "b"])}
    assert edges(layout)["j"] == ["b"]


def test_a_nested_foreach_is_flattened_into_a_sibling_group(tmp_path: Path) -> None:
    (layout,) = lay_out(
        plan_of(
            "start: self.a, foreach='x'\na: self.b, foreach='y'\nb: self.inner\ninner(inputs): self.outer\n"
            "outer(inputs): self.end\nend:",
            tmp_path,
        )
    )
    assert groups(layout) == {
        "x-each": ("start", ["a"]),
        "x-each-from-inner": ("start", ["inner"]),
        "y-each": ("a.splits", ["b"]),
    }
    assert edges(layout)["a.splits"] == ["a"]
    assert edges(layout)["inner"] == ["b"]


def test_a_task_behind_a_switch_asks_and_a_merge_tolerates(tmp_path: Path) -> None:
    (layout,) = lay_out(
        plan_of("start: {1: self.a, 2: self.b}, condition='c'\na: self.m\nb: self.m\nm: self.end\nend:", tmp_path)
    )
    assert asking(layout) == {"a", "b"}
    tolerant = {node.id for node in layout.nodes if node.allows_skipped_upstream}
    assert tolerant == {"m"}
    assert {node.id for node in layout.nodes if not node.is_certain} == {"a", "b"}


def test_every_task_of_a_group_that_a_switch_may_have_passed_by_asks(tmp_path: Path) -> None:
    (layout,) = lay_out(
        plan_of(
            "start: self.s, foreach='x'\ns: {1: self.a, 2: self.b}, condition='c'\na: self.d, foreach='y'\nd: self.j\n"
            "j(inputs): self.m\nb: self.m\nm: self.o\no(inputs): self.end\nend:",
            tmp_path,
        )
    )
    # each of them waits for the group's list as well, so that something it waits for has always succeeded
    assert asking(layout) == {"a", "b", "d", "j"}


def test_a_loop_is_one_task_and_a_dag_of_its_body(tmp_path: Path) -> None:
    outer, body = lay_out(
        plan_of(
            "start: self.a\na: self.b\nb: {1: self.a, 2: self.x, 3: self.y}, condition='c'\n"
            "x: self.m\ny: self.m\nm: self.end\nend:",
            tmp_path,
        )
    )
    assert edges(outer) == {
        "start": [],
        "a.loop": ["start"],
        "x": ["a.loop"],
        "y": ["a.loop"],
        "m": ["x", "y"],
        "end": ["m"],
    }
    assert asking(outer) == {"x", "y"}
    assert body.loop is not None and body.loop.step.name == "a"
    assert edges(body) == {"a": [], "b": ["a"]}


def test_a_loop_inside_a_foreach_lies_in_its_group(tmp_path: Path) -> None:
    outer, body = lay_out(
        plan_of(
            "start: self.a, foreach='x'\na: {1: self.a, 2: self.b}, condition='c'\nb: self.j\n"
            "j(inputs): self.end\nend:",
            tmp_path,
        )
    )
    assert groups(outer) == {"x-each": ("start", ["a.loop", "b"])}
    assert edges(body) == {"a": []} and not body.groups


def test_a_foreach_inside_a_loop_is_a_group_of_the_body(tmp_path: Path) -> None:
    outer, body = lay_out(
        plan_of(
            "start: self.a\na: self.b, foreach='x'\nb: self.j\n"
            "j(inputs): {1: self.a, 2: self.end}, condition='c'\nend:",
            tmp_path,
        )
    )
    assert edges(outer) == {"start": [], "a.loop": ["start"], "end": ["a.loop"]}
    assert groups(body) == {"x-each": ("a", ["b"])}


def test_two_foreachs_over_artifacts_of_one_name_have_groups_of_two_names(tmp_path: Path) -> None:
    (layout,) = lay_out(
        plan_of(
            "start: self.a, foreach='x'\na: self.j\nj(inputs): self.b, foreach='x'\nb: self.k\n"
            "k(inputs): self.end\nend:",
            tmp_path,
        )
    )
    assert groups(layout) == {"x-of-start-each": ("start", ["a"]), "x-of-j-each": ("j", ["b"])}


def test_a_group_has_a_name_that_airflow_takes(tmp_path: Path) -> None:
    """Not every artifact's name is one; a step's always is."""
    for artifact, name in (("größe", "start-each"), ("a" * 190, f"{'a' * 190}-each")):
        (layout,) = lay_out(
            plan_of(f"start: self.a, foreach='{artifact}'\na: self.j\nj(inputs): self.end\nend:", tmp_path)
        )
        assert set(groups(layout)) == {name}
    (layout,) = lay_out(
        plan_of(f"start: self.a, foreach='{'a' * 300}'\na: self.j\nj(inputs): self.end\nend:", tmp_path)
    )
    (found,) = groups(layout)
    assert len(found) == 200 and found.startswith("aaa")


@pytest.mark.parametrize("seed", range(200))
def test_every_layout_can_be_run(seed: int, tmp_path: Path) -> None:
    """Each step is in exactly one DAG, tasks wait for earlier ones only, and groups wait for groups in one order."""
    source = flow_source(seed)
    plan = compile_plan(load_source(source.text, source.name, str(tmp_path)), file="f.py")
    layouts = lay_out(plan)
    steps = [node.step.name for layout in layouts for node in layout.nodes if node.kind == "step"]
    assert sorted(steps) == sorted(step.name for step in plan.steps)
    for layout in layouts:
        before: set[str] = set()
        for node in layout.nodes:
            assert all(upstream.id in before for upstream in node.upstream), node.id
            before.add(node.id)
        roots = [node for node in layout.nodes if not node.upstream]
        assert len(roots) == 1
        assert_acyclic(layout)


def assert_acyclic(layout: DagLayout) -> None:
    """No two groups wait for each other, not even by way of others: Airflow draws them as single nodes."""
    waits: dict[str, set[str]] = {}
    for node in layout.nodes:
        mine = node.group.id if node.group else node.id
        theirs = {upstream.group.id if upstream.group else upstream.id for upstream in node.upstream}
        if node.group:
            theirs.add(node.group.source.id)
        waits.setdefault(mine, set()).update(theirs - {mine})
    done: set[str] = set()
    while waits:
        ready = {name for name, others in waits.items() if others <= done}
        assert ready, waits
        done |= ready
        waits = {name: others for name, others in waits.items() if name not in ready}
