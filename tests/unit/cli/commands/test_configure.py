"""``flow-sdk configure aws`` and ``configure show``."""

import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest

from flow_sdk import config
from flow_sdk.cli.commands.configure_aws import AWS_SETTINGS
from flow_sdk.cli.console import execute_console
from flow_sdk.errors import ConfigError, UsageError
from flow_sdk.text import mask_userinfo

pytestmark = pytest.mark.slow  # starts processes or servers

ROLE = "arn:aws:iam::123456789012:role/{}"
GOOD = {
    "DATASTORE_SYSROOT_S3": "s3://my-bucket/flows",
    "BATCH_JOB_QUEUE": "jobs",
    "BATCH_IMAGE": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/flows:1",
    "BATCH_PLATFORM": "FARGATE",
    "BATCH_JOB_ROLE": ROLE.format("job"),
    "BATCH_EXECUTION_ROLE": ROLE.format("path/execution"),
    "SFN_IAM_ROLE": ROLE.format("machines"),
    "SFN_STATE_MACHINE_PREFIX": "flow-sdk",
    "EVENTS_SFN_ACCESS_IAM_ROLE": ROLE.format("schedules"),
    "SFN_EXECUTION_LOG_GROUP_ARN": "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/states/flow-sdk:*",
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOW_SDK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FLOW_SDK_PROFILE", "")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return tmp_path


def options(values):
    return [f"--{name.lower().replace('_', '-')}={value}" for name, value in values.items()]


def terraform(values):
    return json.dumps({name.lower(): {"sensitive": False, "type": "string", "value": v} for name, v in values.items()})


def test_options_are_written_without_a_question(here, capsys):
    assert list(GOOD) == list(AWS_SETTINGS)
    assert execute_console(["configure", "aws", *options(GOOD)]) == 0
    assert config.file_settings() == {**GOOD, "DEFAULT_DATASTORE": "s3"}
    text = capsys.readouterr().out
    assert f"Written to {here / 'home' / 'config.json'}:" in text
    assert re.search(r"^  BATCH_JOB_QUEUE +jobs  \(--batch-job-queue\)$", text, re.MULTILINE)
    assert re.search(r"^  DEFAULT_DATASTORE +s3  \(DATASTORE_SYSROOT_S3 is set\)$", text, re.MULTILINE)
    assert "missing" not in text


def test_what_was_there_stays(capsys):
    config.write_settings({"USER": "anne", "BATCH_JOB_QUEUE": "old"})
    execute_console(["configure", "aws", "--batch-image", "flows:1"])
    assert config.file_settings() == {"USER": "anne", "BATCH_JOB_QUEUE": "old", "BATCH_IMAGE": "flows:1"}
    text = capsys.readouterr().out
    assert re.search(r"^  USER +anne  \(as before\)$", text, re.MULTILINE)
    assert "Still missing: DATASTORE_SYSROOT_S3.\n" in text


def test_a_profile_has_a_file_of_its_own(here, capsys):
    execute_console(["configure", "aws", "--profile", "team-a", "--batch-job-queue", "jobs"])
    assert [path.name for path in (here / "home").iterdir()] == ["config_team-a.json"]
    assert "export FLOW_SDK_PROFILE=team-a" in capsys.readouterr().out
    os.environ["FLOW_SDK_PROFILE"] = ""
    assert config.read_setting("BATCH_JOB_QUEUE").value is None
    execute_console(["configure", "show", "--profile", "team-a"])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "BATCH_JOB_QUEUE" in line]
    assert line.split(maxsplit=1)[1] == f"jobs  ({here / 'home' / 'config_team-a.json'})"


def test_the_output_of_terraform(here, monkeypatch, capsys):
    (here / "outputs.json").write_text(terraform({**GOOD, "DEPLOYER_POLICY": "arn:aws:iam::1:policy/x"}))
    execute_console(["configure", "aws", "--terraform-output", "outputs.json", "--batch-job-queue", "mine"])
    assert config.file_settings() == {**GOOD, "BATCH_JOB_QUEUE": "mine", "DEFAULT_DATASTORE": "s3"}
    assert f"{GOOD['SFN_IAM_ROLE']}  (Terraform, outputs.json)" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.StringIO(terraform({"BATCH_JOB_QUEUE": "piped"})))
    execute_console(["configure", "aws", "--terraform-output", "-"])
    assert config.file_settings()["BATCH_JOB_QUEUE"] == "piped"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"batch_job_queue": "jobs"}', '{"batch_job_queue": {}}', "{}"])
def test_a_file_that_is_something_else(here, text):
    (here / "outputs.json").write_text(text)
    with pytest.raises(ConfigError):
        execute_console(["configure", "aws", "--terraform-output", "outputs.json"])
    assert not (here / "home").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATASTORE_SYSROOT_S3", "my-bucket/flows"),
        ("DATASTORE_SYSROOT_S3", "s3://My_Bucket/flows"),
        ("DATASTORE_SYSROOT_S3", "s3://"),
        ("DATASTORE_SYSROOT_S3", "s3://bucket//a"),
        ("DATASTORE_SYSROOT_S3", "s3://bucket/a b"),
        ("DATASTORE_SYSROOT_S3", "https://bucket.s3.example.com/"),
        ("BATCH_JOB_QUEUE", "a queue"),
        ("BATCH_JOB_QUEUE", ROLE.format("job")),
        ("BATCH_IMAGE", "flows:1; rm"),
        ("BATCH_IMAGE", "$(id)"),
        ("BATCH_PLATFORM", "fargate"),
        ("BATCH_JOB_ROLE", "job"),
        ("BATCH_JOB_ROLE", "arn:aws:iam::123:role/job"),
        ("BATCH_JOB_ROLE", "arn:aws:iam::123456789012:user/job"),
        ("BATCH_JOB_ROLE", f"{ROLE.format('job')}\n"),
        ("SFN_IAM_ROLE", ""),
        ("SFN_EXECUTION_LOG_GROUP_ARN", "/aws/vendedlogs/states/flow-sdk"),
    ],
)
def test_nonsense_is_refused_and_nothing_is_written(here, name, value):
    given = options({**GOOD, name: value})
    with pytest.raises(ConfigError) as caught:
        execute_console(["configure", "aws", *given])
    assert name in caught.value.headline
    assert caught.value.wanted == AWS_SETTINGS[name][1]
    assert caught.value.where == f"--{name.lower().replace('_', '-')}"
    assert not (here / "home").exists()


@pytest.mark.parametrize(
    ("arguments", "headline"),
    [
        ([], "There's nothing to set."),
        (["--stack", "a", "--terraform-output", "b"], "can't be given together"),
        (["jobs"], "doesn't take 'jobs'"),
        (["--batch-job-quue", "a"], "There's no option"),
        (["--profile", "../x", "--batch-job-queue", "a"], "isn't the name of a profile"),
        (["--terraform-output", "gone.json"], "can't be read"),
    ],
)
def test_what_is_wrong_is_said(here, arguments, headline):
    with pytest.raises(UsageError, match=headline):
        execute_console(["configure", "aws", *arguments])
    assert not (here / "home").exists()


def test_the_environment_that_wins_is_named(monkeypatch, capsys):
    monkeypatch.setenv("METAFLOW_BATCH_JOB_QUEUE", "theirs")
    execute_console(["configure", "aws", "--batch-job-queue", "ours"])
    assert "The environment variable METAFLOW_BATCH_JOB_QUEUE wins over BATCH_JOB_QUEUE" in capsys.readouterr().out


def test_the_old_file_stays_when_the_new_one_cannot_be_written(here, monkeypatch):
    config.write_settings({"BATCH_JOB_QUEUE": "old"})

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="can't be written"):
        execute_console(["configure", "aws", "--batch-job-queue", "new"])
    assert config.file_settings() == {"BATCH_JOB_QUEUE": "old"}
    assert [path.name for path in (here / "home").iterdir()] == ["config.json"]


def on_a_terminal(here, answers, *, interrupt=None):
    """Run ``configure aws`` on a terminal, type the answers, and interrupt it once it has printed a text."""
    ours, theirs = pty.openpty()
    program = [sys.executable, "-c", "from flow_sdk.cli.console import main; main()", "configure", "aws"]
    process = subprocess.Popen(program, cwd=here, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    os.write(ours, answers)
    printed, end = b"", time.monotonic() + 30
    try:
        while time.monotonic() < end:
            if select.select([ours], [], [], 0.5)[0]:
                printed += os.read(ours, 4096)
            elif interrupt is not None and interrupt in printed:
                process.send_signal(signal.SIGINT)  # now it waits for an answer
    except OSError:  # the terminal's other end is closed
        pass
    finally:
        os.close(ours)
        if time.monotonic() >= end:
            process.kill()
    return process.wait(30), printed.decode()


def test_questions_on_a_terminal(here):
    config.write_settings({"BATCH_IMAGE": "flows:1"})
    code, printed = on_a_terminal(here, b"nonsense\ns3://my-bucket/flows\njobs\n\n" + b"\n" * 7)
    assert code == 0, printed
    assert "can't be set to this" in printed
    assert "[flows:1]" in printed
    assert config.file_settings() == {
        "BATCH_IMAGE": "flows:1",
        "BATCH_JOB_QUEUE": "jobs",
        "DATASTORE_SYSROOT_S3": "s3://my-bucket/flows",
        "DEFAULT_DATASTORE": "s3",
    }


@pytest.mark.parametrize(("typed", "interrupt", "code"), [(b"\x04", None, 2), (b"", b"container image", 130)])
def test_questions_left_unanswered_write_nothing(here, typed, interrupt, code):
    found, printed = on_a_terminal(here, b"s3://my-bucket/flows\njobs\n" + typed, interrupt=interrupt)
    assert found == code, printed
    assert not (here / "home").exists()


def test_a_password_in_an_address_is_not_shown():
    assert mask_userinfo("https://anne:hunter2@airflow.example.com/a@b") == "https://...@airflow.example.com/a@b"
    assert mask_userinfo("s3://bucket/a@b") == "s3://bucket/a@b"


@pytest.mark.parametrize("arguments", [["aws", "--help"], ["show", "--help"], ["aws", "-h"]])
def test_help(arguments, capsys):
    assert execute_console(["configure", *arguments]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: flow-sdk configure {arguments[0]}")


def test_a_setting_in_lower_case_is_suggested_as_it_is_written(here):
    for word in ("user=carl", "user"):
        with pytest.raises(UsageError) as wrong:
            execute_console(["configure", word])
        assert wrong.value.help == "Did you mean 'USER'?"
    assert not (here / "home").exists()


def test_configure_says_what_it_has_set_and_removed(capsys):
    execute_console(["configure", "USER=carl", "AIRFLOW_URL=https://anne:hunter2@airflow.example.com"])
    said = capsys.readouterr().err
    assert "USER is set to carl.\n" in said and "AIRFLOW_URL is set to" in said and "hunter2" not in said
    execute_console(["configure", "USER=", "BATCH_IMAGE="])
    said = capsys.readouterr().err
    assert "USER is removed.\n" in said and "BATCH_IMAGE wasn't set.\n" in said
    assert list(config.file_settings()) == ["AIRFLOW_URL"]


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_of_configure_itself(word, capsys):
    assert execute_console(["configure", word]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Usage: flow-sdk configure [NAME=VALUE...]") and all(
        name in said for name in config.SETTINGS
    )


def test_the_listing_of_settings_is_aligned(capsys):
    execute_console(["configure"])
    lines = capsys.readouterr().out.splitlines()
    assert len({line.index(config.SETTINGS[line.split()[0]]) for line in lines}) == 1
