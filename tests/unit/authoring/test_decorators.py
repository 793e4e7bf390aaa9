"""Decorators: data on functions and classes, and every wrong use refused before anything runs."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flow_sdk import FlowSpec, catch, environment, resources, retry, schedule, step, timeout
from flow_sdk.authoring.builtin_decorators import builtin_decorator_names, find_decorator
from flow_sdk.authoring.declarations import flow_decorators
from flow_sdk.authoring.declared_decorators import step_decorators
from flow_sdk.authoring.decorators.catch import CatchDecorator
from flow_sdk.authoring.decorators.environment import EnvironmentDecorator
from flow_sdk.authoring.decorators.resources import ResourcesDecorator
from flow_sdk.authoring.decorators.retry import RetryDecorator
from flow_sdk.authoring.decorators.schedule import ScheduleDecorator
from flow_sdk.authoring.decorators.timeout import TimeoutDecorator
from flow_sdk.authoring.decospec import parse_many, parse_with
from flow_sdk.errors import UsageError


def fresh() -> Callable[..., Any]:
    def function(self: Any) -> None: ...

    return function


def test_bare_and_called_are_the_same() -> None:
    assert step_decorators(retry(fresh())) == step_decorators(retry()(fresh())) == (RetryDecorator(),)


def test_a_decorator_gives_back_what_it_decorates() -> None:
    function = fresh()
    assert retry(times=1)(function) is function


@pytest.mark.parametrize("order", [lambda f: step(retry(f)), lambda f: retry(step(f))])
def test_above_or_below_step(order: Callable[[Any], Any]) -> None:
    function = order(fresh())
    assert step_decorators(function) == (RetryDecorator(times=3, minutes_between_retries=2),)
    assert function.is_step


@pytest.mark.parametrize(
    ("decorator", "attributes"),
    [
        (RetryDecorator(), {"times": 3, "minutes_between_retries": 2}),
        (RetryDecorator(times="5", minutes_between_retries=0.5), {"times": 5, "minutes_between_retries": 0.5}),
        (CatchDecorator(), {"var": None, "print_exception": True}),
        (TimeoutDecorator(seconds=30, minutes=1, hours=1), {"seconds": 3690}),
        (TimeoutDecorator(minutes="1.5"), {"seconds": 90}),
        (EnvironmentDecorator(vars={"A": "b"}), {"vars": {"A": "b"}}),
        (ResourcesDecorator(), {"cpu": 1, "gpu": None, "memory": 4096, "disk": None, "shared_memory": None}),
        (
            ResourcesDecorator(cpu=0.5, gpu="1", memory="16000"),
            {"cpu": 0.5, "gpu": 1, "memory": 16000, "disk": None, "shared_memory": None},
        ),
        (ScheduleDecorator(), {"cron": "0 0 * * *", "timezone": None}),
        (ScheduleDecorator(hourly=True), {"cron": "0 * * * *", "timezone": None}),
        (ScheduleDecorator(daily=False, weekly=True), {"cron": "0 0 * * 0", "timezone": None}),
        (
            ScheduleDecorator(cron="0  10 * * ? *", timezone="Europe/Berlin"),
            {"cron": "0 10 * * ? *", "timezone": "Europe/Berlin"},
        ),
    ],
)
def test_attributes(decorator: Any, attributes: dict[str, Any]) -> None:
    assert decorator.attributes() == attributes
    assert json.loads(json.dumps(decorator.attributes())) == attributes
    assert pickle.loads(pickle.dumps(decorator)) == decorator


GIVEN = {"timeout": {"seconds": 1}, "project": {"name": "p"}}
"""The attributes without which a decorator is refused."""


@pytest.mark.parametrize(
    ("make", "headline", "help"),
    [
        (lambda: retry(tims=3), "@retry has no attribute 'tims'", "Did you mean 'times'?"),  # type: ignore[call-overload]
        (lambda: retry(times=-1), "@retry can't use times=-1", None),
        (lambda: retry(times=1.5), "@retry can't use times=1.5", None),  # type: ignore[call-overload]
        (lambda: retry(times=True), "@retry can't use times=True", None),
        (lambda: retry(minutes_between_retries=float("nan")), "@retry can't use minutes_between_retries=nan", None),
        (lambda: retry(3), "@retry takes its attributes by name", None),  # type: ignore[call-overload]
        (lambda: catch(var="not a name"), "@catch can't use var='not a name'", None),
        (lambda: catch(print_exception="no"), "@catch can't use print_exception='no'", None),  # type: ignore[call-overload]
        (lambda: timeout(), "@timeout needs a time", "@timeout(minutes=10)"),
        (lambda: timeout(seconds=-5), "@timeout can't use seconds=-5", None),
        (lambda: environment(vars=["A"]), "@environment can't use vars=['A']", None),  # type: ignore[call-overload]
        (lambda: EnvironmentDecorator(vars={"A": [1]}), "@environment can't use vars={'A': [1]}", "Write A='[1]'."),
        (lambda: EnvironmentDecorator(vars={"A": "\0"}), "@environment can't use vars={'A': '\\x00'}", None),
        (lambda: environment(vars={"A=B": "1"}), "@environment can't use vars='A=B'", None),
        (lambda: resources(memory=0), "@resources can't use memory=0", None),
        (lambda: resources(cpu="many"), "@resources can't use cpu='many'", None),
        (lambda: schedule(hourly=True, cron="0 1 * * *"), "@schedule has more than one time", None),
        (lambda: schedule(daily=False), "@schedule has no time", None),
        (lambda: schedule(cron="0 1 * *"), "A cron expression has five fields", None),
        (
            lambda: schedule(timezone="Europe/Berln"),
            "There is no time zone 'Europe/Berln'",
            "Did you mean 'Europe/Berlin'?",
        ),
    ],
)
def test_wrong_use(make: Callable[[], Any], headline: str, help: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        make()
    assert caught.value.headline.startswith(headline)
    assert caught.value.where is not None
    assert __file__ in caught.value.where
    if help is not None:
        assert caught.value.help == help


def test_values_of_environment_become_text() -> None:
    given = {"TEXT": "a", "WHOLE": 3, "PART": 1.5, "YES": True, "NO": False, "PATH": Path("/a/b"), "UNSET": None}
    expected = {"TEXT": "a", "WHOLE": "3", "PART": "1.5", "YES": "True", "NO": "False", "PATH": "/a/b"}
    assert EnvironmentDecorator(vars=given).attributes() == {"vars": expected}


@pytest.mark.parametrize("name", builtin_decorator_names())
def test_an_attribute_of_none_never_ends_the_import_of_a_flow_file(name: str) -> None:
    kind = find_decorator(name)
    assert kind is not None and kind.name == name
    for key in kind.defaults:
        decorator = kind(**{**GIVEN.get(kind.name, {}), key: None})
        assert pickle.loads(pickle.dumps(decorator)) == decorator


def test_wrong_place() -> None:
    with pytest.raises(UsageError, match="@schedule stands on a flow class"):
        schedule(fresh())  # type: ignore[type-var]
    with pytest.raises(UsageError, match="@retry stands on a step of a flow"):
        retry()(FlowSpec)
    with pytest.raises(UsageError, match="@retry stands on a step of a flow"):
        retry()(3)  # type: ignore[type-var]


def test_twice() -> None:
    with pytest.raises(UsageError, match="@retry stands twice on 'function'"):
        retry(retry(fresh()))


def test_a_decorator_cant_be_changed() -> None:
    decorator = EnvironmentDecorator(vars={"A": "b"})
    with pytest.raises(AttributeError):
        decorator.vars = {}
    decorator.attributes()["vars"]["A"] = "c"
    assert decorator.attributes() == {"vars": {"A": "b"}}


def test_flow_decorators_along_the_mro() -> None:
    @schedule(hourly=True)
    class Base(FlowSpec):
        pass

    class Heir(Base):
        pass

    @schedule(weekly=True)
    class Other(Base):
        pass

    assert flow_decorators(Base) == flow_decorators(Heir) == (ScheduleDecorator(hourly=True),)
    assert flow_decorators(Other) == (ScheduleDecorator(weekly=True),)


@pytest.mark.parametrize(
    ("text", "decorator"),
    [
        ("retry", RetryDecorator()),
        ("retry:times=5,minutes_between_retries=0", RetryDecorator(times=5, minutes_between_retries=0)),
        ("catch:var=failure,print_exception=false", CatchDecorator(var="failure", print_exception=False)),
        ("catch:print_exception=False", CatchDecorator(print_exception=False)),
        ('environment:vars={"A": "b,c=d", "E": "}"}', EnvironmentDecorator(vars={"A": "b,c=d", "E": "}"})),
        ("timeout:minutes=1.5", TimeoutDecorator(minutes=1.5)),
    ],
)
def test_with(text: str, decorator: Any) -> None:
    assert parse_with(text) == decorator


def test_with_many() -> None:
    text = 'retry:times=1  environment:vars={"A": "b c"}\ncatch'
    assert parse_many(text) == [RetryDecorator(times=1), EnvironmentDecorator(vars={"A": "b c"}), CatchDecorator()]


@pytest.mark.parametrize(
    ("text", "headline", "help"),
    [
        ("retri", "There is no decorator 'retri'", "Did you mean 'retry'?"),
        ("kubernetes", "@kubernetes has no effect in this release", "Leave it out."),
        ("schedule", "@schedule is for flow classes", "Write @schedule above the class."),
        ("retry:tims=1", "@retry has no attribute 'tims'", "Did you mean 'times'?"),
        ("retry:times", "A decorator's attribute has no value", None),
        ("retry:", "A decorator's attribute has no value", None),
        ("retry:times=1,times=2", "The attribute 'times' is given twice", None),
        ("", "There is no decorator ''", None),
    ],
)
def test_with_wrong(text: str, headline: str, help: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        parse_with(text)
    assert caught.value.headline.startswith(headline)
    if help is not None:
        assert caught.value.help == help
