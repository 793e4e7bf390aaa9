"""Reading a graph from the source."""

from __future__ import annotations

import linecache
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from flow_sdk.graph.parse import read_graph
from flow_sdk.graph.source import dedent_docstring
from tests.strategies.loading import HEADER, load_flow, small_flow

pytestmark = pytest.mark.slow  # starts processes or servers

PLAIN = """class Small(FlowSpec):
    @step
    def start(self):
        self.next(self.end)
    @step
    def end(self):
        pass
"""


def test_transitions_are_read_with_their_arguments(tmp_path: Path) -> None:
    flow = small_flow(
        tmp_path,
        "start: self.xs = [1] ; self.next(self.body, foreach='xs')",
        "body: self.next({'x': self.a, -2.5: self.join, True: self.b}, condition='c')",
        "a: self.next(self.join)",
        "b: self.next(self.join)",
        "join(inputs): self.next(self.p, self.q)",
        "p: self.next(self.last)",
        "q: self.next(self.last)",
        "last(inputs): self.next(self.end)",
        "end: pass",
    )
    nodes = read_graph(flow).nodes
    assert {name: node.kind for name, node in nodes.items()} == {
        "start": "foreach", "body": "switch", "a": "linear", "b": "linear", "join": "split", "p": "linear",
        "q": "linear", "last": "linear", "end": "end",
    }  # fmt: skip
    body = nodes["body"].call
    assert body and body.condition == "c"
    assert [(case.value, case.target) for case in body.cases] == [("x", "a"), (-2.5, "join"), (True, "b")]
    assert nodes["start"].call and nodes["start"].call.foreach == "xs"
    assert nodes["join"].is_join and nodes["join"].next == ("p", "q")


def test_no_user_code_runs(tmp_path: Path) -> None:
    flow = small_flow(tmp_path, "start: raise SystemExit ; self.next(self.end)", "end: raise SystemExit")
    assert list(read_graph(flow).nodes) == ["start", "end"]


def test_the_first_argument_may_have_another_name(tmp_path: Path) -> None:
    text = HEADER + PLAIN.replace("(self)", "(this)").replace("self.", "this.")
    assert read_graph(load_flow(text, tmp_path)).nodes["start"].next == ("end",)


def test_calls_of_other_things_named_next_are_not_transitions(tmp_path: Path) -> None:
    flow = small_flow(
        tmp_path,
        "start: rows = iter([1]) ; next(rows) ; self.rows = rows.next if 0 else 1 ; self.next(self.end)",
        "end: pass",
    )
    assert len(read_graph(flow).nodes["start"].calls) == 1


def test_calls_inside_branches_are_found(tmp_path: Path) -> None:
    text = HEADER + PLAIN.replace(
        "        self.next(self.end)\n",
        "        if self.name:\n            self.next(self.end)\n        else:\n            self.next(self.end)\n",
    )
    calls = read_graph(load_flow(text, tmp_path)).nodes["start"].calls
    assert [call.is_last for call in calls] == [True, True]
    calls = read_graph(load_flow(text.replace("else", "elif self.next"), tmp_path)).nodes["start"].calls
    assert [call.is_last for call in calls] == [False, False]


def test_steps_of_a_base_class_in_another_file_are_read_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "base_elsewhere.py").write_text(HEADER + PLAIN.replace("Small", "Base"))
    text = "from base_elsewhere import Base, step\nclass Child(Base):\n"
    text += "    @step\n    def end(self):\n        '''Mine.'''\n"
    nodes = read_graph(load_flow(text, tmp_path)).nodes
    assert [Path(node.span.file).name for node in nodes.values()] == ["base_elsewhere.py", "flow.py"]
    assert nodes["end"].doc == "Mine."


def test_a_notebook_cell_is_read_through_linecache() -> None:
    text = HEADER + PLAIN
    name = "/nowhere/ipykernel_1/42.py"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    space: dict[str, object] = {"__name__": "__main__"}
    exec(compile(text, name, "exec"), space)
    try:
        graph = read_graph(space["Small"])  # type: ignore[arg-type]
    finally:
        del linecache.cache[name]
    assert graph.nodes["start"].next == ("end",)


def test_a_flow_in_a_zip_file_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "flows.zip", "w") as archive:
        archive.writestr("zipped.py", HEADER + PLAIN)
    code = "from zipped import Small; from flow_sdk.graph.parse import read_graph; "
    code += "print(read_graph(Small).nodes['start'].next)"
    path = [str(tmp_path / "flows.zip"), *sys.path]
    out = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout == "('end',)\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, newline: str) -> None:
    cookie = f"# -*- coding: {encoding} -*-\n" if encoding == "latin-1" else ""
    text = cookie + HEADER + PLAIN.replace("pass", "print('größe')")
    load_flow(text if encoding != "latin-1" else HEADER + PLAIN, tmp_path)
    path = tmp_path / "flow.py"
    path.write_bytes(text.replace("\n", newline).encode(encoding))
    space: dict[str, object] = {"__name__": "encoded"}
    exec(compile(path.read_bytes(), str(path), "exec"), space)
    graph = read_graph(space["Small"])  # type: ignore[arg-type]
    assert graph.nodes["start"].next == ("end",)
    assert graph.nodes["end"].span.text == "    def end(self):"


def test_flows_inside_functions_and_conditions_are_found(tmp_path: Path) -> None:
    inner = "".join("        " + line + "\n" for line in PLAIN.splitlines())
    text = HEADER + "def make():\n    if True:\n" + inner + "    return Small\n\nFlow = make()\n"
    graph = read_graph(load_flow(text, tmp_path))
    assert graph.nodes["start"].next == ("end",)
    assert graph.span.line == 6


def test_a_wrapped_step_is_read_as_the_user_wrote_it(tmp_path: Path) -> None:
    text = (
        "import functools\n"
        + HEADER
        + "def loud(f):\n    @functools.wraps(f)\n    def inner(self):\n        return f(self)\n"
        "    return inner\n\n" + PLAIN.replace("    @step\n    def start", "    @loud\n    @step\n    def start")
    )
    assert read_graph(load_flow(text, tmp_path)).nodes["start"].next == ("end",)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ""),
        ("One line.", "One line."),
        ("  First.\n\n    Second.\n      Third.  \n    ", "First.\n\nSecond.\n  Third."),
        ("\n    First.\n    ", "First."),
        ("First.\n\tSecond\tx.\n\t\tThird.", "First.\nSecond\tx.\n\tThird."),
    ],
)
def test_docstrings_are_dedented(text: str, wanted: str) -> None:
    assert dedent_docstring(text) == wanted
    assert dedent_docstring(dedent_docstring(text)) == wanted
