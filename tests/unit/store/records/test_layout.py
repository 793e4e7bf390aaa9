"""One table of keys: what it builds it also parses, and no other file builds keys."""

import ast
import inspect

import pytest

from flow_sdk.store.records import layout
from flow_sdk.store.records.layout import TEMPLATES, parse_key
from tests.style.tree import PACKAGES, python_files, short

VALUES = {
    "digest": "ab" * 32,
    "encoded_name": "a=2Fb",
    "generation": 7,
    "target": "airflow",
    "number": 12,
    "folder": "ab",
    "flow": "F{lo}w",
    "encoded_tag": "=ok.x",
    "run": "sfn-1",
    "step": "fit",
    "task": "1.0-2",
    "attempt": 3,
    "history": "run",
    "chunk": 4,
}

KINDS = {
    "blob_key": "blob",
    "token_key": "token",
    "release_key": "release",
    "collection_key": "collection",
    "sweep_key": "sweep",
    "doomed_key": "doomed",
    "clock_key": "clock",
    "number_key": "number",
    "run_key": "run",
    "run_end_key": "end",
    "run_input_key": "input",
    "run_heartbeat_key": "run_heartbeat",
    "task_heartbeat_key": "task_heartbeat",
    "failure_key": "failure",
    "request_key": "request",
    "commit_key": "commit",
    "orchestrator_output_key": "orchestrator_output",
    "start_key": "start",
    "manifest_key": "manifest",
    "log_key": "log",
}


def build(function: str) -> str:
    made = getattr(layout, function)
    return str(made(*(VALUES[name] for name in inspect.signature(made).parameters)))


@pytest.mark.parametrize("function", KINDS)
def test_a_key_that_is_built_is_parsed_to_the_same_fields(function: str) -> None:
    parsed = parse_key(build(function))
    assert parsed.kind == KINDS[function]
    for name, value in parsed.fields.items():
        if name in ("flow", "run", "step", "task", "attempt", "digest", "folder", "target"):
            assert value == str(VALUES[name])


def test_every_function_that_builds_a_key_is_tested_here() -> None:
    made = {name for name in layout.__all__ if name.endswith("_key") and name != "parse_key"}
    assert made == {*KINDS, "later_commit_key"}


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("store.json", "marker"),
        ("store.probe", "probe"),
        (f"blobs/ab/{'ab' * 32}", "blob"),
        (f"blobs/cd/{'ab' * 32}", "foreign"),
        ("flows/F/runs/1/steps/fit/0/commit.12.json", "commit"),
        ("flows/F/runs/1/steps/fit/0/commit.x.json", "foreign"),
        ("flows/F/runs/1/steps/fit/0/12/log/000001", "log"),
        ("flows/F/runs/1/files/a/b/c", "file"),
        ("flows/F/runs/1/tagging/x", "tag_reservation"),
        ("flows/F/runs/1/resumed/x", "resume_mark"),
        ("flows/F/runs/1/tags/blue", "tag"),
        ("flows/F/runs/1/events/run/fit=0=3", "events"),
        ("flows/F/index/=all/0008236217532123-1", "index"),
        ("flows/F/index/=all/123-1", "foreign"),
        ("flows/F/other", "foreign"),
        ("gc/other", "foreign"),
        ("notes.txt", "foreign"),
    ],
)
def test_the_kind_of_a_key(key: str, kind: str) -> None:
    assert parse_key(key).kind == kind


def test_keys_of_cleared_tasks_are_those_of_commits() -> None:
    first = layout.commit_key("F", "1", "fit", "0")
    assert layout.later_commit_key(first, 0) == first
    assert layout.later_commit_key(first, 2) == "flows/F/runs/1/steps/fit/0/commit.2.json"


def test_every_prefix_is_a_folder_of_keys() -> None:
    for name in layout.__all__:
        if name.endswith("_prefix"):
            prefix = build(name)
            assert prefix.endswith("/") and parse_key(prefix).kind == "foreign"


def test_no_other_file_of_the_sdk_builds_keys() -> None:
    folders = tuple(f"{template.partition('/')[0]}/" for template in TEMPLATES.values() if "/" in template)
    found = [
        f"{short(path)}:{node.lineno}"
        for path in python_files(PACKAGES[0])
        if path.name != "layout.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(folders)
    ]
    assert not found
