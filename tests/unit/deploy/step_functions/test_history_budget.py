"""The account of a history's events: what a flow may start, who is refused, and that it never falls short."""

import re
import threading
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.deploy.step_functions import limits
from flow_sdk.deploy.step_functions.history_budget import reserve_events
from flow_sdk.deploy.step_functions.limits import event_budget
from flow_sdk.deploy.step_functions.runtime import KIND
from flow_sdk.errors import TransitionError
from flow_sdk.runtime.local.scheduler import TaskKey
from flow_sdk.runtime.orchestrator import FinishedStep
from flow_sdk.runtime.task.attempt import Outcome
from flow_sdk.store.records.layout import parse_key
from tests.strategies.flows import flow_source
from tests.strategies.loading import load_flow, small_flow
from tests.support.in_process_runs import InProcessRun

LOOP = (
    "start: self.n = 0 ; self.next(self.fit)",
    "fit: self.n += 1 ; self.more = self.n < 50 ; self.next({True: self.fit, False: self.end}, condition='more')",
    "end:",
)


class MachineTasks(InProcessRun):
    """A run whose tasks are told what those of a state machine are told."""

    limit = limits.MOST_EVENTS
    distributed: frozenset[str] = frozenset()

    def attempt(self, key: TaskKey, left: int, **request: Any) -> Outcome:
        budget = event_budget(self.plan, self.plan[key.step], self.distributed)
        told = None if budget is None else {**budget, "limit": self.limit}
        return super().attempt(key, left, orchestrator={"kind": KIND}, adapter_data=told, **request)

    def put_down(self, history: str = "run") -> list[str]:
        """What is in the account."""
        folder = f"flows/{self.plan.flow}/runs/1/events/{history}/"
        return [info.key.removeprefix(folder) for info in self.store.list(folder)]

    @property
    def account(self) -> int:
        """How many events the run's history has as far as the account goes."""
        once = limits._Events(self.plan, self.distributed).once(None)
        return once + sum(int(entry.rpartition("=")[2]) for entry in self.put_down())

    def error(self) -> dict[str, str]:
        """Why the one task failed that did."""
        (failed,) = [outcome for outcome in self.outcomes if not outcome.manifest.ok]
        assert failed.fatal and failed.manifest.exception is not None
        return failed.manifest.exception


def run(folder: Path, *steps: str, limit: int = limits.MOST_EVENTS, distributed: tuple[str, ...] = ()) -> MachineTasks:
    made = MachineTasks(small_flow(folder, *steps))
    made.limit, made.distributed = limit, frozenset(distributed)
    made.run()
    return made


def counted(run: InProcessRun) -> int:
    """Events of the history of a run with inline maps, from what its tasks did."""
    total = limits.EXECUTION_EVENTS
    for (name, _), manifest in run.tasks().items():
        step = run.plan[name]
        total += limits.JOB_EVENTS
        if step.kind == "foreach":
            assert manifest.items is not None
            total += limits.READ_EVENTS + limits.AROUND_EVENTS + limits.ITEM_EVENTS * manifest.items.count
        elif step.kind == "split":
            total += limits.AROUND_EVENTS
        elif step.kind == "switch":
            leaves = run.plan[manifest.next[0]].joins is not None
            total += limits.READ_EVENTS + limits.CHOICE_EVENTS + (limits.PASS_EVENTS if leaves else 0)
        elif step.back:
            total += limits.PASS_EVENTS
    return total


@pytest.mark.parametrize("seed", range(24))
def test_the_account_never_falls_short(seed: int, tmp_path: Path) -> None:
    made = MachineTasks(load_flow(flow_source(seed).text, tmp_path))
    made.run()
    if any(step.kind == "switch" for step in made.plan.steps):
        assert counted(made) <= made.account, "a case that isn't chosen is counted too"
    else:
        assert counted(made) == made.account


def test_a_loop_is_counted_pass_by_pass(tmp_path: Path) -> None:
    made = run(tmp_path, *LOOP)
    assert len(made.put_down()) == 49
    assert parse_key("flows/Small/runs/1/events/run/" + made.put_down()[0]).kind == "events"
    assert counted(made) == made.account == 2 + 6 + 50 * 13 + 6


def test_a_loop_that_would_overrun_fails_with_number_limit_and_way_out(tmp_path: Path) -> None:
    made = run(tmp_path, *LOOP, limit=2 + 6 + 20 * 13 + 6)
    text = made.error()["stacktrace"]
    assert len([name for name, _ in made.tasks() if name == "fit"]) == 19
    assert "The loop at 'fit' can't begin pass 21: the run's history would get too long." in text
    assert re.search(r"287 events[\s\S]*at most 274[\s\S]*25,000[\s\S]*resume --origin-run-id", text)
    assert len(made.put_down()) == 19, "what is refused isn't counted"


def test_a_loop_in_a_body_leaves_the_body_as_many_times_as_there_are_items(tmp_path: Path) -> None:
    made = run(
        tmp_path,
        "start: self.xs = [1, 2, 3] ; self.next(self.fit, foreach='xs')",
        "fit: self.n = getattr(self, 'n', 0) + 1 ; self.more = self.n < 4 ; "
        "self.next({True: self.fit, False: self.j}, condition='more')",
        "j(inputs): self.next(self.end)",
        "end:",
    )
    assert counted(made) == made.account


def two(first: int, second: int) -> tuple[str, ...]:
    return (
        f"start: self.xs = range({first}) ; self.next(self.a, foreach='xs')",
        "a: self.next(self.j)",
        f"j(inputs): self.ys = range({second}) ; self.next(self.b, foreach='ys')",
        "b: self.next(self.k)",
        "k(inputs): self.next(self.end)",
        "end:",
    )


def test_foreachs_share_what_there_is_as_they_come(tmp_path: Path) -> None:
    limit = 2 + 2 * 15 + 2 * 6 + 8 * 21
    fits = run(tmp_path, *two(18, 3), limit=limit)
    assert fits.outcomes[-1].manifest.ok and counted(fits) == fits.account == limit
    assert run(tmp_path, *two(3, 18), limit=limit).outcomes[-1].manifest.ok
    refused = run(tmp_path, *two(18, 4), limit=limit)
    text = refused.error()["stacktrace"]
    assert "The foreach would start 4 tasks; the run's history has room for 3." in text
    assert f"{limit + 8} events" in text and "--use-distributed-map" in text


def test_the_first_foreach_leaves_the_next_one_an_item(tmp_path: Path) -> None:
    refused = run(tmp_path, *two(21, 1), limit=2 + 2 * 15 + 2 * 6 + 8 * 21)
    assert "would start 21 tasks; the run's history has room for 20" in refused.error()["stacktrace"]


def test_a_nested_foreach_may_be_as_uneven_as_it_likes(tmp_path: Path) -> None:
    made = run(
        tmp_path,
        "start: self.xs = [40, 1, 2] ; self.next(self.outer, foreach='xs')",
        "outer: self.ys = range(self.input) ; self.next(self.inner, foreach='ys')",
        "inner: self.next(self.j)",
        "j(inputs): self.next(self.k)",
        "k(inputs): self.next(self.end)",
        "end:",
    )
    assert counted(made) == made.account
    assert sorted(made.put_down()) == ["outer=1.0=312", "outer=1.2=8", f"start=0={2 * 31}"]


def test_with_distributed_maps_each_item_has_an_account_of_its_own(tmp_path: Path) -> None:
    steps = (
        "start: self.xs = [3, 1, 2] ; self.next(self.fit, foreach='xs')",
        "fit: self.n = getattr(self, 'n', 0) + 1 ; self.more = self.n < self.input ; "
        "self.next({True: self.fit, False: self.j}, condition='more')",
        "j(inputs): self.next(self.end)",
        "end:",
    )
    once = 2 + 15
    made = run(tmp_path, *steps, limit=once + 26, distributed=("start",))
    assert made.outcomes[-1].manifest.ok
    assert made.put_down() == made.put_down("start=1") == []
    assert made.put_down("start=0") == ["fit=1.0-0=13", "fit=1.0-1=13"]
    refused = run(tmp_path, *steps, limit=once + 25, distributed=("start",))
    assert "can't begin pass 3: the item's history would" in refused.error()["stacktrace"]


def test_an_inline_map_in_an_item_of_a_distributed_one_shares_the_items_account(tmp_path: Path) -> None:
    steps = (
        "start: self.xs = [0, 1] ; self.next(self.outer, foreach='xs')",
        "outer: self.ys = [0, 1] ; self.next(self.middle, foreach='ys')",
        "middle: self.zs = list(range(1 + self.input)) ; self.next(self.fit, foreach='zs')",
        "fit: self.next(self.j0)",
        "j0(inputs): self.next(self.j1)",
        "j1(inputs): self.next(self.j2)",
        "j2(inputs): self.next(self.end)",
        "end:",
    )
    made = run(tmp_path, *steps, distributed=("start",))
    assert made.outcomes[-1].manifest.ok
    # An item of "outer" adds a whole "middle": 2, its own 6 and 5 + 4 + 2 for its map, fit 6, j0 6.
    for item in ("0", "1"):
        assert sorted(made.put_down(f"start={item}")) == sorted([f"middle=2.{item}.1=8", f"outer=1.{item}=31"])
    assert made.put_down() == []


def test_of_several_at_once_none_passes_the_limit(tmp_path: Path) -> None:
    made = InProcessRun(small_flow(tmp_path, *LOOP))
    step, refused = made.plan["fit"], []
    budget = {"limit": 100, "once": 20, "each": {"fit": 10}}
    ready = threading.Barrier(16)

    def one(number: int) -> None:
        ready.wait()
        try:
            reserve_events(FinishedStep(made.view, step, (number,), "fit"), budget)
        except TransitionError:
            refused.append(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = list(made.store.list("flows/Small/runs/1/events/run/"))
    assert len(kept) == 16 - len(refused) <= 8


def test_trying_again_takes_nothing_more(tmp_path: Path) -> None:
    made = InProcessRun(small_flow(tmp_path, *two(1, 1)))
    step, budget = made.plan["start"], {"limit": 100, "once": 20, "each": {"a": 10}}
    for count in (9, 9, 5):
        reserve_events(FinishedStep(made.view, step, (), "a", range(count)), budget)
    with pytest.raises(TransitionError, match="room for 9"):
        reserve_events(FinishedStep(made.view, step, (), "a", range(10)), budget)
    reserve_events(FinishedStep(made.view, step, (), "a", range(9)), budget)
    with pytest.raises(TransitionError, match="room for 1"):
        reserve_events(FinishedStep(made.view, made.plan["j"], (), "b", range(2)), {**budget, "each": {"b": 10}})
