"""Wrong command lines: one clear message, the right exit code, nothing written."""

import sys

import pytest

from tests.unit.cli.flow_file import FLOW, call, files, write

pytestmark = pytest.mark.slow  # starts processes or servers

USAGE = [
    # command line, headline, help or wanted
    ("run --folds 2 --alhpa 3", "There's no option '--alhpa'.", "Did you mean '--alpha'?"),
    ("run --folds 2 --max-worker 3", "There's no option '--max-worker'.", "Did you mean '--max-workers'?"),
    ("--quite run --folds 2", "There's no option '--quite'.", "Did you mean '--quiet'?"),
    ("rnu --folds 2", "There's no command 'rnu'.", "Did you mean 'run'?"),
    ("zzzzz", "There's no command 'zzzzz'.", "run, show, step-functions, tag, version.\n"),
    ("help zzzzz", "There's no command 'zzzzz'.", "run, show, step-functions, tag, version.\n"),
    ("card view start", "Metaflow's command 'card' isn't in this release", "coming-from-metaflow"),
    ("card list --id x", "Metaflow's command 'card' isn't in this release", "coming-from-metaflow"),
    ("--quiet argo-workflows create", "Metaflow's command 'argo-workflows' isn't in this release", "--help"),
    ("kubernetes list", "Metaflow's command 'kubernetes' isn't in this release", "--help"),
    ("spin start", "Metaflow's command 'spin' isn't in this release", "--help"),
    ("environment resolve", "Metaflow's command 'environment' isn't in this release", "--help"),
    ("help conda", "Metaflow's command 'conda' isn't in this release", "--help"),
    ("init --help", "Metaflow's command 'init' isn't in this release", "--help"),
    ("tag ad x", "There's no command 'tag ad'.", "Did you mean 'add'?"),
    ("tag", "tag needs a command.", "add or remove or replace or list"),
    ("--quiet", "No command is given.", "See --help"),
    ("run", "A value is missing for the parameter 'folds'.", "--folds: a whole number"),
    ("run --folds", "--folds needs a value.", "--folds INTEGER"),
    ("run --folds two", "The parameter 'folds' can't take this value.", "a whole number"),
    ("run --folds 2.5", "The parameter 'folds' can't take this value.", "a whole number"),
    ("run --folds 2 --alpha much", "The parameter 'alpha' can't take this value.", "a number"),
    ("run --folds 2 --shuffle maybe", "The parameter 'shuffle' can't take this value.", "true or false"),
    ("run --folds 2 --grid {a}", "The parameter 'grid' can't take this value.", "JSON"),
    ("run --folds 2 --folds 3", "--folds was given twice.", "'2' and '3'"),
    ("run 2", "run doesn't take '2'.", "options only"),
    ("run folds", "run doesn't take 'folds'.", "--help"),
    ("run tag", "run doesn't take 'tag'.", "Did you mean --tag?"),
    ("run --folds 2 --max-workers 0", "--max-workers can't be '0'.", "at least 1"),
    ("run --folds 2 --max-num-splits -1", "--max-num-splits can't be '-1'.", "at least 1"),
    ("run --folds 2 --with rety", "There is no decorator 'rety'.", "Did you mean 'retry'?"),
    ("run --folds 2 --with retry:tims=3", "@retry has no attribute 'tims'.", "Did you mean 'times'?"),
    ("run --folds 2 --with retry:times=lots", "times", "'lots'"),
    ("run --folds 2 --datastore gcs", "--datastore can't be 'gcs'.", "local or s3"),
    ("run --folds 2 --datastore s3", "It isn't known where in S3 to keep artifacts.", "--datastore-root"),
    ("run --folds 2 --datastore s3 --datastore-root data", "--datastore-root can't be 'data'.", "s3://bucket/prefix"),
    ("run --folds 2 --datastore local --datastore-root s3://b", "--datastore-root can't be 's3://b'.", "a folder"),
    ("run --folds 2 --datastore-root ftp://b", "There is no store of kind 'ftp'.", "s3://bucket/prefix"),
    ("run --folds 2 --metadata service", "--metadata can't be 'service'.", "local or s3"),
    ("run --folds 2 --environment docker", "--environment can't be 'docker'.", "conda, fast-bakery, pypi, uv"),
    ("run --folds 2 --run-id-file missing/id", "This file can't be written.", "missing"),
    ("run --folds 2 --run-id-file .", "This file can't be written.", "a folder"),
    ("dump 1/start --file missing/x", "This file can't be written.", "missing"),
    ("package save missing/x.zip", "This file can't be written.", "missing"),
    ("run --folds 2 --isolation thread", "--isolation can't be 'thread'.", "fork or spawn"),
    ("run --folds 2 --output live", "--output live needs a terminal.", "plain"),
    ("show --format png", "--format can't be 'png'.", "text or mermaid"),
    ("tag add x", "tag add needs --run-id.", "--run-id 5"),
    ("tag add --run-id 1", "tag add needs TAG.", "tag add --help"),
    ("tag replace --run-id 1 --add x", "tag replace needs both --add and --remove.", ""),
    ("dump", "dump needs RUN[/STEP[/TASK]].", "dump --help"),
    ("resume 2 w", "resume doesn't take 'w'.", "resume w --origin-run-id 2"),
    ("resume w 2", "resume doesn't take '2'.", "resume w --origin-run-id 2"),
    ("resume a b", "resume doesn't take 'b'.", "See resume --help."),
    ("dump 1/loop/4-1/n", "dump needs one run, step or task.", "dump 1/loop/4-1 --include n"),
    ("dump TrainFlow/1/loop/4-1/n", "dump needs one run, step or task.", "dump 1/loop/4-1 --include n"),
    ("dump 1/loop/4-1/n/m", "dump needs one run, step or task.", "RUN[/STEP[/TASK]]"),
    ("logs 1/loop/4-1/n", "logs needs one run, step or task.", "RUN[/STEP[/TASK]]"),
    ("help rnu", "There's no command 'rnu'.", "Did you mean 'run'?"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("flow")
    write(made)
    return made


@pytest.mark.parametrize(("line", "headline", "hint"), USAGE)
def test_wrong_usage(folder, line, headline, hint):
    done = call(folder, *line.split())
    assert done.returncode == 2, done.stderr
    assert headline in done.stderr.splitlines()[0] or line.endswith("lots")
    assert headline in done.stderr
    assert hint in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert files(folder) == {"train.py"}


@pytest.mark.parametrize("tag", ["", "x" * 501])
def test_a_bad_tag(folder, tag):
    done = call(folder, "run", "--folds", "2", "--tag", tag)
    assert done.returncode == 2
    assert "tag" in done.stderr
    assert files(folder) == {"train.py"}


FAILURES = [
    ("dump 1/start", "There is no store."),
    ("logs 1/start", "There is no store."),
    ("tag list --all", "There is no store."),
    ("tag add x --run-id 1", "There is no store."),
    ("--datastore-root nowhere/else dump 1/start", "There is no store."),
    ("run --folds 2 --datastore-root train.py", "The store's folder can't be made."),
    ("run --folds 2 --datastore-root train.py/x", "The store's folder can't be made."),
]


@pytest.mark.parametrize(("line", "headline"), FAILURES)
def test_a_store_that_cannot_be_used(folder, line, headline):
    done = call(folder, *line.split())
    assert done.returncode == 1
    assert headline in done.stderr
    assert "Traceback" not in done.stderr
    assert files(folder) == {"train.py"}


def test_all_errors_of_the_source_are_shown_before_anything_runs(tmp_path):
    bad = FLOW.replace("self.next(self.join)", "self.next(self.jion)").replace("self.next(self.end)", "pass")
    write(tmp_path, bad)
    for command in (["check"], ["run", "--folds", "2"]):
        done = call(tmp_path, *command)
        assert done.returncode == 1
        assert "jion" in done.stderr and "join" in done.stderr
        assert done.stderr.count("train.py:") >= 2
        assert "Traceback" not in done.stderr
    assert files(tmp_path) == {"train.py"}


def test_usage_comes_before_the_source(tmp_path):
    write(tmp_path, FLOW.replace("self.next(self.join)", "self.next(self.jion)"))
    assert call(tmp_path, "run", "--alhpa", "1").returncode == 2


def test_an_error_of_ours_is_said_to_be_one(folder, monkeypatch, capsys):
    from flow_sdk.cli.command_end import ErrorReporter, run_guarded

    def broken() -> int:
        raise RuntimeError("not foreseen")

    assert run_guarded(broken, ErrorReporter([])) == 1
    err = capsys.readouterr().err
    assert "RuntimeError: not foreseen" in err
    assert "This is a bug in Flow SDK" in err
    assert f"Python {sys.version.split()[0]}" in err


def test_an_interrupt_is_one_line(capsys):
    from flow_sdk.cli.command_end import ErrorReporter, run_guarded

    def interrupted() -> int:
        raise KeyboardInterrupt

    assert run_guarded(interrupted, ErrorReporter([])) == 130
    assert capsys.readouterr().err == "\nInterrupted.\n"


def test_a_reader_that_goes_away_is_no_error(folder):
    import subprocess

    done = subprocess.run(
        f"{sys.executable} train.py show --format json | head -n 1",
        shell=True,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""
