"""State machines of flows of every shape: their states, edges, data and limits."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.deploy.step_functions import limits
from flow_sdk.deploy.step_functions.definition import MachineOptions, job_definitions, state_machine
from flow_sdk.deploy.step_functions.limits import check_definition, limit_shares, most_items, transitions_of_item
from flow_sdk.deploy.step_functions.state_data import accepted_input
from flow_sdk.errors import ConfigError, DeployError
from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.model import FlowPlan, ParameterPlan
from flow_sdk.runtime.batch.definition import BatchSettings
from tests.strategies.flows import flow_source
from tests.strategies.loading import load_flow, small_flow
from tests.support.second_interpreter import validate

SETTINGS = BatchSettings(queue="queue", image="image:1", job_role="arn:aws:iam::123456789012:role/job")
START = ("start", "start.input", "start.accepted", "start.refused")
"""The states of a start step whose input may be wrong."""
ALPHA = ParameterPlan(name="alpha", type="float", default=0.5)
INLINE: frozenset[str] = frozenset()
FOREACH = (
    "start: self.xs = [1] ; self.next(self.fit, foreach='xs')",
    "fit: self.next(self.j)",
    "j(inputs): self.next(self.end)",
    "end:",
)


def options(**more: Any) -> MachineOptions:
    """Options with which maps are inline unless ``more`` says otherwise."""
    given = {"store": "s3://bucket/pre-fix", "request": "0" * 64, "settings": SETTINGS, "max_workers": 40, **more}
    return MachineOptions(**given)


def plan_of(folder: Path, *steps: str) -> FlowPlan:
    return compile_plan(small_flow(folder, *steps), file="flow.py")


def with_parameter(plan: FlowPlan) -> FlowPlan:
    """The same flow with a parameter, so that an input can be wrong."""
    return replace(plan, parameters=(ALPHA,))


def machines(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A machine and all inside it that has states of its own."""
    yield definition
    for state in definition["States"].values():
        for inner in (*state.get("Branches", ()), *([state["ItemProcessor"]] if "ItemProcessor" in state else ())):
            yield from machines(inner)


def states(definition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for machine in machines(definition):
        assert not found.keys() & machine["States"].keys(), "a state's name is used twice"
        found |= machine["States"]
    return found


def variables(definition: dict[str, Any], step: str) -> dict[str, Any]:
    """What a step's job is told."""
    told = states(definition)[step]["Parameters"]["ContainerOverrides"]["Environment"]
    return {pair["Name"]: pair.get("Value", pair.get("Value.$")) for pair in told}


def targets(state: dict[str, Any]) -> list[str]:
    found = [state[key] for key in ("Next", "Default") if key in state]
    return [*found, *(rule["Next"] for rule in state.get("Choices", ()))]


def check(plan: FlowPlan, definition: dict[str, Any]) -> None:
    """What holds for every state machine."""
    for machine in machines(definition):
        inside = machine["States"]
        reached, todo = set(), [machine["StartAt"]]
        while todo:
            name = todo.pop()
            assert name in inside
            if name not in reached:
                reached.add(name)
                todo += targets(inside[name])
        assert reached == inside.keys()
        for state in inside.values():
            ways = ("End" in state, "Next" in state, "Choices" in state, state["Type"] == "Fail")
            assert sum(ways) == 1, "a state has one way on"
    jobs = [
        state["Parameters"]["Tags"]["flow_sdk.step"]
        for state in states(definition).values()
        if state["Type"] == "Task" and "JobName.$" in state["Parameters"]
    ]
    assert sorted(jobs) == sorted(step.name for step in plan.steps)
    assert all(len(name) <= 80 for name in states(definition))


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("distributed", [False, True])
def test_any_flow_becomes_a_sound_machine(seed: int, distributed: bool, tmp_path: Path) -> None:
    plan = compile_plan(load_flow(flow_source(seed).text, tmp_path), file="flow.py")
    definition = state_machine(plan, options(use_distributed_map=distributed))
    check(plan, definition)
    assert definition == state_machine(plan, options(use_distributed_map=distributed))
    found = {mode for mode, _ in modes(plan, use_distributed_map=distributed).values()}
    assert found <= {"DISTRIBUTED" if distributed else "INLINE"}


@pytest.mark.node
def test_any_flow_keeps_the_rules_of_amazon_states_language(tmp_path: Path) -> None:
    plans = [compile_plan(load_flow(flow_source(seed).text, tmp_path), file="flow.py") for seed in range(40)]
    kinds: tuple[dict[str, Any], ...] = ({}, {"use_distributed_map": True})
    assert validate(*(state_machine(plan, options(**kind)) for plan in plans for kind in kinds)) == []


def test_a_linear_flow_has_a_state_for_each_step_and_no_other(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "start: self.next(self.fit)", "fit: self.next(self.end)", "end:")
    definition = state_machine(plan, options())
    assert list(definition["States"]) == ["start", "fit", "end"]
    assert definition["States"]["start"]["ResultSelector"] == {"run.$": "$$.Execution.Name"}
    assert definition["States"]["fit"]["ResultPath"] is None


def test_the_start_is_followed_by_a_look_at_whether_its_input_was_refused(tmp_path: Path) -> None:
    plan = with_parameter(plan_of(tmp_path, "start: self.next(self.fit)", "fit: self.next(self.end)", "end:"))
    definition = state_machine(plan, options())
    check(plan, definition)
    found = definition["States"]
    assert list(found) == [*START, "fit", "end"] and found["start"]["ResultSelector"] == {}
    assert found["start"]["Next"] == "start.input" and variables(definition, "start")["FLOW_SDK_REFUSABLE"] == "1"
    assert found["start.input"]["Parameters"] == {
        "Bucket": "bucket",
        "Key.$": "States.Format('pre-fix/flows/Small/runs/sfn-{}/input.json', $$.Execution.Name)",
    }
    assert found["start.input"]["OutputPath"] == "$.read"
    assert found["start.accepted"] == {
        "Type": "Choice",
        "Choices": [{"Variable": "$.refused", "IsPresent": True, "Next": "start.refused"}],
        "Default": "fit",
    }
    assert found["start.refused"] == {"Type": "Fail", "Error": "FlowSDK.RefusedInput", "CausePath": "$.refused"}


def test_a_start_step_that_is_tried_again_looks_at_its_input_without_parameters_too(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "@retry(times=1)\nstart: self.next(self.fit)", "fit: self.next(self.end)", "end:")
    assert list(state_machine(plan, options())["States"]) == [*START, "fit", "end"]


def test_a_flow_of_one_step_ends_after_the_look_at_its_input(tmp_path: Path) -> None:
    plan = with_parameter(plan_of(tmp_path, "@step(start=True, end=True)\nonly:"))
    definition = state_machine(plan, options())
    check(plan, definition)
    assert definition["States"]["only.accepted"]["Default"] == "only.done"
    assert definition["States"]["only.done"] == {"Type": "Pass", "End": True}
    assert "End" not in definition["States"]["only"]


def test_a_foreach_has_one_state_to_read_its_items_and_a_map(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, *FOREACH)
    inline = state_machine(plan, options(max_workers=30))
    assert list(inline["States"]) == ["start", "start.items", "start.each", "j", "end"]
    assert inline["States"]["start.each"]["MaxConcurrency"] == 30
    assert inline["States"]["start.items"]["Parameters"] == {
        "Bucket": "bucket",
        "Key.$": "States.Format('pre-fix/flows/Small/runs/sfn-{}/steps/start/0/next.json', $.run)",
    }
    wide = state_machine(plan, options(max_workers=1000, use_distributed_map=True))
    assert list(wide["States"]) == ["start", "start.each", "j", "end"]
    assert wide["States"]["start.each"]["MaxConcurrency"] == 1000
    body = wide["States"]["start.each"]["ItemProcessor"]["States"]["fit"]
    assert body["ResultSelector"] == {} and body["End"] is True, "items give nothing back"


def modes(plan: FlowPlan, **more: Any) -> dict[str, tuple[str, int]]:
    """Of each foreach the mode of its map and how many items run at a time."""
    found = {}
    for name, state in states(state_machine(plan, options(**more))).items():
        if state["Type"] == "Map":
            mode = state["ItemProcessor"]["ProcessorConfig"]["Mode"]
            found[name.removesuffix(".each")] = mode, state["MaxConcurrency"]
    return found


def test_a_map_is_distributed_where_more_than_forty_items_may_run_at_a_time(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, *FOREACH)
    assert MachineOptions(store="", request="", settings=SETTINGS).max_workers == 100
    assert modes(plan, max_workers=100) == {"start": ("DISTRIBUTED", 100)}
    assert modes(plan, max_workers=41) == {"start": ("DISTRIBUTED", 41)}
    assert modes(plan, max_workers=40) == {"start": ("INLINE", 40)}
    assert modes(plan, max_workers=7, use_distributed_map=True) == {"start": ("DISTRIBUTED", 7)}
    assert modes(plan, max_workers=100, item_counts={"start": 40}) == {"start": ("INLINE", 40)}
    assert modes(plan, max_workers=100, item_counts={"start": 41}) == {"start": ("DISTRIBUTED", 100)}
    assert modes(plan, max_workers=100, item_counts={"start": 2}, use_distributed_map=True) == {
        "start": ("DISTRIBUTED", 100)
    }


def test_each_foreach_of_a_flow_has_the_map_that_it_needs(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, *nested(3))
    inline, wide = ("INLINE", 40), ("DISTRIBUTED", 100)
    assert modes(plan, max_workers=100) == {"s0": wide, "s1": wide, "s2": wide}
    found = modes(plan, max_workers=100, item_counts={"s0": 3, "s2": 40})
    assert found == {"s0": inline, "s1": wide, "s2": inline}
    definition = state_machine(plan, options(max_workers=100, item_counts={"s0": 3, "s2": 40}))
    check(plan, definition)
    # An item of s1 has a history of its own: 2, s2 with a list to read, a map and an item 17, s3 and j0 6 each.
    assert json.loads(variables(definition, "s2")["FLOW_SDK_EVENTS"]) == {
        "limit": 22_500,
        "once": 2 + 17 + 6 + 6,
        "each": {"s3": 2 + 6},
        "map": "s1",
    }
    # An item of s0 has in the run's own history: s1 with its map run 12, j1 6, and 2 of its own.
    told = json.loads(variables(definition, "s0")["FLOW_SDK_EVENTS"])
    assert told["each"] == {"s1": 2 + 12 + 6} and "map" not in told
    assert "FLOW_SDK_EVENTS" not in variables(definition, "s1")


def test_what_an_item_costs_in_state_transitions(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, *nested(2))
    assert transitions_of_item(plan, "s1", frozenset({"s0", "s1"})) == 1
    assert transitions_of_item(plan, "s0", frozenset({"s0", "s1"})) == 4  # s1, its map, s2, j0
    assert transitions_of_item(plan, "s0", frozenset({"s0"})) == 5  # and the list of s1


def test_a_split_is_a_parallel_state(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        "start: self.next(self.a, self.b)",
        "a: self.next(self.j)",
        "b: self.next(self.j)",
        "j(inputs): self.next(self.end)",
        "end:",
    )
    definition = state_machine(plan, options())
    assert list(definition["States"]) == ["start", "start.branches", "j", "end"]
    assert [list(branch["States"]) for branch in definition["States"]["start.branches"]["Branches"]] == [["a"], ["b"]]


def test_a_loop_counts_its_passes_without_states_of_its_own(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        "start: self.next(self.fit)",
        "fit: self.more = False ; self.next({True: self.fit, False: self.end}, condition='more')",
        "end:",
    )
    definition = state_machine(plan, options())
    check(plan, definition)
    assert list(definition["States"]) == ["start", "fit", "fit.next", "fit.choose", "end"]
    assert definition["States"]["start"]["ResultSelector"] == {
        "run.$": "$$.Execution.Name",
        "loops": {"fit": {"pass": 0}},
    }
    assert accepted_input(plan, "x") == {"run": "x", "loops": {"fit": {"pass": 0}}}
    told = definition["States"]["fit"]["Parameters"]["ContainerOverrides"]["Environment"][0]
    assert told["Value.$"] == "States.Format('Small/sfn-{}/fit/1-{}', $.run, $.loops.fit.pass)"


def test_a_loop_whose_way_back_is_a_plain_step_adds_one(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        "start: self.next(self.fit)",
        "fit: self.more = False ; self.next({True: self.mend, False: self.end}, condition='more')",
        "mend: self.next(self.fit)",
        "end:",
    )
    definition = state_machine(plan, options())
    check(plan, definition)
    again = definition["States"]["mend.again"]
    assert again["Parameters"] == {"pass.$": "States.MathAdd($.loops.fit.pass, 1)"}
    assert again["ResultPath"] == "$.loops.fit" and again["Next"] == "fit"


def test_a_case_that_leaves_a_body_ends_its_item(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        FOREACH[0],
        "fit: self.ok = True ; self.next({True: self.j, False: self.mend}, condition='ok')",
        "mend: self.next(self.j)",
        *FOREACH[2:],
    )
    definition = state_machine(plan, options())
    check(plan, definition)
    inside = definition["States"]["start.each"]["ItemProcessor"]["States"]
    assert inside["fit.done"] == {"Type": "Pass", "Result": {}, "End": True}
    assert inside["fit.choose"]["Choices"][0] == {"Variable": "$.next", "StringEquals": "j", "Next": "fit.done"}


def test_retries_wait_as_the_user_says_and_refused_calls_are_counted_apart(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        "@retry(times=4, minutes_between_retries=0.5)\n@catch(var='error')\nstart: self.next(self.end)",
        "end:",
    )
    definition = state_machine(plan, options())
    throttled, own = definition["States"]["start"]["Retry"]
    assert throttled["ErrorEquals"] == ["Batch.AWSBatchException"] and throttled["JitterStrategy"] == "FULL"
    assert own == {"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 30, "BackoffRate": 1, "MaxAttempts": 5}
    assert len(definition["States"]["end"]["Retry"]) == 1


def test_steps_set_up_alike_share_a_job_definition(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "start: self.next(self.fit)", "@retry(times=2)\nfit: self.next(self.end)", "end:")
    (only,) = job_definitions(plan, options())
    found = state_machine(plan, options())["States"]
    assert {found[name]["Parameters"]["JobDefinition"] for name in ("start", "fit", "end")} == {only.name}


def test_partition_timeout_and_tags(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "start: self.next(self.end)", "end:")
    definition = state_machine(plan, options(partition="aws-cn", workflow_timeout=60, batch_tags={"team": "search"}))
    assert definition["TimeoutSeconds"] == 60
    assert definition["States"]["end"]["Resource"] == "arn:aws-cn:states:::batch:submitJob.sync"
    assert definition["States"]["end"]["Parameters"]["Tags"] == {
        "team": "search",
        "flow_sdk.flow": "Small",
        "flow_sdk.run.$": "$.run",
        "flow_sdk.step": "end",
        "flow_sdk.task": "1",
    }


def test_names_that_are_too_long_are_cut_and_stay_apart(tmp_path: Path) -> None:
    a, b = "a" * 100 + "1", "a" * 100 + "2"
    steps = "start: self.next(self.{})", "{}: self.next(self.{})", "{}: self.next(self.end)", "end:"
    plan = plan_of(tmp_path, steps[0].format(a), steps[1].format(a, b), steps[2].format(b), steps[3])
    check(plan, state_machine(plan, options()))


def test_a_store_whose_name_would_be_read_as_an_intrinsic_is_refused(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, *FOREACH)
    for folder in ("a'b", "a{}b", "a\\b", "ü"):
        with pytest.raises(ConfigError, match="isn't an address in S3"):
            state_machine(plan, options(store=f"s3://bucket/{folder}"))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "start: self.next(self.end)", "end:")
    with pytest.raises(ConfigError, match="job queue"):
        state_machine(plan, options(settings=BatchSettings(image="image:1")))


def test_a_definition_above_a_megabyte_is_refused_with_the_number(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "start: self.next(self.end)", "end:")
    definition = state_machine(plan, options())
    with pytest.raises(DeployError, match=r"bytes of the definition[\s\S]*1,048,576"):
        check_definition(plan, {**definition, "Comment": "x" * 1_048_576})
    huge = json.loads(json.dumps(definition))
    huge["States"]["end"]["Parameters"]["ContainerOverrides"]["Environment"].append({"Name": "A", "Value": "x" * 9000})
    with pytest.raises(DeployError, match=r"overrides[\s\S]*8,192[\s\S]*'end'"):
        check_definition(plan, huge)


def test_overrides_stay_small_whatever_a_run_is_called(tmp_path: Path) -> None:
    name = "b" * 128
    plan = plan_of(tmp_path, f"start: self.next(self.{name})", f"{name}: self.next(self.end)", "end:")
    used = {what: used for what, used, _ in limit_shares(plan, state_machine(plan, options()))}
    assert used["bytes of a job's overrides"] < 2000


def test_the_events_of_an_execution_set_how_many_items_a_foreach_may_have(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, *FOREACH)
    # The execution has 2 events, start 15, j and end 6 each, an item 8: 29 + 8 n <= 22,500
    assert most_items(plan, plan.start, INLINE) == (22_500 - 29) // 8
    # With a parameter, the states that look at the input have 7.
    assert most_items(with_parameter(plan), plan.start, INLINE) == (22_500 - 36) // 8
    told = variables(state_machine(plan, options()), "start")
    assert told["FLOW_SDK_MOST_ITEMS"] == "2808"
    assert json.loads(told["FLOW_SDK_EVENTS"]) == {"limit": 22_500, "once": 37, "each": {"fit": 8}}


def test_what_its_items_give_back_sets_how_many_a_distributed_map_may_have(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, *FOREACH)
    most = most_items(plan, plan.start, frozenset({"start"}))
    assert len(json.dumps([{}] * most, separators=(",", ":"))) <= 262_144
    assert len(json.dumps([{}] * (most + 1_000), separators=(",", ":"))) > 262_144
    told = variables(state_machine(plan, options(use_distributed_map=True)), "start")
    assert told["FLOW_SDK_MOST_ITEMS"] == "87000" and "FLOW_SDK_EVENTS" not in told


LOOPS = (
    "start: self.next(self.fit)",
    "fit: self.more = 1 ; self.next({1: self.fit, 0: self.split}, condition='more')",
    "split: self.xs = [1] ; self.next(self.inner, foreach='xs')",
    "inner: self.next(self.look)",
    "look: self.more = 1 ; self.next({1: self.again, 0: self.j}, condition='more')",
    "again: self.next(self.inner)",
    "j(inputs): self.next(self.end)",
    "end:",
)


def test_each_step_that_goes_back_is_told_what_a_pass_costs(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, *LOOPS)
    # start 6, fit 13, split 17, inner 6, look 13 and 2 to leave the body, again 8, j and end 6 each
    inline = state_machine(plan, options())
    told = {name: variables(inline, name).get("FLOW_SDK_EVENTS") for name in ("fit", "again")}
    assert json.loads(told["fit"] or "") == {"limit": 22_500, "once": 79, "each": {"fit": 13}}
    assert json.loads(told["again"] or "") == {"limit": 22_500, "once": 79, "each": {"inner": 27}}
    assert "FLOW_SDK_EVENTS" not in variables(inline, "look"), "the pass is counted where it is begun"
    assert json.loads(variables(inline, "split")["FLOW_SDK_EVENTS"])["each"] == {"inner": 2 + 6 + 15 + 8}
    wide = state_machine(plan, options(use_distributed_map=True))
    assert json.loads(variables(wide, "again")["FLOW_SDK_EVENTS"]) == {
        "limit": 22_500,
        "once": 2 + 6 + 15 + 8,
        "each": {"inner": 27},
        "map": "split",
    }


def test_the_shares_of_loops_and_foreachs_are_shown(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, *LOOPS)
    rows = {what: (used, allowed) for what, used, allowed in limit_shares(plan, state_machine(plan, options()))}
    assert rows["events of a run, one item or pass of each"] == (79, 25_000)
    assert rows["events of a pass of loop 'fit' (at most 1,725)"] == (13, 25_000)
    assert rows["events of a pass of loop 'inner' (at most 831)"] == (27, 25_000)
    assert rows["events of an item of 'split' (at most 724)"] == (31, 25_000)
    wide = state_machine(plan, options(use_distributed_map=True))
    rows = {what: (used, allowed) for what, used, allowed in limit_shares(plan, wide, frozenset({"split"}))}
    assert rows["events of an item of 'split' (at most 87,000)"] == (31, 25_000)


def nested(depth: int) -> tuple[str, ...]:
    """Foreachs in one another."""
    opening = [f"s{n}: self.xs = [1] ; self.next(self.s{n + 1}, foreach='xs')" for n in range(depth)]
    joins = [f"j{n}(inputs): self.next(self.j{n + 1})" for n in range(depth)]
    return (
        "start: self.next(self.s0)",
        *opening,
        f"s{depth}: self.next(self.j0)",
        *joins,
        f"j{depth}: self.next(self.end)",
        "end:",
    )


def test_the_list_of_a_deep_foreach_stays_within_what_a_state_may_hold(tmp_path: Path) -> None:
    for depth in (1, 6, 30):
        plan = plan_of(tmp_path, *nested(depth))
        used = {what: used for what, used, _ in limit_shares(plan, state_machine(plan, options()))}
        assert used["bytes of a state's data"] <= 262_144
        most = most_items(plan, plan[f"s{depth - 1}"], INLINE)
        text = json.dumps([".".join([*["0"] * (depth - 1), str(n)]) for n in range(most)])
        assert len(json.dumps({"Body": text})) <= used["bytes of a state's data"]


def test_state_data_that_may_get_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(tmp_path, *LOOPS)
    definition = state_machine(plan, options())
    monkeypatch.setattr(limits, "DATA_BYTES", 2_000)
    with pytest.raises(DeployError, match=r"bytes of a state's data[\s\S]*at most 2,000[\s\S]*Shorten the names"):
        check_definition(plan, definition)
