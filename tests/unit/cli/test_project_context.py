"""``--branch`` and ``--production``: what ``current`` says, what runs carry, what is refused."""

import json

import pytest

from tests.unit.cli.flow_file import FLOW, call, files, write

pytestmark = pytest.mark.slow  # starts processes or servers

PROJECT = """
from flow_sdk import FlowSpec, Parameter, current, project, step


@project(name="forecast")
class P(FlowSpec):
    test_mode = Parameter("test-mode", default=lambda _: not current.is_production)

    @step
    def start(self):
        import json
        names = ("project_name", "branch_name", "is_user_branch", "is_production", "project_flow_name")
        print(json.dumps({name: getattr(current, name) for name in names}))
        print(json.dumps({"test": self.test_mode, "tags": sorted(current.run.tags)}))
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    P()
"""


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
@pytest.mark.parametrize(
    ("options", "branch"),
    [
        ([], "user.tester"),
        (["--branch", "b"], "test.b"),
        (["--production"], "prod"),
        (["--branch", "b", "--production"], "prod.b"),
    ],
)
def test_current_and_tags(tmp_path, options, branch, isolation):
    write(tmp_path, PROJECT)
    done = call(tmp_path, *options, "run", "--isolation", isolation, "--quiet")
    assert done.returncode == 0, done.stderr
    lines = [line[line.index("{") :] for line in done.stdout.splitlines() if "{" in line]
    production = branch.startswith("prod")
    assert json.loads(lines[0]) == {
        "project_name": "forecast",
        "branch_name": branch,
        "is_user_branch": branch.startswith("user."),
        "is_production": production,
        "project_flow_name": f"forecast.{branch}.P",
    }
    seen = json.loads(lines[1])
    assert seen["test"] is not production
    tags = {"project:forecast", f"project_branch:{branch}", f"project_and_branch:forecast.{branch}", "user:tester"}
    assert tags <= set(seen["tags"])


@pytest.mark.parametrize("command", [["run"], ["check"], ["show"], ["airflow", "create", "dag.py"], ["tag", "list"]])
def test_without_project_the_options_are_refused(tmp_path, command):
    write(tmp_path, FLOW.replace("required=True", "default=1"))
    for options in (["--branch", "b"], ["--production"]):
        done = call(tmp_path, *options, *command)
        assert done.returncode == 2 and f"{options[0]} is for flows with @project" in done.stderr
    assert files(tmp_path) == {"train.py"}


def test_decorator_and_command_line_contradict_each_other(tmp_path):
    write(tmp_path, PROJECT.replace('"forecast"', '"forecast", branch="a", production=True'))
    assert "forecast.prod.a.P" in call(tmp_path, "run").stdout
    for options in (["--branch", "b"], ["--no-production"]):
        done = call(tmp_path, *options, "run")
        assert done.returncode == 2 and "says something else than @project" in done.stderr, done.stderr


def test_a_name_that_cannot_be_one_points_at_its_line(tmp_path):
    write(tmp_path, PROJECT.replace('"forecast"', '"Fore-cast"'))
    done = call(tmp_path, "check")
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "@project can't use name='Fore-cast'" in done.stderr and "train.py:5" in done.stderr


def test_a_parameter_may_still_be_called_branch(tmp_path):
    text = PROJECT.replace('@project(name="forecast")\n', "").replace("lambda _: not current.is_production", "7")
    text = text.replace("test_mode", "branch").replace("test-mode", "branch")
    text = text.replace("getattr(current, name) for name in names", "1 for name in ()")
    write(tmp_path, text)
    done = call(tmp_path, "run", "--branch", "8")
    assert done.returncode == 0 and '"test": 8' in done.stdout, done.stderr
