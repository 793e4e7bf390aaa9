"""The command ``flow-sdk``."""

import pytest

from flow_sdk import __version__
from flow_sdk.cli.console import execute_console
from flow_sdk.errors import ConfigError, StoreUnavailable, UsageError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOW_SDK_HOME", str(tmp_path / "home"))
    return tmp_path


def test_configure_and_status(here, capsys):
    assert execute_console(["configure", "USER=anne", "DATASTORE_SYSROOT_S3=s3://a/b=c"]) == 0
    assert str(here / "home" / "config.json") in capsys.readouterr().err
    assert execute_console(["status"]) == 0
    text = capsys.readouterr().out
    assert f"flow-sdk {__version__}, Python " in text
    assert "user: anne" in text
    assert "s3://a/b=c  (" in text
    assert f"store: {here / '.flow_sdk'}" in text
    assert execute_console(["configure", "USER="]) == 0
    execute_console(["status"])
    assert "user: tester" in capsys.readouterr().out


def test_status_says_when_there_is_no_store(monkeypatch, capsys):
    monkeypatch.setenv("FLOW_SDK_DEFAULT_DATASTORE", "s3")
    assert execute_console(["status"]) == 0
    assert "store: none (It isn't known where in S3" in capsys.readouterr().out


def test_status_writes_nothing(here):
    execute_console(["status"])
    assert list(here.iterdir()) == []


def test_configure_alone_lists_the_settings(here, capsys):
    assert execute_console(["configure"]) == 0
    assert "DEFAULT_DATASTORE" in capsys.readouterr().out
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["help"], ["--help"], ["-h"]])
def test_help(arguments, capsys):
    assert execute_console(arguments) == 0
    assert capsys.readouterr().out.startswith("Usage: flow-sdk COMMAND")


@pytest.mark.parametrize("arguments", [["version"], ["--version"]])
def test_version(arguments, capsys):
    assert execute_console(arguments) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "error", "help"),
    [
        (["stauts"], UsageError, "Did you mean 'status'?"),
        (["zzz"], UsageError, "Known: completion, configure, doctor, help, status, store, version."),
        (["status", "now"], UsageError, "See flow-sdk status --help."),
        (["--hlp"], UsageError, "Did you mean '--help'?"),
        (["configure", "user=carl"], ConfigError, "Did you mean 'USER'?"),
        (["configure", "USER"], UsageError, "Did you mean 'USER'?"),
        (["configure", "USRE=x"], ConfigError, "Did you mean 'USER'?"),
    ],
)
def test_what_is_wrong_is_said(here, arguments, error, help):
    with pytest.raises(error) as caught:
        execute_console(arguments)
    assert caught.value.help == help
    assert caught.value.exit_code == 2
    assert list(here.iterdir()) == []


def test_a_store_that_is_not_there_is_said_to_be_where_it_was_looked_for(here):
    with pytest.raises(StoreUnavailable, match="There is no store") as default:
        execute_console(["store", "check"])
    assert default.value.where == str(here / ".flow_sdk")
    assert str(default.value.help).endswith("Name another with --datastore-root.")
    with pytest.raises(StoreUnavailable, match="There is no store") as named:
        execute_console(["store", "check", "--datastore-root", "nowhere"])
    assert named.value.help == "Check the path given with --datastore-root."
