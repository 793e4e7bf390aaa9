"""Local runs with artifacts in S3, and what is said when S3 can't be used."""

import re

import pytest

from tests.support.moto import MotoServer
from tests.support.ports import free_port
from tests.unit.cli.flow_file import call, files, write

AT = ("--datastore", "s3", "--datastore-root", "s3://flows/team")


@pytest.fixture(scope="module")
def s3():
    with MotoServer("flows") as server:
        yield server


def test_a_run_in_s3(s3, tmp_path):
    write(tmp_path)
    done = call(tmp_path, *AT, "run", "--folds", "2", environment=s3.env())
    assert done.returncode == 0, done.stderr
    assert files(tmp_path) == {"train.py"}
    run = re.search(r"Run TrainFlow/(\d+) started", done.stderr)
    assert run is not None
    assert "score" in call(tmp_path, "dump", f"{run.group(1)}/fit/1.1", *AT, environment=s3.env()).stdout
    assert call(tmp_path, *AT, "logs", f"{run.group(1)}/end", environment=s3.env()).stdout == "done [0, 10]\n"
    settings = {"FLOW_SDK_DEFAULT_DATASTORE": "s3", "FLOW_SDK_DATASTORE_SYSROOT_S3": "s3://flows/team"}
    listed = call(tmp_path, "tag", "list", "--all", environment={**s3.env(), **settings})
    assert "runtime:local" in listed.stdout


@pytest.mark.parametrize("command", ["run --folds 2", "dump 1/start", "tag list --all"])
def test_a_missing_bucket(s3, tmp_path, command):
    write(tmp_path)
    done = call(
        tmp_path, "--datastore", "s3", "--datastore-root", "s3://nowhere/x", *command.split(), environment=s3.env()
    )
    assert done.returncode == 1
    assert "nowhere" in done.stderr and "bucket" in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
    assert files(tmp_path) == {"train.py"}


def test_a_bucket_without_a_store_is_not_made_one_by_reading(s3, tmp_path):
    write(tmp_path)
    s3.make_bucket("empty")
    done = call(
        tmp_path, "--datastore", "s3", "--datastore-root", "s3://empty", "dump", "1/start", environment=s3.env()
    )
    assert done.returncode == 1
    assert "There is no Flow SDK store." in done.stderr


def test_an_address_that_nobody_answers_at(s3, tmp_path):
    write(tmp_path)
    environment = {**s3.env(), "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    done = call(tmp_path, *AT, "run", "--folds", "2", environment=environment)
    assert done.returncode == 1
    waiting, _, error = done.stderr.partition("error: ")
    assert "S3 doesn't answer: trying again to read s3://flows/team/store.json" in waiting
    assert waiting.count("\n") == 1 and "doesn't answer" in error
    assert "Traceback" not in done.stderr
    assert files(tmp_path) == {"train.py"}


def test_no_credentials(s3, tmp_path):
    write(tmp_path)
    environment = {"AWS_ENDPOINT_URL": s3.url, "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "us-east-1"}
    done = call(tmp_path, *AT, "run", "--folds", "2", environment=environment)
    assert done.returncode == 1
    assert "credentials" in done.stderr
    assert "Traceback" not in done.stderr
    assert files(tmp_path) == {"train.py"}
