"""The parents of a task, in whole flows of every shape."""

from tests.support.in_process_runs import InProcessRun
from tests.support.runtime_flows import Loops, Shapes


def test_splits_foreach_and_switches_give_what_the_code_says() -> None:
    run = InProcessRun(Shapes).run()
    assert run.scheduler.finished
    assert run.value("meet", "result") == ([100, 2, 104], [["a00"], ["b00", "b11"]], True)
    assert run.value("end", "total") == 2060
    assert run.value("inner", "stack", "1.1") == [(1, 2, ("b", 2)), (1, 2, 1)]
    assert run.task("inner", "1.0").parents[0].step == "outer"
    assert [p.task for p in run.task("gather").parents] == [
        run.id("extra", "0"),
        run.id("work", "1"),
        run.id("extra", "2"),
    ]
    assert [p.step for p in run.task("gather").parents] == ["extra", "work", "extra"]


def test_a_step_that_no_switch_chose_never_runs() -> None:
    run = InProcessRun(Shapes).run()
    assert ("extra", "1") not in run.order and ("extra", "0") in run.order


def test_loops_in_a_foreach_and_a_foreach_in_a_loop() -> None:
    run = InProcessRun(Loops).run()
    assert run.value("collect", "traces") == [
        [(1, 1), (2, 1), (3, 1)],
        [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)],
    ]
    assert run.value("collect", "last_pieces") == [[13, 23], [13, 23]]
    assert ("tick", "1-2.1") in run.order
    last = run.task("leave", "1").parents[0]
    assert last.task == run.id(last.step, "1-2")
    assert run.task("tick", "1-0.1").parents[0].task == run.id("tick", "1-0.0")
    assert run.task("head", "0-1").parents[0].step == "fan_in"
