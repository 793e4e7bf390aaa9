"""Findings as a whole: all at once, in the order of the source, shown like a compiler's."""

from __future__ import annotations

from pathlib import Path

import pytest

from flow_sdk.authoring.decospec import parse_with
from flow_sdk.errors import CheckFailed
from flow_sdk.lint.diagnostic import Diagnostic, render_diagnostic
from flow_sdk.plan.compile import check_class, compile_plan
from tests.strategies.loading import HEADER, load_flow, small_flow


def codes(flow: type) -> list[str]:
    return [diagnostic.code for diagnostic in check_class(flow)]


def test_all_findings_come_at_once_in_the_order_of_the_source(tmp_path: Path) -> None:
    flow = small_flow(
        tmp_path,
        "start: self.next(self.trian)",
        "train(a, b, c): self.next(self.end, when=1)",
        "Bad: self.next('end')",
        "end: pass",
    )
    assert codes(flow) == ["FS203", "FS108", "FS205", "FS102", "FS204"]


def test_an_unknown_target_comes_with_the_nearest_step(tmp_path: Path) -> None:
    flow = small_flow(tmp_path, "start: self.next(self.trian)", "train: self.next(self.end)", "end: pass")
    assert check_class(flow)[0].help == "Did you mean 'train'?"


def test_a_target_that_is_a_method_lacks_its_decorator(tmp_path: Path) -> None:
    flow = small_flow(tmp_path, "start: self.next(self.a)", "end: pass", body="def a(self): self.next(self.end)")
    assert [(d.code, d.help) for d in check_class(flow)] == [("FS203", "Put @step above def a.")]


def test_a_missing_end_is_found(tmp_path: Path) -> None:
    flow = small_flow(tmp_path, "start: self.next(self.done)", "done: pass")
    assert codes(flow) == ["FS111", "FS201"]
    assert codes(small_flow(tmp_path, "start: self.next(self.done)", "@step(end=True)\ndone: pass")) == []


def test_a_source_that_was_changed_after_the_import_is_found(tmp_path: Path) -> None:
    flow = small_flow(tmp_path, "start: self.next(self.end)", "end: pass")
    (tmp_path / "flow.py").write_text("# moved\n")
    assert codes(flow) == ["FS107", "FS107"]


def test_what_seems_unmatched_only_because_a_transition_is_missing_is_not_reported(tmp_path: Path) -> None:
    flow = small_flow(
        tmp_path,
        "start: self.next(self.a, self.b)",
        "a: self.next(self.join)",
        "b: pass",
        "c: self.next(self.join)",
        "join(inputs): self.next(self.end)",
        "end: pass",
    )
    assert codes(flow) == ["FS201"]


def test_catch_from_the_command_line_is_checked_too(tmp_path: Path) -> None:
    flow = small_flow(
        tmp_path,
        "start: self.x = [1] ; self.next(self.a, foreach='x')",
        "a: self.next(self.j)",
        "j(inputs): self.next(self.end)",
        "end: pass",
    )
    found = check_class(flow, extra=[parse_with("catch:var=e")])
    assert [(d.code, d.line) for d in found] == [("FS501", 6)]


def test_a_finding_in_an_inherited_step_points_into_the_file_of_the_base_class(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.syspath_prepend(str(tmp_path))
    base = "from flow_sdk import FlowSpec, step\nclass Base(FlowSpec):\n    @step\n    def start(self):\n"
    (tmp_path / "base_of_a_flow.py").write_text(base + "        self.next(self.nowhere)\n")
    text = "from base_of_a_flow import Base\nfrom flow_sdk import step\n"
    text += "class Child(Base):\n    @step\n    def end(self): pass\n"
    found = check_class(load_flow(text, tmp_path))
    assert [(d.code, Path(d.file).name, d.line) for d in found] == [("FS203", "base_of_a_flow.py", 5)]


def test_the_error_shows_every_finding_and_holds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flow = small_flow(tmp_path, "start: self.next(self.ende)", "Bad: self.next(self.end)", "end: pass")
    with pytest.raises(CheckFailed) as caught:
        compile_plan(flow, file="flow.py")
    assert str(caught.value) == (
        "flow.py:7:19: FS203 'ende' isn't a step of the flow\n"
        "  7 |         self.next(self.ende)\n"
        "    |                   ^^^^^^^^^\n"
        "  help: Did you mean 'end'?\n"
        "\n"
        "flow.py:10:9: FS102 'Bad' can't be the name of a step\n"
        "  10 |     def Bad(self):\n"
        "     |         ^^^\n"
        "  help: Use a-z, 0-9 and _, no leading _, at most 128 characters: 'bad'.\n"
        "\n"
        "Flow Small has 2 errors."
    )
    assert [d.code for d in caught.value.diagnostics] == ["FS203", "FS102"]  # type: ignore[attr-defined]
    assert caught.value.exit_code == 1


def test_columns_count_characters_not_bytes(tmp_path: Path) -> None:
    flow = small_flow(tmp_path, "start: self.next(self.end, größe='ü', bad=1)", "end: pass")
    first, second = check_class(flow)
    assert first.source[first.column - 1 : first.end_column - 1] == "größe='ü'"
    assert second.source[second.column - 1 : second.end_column - 1] == "bad=1"


def test_a_call_over_several_lines_is_marked_to_the_end_of_the_first(tmp_path: Path) -> None:
    text = HEADER + (
        "class Small(FlowSpec):\n    @step\n    def start(self):\n        self.next(\n            self.end,\n"
        "            num_parallel=3,\n        )\n\n    @step\n    def end(self, inputs):\n        pass\n"
    )
    found = [d for d in check_class(load_flow(text, tmp_path)) if d.code == "FS208"]
    assert (found[0].column, found[0].end_column, found[0].source) == (9, 19, "        self.next(")


def test_a_caret_stays_under_its_place_behind_tabs() -> None:
    diagnostic = Diagnostic("FS203", "no", "f.py", 3, 3, 6, "\t\tabc def")
    assert render_diagnostic(diagnostic) == "f.py:3:3: FS203 no\n  3 | \t\tabc def\n    | \t\t^^^"


def test_a_folder_is_cut_off_whole_names_only() -> None:
    diagnostic = Diagnostic("FS101", "no", "/a/bc/f.py", 1, 1)
    assert render_diagnostic(diagnostic, "/a/bc").startswith("f.py:1:1:")
    assert render_diagnostic(diagnostic, "/a/b").startswith("/a/bc/f.py:1:1:")
    assert render_diagnostic(diagnostic, "/a/bc/f.py").startswith("/a/bc/f.py:1:1:")


@pytest.mark.parametrize(("written", "help"), [("strat", "Did you mean 'start'?"), ("middle", "Known: end.")])
def test_the_first_step_is_suggested_only_where_it_is_misspelt(tmp_path: Path, written: str, help: str) -> None:
    flow = small_flow(tmp_path, "start: self.next(self.a)", f"a: self.next(self.{written})", "end: pass")
    assert [d.help for d in check_class(flow) if d.code == "FS203"] == [help]
