"""Options that the environment gives, under our names and under Metaflow's."""

import pytest

from tests.unit.cli.flow_file import FLOW, call, write

pytestmark = pytest.mark.slow  # starts processes or servers

PLAIN = FLOW.replace("required=True", "default=1").replace(
    'print("done", self.scores)', 'print("done", current.get("branch_name"))'
).replace("import FlowSpec", "import current, FlowSpec")  # fmt: skip
PROJECT = PLAIN.replace("import current", "import current, project").replace("class T", '@project(name="p")\nclass T')


@pytest.fixture
def run(tmp_path):
    def go(*words, file=PROJECT, **environment):
        write(tmp_path, file)
        return call(tmp_path, *words, environment=environment)

    return go


@pytest.mark.parametrize("prefix", ["METAFLOW_", "FLOW_SDK_"])
@pytest.mark.parametrize(
    ("variables", "branch"),
    [
        ({"PRODUCTION": "True"}, "prod"),
        ({"PRODUCTION": "1", "BRANCH": "b1"}, "prod.b1"),
        ({"BRANCH": "b1"}, "test.b1"),
        ({"PRODUCTION": "false", "BRANCH": ""}, "user.ada"),
    ],
)
def test_the_branch_of_a_project(run, prefix, variables, branch):
    done = run("run", FLOW_SDK_USER="ada", **{prefix + name: value for name, value in variables.items()})
    assert f"done {branch}\n" in done.stdout, done.stderr


def test_the_command_line_comes_first(run):
    done = run("--branch", "b2", "--no-production", "run", FLOW_SDK_BRANCH="b1", METAFLOW_PRODUCTION="yes")
    assert "done test.b2" in done.stdout


def test_ours_come_before_metaflows(run):
    assert "done test.b1" in run("run", FLOW_SDK_BRANCH="b1", METAFLOW_BRANCH="b2").stdout


def test_a_flow_without_a_project_has_no_branch_to_choose(run):
    done = run("run", file=PLAIN, METAFLOW_PRODUCTION="True", METAFLOW_BRANCH="b1")
    assert done.returncode == 0 and "done None" in done.stdout, done.stderr


def test_a_flow_with_configs_has_its_branch_from_the_environment(run):
    flow = PROJECT.replace("import current", "import Config, current").replace(
        "    folds =", '    settings = Config("settings", default_value={})\n    folds ='
    )
    assert "done prod" in run("run", file=flow, METAFLOW_PRODUCTION="True").stdout


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"METAFLOW_PRODUCTION": "maybe"}, "METAFLOW_PRODUCTION can't be 'maybe'"),
        ({"METAFLOW_BRANCH": "B 1"}, "METAFLOW_BRANCH can't be 'B 1'"),
        ({"METAFLOW_DATASTORE": "hdfs"}, "environment variable METAFLOW_DATASTORE"),
        ({"METAFLOW_ENVIRONMENT": "docker"}, "METAFLOW_ENVIRONMENT can't be 'docker'"),
        ({"METAFLOW_PROFILE": "nosuch"}, "no profile 'nosuch'"),
    ],
)
def test_what_cannot_be_honoured_is_refused_before_anything_runs(run, tmp_path, variables, told):
    done = run("--datastore-root", "store", "run", **variables)
    assert done.returncode == 2 and told in done.stderr, done.stderr
    assert not (tmp_path / "store").exists()


def test_what_contradicts_the_decorator_is_refused(run):
    flow = PROJECT.replace('name="p"', 'name="p", branch="b1"')
    done = run("run", file=flow, METAFLOW_BRANCH="b2")
    assert done.returncode == 2 and "METAFLOW_BRANCH says something else than @project" in done.stderr
    assert "done test.b1" in run("run", file=flow, METAFLOW_BRANCH="b1", METAFLOW_PRODUCTION="0").stdout


def test_the_store(run, tmp_path):
    for number, prefix in enumerate(("METAFLOW_", "FLOW_SDK_")):
        root = tmp_path / f"store{number}"
        done = run("run", **{prefix + "DATASTORE_ROOT": str(root), prefix + "DATASTORE": "local"})
        assert done.returncode == 0 and (root / "store.json").exists(), done.stderr
    done = run("run", METAFLOW_DATASTORE="s3")
    assert done.returncode == 2 and "where in S3" in done.stderr


def test_metaflows_metadata_does_not_choose_the_store(run, tmp_path):
    for kind in ("service", "local"):
        done = run("run", METAFLOW_METADATA=kind, METAFLOW_DEFAULT_METADATA=kind, METAFLOW_DEFAULT_DATASTORE="s3")
        assert done.returncode == 2 and "where in S3" in done.stderr
    for name in ("METAFLOW_METADATA", "METAFLOW_DEFAULT_METADATA"):
        done = run("run", **{name: "service"})
        assert done.returncode == 0, done.stderr
        assert done.stderr.count(f"{name}=service has no effect: runs are recorded in the store itself") == 1
    assert "no effect" not in run("run", METAFLOW_METADATA="local", METAFLOW_DEFAULT_METADATA="service").stderr


def test_what_a_package_takes_and_what_is_said(run, tmp_path):
    (tmp_path / "query.sql").write_text("select 1")
    for name in ("METAFLOW_PACKAGE_SUFFIXES", "FLOW_SDK_PACKAGE_SUFFIXES", "METAFLOW_DEFAULT_PACKAGE_SUFFIXES"):
        assert "query.sql" in run("package", "list", **{name: ".sql"}).stdout
    assert run("check").stderr and not run("check", METAFLOW_QUIET="1").stderr


@pytest.mark.parametrize("name", ["METAFLOW_DECOSPECS", "METAFLOW_DEFAULT_DECOSPECS"])
def test_decorators_for_every_step(run, name):
    done = run("run", **{name: "timeout:seconds=x"})
    assert done.returncode == 2 and "timeout" in done.stderr


@pytest.mark.parametrize("prefix", ["METAFLOW_", "FLOW_SDK_"])
def test_options_of_a_run(run, tmp_path, prefix):
    flow = PLAIN.replace('current.get("branch_name")', "sorted(current.tags), current.retry_count")
    given = {"TAG": "a b", "WITH": "retry:times=1", "RUN_ID_FILE": "id.txt", "MAX_WORKERS": "2"}
    done = run("run", file=flow, **{f"{prefix}RUN_{name}": value for name, value in given.items()})
    assert "done ['a', 'b'] 0" in done.stdout, done.stderr
    assert (tmp_path / "id.txt").read_text().strip() == "1"
    done = run("run", "--tag", "c", file=flow, **{prefix + "RUN_TAG": "a"})
    assert "done ['c'] 0" in done.stdout, done.stderr


@pytest.mark.parametrize("name", ["MAX_WORKERS", "MAX_NUM_SPLITS"])
def test_an_option_of_a_run_that_is_no_number_is_refused(run, name):
    done = run("run", file=PLAIN, **{"METAFLOW_RUN_" + name: "many"})
    assert done.returncode == 2 and f"environment variable METAFLOW_RUN_{name}" in done.stderr, done.stderr


@pytest.mark.parametrize("kind", ["conda", "fast-bakery", "pypi", "uv"])
def test_an_environment_without_effect_is_said_and_not_deployed(run, tmp_path, kind):
    said = f"{kind} has no effect in this release of Flow SDK: the steps have the packages of this interpreter."
    done = run(f"--environment={kind}", "run", file=PLAIN)
    assert done.returncode == 0 and done.stderr.count(f"--environment={said}") == 1, done.stderr
    done = run("run", file=PLAIN, METAFLOW_ENVIRONMENT=kind)
    assert done.returncode == 0 and done.stderr.count(f"METAFLOW_ENVIRONMENT={said}") == 1, done.stderr
    done = run("run", file=PLAIN, METAFLOW_DEFAULT_ENVIRONMENT=kind)
    assert done.returncode == 0 and done.stderr.count(f"METAFLOW_DEFAULT_ENVIRONMENT={said}") == 1, done.stderr
    done = run("run", file=PLAIN, METAFLOW_ENVIRONMENT="local", METAFLOW_DEFAULT_ENVIRONMENT=kind)
    assert done.returncode == 0 and "no effect" not in done.stderr, done.stderr
    done = run(f"--environment={kind}", "check", file=PLAIN)
    assert done.returncode == 0 and "no effect" not in done.stderr, done.stderr
    done = run(f"--environment={kind}", "airflow", "create", "dags", file=PLAIN)
    assert done.returncode != 0 and "no effect in this release can't be deployed" in done.stderr, done.stderr
    assert f"--environment={kind}" in done.stderr and not (tmp_path / "dags").exists()


@pytest.mark.parametrize("prefix", ["METAFLOW_RUN_", "FLOW_SDK_RUN_"])
def test_a_wrong_value_of_a_parameter_names_its_variable(run, prefix):
    done = run("run", file=PLAIN, **{prefix + "FOLDS": "abc"})
    assert done.returncode == 2 and f"where:  environment variable {prefix}FOLDS" in done.stderr, done.stderr
    done = run("run", "--folds", "abc", file=PLAIN, **{prefix + "FOLDS": "1"})
    assert done.returncode == 2 and "environment variable" not in done.stderr, done.stderr
