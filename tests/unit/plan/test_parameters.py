"""Parameter values: the same from text and from data, and everything else refused."""

import inspect
import math
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flow_sdk import FlowSpec, JSONType, Parameter, step
from flow_sdk.authoring.parameters import DeployContext
from flow_sdk.errors import ParameterError
from flow_sdk.plan.codec import from_json, to_json
from flow_sdk.plan.model import FlowPlan, ParameterPlan, StepPlan
from flow_sdk.plan.parameters import convert_value, from_environment, json_schema, plan_parameters, resolve_values

CONTEXT = DeployContext("F", "anne")


def of(kind: str, **more: Any) -> ParameterPlan:
    return ParameterPlan("x", kind, help="what it is", **more)


def same(a: object, b: object) -> bool:
    return type(a) is type(b) and (a == b or (a != a and b != b))


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        ("str", "", ""),
        ("str", " $(id) `x` \n {{ ds }} 😀 ", " $(id) `x` \n {{ ds }} 😀 "),
        ("int", "3", 3),
        ("int", " -3 ", -3),
        ("int", 3, 3),
        ("int", 3.0, 3),
        ("int", "123456789012345678901234567890", 123456789012345678901234567890),
        ("float", "0.5", 0.5),
        ("float", 0.5, 0.5),
        ("float", "1", 1.0),
        ("float", 1, 1.0),
        ("float", "1e3", 1000.0),
        ("float", "inf", math.inf),
        ("float", "nan", math.nan),
        ("bool", "true", True),
        ("bool", "FALSE", False),
        ("bool", "yes", True),
        ("bool", "off", False),
        ("bool", "0", False),
        ("bool", 1, True),
        ("bool", True, True),
        ("json", '{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
        ("json", {"a": [1, 2.5, None]}, {"a": [1, 2.5, None]}),
        ("json", "null", None),
        ("json", None, None),
        ("json", '"text"', "text"),
        ("json", 1, 1),
        ("json", (1, 2), [1, 2]),
        ("str", None, None),
        ("file", "contents", "contents"),
        ("file", b"contents", "contents"),
        ("file", {"base64": "Y29udGVudHM="}, "contents"),
    ],
)
def test_convert(kind: str, raw: Any, value: Any) -> None:
    assert same(convert_value(of(kind), raw), value)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("str", 5),
        ("str", True),
        ("str", ["a"]),
        ("str", "\ud800"),
        ("int", "1.5"),
        ("int", "3.0"),
        ("int", ""),
        ("int", 1.5),
        ("int", True),
        ("int", None),
        ("int", "9" * 5000),
        ("float", "half"),
        ("float", True),
        ("float", [1]),
        ("float", 10**400),
        ("bool", "maybe"),
        ("bool", 2),
        ("bool", ""),
        ("json", "{"),
        ("json", "text"),
        ("json", "NaN"),
        ("json", math.nan),
        ("json", {1: 2}),
        ("json", {"a": {1}}),
        ("json", '"\\ud800"'),
        ("json", "[" * 100_000),
        ("file", 3),
        ("file", {"path": "/etc/hostname"}),
        ("file", {"base64": "?"}),
        ("file", b"\xff"),
        ("file", None),
    ],
)
def test_convert_refuses(kind: str, raw: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        convert_value(of(kind, required=True), raw)
    error = caught.value
    assert "'x'" in error.headline
    assert error.seen
    assert error.wanted
    assert error.help
    assert str(error).isprintable() or "\n" in str(error)
    str(error).encode("utf-8")


def test_json_errors_say_where() -> None:
    with pytest.raises(ParameterError) as caught:
        convert_value(of("json"), '{"a": 1,\n "b" 2}')
    assert caught.value.wanted is not None
    assert "line 2, column 6" in caught.value.wanted


def test_separator() -> None:
    parameter = of("str", separator=",")
    assert convert_value(parameter, "a,b") == convert_value(parameter, ["a", "b"]) == ["a", "b"]
    assert convert_value(parameter, "") == [""]
    with pytest.raises(ParameterError):
        convert_value(parameter, ["a", 1])


@settings(deadline=None, max_examples=200)
@given(st.floats() | st.integers(min_value=-(2**53), max_value=2**53))
def test_numbers_are_the_same_from_text_and_data(number: float) -> None:
    assert same(convert_value(of("float"), repr(number)), convert_value(of("float"), number))
    if isinstance(number, int):
        assert same(convert_value(of("int"), str(number)), convert_value(of("int"), number))


@settings(deadline=None, max_examples=200)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ).filter(lambda value: not isinstance(value, str))
)
def test_json_is_the_same_from_text_and_data(value: Any) -> None:
    import json

    try:
        from_data = convert_value(of("json"), value)
    except ParameterError:
        with pytest.raises(ParameterError):
            convert_value(of("json"), json.dumps(value))
        return
    assert same(from_data, convert_value(of("json"), json.dumps(value)))


class Flow(FlowSpec):
    """Parameters of all kinds."""

    alpha = Parameter("alpha", default=1, type=float)
    other = Parameter("the-name", default=lambda context: f"{context.flow_name}/{context.parameter_name}")
    number = Parameter("number", default=lambda context: 7)
    options = Parameter("options", type=JSONType, default='{"a": 1}')
    text = Parameter("text", type=JSONType, default='"quoted"')
    endless = Parameter("endless", default=math.inf)
    names = Parameter("names", default="a,b", separator=",")
    perhaps = Parameter("perhaps", type=int)
    needed = Parameter("needed", required=True, help="give one")


def test_plan_and_resolve() -> None:
    plans = plan_parameters(Flow, CONTEXT)
    assert [(p.name, p.type, p.artifact, p.default) for p in plans] == [
        ("alpha", "float", "alpha", 1.0),
        ("the-name", "str", "other", "F/the-name"),
        ("number", "int", "number", 7),
        ("options", "json", "options", {"a": 1}),
        ("text", "json", "text", '"quoted"'),
        ("endless", "float", "endless", "inf"),
        ("names", "str", "names", "a,b"),
        ("perhaps", "int", "perhaps", None),
        ("needed", "str", "needed", None),
    ]
    values = resolve_values(plans, {"needed": "n", "the_name": "t"})
    assert values == {
        "alpha": 1.0,
        "other": "t",
        "number": 7,
        "options": {"a": 1},
        "text": "quoted",
        "endless": math.inf,
        "names": ["a", "b"],
        "perhaps": None,
        "needed": "n",
    }
    assert type(values["alpha"]) is float


def test_defaults_given_back_as_data_are_the_same() -> None:
    """An orchestrator sends back the defaults of its form; a plan travels as JSON."""
    plan = FlowPlan("F", "f.py", "", (StepPlan("start", "end"),), parameters=plan_parameters(Flow, CONTEXT))
    plans = from_json(to_json(plan)).parameters
    assert plans == plan.parameters
    echoed = {p.name: json_schema(p)["default"] for p in plans if not p.required}
    assert resolve_values(plans, {**echoed, "needed": "n"}) == resolve_values(plans, {"needed": "n"})


def test_no_two_runs_share_a_default() -> None:
    plans = plan_parameters(Flow, CONTEXT)
    resolve_values(plans, {"needed": "n"})["options"]["a"] = 2
    assert resolve_values(plans, {"needed": "n"})["options"] == {"a": 1}


@pytest.mark.parametrize(
    ("given", "headline", "help"),
    [
        ({}, "A value is missing for the parameter 'needed'", "--needed: give one"),
        ({"needed": "n", "alfa": 1}, "The flow has no parameter 'alfa'", "Did you mean 'alpha'?"),
        ({"needed": "n", "the-name": "a", "the_name": "b"}, "The parameter 'the-name' is given twice", None),
        ({"needed": "n", "alpha": "x"}, "The parameter 'alpha' can't take this value", None),
        ({"needed": None}, "The parameter 'needed' can't take this value", "--needed: give one"),
    ],
)
def test_resolve_refuses(given: dict[str, Any], headline: str, help: str | None) -> None:
    with pytest.raises(ParameterError) as caught:
        resolve_values(plan_parameters(Flow, CONTEXT), given)
    assert caught.value.headline.startswith(headline)
    assert caught.value.help == help


def test_defaults_of_the_wrong_type() -> None:
    class Wrong(FlowSpec):
        a = Parameter("a", default="x", type=int)

    class Failing(FlowSpec):
        a = Parameter("a", default=lambda context: 1 / 0)

    class Unquoted(FlowSpec):
        a = Parameter("a", default="x", type=JSONType)

    for flow in (Wrong, Unquoted):
        line = inspect.getsourcelines(flow)[1] + 1
        with pytest.raises(ParameterError, match="The default of the parameter 'a' can't be used") as caught:
            plan_parameters(flow, CONTEXT)
        assert caught.value.where == f"{__file__}:{line}"
    with pytest.raises(ParameterError, match="The function for the default of 'a' failed") as caught:
        plan_parameters(Failing, CONTEXT)
    assert str(caught.value.where).startswith(f"{__file__}:")
    assert caught.value.seen == "ZeroDivisionError: division by zero"


def test_functions_are_called_once() -> None:
    calls = []

    class Counting(FlowSpec):
        a = Parameter("a", default=lambda context: calls.append(context.user_name) or "x")

    resolve_values(plan_parameters(Counting, CONTEXT), {})
    assert calls == ["anne"]


def test_environment() -> None:
    plans = plan_parameters(Flow, CONTEXT)
    environ = {"FLOW_SDK_RUN_ALPHA": "2", "METAFLOW_RUN_ALPHA": "3", "METAFLOW_RUN_THE_NAME": "t", "ALPHA": "4"}
    assert from_environment(plans, environ) == {"alpha": "2", "the-name": "t"}


@pytest.mark.parametrize(
    ("parameter", "schema"),
    [
        (of("str", default="a"), {"type": "string", "description": "what it is", "default": "a"}),
        (of("bool", default=True), {"type": "boolean", "description": "what it is", "default": True}),
        (
            of("str", default="a,b", separator=","),
            {"type": ["string", "array"], "items": {"type": "string"}, "description": "what it is", "default": "a,b"},
        ),
    ],
)
def test_json_schema(parameter: ParameterPlan, schema: dict[str, Any]) -> None:
    assert json_schema(parameter) == schema


@pytest.mark.parametrize(
    ("parameter", "types"),
    [
        (of("int"), ["integer", "string", "null"]),
        (of("float", required=True), ["number", "string"]),
        (of("float", default="inf"), ["number", "string"]),
    ],
)
def test_the_schema_of_a_number_takes_the_text_that_means_one(parameter: ParameterPlan, types: list[str]) -> None:
    schema = json_schema(parameter)
    assert schema["type"] == types
    texts = [
        "3",
        " -3 ",
        "1_000",
        "+0.5",
        ".5",
        "5.",
        "1e-3",
        "inf",
        "-Infinity",
        "NaN",
        "",
        "x",
        "1,5",
        "0x1",
        "3\n4",
        "--1",
    ]
    for text in texts:
        try:
            convert_value(parameter, text)
            taken = True
        except ParameterError:
            taken = False
        assert bool(re.search(schema["pattern"], text)) == taken, text


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        ("str", ["a", "b c"], ("a", "b c")),
        ("str", "a  b\n", ("a", "b")),
        ("str", '["a b", "c"]', ("a b", "c")),
        ("str", "[a b", ("[a", "b")),
        ("str", None, ()),
        ("int", ["1", 2], (1, 2)),
        ("int", "1 2", (1, 2)),
        ("json", ['{"z": 1, "a": 2}', {"b": 1}], ({"z": 1, "a": 2}, {"b": 1})),
    ],
)
def test_several_values(kind: str, raw: Any, value: tuple[Any, ...]) -> None:
    assert convert_value(of(kind, multiple=True), raw) == value


@pytest.mark.parametrize(("kind", "raw"), [("int", ["x"]), ("int", "1 x"), ("str", 3), ("str", {"a": 1}), ("str", [1])])
def test_several_values_of_the_wrong_type(kind: str, raw: Any) -> None:
    with pytest.raises(ParameterError, match="'x' can't take this value"):
        convert_value(of(kind, multiple=True), raw)


class Several(FlowSpec):
    words = Parameter("words", multiple=True)
    counts = Parameter("counts", multiple=True, default=(1, 2))
    made = Parameter("made", multiple=True, default=lambda context: [1.5])
    fast = Parameter("fast", is_flag=True)
    slow = Parameter("slow", is_flag=True, default=True)

    @step
    def start(self) -> None:
        pass


def test_several_values_and_flags_in_the_plan_and_from_it() -> None:
    planned = plan_parameters(Several, CONTEXT)
    stored = from_json(
        to_json(FlowPlan("F", "f.py", "", steps=(StepPlan("start", "end"),), parameters=planned))
    ).parameters
    assert stored == planned
    assert resolve_values(stored, {}) == {"words": (), "counts": (1, 2), "made": (1.5,), "fast": None, "slow": True}
    given = {"words": ["a"], "counts": "3", "fast": True, "slow": False}
    assert resolve_values(stored, given) == {
        "words": ("a",),
        "counts": (3,),
        "made": (1.5,),
        "fast": True,
        "slow": False,
    }
    text = {"FLOW_SDK_RUN_WORDS": "a b", "METAFLOW_RUN_FAST": "1", "FLOW_SDK_RUN_SLOW": "no"}
    values = resolve_values(stored, from_environment(stored, text))
    assert (values["words"], values["fast"], values["slow"]) == (("a", "b"), True, False)
    schemas = {parameter.name: json_schema(parameter) for parameter in stored}
    assert schemas["words"] == {"type": ["string", "array", "null"], "items": {"type": "string"}, "default": None}
    assert schemas["counts"] == {"type": ["string", "array"], "items": {"type": "integer"}, "default": [1, 2]}
    assert schemas["slow"] == {"type": "boolean", "default": True}


def test_a_default_of_several_values_is_a_list() -> None:
    class Wrong(FlowSpec):
        x = Parameter("x", multiple=True, default="a")

    with pytest.raises(ParameterError, match="default of the parameter 'x' can't be used"):
        plan_parameters(Wrong, CONTEXT)


class Ordered(FlowSpec):
    x = Parameter("x", type=JSONType, default='{"z": 1, "a": {"y": 1, "b": 2}}')

    @step
    def start(self) -> None:
        pass


def keys(value: Any) -> Any:
    return [(key, keys(item)) for key, item in value.items()] if isinstance(value, dict) else value


def test_keys_keep_their_order() -> None:
    planned = plan_parameters(Ordered, CONTEXT)
    plan = FlowPlan("F", "f.py", "", steps=(StepPlan("start", "end"),), parameters=planned)
    stored = from_json(to_json(plan))
    assert to_json(stored) == to_json(plan)
    default = {"z": 1, "a": {"y": 1, "b": 2}}
    assert keys(resolve_values(stored.parameters, {})["x"]) == keys(default)
    assert keys(resolve_values(stored.parameters, {"x": '{"q": 1, "c": 2}'})["x"]) == keys({"q": 1, "c": 2})
    assert keys(resolve_values(stored.parameters, {"x": {"q": 1, "c": 2}})["x"]) == keys({"q": 1, "c": 2})


def test_a_default_that_comes_back_in_another_order_has_its_own() -> None:
    (parameter,) = plan_parameters(Ordered, CONTEXT)
    lost = {"a": {"b": 2, "y": 1}, "z": 1}  # as a database gives it that keeps no order
    assert keys(convert_value(parameter, lost)) == keys({"z": 1, "a": {"y": 1, "b": 2}})
    assert convert_value(parameter, {**lost, "z": True})["z"] is True, "equal in Python, and another value in JSON"
    text = '{"a": {"b": 2, "y": 1}, "z": 1}'
    assert keys(convert_value(parameter, text)) == keys(lost), "text says which order is meant"


def test_plans_that_were_written_with_sorted_keys_are_read() -> None:
    old = b'{"doc":"","file":"f.py","flow":"F","format":1,'
    old += b'"parameters":[{"default":{"a":2,"z":1},"name":"x","type":"json"}],'
    plan = from_json(old + b'"steps":[{"kind":"end","name":"start"}]}')
    assert keys(resolve_values(plan.parameters, {})["x"]) == keys({"a": 2, "z": 1})
    assert to_json(plan) == old + b'"steps":[{"kind":"end","name":"start"}]}'
