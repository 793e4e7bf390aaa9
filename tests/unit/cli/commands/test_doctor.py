"""``flow-sdk doctor``."""

import json
import re
import threading
from importlib import metadata

import pytest

from flow_sdk.cli.console import execute_console
from flow_sdk.config import write_settings
from flow_sdk.deploy.doctor import FAILED, NOT_LOOKED, NOT_SET, OK, Check, examine_all, examine_part
from flow_sdk.deploy.port import TargetDeclaration
from flow_sdk.errors import ConfigError, StoreError
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.open_store import open_store
from flow_sdk.store.probe import probe_store, try_store
from flow_sdk.testing.fake_target import FakeTarget
from tests.support.airflow_web_server import web_server
from tests.support.offered_target import install_target
from tests.support.ports import free_port


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOW_SDK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FLOW_SDK_PROFILE", "")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)  # it keeps the credentials it has found
    return tmp_path


def doctor(capsys, *arguments):
    code = execute_console(["doctor", "--json", *arguments])
    answer = json.loads(capsys.readouterr().out)
    return code, {check["name"]: check for check in answer["checks"]}


def test_a_laptop_without_aws_is_fine(here, capsys):
    code, checks = doctor(capsys)
    assert code == 0
    assert {name: check["state"] for name, check in checks.items()} == {
        "Python": OK,
        "packages": OK,
        "settings": OK,
        "store": OK,
        "Airflow": NOT_SET,
        "AWS": NOT_SET,
    }
    assert list(here.iterdir()) == []


def test_lines_and_the_count(capsys):
    assert execute_console(["doctor"]) == 0
    *lines, counts = capsys.readouterr().out.splitlines()
    assert lines[3].startswith("ok             store: ")
    assert counts == "4 ok, 2 not set up"


def test_a_store_is_tried_and_left_as_it_was(here, capsys):
    open_store(str(here / ".flow_sdk"))
    before = sorted(path.name for path in (here / ".flow_sdk").iterdir())
    code, checks = doctor(capsys)
    assert (code, checks["store"]["found"]) == (0, f"{here / '.flow_sdk'}: reached, written and read")
    assert sorted(path.name for path in (here / ".flow_sdk").iterdir()) == before


def test_a_store_that_is_no_folder(here, monkeypatch, capsys):
    (here / "file").write_text("x")
    monkeypatch.setenv("FLOW_SDK_DATASTORE_SYSROOT_LOCAL", str(here / "file" / "store"))
    code, checks = doctor(capsys)
    assert (code, checks["store"]["state"]) == (1, FAILED)


class Careless(MemoryStore):
    """A store that overwrites whatever is there."""

    def put_if_absent(self, key, data, *, durable=True):
        self.put(key, data)


def test_a_store_that_ignores_create_only_puts_is_found_out():
    store = Careless("careless")
    with pytest.raises(StoreError, match="ignores create-only puts"):
        try_store(store)
    assert list(store.list("")) == []
    try_store(MemoryStore("careful"))


def test_probing_makes_no_store(here):
    (here / "empty").mkdir()
    assert probe_store(str(here / "empty")) == "reached and written; the first run makes it a store"
    assert list((here / "empty").iterdir()) == []


def test_a_settings_file_that_is_broken_is_said(here, capsys):
    (here / "home").mkdir()
    (here / "home" / "config.json").write_text("{")
    code, checks = doctor(capsys)
    assert code == 1
    assert checks["settings"]["state"] == FAILED
    assert "isn't JSON" in checks["settings"]["found"]


def test_where_settings_come_from(monkeypatch, capsys):
    path = write_settings({"USER": "anne"})
    monkeypatch.setenv("FLOW_SDK_DEFAULT_DATASTORE", "local")
    _, checks = doctor(capsys)
    assert checks["settings"]["found"] == f"1 from the environment, 1 from {path}"


def test_a_profile(monkeypatch, capsys):
    monkeypatch.setenv("FLOW_SDK_PROFILE", "team")
    write_settings({"AIRFLOW_URL": "no address"})
    monkeypatch.setenv("FLOW_SDK_PROFILE", "")
    assert doctor(capsys)[0] == 0
    code, checks = doctor(capsys, "--profile", "team")
    assert (code, checks["Airflow"]["state"]) == (1, FAILED)


def test_a_package_that_is_missing_or_old(monkeypatch, capsys):
    monkeypatch.setattr(metadata, "requires", lambda name: ["blake3>=99.1", "no-such-package>=1.0", "zstandard"])
    code, checks = doctor(capsys)
    assert (code, checks["packages"]["state"]) == (1, FAILED)
    assert "older than 99.1, no-such-package is missing" in checks["packages"]["found"]
    assert checks["packages"]["help"] == "pip install -U flow-sdk"


def test_an_airflow_that_does_not_answer_and_whose_password_stays_secret(monkeypatch, capsys):
    monkeypatch.setenv("FLOW_SDK_AIRFLOW_URL", f"http://anne:hunter2@127.0.0.1:{free_port()}")
    assert execute_console(["doctor"]) == 1
    text = capsys.readouterr().out
    assert "failed         Airflow: http://127.0.0.1" in text
    assert "hunter2" not in text
    execute_console(["status"])
    execute_console(["configure", "show"])
    text = capsys.readouterr().out
    assert "http://...@127.0.0.1" in text
    assert "hunter2" not in text


def test_aws_without_credentials(monkeypatch, capsys):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("FLOW_SDK_BATCH_JOB_QUEUE", "jobs")
    monkeypatch.setenv("FLOW_SDK_DEFAULT_DATASTORE", "s3")
    monkeypatch.setenv("FLOW_SDK_DATASTORE_SYSROOT_S3", "s3://bucket/store")
    code, checks = doctor(capsys)
    assert (code, checks["AWS"]["state"]) == (1, FAILED)
    assert "there are no credentials" in checks["AWS"]["found"]
    assert {checks[name]["state"] for name in ("AWS Batch", "Step Functions", "schedules", "store")} == {NOT_LOOKED}


def test_aws_without_a_region(monkeypatch, capsys):
    monkeypatch.setenv("FLOW_SDK_BATCH_JOB_QUEUE", "jobs")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAXXXXXXXXEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    code, checks = doctor(capsys)
    assert code == 1
    assert "no region is set" in checks["AWS"]["found"]
    assert "very-secret" not in json.dumps(checks)


def test_aws_that_does_not_answer(monkeypatch, capsys):
    for name, value in {
        "FLOW_SDK_BATCH_JOB_QUEUE": "jobs",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "very-secret",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}",
    }.items():
        monkeypatch.setenv(name, value)
    code, checks = doctor(capsys)
    assert (code, checks["AWS"]["state"]) == (1, FAILED)
    assert "STS doesn't answer at http://127.0.0.1:" in checks["AWS"]["found"]


def test_a_part_that_hangs_does_not_hold_up_the_rest():
    release = threading.Event()

    def hang():
        release.wait(30)
        return Check("slow", OK, "")

    try:
        slow, quick = examine_all([("slow", hang), ("quick", lambda: Check("quick", OK, "there"))], 0.2)
    finally:
        release.set()
    assert (slow.state, slow.found) == (FAILED, "No answer within 0.2 seconds.")
    assert quick == Check("quick", OK, "there")


def test_an_error_says_how_to_mend_it():
    def broken():
        raise ConfigError("It's broken.", seen="a\nb", wanted="whole", where="here", help="Mend it.")

    assert examine_part("part", broken) == Check("part", FAILED, "It's broken. a b (here)", "Wanted: whole. Mend it.")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"]])
def test_help(arguments, capsys):
    assert execute_console(["doctor", *arguments]) == 0
    assert capsys.readouterr().out.startswith("Usage: flow-sdk doctor")


def test_a_token_is_shown_by_no_command(monkeypatch, capsys):
    monkeypatch.setenv("FLOW_SDK_AIRFLOW_TOKEN", "hunter2")
    for words in (["doctor"], ["status"], ["configure", "show"]):
        execute_console(words)
    text = "".join(capsys.readouterr())
    assert "hunter2" not in text and re.search(r"AIRFLOW_TOKEN +\.\.\.  \(environment variable", text)


AIRFLOWS = {
    "3": ((200, {}, b'{"version": "3.3.2"}'), OK, "answers, Airflow 3.3.2"),
    "a gate": ((401, {}, b"who?"), OK, "answers, Airflow 3"),
    "a login page": ((200, {"Content-Type": "text/html"}, b"<title>Log in</title>"), FAILED, "Log in"),
    "https by now": ((301, {"Location": "https://127.0.0.1/api/v2/version"}, b""), FAILED, "has changed"),
    "elsewhere": ((302, {"Location": "http://other.example/login"}, b""), FAILED, "redirects elsewhere"),
    "half an answer": ((200, {"Content-Length": "99"}, b"{"), FAILED, "doesn't speak HTTP"),
    "something else": ((404, {}, b"{}"), FAILED, "isn't an Airflow"),
}


@pytest.mark.parametrize(("reply", "state", "text"), AIRFLOWS.values(), ids=AIRFLOWS)
def test_what_answers_in_airflows_place(reply, state, text, monkeypatch, capsys):
    with web_server(lambda *_: reply) as web:
        monkeypatch.setenv("FLOW_SDK_AIRFLOW_URL", web.url)
        _, checks = doctor(capsys)
    assert checks["Airflow"]["state"] == state and text in checks["Airflow"]["found"]
    assert state == OK or checks["Airflow"]["help"]


def test_an_environment_of_mwaa_without_aws(monkeypatch, capsys):
    monkeypatch.setenv("FLOW_SDK_AIRFLOW_URL", "mwaa://production")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    _, checks = doctor(capsys)
    assert checks["Airflow"]["state"] == FAILED and "there are no credentials" in checks["Airflow"]["found"]


class ChecksThatRaise(FakeTarget):
    def health_checks(self, seconds):
        raise LookupError("no\nserver")


RAISES = TargetDeclaration("raises", "the raising one", f"{__name__}:ChecksThatRaise", statuses=[])


def test_targets_of_other_distributions_that_are_broken_are_among_the_checks(here, monkeypatch, capsys):
    lines = ("broken = no_such_module:TARGET", f"raises = {__name__}:RAISES")
    monkeypatch.syspath_prepend(str(install_target(here / "site", *lines)))
    code, checks = doctor(capsys)
    assert code == 1
    assert {name: checks[name]["state"] for name in ("store", "Airflow", "broken", "the raising one")} == {
        "store": OK,
        "Airflow": NOT_SET,
        "broken": FAILED,
        "the raising one": FAILED,
    }
    assert "No module named 'no_such_module'" in checks["broken"]["found"]
    assert checks["the raising one"]["found"] == "its checks raise LookupError: no server"
