"""Configs on the command line and in the environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flow_sdk import Config, FlowSpec, Parameter
from flow_sdk.cli.configs import config_rows, from_environment, take_configs
from flow_sdk.errors import UsageError
from tests.support.moto import MotoServer
from tests.unit.cli.flow_file import call, write

pytestmark = pytest.mark.slow  # starts processes or servers


class Two(FlowSpec):
    a = Config("first", default="first.json", help="The first\n one.")
    b = Config("second", required=True)
    c = Config("third", default_value={"x": 1})
    d = Config("fourth", default_value="hidden", show_default=False)


def taken(*argv: str) -> tuple[list[str], dict[str, Any]]:
    rest = take_configs(Two, argv)
    return rest, vars(Two)["__flow_configs__"].given


@pytest.mark.parametrize(
    ("argv", "rest", "given"),
    [
        (["run", "--alpha", "1"], ["run", "--alpha", "1"], {}),
        (["--config", "first", "a.json", "run"], ["run"], {"first": ("path", "a.json")}),
        (["run", "--config=first", "a.json", "-x"], ["run", "-x"], {"first": ("path", "a.json")}),
        (["--config-value", "second", "{}", "run", "--config", "first", "--", "x"], ["run", "x"],
         {"second": ("value", "{}"), "first": ("path", "--")}),
        (["run", "--", "--config", "first", "x"], ["run", "--", "--config", "first", "x"], {}),
        (["--config", "first", "x", "--config", "first", "x"], [], {"first": ("path", "x")}),
    ],
)  # fmt: skip
def test_configs_are_taken_out_of_the_line(argv: list[str], rest: list[str], given: dict[str, Any]) -> None:
    assert taken(*argv) == (rest, given)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--config"], "--config NAME PATH"),
        (["--config-value", "first"], "--config-value NAME JSON"),
        (["--config", "frist", "x"], "Did you mean 'first'"),
        (["--config", "first", "x", "--config", "first", "y"], "the path 'x' and the path 'y'"),
        (["--config", "first", "x", "--config-value", "first", "{}"], "the path 'x' and the value '{}'"),
    ],
)
def test_what_the_line_can_not_say(argv: list[str], says: str) -> None:
    with pytest.raises(UsageError) as error:
        taken(*argv)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("environ", "given"),
    [
        ({}, {}),
        ({"METAFLOW_FLOW_CONFIG": '{"first": "a.json"}'}, {"first": ("path", "a.json")}),
        ({"METAFLOW_FLOW_CONFIG": "{}", "FLOW_SDK_FLOW_CONFIG": '{"first": "b"}'}, {"first": ("path", "b")}),
        ({"METAFLOW_FLOW_CONFIG_VALUE": '{"first": {"x": [1]}, "second": "{}"}'},
         {"first": ("value", '{"x": [1]}'), "second": ("value", "{}")}),
    ],
)  # fmt: skip
def test_the_environment(environ: dict[str, str], given: dict[str, Any]) -> None:
    assert from_environment(Two, environ) == given


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"METAFLOW_FLOW_CONFIG": "first"}, "JSON object"),
        ({"METAFLOW_FLOW_CONFIG": '{"first": 1}'}, "JSON object"),
        ({"FLOW_SDK_FLOW_CONFIG_VALUE": "[]"}, "JSON object"),
        ({"METAFLOW_FLOW_CONFIG": '{"frist": "x"}'}, "Did you mean 'first'"),
        ({"METAFLOW_FLOW_CONFIG": '{"first": "x"}', "METAFLOW_FLOW_CONFIG_VALUE": '{"first": {}}'}, "given twice"),
    ],
)
def test_what_the_environment_can_not_say(environ: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError) as error:
        from_environment(Two, environ)
    assert says in str(error.value) and "FLOW_CONFIG" in str(error.value)


def test_the_help_names_each_config() -> None:
    assert config_rows(Two)[2:] == [
        ("  first", "The first one. [default: first.json]"),
        ("  second", "[required]"),
        ("  third", '[default: {"x": 1}]'),
        ("  fourth", ""),
    ]
    assert config_rows(FlowSpec) == []


def test_a_parameter_can_not_have_the_options_name() -> None:
    class Clash(FlowSpec):
        settings = Config("settings")
        value = Parameter("config_value")

    with pytest.raises(UsageError, match="name that is taken in a flow with a Config"):
        take_configs(Clash, [])


FLOW = """
from flow_sdk import Config, FlowMutator, FlowSpec, Parameter, config_expr, project, step


class More(FlowMutator):
    def pre_mutate(self, mutable_flow):
        print("mutating")
        for name in mutable_flow.settings.more:
            mutable_flow.add_parameter(name, Parameter(name, default=1))


@More
@project(name=config_expr("settings.project"))
class ConfiguredFlow(FlowSpec):
    settings = Config("settings", required=True)

    @step
    def start(self):
        print("more is", [getattr(self, name) for name in self.settings.more])
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    ConfiguredFlow()
"""


def test_parameters_that_a_config_makes_are_options(tmp_path: Path) -> None:
    write(tmp_path, FLOW)
    (tmp_path / "s.json").write_text(json.dumps({"project": "sales", "more": ["beta", "gamma"]}))
    done = call(tmp_path, "run", "--config", "settings", "s.json", "--gamma", "7")
    assert done.returncode == 0, done.stderr
    assert "more is [1, 7]" in done.stdout
    assert done.stdout.count("mutating") == 1, "once for each command"
    given = {"METAFLOW_FLOW_CONFIG": '{"settings": "s.json"}'}
    assert "more is [8, 1]" in call(tmp_path, "run", "--beta", "8", environment=given).stdout
    done = call(tmp_path, "run", "--config-value", "settings", '{"project": "x", "more": []}', environment=given)
    assert "more is []" in done.stdout, "the command line comes first"
    shown = call(tmp_path, "run", "--help", "--config", "settings", "s.json").stdout
    assert "--gamma INTEGER" in shown and "--config NAME PATH" in shown
    done = call(tmp_path, "run", "--config", "settings", "s.json", "--delta", "7")
    assert done.returncode == 2 and "There's no option '--delta'" in done.stderr


def test_help_and_results_need_no_config(tmp_path: Path) -> None:
    write(tmp_path, FLOW)
    done = call(tmp_path, "--config-value", "settings", '{"project": "sales", "more": []}', "run", "--tag", "mine")
    assert done.returncode == 0, done.stderr
    for words in (["--help"], ["run", "--help"], ["tag", "list", "1"], ["logs", "1/start"], ["show"], ["version"]):
        done = call(tmp_path, *words)
        assert done.returncode == 0 and not done.stderr, (words, done.stderr)
    assert "project:sales" in call(tmp_path, "tag", "list", "1").stdout
    done = call(tmp_path, "run")
    assert done.returncode == 2 and "The config 'settings' isn't given" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_flow_without_configs_imports_nothing_for_them(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "spy.py").write_text(
        "import atexit, sys\n"
        "names = ('deferred', 'configs', 'user_decorators', 'resolved_flow', 'mutable')\n"
        "known = lambda: [n for n in names if 'flow_sdk.authoring.' + n in sys.modules]\n"
        "atexit.register(lambda: print(known(), file=sys.stderr))\n"
        "sys.argv = ['train.py', *sys.argv[1:]]\n"
        "exec(compile(open('train.py').read(), 'train.py', 'exec'))\n"
    )
    for words in (["--help"], ["check"], ["show"]):
        done = call(tmp_path, *words, file="spy.py")
        assert done.returncode == 0 and done.stderr.splitlines()[-1] == "[]", done.stderr


def test_a_flow_with_configs_is_resumed_from_s3(tmp_path: Path) -> None:
    """The configs are read before the tasks are forked, and S3 can't be used on both sides of a fork."""
    write(tmp_path, FLOW)
    with MotoServer("configs") as s3:
        place = ("--datastore-root", "s3://configs/x")
        given = ("--config-value", "settings", '{"project": "sales", "more": []}')
        done = call(tmp_path, *place, *given, "run", environment=s3.env())
        assert done.returncode == 0, done.stderr
        done = call(tmp_path, *place, "resume", "start", environment=s3.env())
        assert done.returncode == 0, done.stderr
        assert "project:sales" in call(tmp_path, *place, "tag", "list", "2", environment=s3.env()).stdout
        done = call(tmp_path, *place, "resume", "--origin-run-id", "99", environment=s3.env())
        assert done.returncode == 1 and "99" in done.stderr and "Traceback" not in done.stderr
