"""A flow with a config and custom decorators: by the command line, resumed, and deployed."""

import ast
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.client import Run, metadata, namespace
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.supervise import supervise
from tests.unit.cli.flow_file import call, write

FLOW = """
import os
from flow_sdk import (
    Config, FlowMutator, FlowSpec, Parameter, StepMutator, UserStepDecorator, catch, config_expr, environment, project,
    retry, schedule, step, user_step_decorator,
)


@user_step_decorator
def measured(step_name, flow, inputs=None, attributes=None):
    print("before", step_name, attributes)
    if os.environ.get("FAIL_IN") == "before":
        raise ValueError("no luck before")
    yield
    if os.environ.get("FAIL_IN") == "after":
        raise ValueError("no luck after")
    flow.measured = step_name


class Guarded(UserStepDecorator):
    def init(self, level):
        self.level = level

    def post_step(self, step_name, flow, exception=None):
        flow.guarded = [self.level, str(exception)]


class Limited(StepMutator):
    def init(self, seconds):
        self.seconds = seconds

    def mutate(self, mutable_step):
        mutable_step.add_decorator("timeout", deco_kwargs={"seconds": self.seconds})


class Everywhere(FlowMutator):
    def pre_mutate(self, mutable_flow):
        mutable_flow.add_parameter("beta", Parameter("beta", default=mutable_flow.settings.model.beta))
        mutable_flow.end.add_decorator(Guarded, deco_kwargs={"level": "end"})


@Everywhere
@project(name=config_expr("settings").project)
@schedule(cron=config_expr("settings.cron"))
class ConfiguredFlow(FlowSpec):
    cfg = Config("settings", default="settings.json")
    other = Config("other", parser="tomllib.loads", default_value="words = ['a']")
    alpha = Parameter("alpha", default=cfg.model.alpha)

    @measured(level=cfg.level)
    @retry(**cfg.retry)
    @step
    def start(self):
        self.items = [n * self.cfg.model.alpha for n in self.cfg["numbers"]]
        self.next(self.work, foreach="items")

    @Limited(cfg.seconds)
    @environment(vars={"LEVEL": config_expr("str(settings.level)")})
    @step
    def work(self):
        self.level = os.environ["LEVEL"]
        if FAILS:
            raise ValueError("not yet")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.levels = [i.level for i in inputs]
        self.words = inputs[0].other.words
        self.next(self.end)

    @step
    def end(self):
        if self.alpha == 13:
            raise ValueError("an unlucky number")


if __name__ == "__main__":
    ConfiguredFlow()
"""

OTHER = """
from flow_sdk import user_step_decorator

@user_step_decorator
def stamped(step_name, flow, inputs=None, attributes=None):
    yield
    flow.stamp = [step_name, attributes["by"]]
"""

SETTINGS: dict[str, Any] = {
    "project": "sales",
    "cron": "0 5 * * *",
    "level": 3,
    "numbers": [2, 4],
    "text": "quotes ' \" $(touch canary) `id` {{ x }} {% y %} \n newline \u202e ü 😀 \\ %s",
    "seconds": 60,
    "model": {"alpha": 0.5, "beta": "b"},
    "retry": {"times": 0},
}
STAMP = "--with", "team.stamps.stamped:by=me"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    code(tmp_path, fails=False)
    (tmp_path / "settings.json").write_text(json.dumps(SETTINGS))
    return tmp_path


def code(folder: Path, *, fails: bool) -> None:
    write(folder, f"FAILS = {fails}\n{FLOW}")
    (folder / "team").mkdir(exist_ok=True)
    (folder / "team" / "__init__.py").touch()
    (folder / "team" / "stamps.py").write_text(OTHER)


def look(folder: Path, run: str) -> Run:
    (store,) = (path.parent for path in folder.glob("**/store.json"))
    metadata(str(store))
    namespace(None)
    return Run(f"ConfiguredFlow/{run}")


def check(run: Run, level: int = 3) -> None:
    """What a run with the settings leaves."""
    assert run.successful
    data = run.data
    assert data.cfg == {**SETTINGS, "level": level} and data.cfg.model.alpha == 0.5
    assert data.other.words == data.words == ["a"]
    assert (data.alpha, data.beta) == (0.5, "b")
    assert data.levels == [str(level)] * 2
    assert data.guarded == ["end", "None"]
    assert run["start"].task.data.measured == "start"


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_a_run(folder: Path, isolation: str) -> None:
    done = call(folder, "run", "--isolation", isolation, *STAMP)
    assert done.returncode == 0, done.stderr
    assert "before start {'level': 3}" in done.stdout
    run = look(folder, "1")
    check(run)
    assert run.data.stamp == ["end", "me"] and run["start"].task.data.stamp == ["start", "me"]
    assert run.data.cfg.project == "sales" and "project:sales" in run.system_tags


@pytest.mark.parametrize("part", ["before", "after"])
def test_a_decorator_that_fails_fails_the_step(folder: Path, part: str) -> None:
    given = json.dumps({**SETTINGS, "retry": {"times": 1, "minutes_between_retries": 0}})
    done = call(folder, "run", "--config-value", "settings", given, environment={"FAIL_IN": part})
    assert done.returncode == 1
    assert f"ValueError: no luck {part}" in done.stderr
    assert done.stdout.count("before start") == 2, "the step is tried again"
    assert "in measured\n" in done.stderr and "wrap.py" not in done.stderr


def test_a_swallowed_failure_lets_the_run_go_on(folder: Path) -> None:
    done = call(folder, "run", "--alpha", "13")
    assert done.returncode == 0, done.stderr
    assert look(folder, "1").data.guarded == ["end", "an unlucky number"]


def test_a_resumed_run_has_the_configs_of_its_origin(folder: Path) -> None:
    code(folder, fails=True)
    given = {**SETTINGS, "level": 7}
    (folder / "seven.json").write_text(json.dumps(given))
    assert call(folder, "--config", "settings", "seven.json", "run").returncode == 1
    code(folder, fails=False)
    (folder / "settings.json").unlink()
    (folder / "seven.json").write_text("{}")
    done = call(folder, "resume", "--config", "settings", "seven.json")
    assert done.returncode == 2 and "A resumed run has the configs of its origin" in done.stderr
    done = call(folder, "resume", "--dry-run")
    assert done.returncode == 0, done.stderr
    done = call(folder, "resume")
    assert done.returncode == 0, done.stderr
    run = look(folder, "2")
    check(run, 7)
    assert run["start"].task.data.measured == "start" and "before start" not in done.stdout
    assert run["work"].task.data.level == "7"


def deployment(file: Path) -> dict[str, Any]:
    """The data of a DAG file."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DEPLOYMENT":
            return ast.literal_eval(node.value)  # type: ignore[no-any-return]
    raise AssertionError("no DEPLOYMENT")


def test_a_deployed_flow_needs_no_config_file(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    done = call(folder, "airflow", "create", "dag.py", "--config", "settings", "settings.json", *STAMP)
    assert done.returncode == 0, done.stderr
    deployed = deployment(folder / "dag.py")
    plan = deployed["plan"]
    assert deployed["cron"] == "0 5 * * *" and deployed["dag"].startswith("sales.user.")
    assert plan["configs"] == [
        {"name": "settings", "attribute": "cfg", "value": SETTINGS},
        {"name": "other", "value": {"words": ["a"]}},
    ]
    steps = {step["name"]: step for step in plan["steps"]}
    assert steps["start"]["wrappers"] == [["team.stamps.stamped", {"by": "me"}], ["measured", {"level": 3}]]
    assert steps["end"]["wrappers"] == [["team.stamps.stamped", {"by": "me"}], ["Guarded", {"level": "end"}]]
    assert dict(steps["work"]["decorators"]) == {"environment": {"vars": {"LEVEL": "3"}}, "timeout": {"seconds": 60}}

    (store,) = (path.parent for path in folder.glob("**/store.json"))
    away = tmp_path_factory.mktemp("worker") / "store"
    shutil.move(store, away)
    for path in [path for path in folder.iterdir() if path != away]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    lines: list[str] = []
    for step, task in [("start", "0"), ("work", "1.0"), ("work", "1.1"), ("join", "2"), ("end", "3")]:
        request = TaskRequest(
            root=str(away), flow="ConfiguredFlow", run="r1", step=step, task=task, plan=deployed["plan_hash"],
            package=deployed["package_hash"], orchestrator={"kind": "test"},
        )  # fmt: skip
        ended = supervise(request, lambda stream, line: lines.append(line))
        assert ended.code == 0, "\n".join(lines)
    run = look(away, "r1")
    check(run)
    assert run.data.stamp == ["end", "me"]


def test_the_plan_is_the_same_with_every_hash_seed(folder: Path) -> None:
    plans = set()
    for seed in ("0", "1", "77"):
        done = call(folder, "airflow", "create", "dag.py", environment={"PYTHONHASHSEED": seed})
        assert done.returncode == 0, done.stderr
        plans.add(deployment(folder / "dag.py")["plan_hash"])
    assert len(plans) == 1


@pytest.mark.parametrize("form", [dict, list])
def test_runner_gives_configs(folder: Path, form: Any) -> None:
    from flow_sdk import Runner
    from flow_sdk.errors import UsageError

    pairs = [("settings", {**SETTINGS, "level": 5})]
    with Runner(str(folder / "train.py"), cwd=str(folder), config_value=form(pairs)).run() as done:
        assert done.status == "successful"
    check(look(folder, "1"), 5)
    given = form([("settings", folder / "settings.json")])
    with Runner(str(folder / "train.py"), cwd=str(folder), config=given).run(alpha=0.5) as done:
        assert done.status == "successful"
    check(look(folder, "2"))
    with pytest.raises(UsageError, match="config can't be"):
        Runner(str(folder / "train.py"), config=["settings"])
