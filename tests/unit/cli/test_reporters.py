"""What a run shows: plain lines, JSON lines, the live block."""

import io
import json
import re
import time

import pytest

from flow_sdk.cli.reporters import live
from flow_sdk.cli.reporters import plain as output
from flow_sdk.cli.reporters.live import LiveReporter, certain_bodies
from flow_sdk.cli.reporters.plain import JsonReporter, PlainReporter, seconds_text
from flow_sdk.plan.model import FlowPlan, Scope, StepPlan
from tests.strategies.transitions import plan_of
from tests.support.function_calls import calls_of

ITEM = (Scope("foreach", "start"),)
PLAN = FlowPlan(
    "F",
    "f.py",
    "",
    (
        StepPlan("start", "foreach", next=("work",), foreach="items"),
        StepPlan("work", "switch", next=("good", "bad"), condition="x", scopes=ITEM, parents=("start",)),
        StepPlan("good", "linear", next=("join",), scopes=ITEM, parents=("work",)),
        StepPlan("bad", "linear", next=("join",), scopes=ITEM, parents=("work",)),
        StepPlan("join", "linear", is_join=True, next=("end",), joins="start", parents=("good", "bad")),
        StepPlan("end", "end", parents=("join",)),
    ),
)


class Terminal(io.StringIO):
    """A terminal that keeps what would be on its screen."""

    encoding = "utf-8"

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        super().__init__()
        self.columns, self.rows = columns, rows

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise ValueError("no descriptor")

    @property
    def screen(self) -> list[str]:
        lines, row = [""], 0
        for part in re.split(r"(\x1b\[\d*[A-Za-z]|\r|\n)", self.getvalue()):
            if part == "\n":
                row += 1
                if row == len(lines):
                    lines.append("")
            elif part.endswith("A") and part.startswith("\x1b"):
                row -= int(part[2:-1])
                assert row >= 0, "moved above the screen"
            elif part == "\x1b[J":
                del lines[row + 1 :]
                lines[row] = ""
            elif part != "\r" and not part.startswith("\x1b"):
                lines[row] += part
        return lines


def tell(reporter) -> None:
    """One run with everything that can happen in it."""
    reporter.run_started("F", "7", ("a",))
    reporter.reused("before", 10_000, 0, "6")
    reporter.reused("work", 1, 2, "6")
    reporter.task_started("start", "0", 0, 11)
    reporter.split("start", "0", 2)
    reporter.task_finished("start", "0", 0, 0.25, caught=False)
    reporter.task_started("work", "0", 0, 12)
    reporter.task_started("work", "1", 0, 13)
    reporter.task_output("work", "0", 0, "stdout", "a result")
    reporter.task_output("work", "1", 0, "stderr", "a warning")
    reporter.task_finished("work", "0", 0, 1.0, caught=True)
    reporter.task_failed("work", "1", 0, "ValueError: no", retry_in=120.0)
    reporter.task_started("work", "1", 1, 14)
    reporter.task_failed("work", "1", 1, "ValueError: no", retry_in=None)
    reporter.message("stopping")
    reporter.run_finished("F", "7", 75.0, "failed", "1 task failed")


def plain(**kwargs) -> tuple[list[str], list[str]]:
    out, err = io.StringIO(), io.StringIO()
    tell(PlainReporter("python f.py", out=out, err=err, **kwargs))
    cut = len("2026-11-21 07:40:00.000 ")
    return [line[cut:] for line in out.getvalue().splitlines()], [line[cut:] for line in err.getvalue().splitlines()]


def test_plain_lines_keep_results_apart_from_messages():
    out, err = plain()
    assert out == ["[7/work/0] a result"]
    assert err == [
        "[7] Run F/7 started, tags a",
        "[7/before] 10000 tasks reused from run 6",
        "[7/work] 1 task reused from run 6, 2 to run",
        "[7/start/0] started (pid 11)",
        "[7/start/0] foreach starts 2 tasks",
        "[7/start/0] finished after 0.25 s",
        "[7/work/0] started (pid 12)",
        "[7/work/1] started (pid 13)",
        "[7/work/1] a warning",
        "[7/work/0] failed and was caught after 1.00 s",
        "[7/work/1] attempt 0 failed: ValueError: no; trying again in 2 min 00 s",
        "[7/work/1] started (pid 14), attempt 1",
        "[7/work/1] failed after 2 attempts",
        "[7] stopping",
        "[7] 7/work/1 failed after 2 attempts: ValueError: no",
        "[7]   python f.py logs 7/work/1",
        "[7] To run what is left: python f.py resume --origin-run-id 7",
        "[7] Run 7 failed after 75.0 s: 1 task failed",
    ]


def test_quiet_leaves_output_and_failures():
    out, err = plain(quiet=True)
    assert out == ["[7/work/0] a result"]
    assert err[0] == "[7/work/1] a warning"
    assert [line for line in err if "started" in line] == []
    assert err[-1] == "[7] Run 7 failed after 75.0 s: 1 task failed"


def test_plain_lines_carry_the_time():
    err = io.StringIO()
    before = time.strftime("%Y-%m-%d %H:%M")
    PlainReporter(err=err).message("x")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} x\n", err.getvalue())
    assert err.getvalue()[: len(before)] in (before, time.strftime("%Y-%m-%d %H:%M"))


def test_many_failures_are_counted():
    failures = output.Failures("python f.py")
    for n in range(13):
        failures.add_failure("work", str(n), 0, "ValueError")
    lines = failures.summary_lines("7")
    assert len(lines) == 22
    assert lines[-2] == "and 3 more tasks failed"


def test_a_hundred_tasks_cost_little():
    reporter = PlainReporter(out=io.StringIO(), err=io.StringIO())

    def report() -> None:
        for n in range(100):
            reporter.task_started("work", str(n), 0, n)
            reporter.task_output("work", str(n), 0, "stdout", "line")
            reporter.task_finished("work", str(n), 0, 0.1, caught=False)

    assert calls_of(report) < 100 * 40


def test_json_lines():
    out = io.StringIO()
    tell(JsonReporter(out))
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [event["event"] for event in events] == [
        *(
            "run_started",
            "reused",
            "reused",
            "task_started",
            "split",
            "task_finished",
            "task_started",
            "task_started",
            "task_output",
        ),
        *("task_output", "task_finished", "task_failed", "task_started", "task_failed", "message", "run_finished"),
    ]
    assert all(event["run"] == "7" and isinstance(event["time"], float) for event in events)
    assert events[8]["stream"] == "stdout" and events[8]["line"] == "a result"
    assert events[11]["retry_in"] == 120.0 and events[13]["retry_in"] is None
    assert (events[1]["count"], events[2]["left"], events[2]["origin"]) == (10_000, 2, "6")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 s"),
        (9.994, "9.99 s"),
        (12.34, "12.3 s"),
        (99.9, "99.9 s"),
        (99.96, "1 min 40 s"),
        (3600, "1 h 00 min"),
        (7620, "2 h 07 min"),
    ],
)
def test_durations(seconds, text):
    assert seconds_text(seconds) == text


def test_only_steps_that_no_switch_decides_on_have_a_known_number():
    assert certain_bodies(PLAN) == {"start": ("work",)}


def test_a_step_in_which_all_cases_meet_has_a_known_number_and_one_in_a_loop_has_none(tmp_path):
    plan = plan_of(
        "start: self.s, foreach='x'\ns: {1: self.a, 2: self.m}, condition='c'\na: self.m\nm: self.n, foreach='y'\n"
        "n: self.o\no: {1: self.o, 2: self.i}, condition='c'\ni(inputs): self.j\nj(inputs): self.end\nend:",
        tmp_path,
    )
    assert certain_bodies(plan) == {"start": ("s", "m", "i"), "m": ("n",)}


@pytest.fixture
def terminal(monkeypatch):
    shown = Terminal()
    monkeypatch.setattr(live.os, "get_terminal_size", lambda fd=0: (shown.columns, shown.rows))
    monkeypatch.setattr(Terminal, "fileno", lambda self: 1)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(live, "FRAME", 0.0)
    return shown


def test_live_lines_stay_below_the_output(terminal):
    reporter = LiveReporter(PLAN, "python f.py", out=terminal)
    tell(reporter)
    screen = terminal.screen
    assert screen[0] == "Run F/7, tags a"
    assert screen[1] == "[7/work/0] a result"
    assert screen[2] == "[7/work/1] a warning"
    assert screen[3] == "[7/work/1] attempt 0 failed: ValueError: no; trying again in 2 min 00 s"
    assert screen[4] == "[7/work/1] failed after 2 attempts"
    assert screen[5] == "stopping"
    assert re.fullmatch(r"✓ before +10000/10000 +0\.\d\d s  10000 reused", screen[6])
    assert re.fullmatch(r"✗ work +2/3 +0\.\d\d s  1 reused  1 retried  1 caught  1 failed", screen[7])
    assert re.fullmatch(r"✓ start +1/1 +0\.\d\d s", screen[8])
    assert screen[9:] == [
        "7/work/1 failed after 2 attempts: ValueError: no",
        "  python f.py logs 7/work/1",
        "To run what is left: python f.py resume --origin-run-id 7",
        "Run 7 failed after 75.0 s: 1 task failed",
        "",
    ]


def test_live_lines_fit_a_narrow_terminal(terminal):
    terminal.columns = 20
    reporter = LiveReporter(PLAN, out=terminal, quiet=True)
    reporter.task_started("start", "0", 0, 1)
    reporter.task_started("work", "0", 0, 1)
    lines = [line for line in terminal.screen if line]
    assert [line.split()[1:] for line in lines] == [["start", "0/1"], ["work", "0/1"]]
    assert all(len(line) < 20 for line in lines)


def test_live_lines_fit_a_low_terminal(terminal):
    terminal.rows = 4
    reporter = LiveReporter(PLAN, out=terminal, quiet=True)
    for step in ("start", "work", "good"):
        reporter.task_started(step, "0", 0, 1)
        if step != "work":
            reporter.task_finished(step, "0", 0, 1.0, caught=False)
    assert [line.split()[1] for line in terminal.screen if line] == ["work", "good"]


def test_a_step_cannot_draw_over_the_live_lines(terminal):
    reporter = LiveReporter(PLAN, out=terminal, quiet=True)
    reporter.task_started("start", "0", 0, 1)
    reporter.task_output("start", "0", 0, "stdout", "10%\r20%\r \x1b[5A\x1b[31mred\x1b[0m\x07\tx")
    assert "\x1b[5A" not in terminal.getvalue() and "\x07" not in terminal.getvalue()
    assert "\x1b[31mred" in terminal.getvalue()
    assert "10%" not in terminal.getvalue()


def test_no_colour_when_asked(terminal):
    tell(LiveReporter(PLAN, out=terminal))
    assert not re.search(r"\x1b\[\d*m", terminal.getvalue())


def test_colour_otherwise(terminal, monkeypatch):
    monkeypatch.delenv("NO_COLOR")
    tell(LiveReporter(PLAN, out=terminal))
    assert "\x1b[31m" in terminal.getvalue()


def test_dumb_terminals_and_pipes_get_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert not live.can_be_live(Terminal(), Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert not live.can_be_live(Terminal(), io.StringIO())


def test_the_reason_of_a_failure_is_told_once(capsys):
    reporter = PlainReporter("python 'f g.py'")
    reporter.run_started("F", "7", ())
    for task in ("0", "1"):
        reporter.task_failed("work", task, 0, "ValueError: no\nand more", retry_in=None)
    reporter.run_finished("F", "7", 1.0, "failed", "work/1: ValueError: no\nand more")
    lines = [line[24:] for line in capsys.readouterr().err.splitlines()][1:]
    assert lines == [
        "[7/work/0] failed after 1 attempt",
        "[7/work/1] failed after 1 attempt",
        "[7] 7/work/0 failed after 1 attempt: ValueError: no ...",
        "[7]   python 'f g.py' logs 7/work/0",
        "[7] 7/work/1 failed after 1 attempt: ValueError: no ...",
        "[7]   python 'f g.py' logs 7/work/1",
        "[7] To run what is left: python 'f g.py' resume --origin-run-id 7",
        "[7] Run 7 failed after 1.00 s",
    ]


def test_another_reason_of_the_end_is_told(capsys):
    reporter = PlainReporter("python f.py")
    reporter.task_failed("work", "0", 0, "ValueError: no", retry_in=None)
    reporter.run_finished("F", "7", 1.0, "cancelled", "interrupted")
    assert capsys.readouterr().err.endswith("Run 7 cancelled after 1.00 s: interrupted\n")


def test_the_log_of_a_notebooks_flow_is_read_with_python(capsys):
    reporter = PlainReporter("python f.py", notebook_flow="F")
    reporter.task_failed("work", "0", 0, "ValueError: no", retry_in=None)
    reporter.run_finished("F", "7", 1.0, "failed", "work/0: ValueError: no")
    said = capsys.readouterr().err
    assert 'print(Task("F/7/work/0").stderr)' in said and "python f.py" not in said


def test_an_attempt_that_only_takes_a_failure_is_not_told_as_another_try():
    for make in (PlainReporter, JsonReporter):
        out = io.StringIO()
        reporter = make(out=out, err=out) if make is PlainReporter else make(out)
        reporter.task_failed("work", "1", 0, "it was killed", retry_in=0.0, takes_over=True)
        reporter.task_started("work", "1", 1, 14, takes_over=True)
        if make is PlainReporter:
            first, second = (line[24:] for line in out.getvalue().splitlines())
            assert first.endswith("attempt 0 failed: it was killed; @catch handles the failure")
            assert second.endswith("started (pid 14), to store the failure")
        else:
            assert [json.loads(line)["takes_over"] for line in out.getvalue().splitlines()] == [True, True]


LONG = "train_the_model_of_every_country"


def test_a_narrow_terminal_shortens_names_and_keeps_words(terminal):
    terminal.columns = 70
    plan = FlowPlan("F", "f.py", "", (StepPlan("start", "linear", next=(LONG,)), StepPlan(LONG, "end")))
    reporter = LiveReporter(plan, "python f.py", out=terminal, quiet=True)
    reporter.reused(LONG, 12, 4, "6")
    reporter.task_started("start", "0", 0, 1)
    for task in ("1", "2"):
        reporter.task_started(LONG, task, 0, 1)
        reporter.task_failed(LONG, task, 0, "ValueError", retry_in=0)
        reporter.task_started(LONG, task, 1, 1)
        reporter.task_failed(LONG, task, 1, "ValueError", retry_in=None)
    first, second = (line for line in terminal.screen if line.startswith(tuple("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏✗")))
    assert re.fullmatch(r"✗ train_\S+… +12/16 +\S+ s  12 reused  2 retried  2 failed", first) and len(first) <= 69
    assert "start" in second and second.endswith("1 running")


@pytest.mark.parametrize("columns", range(20, 75))
def test_no_live_line_ends_in_a_bare_number(terminal, columns):
    terminal.columns = columns
    plan = FlowPlan("F", "f.py", "", (StepPlan(LONG, "end"),))
    reporter = LiveReporter(plan, "python f.py", out=terminal, quiet=True)
    reporter.reused(LONG, 12, 4, "6")
    reporter.task_started(LONG, "1", 0, 1)
    reporter.task_started(LONG, "2", 0, 1)
    reporter.task_failed(LONG, "2", 0, "ValueError", retry_in=None)
    line = terminal.screen[-2]
    assert len(line) < columns
    assert re.search(r"(13/16|/16|\d s|running|reused|failed)$", line), line


def test_a_wait_for_the_next_attempt_is_shown(terminal):
    reporter = LiveReporter(PLAN, "python f.py", out=terminal, quiet=True)
    reporter.task_started("work", "0", 0, 1)
    reporter.task_failed("work", "0", 0, "ValueError", retry_in=50.0)
    assert re.search(r"work .*  1 waiting, retry in (50|4\d) s  1 retried$", terminal.screen[-2])
    reporter.task_started("work", "1", 0, 1)
    reporter.task_failed("work", "1", 0, "ValueError", retry_in=7200.0)
    assert re.search(r"  2 waiting, retry in (50|4\d) s  2 retried$", terminal.screen[-2])
    reporter.task_started("work", "0", 1, 1)
    assert re.search(r"  1 running  1 waiting, retry in 2 h 00 min  2 retried$", terminal.screen[-2])
    reporter.task_started("work", "1", 1, 1)
    assert "waiting" not in terminal.screen[-2]


def test_a_reason_that_is_a_sentence_goes_on(capsys):
    for reason, said in (("ran 2 seconds.", "ran 2 seconds; trying"), ("one\ntwo", "one ...; trying")):
        PlainReporter().task_failed("work", "0", 0, reason, retry_in=1.0)
        assert f"{said} again in 1.00 s" in capsys.readouterr().err


@pytest.mark.parametrize(("state", "told"), [("failed", True), ("cancelled", True), ("succeeded", False)])
def test_the_end_says_how_the_run_is_resumed(terminal, capsys, state, told):
    PlainReporter("python f.py").run_finished("F", "7", 1.0, state, "interrupted")
    LiveReporter(PLAN, "python f.py", out=terminal).run_finished("F", "7", 1.0, state, "interrupted")
    for text in (capsys.readouterr().err, "\n".join(terminal.screen)):
        assert ("To run what is left: python f.py resume --origin-run-id 7\n" in text) is told
