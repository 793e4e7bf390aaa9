"""Declaring parameters: types, names, inheritance, and what is refused."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flow_sdk import FlowSpec, IncludeFile, JSONType, Parameter
from flow_sdk.authoring.declarations import apply_parsers, flow_parameters
from flow_sdk.errors import ParameterError

pytestmark = pytest.mark.slow  # starts processes or servers

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, "str"),
        ({"default": "x"}, "str"),
        ({"default": 1}, "int"),
        ({"default": 1.0}, "float"),
        ({"default": False}, "bool"),
        ({"default": {"a": 1}}, "json"),
        ({"default": [1]}, "json"),
        ({"type": JSONType}, "json"),
        ({"type": JSONType()}, "json"),
        ({"type": int, "default": None}, "int"),
        ({"default": lambda context: 1}, "str"),
    ],
)
def test_type(options: dict[str, Any], kind: str) -> None:
    assert Parameter("x", **options).value_type == kind


@pytest.mark.parametrize(
    ("arguments", "options", "headline"),
    [
        (("x",), {"defualt": 1}, "The parameter 'x' has no option 'defualt'"),
        ((), {}, "Parameter needs a name"),
        ((3,), {}, "Parameter needs a name"),
        (("a b",), {}, "Parameter needs a name"),
        (("_a",), {}, "Parameter needs a name"),
        (("-a",), {}, "Parameter needs a name"),
        (("a;b",), {}, "Parameter needs a name"),
        (("größe",), {}, "Parameter needs a name"),
        (("x", 1, int, "help", False, True, None, "more"), {}, "Parameter has too many arguments"),
        (("tag",), {}, "The parameter 'tag' has a name that is taken"),
        (("max_workers",), {}, "The parameter 'max_workers' has a name that is taken"),
        (("x",), {"type": complex}, "The parameter 'x' has a type that can't be used"),
        (("x",), {"type": "int"}, "The parameter 'x' has a type that can't be used"),
        (("x",), {"default": 1j}, "The parameter 'x' has a type that can't be used"),
        (("x",), {"default": 1, "separator": ","}, "The parameter 'x' can't use its separator"),
        (("x",), {"default": "a", "separator": ""}, "The parameter 'x' can't use its separator"),
    ],
)
def test_refused(arguments: tuple[Any, ...], options: dict[str, Any], headline: str) -> None:
    with pytest.raises(ParameterError) as caught:
        Parameter(*arguments, **options)
    assert caught.value.headline.startswith(headline)
    assert caught.value.where is not None
    assert __file__ in caught.value.where


def test_a_required_parameter_with_a_default_isnt_required() -> None:
    assert Parameter("x", required=True).required
    assert not Parameter("x", default="a", required=True).required


def test_attributes_that_a_flow_uses_itself() -> None:
    with pytest.raises((ParameterError, RuntimeError)) as caught:
        type("F", (FlowSpec,), {"next": Parameter("after")})
    error = caught.value if isinstance(caught.value, ParameterError) else caught.value.__cause__
    assert isinstance(error, ParameterError)
    assert "can't have this attribute" in error.headline


def test_along_the_mro_in_the_order_of_the_source() -> None:
    class Base(FlowSpec):
        b = Parameter("b", default=1)
        a = Parameter("a", default=1)
        gone = Parameter("gone", default=1)

    class Heir(Base):
        c = Parameter("c", default=1)
        a = Parameter("a", default="other")  # type: ignore[assignment]
        gone = 3  # type: ignore[assignment]

    found = flow_parameters(Heir)
    assert [parameter.name for parameter in found] == ["b", "a", "c"]
    assert found[1].default == "other"


def test_two_of_one_name() -> None:
    class Twice(FlowSpec):
        first = Parameter("a-b", default=1)
        second = Parameter("A_b", default=1)

    with pytest.raises(ParameterError, match="Two parameters of Twice"):
        flow_parameters(Twice)


def test_reading() -> None:
    class Task:
        index = input = None

        def load_artifact(self, name: str) -> str:
            return f"loaded {name}"

    class Reading(FlowSpec):
        attribute = Parameter("the-name", default=1)

    assert isinstance(Reading.attribute, Parameter)
    flow = Reading(use_cli=False)
    with pytest.raises(AttributeError, match="has no attribute 'attribute'"):
        _ = flow.attribute
    flow.__dict__["__flow_task__"] = Task()
    assert flow.attribute == "loaded attribute"  # type: ignore[comparison-overlap]
    flow.__dict__["attribute"] = 5
    assert flow.attribute == 5


def test_files() -> None:
    class Files(FlowSpec):
        text = IncludeFile("text", parser=str.split)
        named = IncludeFile("named", parser="json.loads")
        raw = IncludeFile("raw", is_text=False)

    assert [p.value_type for p in flow_parameters(Files)] == ["file"] * 3
    values = {"text": "a b", "named": "[1]", "raw": b"x", "other": 1}
    assert apply_parsers(Files, values) == {"text": ["a", "b"], "named": [1], "raw": b"x", "other": 1}
    assert apply_parsers(Files, {"text": None}) == {"text": None}
    with pytest.raises(ParameterError, match="The parser of the parameter 'named' failed"):
        apply_parsers(Files, {"named": "["})
    with pytest.raises(ParameterError, match="unknown encoding"):
        IncludeFile("x", encoding="utf-99")
    with pytest.raises(ParameterError, match="isn't a path"):
        IncludeFile("x", default=3)
    with pytest.raises(ParameterError, match="has no option 'separator'"):
        IncludeFile("x", separator=",")  # type: ignore[call-overload]


def run_file(file: Path, line: str) -> subprocess.CompletedProcess[str]:
    file.write_text(f"from flow_sdk import FlowSpec, Parameter\n\nclass F(FlowSpec):\n    {line}\n")
    return subprocess.run([sys.executable, str(file)], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


def test_a_wrong_attribute_ends_a_flow_file_without_a_traceback(tmp_path: Path) -> None:
    done = run_file(tmp_path / "flow.py", "next = Parameter('a', default=1)")
    assert done.returncode == 1
    assert done.stderr.startswith("The parameter 'a' can't have this attribute.\n  seen:   next\n")


def test_a_wrong_declaration_ends_a_flow_file_without_a_traceback(tmp_path: Path) -> None:
    file = tmp_path / "flow.py"
    done = run_file(file, "a = Parameter('a', defualt=1)")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "The parameter 'a' has no option 'defualt'.",
        "  wanted: default, type, help, required, show_default, separator, multiple, is_flag",
        f"  where:  {file}:4",
        "  help:   Did you mean 'default'?",
    ]


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"multiple": True}, "str"),
        ({"multiple": True, "type": int}, "int"),
        ({"multiple": True, "default": [0.5]}, "float"),
        ({"multiple": True, "default": []}, "str"),
        ({"multiple": True, "default": [{"a": 1}]}, "json"),
        ({"is_flag": True}, "bool"),
        ({"is_flag": True, "type": bool, "default": True}, "bool"),
    ],
)
def test_types_of_flags_and_of_parameters_given_several_times(options: dict[str, Any], kind: str) -> None:
    assert Parameter("x", **options).value_type == kind


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"is_flag": True, "multiple": True}, "can't be a flag"),
        ({"is_flag": True, "type": int}, "can't be a flag"),
        ({"is_flag": True, "default": "yes", "type": str}, "can't be a flag"),
        ({"multiple": True, "separator": ","}, "both a separator and multiple"),
    ],
)
def test_flags_and_multiple_that_make_no_sense(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ParameterError, match=text):
        Parameter("x", **options)
