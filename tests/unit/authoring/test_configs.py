"""Config values, and what stands for them until they are known."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

from flow_sdk import Config, ConfigValue, FlowSpec, Parameter, batch, config_expr, retry, schedule, step
from flow_sdk.authoring.configs import flow_configs
from flow_sdk.authoring.declarations import flow_decorators
from flow_sdk.authoring.deferred import resolve_deferred
from flow_sdk.authoring.parameters import DeployContext
from flow_sdk.authoring.resolved_flow import provide_configs, resolve_declarations
from flow_sdk.errors import ParameterError, UsageError
from flow_sdk.plan.configs import read_configs

DATA = {"a": {"b": 1, "list": [{"c": 2}]}, "name": "n", "items": 5, "keys": 6}
VALUE = ConfigValue(DATA)


def upper(text: str) -> str:
    return text.upper()


def test_a_value_is_read_by_dot_and_key() -> None:
    assert VALUE.a.b == VALUE["a"]["b"] == VALUE.a["b"] == 1
    assert VALUE.a.list[0].c == 2
    assert VALUE["items"] == 5 and VALUE["keys"] == 6
    assert VALUE == DATA and dict(VALUE) == DATA and {**VALUE} == DATA
    assert json.loads(json.dumps(VALUE)) == DATA
    assert isinstance(VALUE, dict) and "a" in VALUE and "a" in dir(VALUE) and len(VALUE) == 4
    plain = VALUE.to_dict()
    assert type(plain) is type(plain["a"]) is type(plain["a"]["list"][0]) is dict


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_is_the_same(how: Any) -> None:
    made = how(VALUE)
    assert made == VALUE and made.a.list[0].c == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.update(a=1),
        lambda v: v.a.__setitem__("b", 2),
        lambda v: setattr(v, "a", 2),
        lambda v: v.pop("a"),
        lambda v: v.a.clear(),
        lambda v: v.__ior__({"a": 1}),
        lambda v: v.setdefault("z", 1),
        lambda v: v.a.list[0].__delitem__("c"),
    ],
)
def test_a_value_can_not_be_changed(change: Any) -> None:
    with pytest.raises(TypeError, match="can't be changed"):
        change(VALUE)
    assert VALUE == DATA


def test_a_missing_key_is_told_with_the_nearest() -> None:
    with pytest.raises(AttributeError, match="Did you mean 'name'"):
        _ = VALUE.nam


cfg = Config("cfg")
EXPRESSIONS = [
    (cfg.a.b, 1),
    (cfg["a"]["list"][0]["c"], 2),
    (cfg.a.list[0].c, 2),
    (cfg.name, "n"),
    (cfg["items"], 5),
    (cfg, DATA),
    ({"x": [cfg.a.b, (cfg.name,)]}, {"x": [1, ("n",)]}),
    (dict(**cfg.a), DATA["a"]),
    (config_expr("cfg.a.b + 1"), 2),
    (config_expr("cfg").a.b, 1),
    (config_expr("upper(cfg.name)"), "N"),
    (config_expr("[k for k in cfg.a if k in cfg.a]"), ["b", "list"]),
    (config_expr("cfg.a").b, 1),
    (cfg[config_expr("'a'")].b, 1),
    (cfg.get("name"), "n"),
    (cfg.get("none"), None),
    (cfg.get("none", 3), 3),
    (cfg.get("none", default=cfg.a.b), 1),
    (cfg.a.get("list")[0].c, 2),
    (cfg.a.get("none", {"x": 1}).x, 1),
    ("text", "text"),
]


@pytest.mark.parametrize(("delayed", "value"), EXPRESSIONS, ids=range(len(EXPRESSIONS)))
def test_what_is_delayed_becomes_its_value(delayed: Any, value: Any) -> None:
    found = resolve_deferred(delayed, {"cfg": VALUE})
    assert found == value
    assert type(found) is not ConfigValue


@pytest.mark.parametrize(
    ("delayed", "says"),
    [
        (cfg.nam, "Did you mean 'name'"),
        (cfg.a.list[7], "has no key 7"),
        (cfg.name.first, "'n'"),
        (cfg.name.get("x"), "'n'"),
        (Config("cgf").a, "Did you mean 'cfg'"),
        (config_expr("cfg.a.c"), "config has no key 'c'"),
        (config_expr("1 / 0"), "ZeroDivisionError"),
        (dict(**cfg.name), "isn't a section"),
    ],
)
def test_what_can_not_be_found_is_told_with_its_place(delayed: Any, says: str) -> None:
    with pytest.raises(UsageError) as error:
        resolve_deferred(delayed, {"cfg": VALUE})
    assert says in str(error.value)
    assert "test_configs.py:" in str(error.value)


def test_a_config_without_a_value_says_so() -> None:
    with pytest.raises(UsageError, match="no value was given"):
        resolve_deferred(cfg.a.b, {"cfg": None})


@pytest.mark.parametrize(
    "use", [lambda v: f"{v}", str, bool, list, lambda v: v.upper(), lambda v: [1 for _ in v],
     lambda v: v.items(), lambda v: v.values()],
    ids=["format", "str", "bool", "list", "call", "for", "items", "values"],
)  # fmt: skip
def test_a_value_that_is_used_too_early_is_refused(use: Any) -> None:
    with pytest.raises(UsageError, match=r"isn't known yet when the class is made") as error:
        use(cfg.name)
    assert "config_expr" in str(error.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": ""}, "needs a name"),
        ({"name": "a-b"}, "needs a name"),
        ({"name": "c", "default": "x", "default_value": {}}, "two defaults"),
        ({"name": "c", "default": {"a": 1}}, "isn't a path"),
        ({"name": "c", "default_value": 3}, "can't use its default_value"),
        ({"name": "c", "parser": "loads"}, "can't use its parser"),
        ({"name": "c", "parsr": "x.y"}, "Did you mean 'parser'"),
    ],
)
def test_a_declaration_that_can_not_be_used(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ParameterError) as error:
        Config(**given)
    assert says in str(error.value) and "test_configs.py:" in str(error.value)


def test_an_expression_is_checked_where_it_stands() -> None:
    with pytest.raises(UsageError, match="isn't an expression"):
        config_expr("cfg.")


def read(flow: type[FlowSpec], **given: tuple[str, str]) -> dict[str, Any]:
    return read_configs(flow, given, DeployContext("F", "anne"))


def one(*args: Any, **options: Any) -> type[FlowSpec]:
    return type("F", (FlowSpec,), {"cfg": Config("cfg", *args, **options)})


TOML = 'a = 1\n[b]\nc = "x"'


@pytest.mark.parametrize(
    ("flow", "given", "value"),
    [
        (one(), {}, None),
        (one(default_value='{"a": 1}'), {}, {"a": 1}),
        (one(default_value={"a": (1, 2)}), {}, {"a": [1, 2]}),
        (one(default_value=lambda context: {"who": context.user_name, "for": context.parameter_name}), {},
         {"who": "anne", "for": "cfg"}),
        (one(parser="tomllib.loads"), {"cfg": ("value", TOML)}, {"a": 1, "b": {"c": "x"}}),
        (one(parser=lambda text: {"length": len(text)}), {"cfg": ("value", "four")}, {"length": 4}),
        (one(plain=True), {"cfg": ("value", "just text")}, "just text"),
        (one(plain=True, parser=json.loads), {"cfg": ("value", "[1, {}]")}, [1, {}]),
        (one(required=True, default_value={}), {}, {}),
    ],
)  # fmt: skip
def test_reading(flow: type[FlowSpec], given: Any, value: Any) -> None:
    assert read(flow, **given) == {"cfg": value}


def test_files(tmp_path: Any) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"é": "ü\\n"}', encoding="utf-8")
    assert read(one(), cfg=("path", str(path))) == {"cfg": {"é": "ü\n"}}
    assert read(one(default=str(path))) == {"cfg": {"é": "ü\n"}}
    assert read(one(default=lambda context: str(path))) == {"cfg": {"é": "ü\n"}}
    path.write_bytes(b"\xff")
    with pytest.raises(ParameterError, match="can't be read"):
        read(one(default=str(path)))
    assert read(one(default=str(path)), cfg=("value", "{}")) == {"cfg": {}}


@pytest.mark.parametrize(
    ("flow", "given", "says"),
    [
        (one(required=True), {}, "--config cfg PATH"),
        (one(default="no-such.json"), {}, "no-such.json, given by default"),
        (one(parser=lambda text: 1 / 0), {"cfg": ("value", "x")}, "ZeroDivisionError"),
        (one(parser="json.lods"), {"cfg": ("value", "x")}, "AttributeError"),
        (one(parser="no_such_module.loads"), {"cfg": ("value", "x")}, "ModuleNotFoundError"),
        (one(parser=lambda text: [1]), {"cfg": ("value", "x")}, "plain=True"),
        (one(parser="tomllib.loads"), {"cfg": ("value", "a.b = 2020-01-01")}, "at cfg.a.b"),
        (one(parser=lambda text: {1: 2}), {"cfg": ("value", "x")}, "the key 1"),
        (one(parser=lambda text: {"a": [float("nan")]}), {"cfg": ("value", "x")}, "nan at cfg.a[0]"),
        (one(default_value=lambda context: 1 / 0), {}, "ZeroDivisionError"),
        (one(default_value=lambda context: 3), {}, "can't use its default"),
    ],
)
def test_reading_what_is_wrong(flow: type[FlowSpec], given: Any, says: str) -> None:
    with pytest.raises(ParameterError) as error:
        read(flow, **given)
    assert says in str(error.value)


def test_configs_along_the_mro() -> None:
    class Base(FlowSpec):
        one = Config("first")
        two = Config("second")

    class Derived(Base):
        two = 2
        three = Config("third")

    assert [(found.attribute, found.name) for found in flow_configs(Derived)] == [("one", "first"), ("three", "third")]

    class Twice(Base):
        again = Config("first")

    with pytest.raises(ParameterError, match="Two configs"):
        flow_configs(Twice)


class Checked(FlowSpec):
    cfg = Config("cfg")

    @batch(cpu=cfg.cpu, image="x")
    @step
    def start(self) -> None:
        self.next(self.end)

    @retry(**cfg.retry)
    @step
    def end(self) -> None:
        pass


@pytest.mark.parametrize(
    ("text", "says", "step_name"),
    [
        ('{"cpu": "two", "retry": {}}', "@batch can't use cpu='two'", "start"),
        ('{"cpu": 2, "retry": {"times": -1}}', "@retry can't use times=-1", "end"),
        ('{"cpu": 2, "retry": {"tims": 1}}', "Did you mean 'times'", "end"),
        ('{"retry": {}}', "has no key 'cpu'", "start"),
    ],
)
def test_decorators_are_checked_when_their_values_are_known(text: str, says: str, step_name: str) -> None:
    provide_configs(Checked, lambda: read(Checked, cfg=("value", text)))
    with pytest.raises(UsageError) as error:
        resolve_declarations(Checked)
    assert says in str(error.value)
    assert f"test_configs.py:{getattr(Checked, step_name).__code__.co_firstlineno}" in str(error.value)


def test_flow_decorators_and_defaults_of_parameters() -> None:
    @schedule(cron=config_expr("cfg.cron"))
    class F(FlowSpec):
        cfg = Config("cfg", default_value={"cron": "1 2 * * *", "alpha": 0.5})
        alpha = Parameter("alpha", default=cfg.alpha)
        gamma = Parameter("gamma", default=cfg.get("gamma", 7))

    provide_configs(F, lambda: read(F))
    assert [d.attributes() for d in flow_decorators(F)] == [{"cron": "1 2 * * *", "timezone": None}]
    assert F.alpha.default(DeployContext("F", "anne", configs=resolve_declarations(F).configs)) == 0.5
    assert F.gamma.default(DeployContext("F", "anne", configs=resolve_declarations(F).configs)) == 7
    with pytest.raises(UsageError, match="isn't known yet"):
        Parameter("beta", default=1, required=cfg.flag)


def test_a_config_is_data_in_a_class_and_refuses_to_be_changed() -> None:
    flow = one()
    with pytest.raises(TypeError, match="can't be changed"):
        flow.cfg.a = 1  # type: ignore[attr-defined]
    assert repr(flow.cfg) == "Config('cfg')"  # type: ignore[attr-defined]
    with pytest.raises(ParameterError, match="can't have this attribute"):
        Config("cfg").__set_name__(FlowSpec, "next")
