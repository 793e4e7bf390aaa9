"""Settings: where their values come from, and what is refused."""

import json
import os
import stat

import pytest

from flow_sdk import config, default_store
from flow_sdk.errors import ConfigError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOW_SDK_HOME", str(tmp_path / "home"))
    return tmp_path


def test_the_environment_wins_over_the_file(monkeypatch):
    path = config.write_settings({"DEFAULT_DATASTORE": "s3", "USER": "anne"})
    assert config.read_setting("USER").value == "anne"
    assert config.read_setting("USER").source == path
    monkeypatch.setenv("METAFLOW_USER", "bob")
    assert config.read_setting("USER").value == "bob"
    monkeypatch.setenv("FLOW_SDK_USER", "carl")
    setting = config.read_setting("USER")
    assert (setting.value, setting.source) == ("carl", "environment variable FLOW_SDK_USER")
    assert config.user_name() == "carl"


def test_the_file_is_the_owners_alone(here):
    path = config.write_settings({"AIRFLOW_URL": "http://ada:swordfish@airflow.example/"})
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    os.chmod(path, 0o644)  # as earlier releases wrote it
    config.write_settings({"USER": "anne"})
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.listdir(here / "home") == ["config.json"]


def test_what_is_not_set():
    setting = config.read_setting("AIRFLOW_URL")
    assert (setting.value, setting.source) == (None, "not set")
    assert default_store.datastore_kind() == "local"
    assert config.user_name() == "tester"


def test_settings_are_removed(here):
    config.write_settings({"USER": "anne", "AIRFLOW_USER": "airflow"})
    path = config.write_settings({"USER": None})
    with open(path) as file:
        assert json.load(file) == {"AIRFLOW_USER": "airflow"}
    assert [found.name for found in (here / "home").iterdir()] == ["config.json"]


def test_profiles(monkeypatch):
    config.write_settings({"USER": "anne"})
    monkeypatch.setenv("FLOW_SDK_PROFILE", "team-2")
    with pytest.raises(ConfigError, match="no such profile"):
        config.read_setting("USER")
    assert config.write_settings({"USER": "team"}).endswith("config_team-2.json")
    assert config.user_name() == "team"
    monkeypatch.setenv("FLOW_SDK_PROFILE", "../other")
    with pytest.raises(ConfigError, match="isn't the name of a profile"):
        config.config_file()


@pytest.mark.parametrize(
    ("text", "headline"),
    [("{", "isn't JSON"), ("[]", "isn't JSON"), ('{"USRE": "x"}', "USRE"), ('{"USER": 1}', "USER"), ("\udcff", "read")],
)
def test_a_damaged_file_is_named(here, text, headline):
    (here / "home").mkdir()
    (here / "home" / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError) as caught:
        config.read_setting("USER")
    assert headline in caught.value.headline
    assert caught.value.where == str(here / "home" / "config.json")
    assert caught.value.exit_code == 2


def test_unknown_settings_are_refused():
    with pytest.raises(ConfigError) as caught:
        config.write_settings({"DEFAULT_DATASTOER": "s3"})
    assert caught.value.help == "Did you mean 'DEFAULT_DATASTORE'?"


def test_the_local_store_is_found_from_below(here, monkeypatch):
    assert default_store.datastore_root() == str(here / ".flow_sdk")
    (here / ".flow_sdk").mkdir()
    (here / "below" / "it").mkdir(parents=True)
    monkeypatch.chdir(here / "below" / "it")
    # A folder of that name that is no store isn't taken for one.
    assert default_store.datastore_root() == str(here / "below" / "it" / ".flow_sdk")
    (here / ".flow_sdk" / "store.json").touch()
    assert default_store.datastore_root() == str(here / ".flow_sdk")


def test_the_local_store_where_the_setting_says(here, monkeypatch):
    monkeypatch.setenv("FLOW_SDK_DATASTORE_SYSROOT_LOCAL", "kept")
    assert default_store.datastore_root() == str(here / "kept")


def test_metaflows_setting_names_the_folder_above_the_local_store(here, monkeypatch):
    monkeypatch.setenv("METAFLOW_DATASTORE_SYSROOT_LOCAL", str(here / "d"))
    assert default_store.datastore_root() == str(here / "d" / ".flow_sdk")
    # A store that an earlier release has made in the folder itself is used on.
    (here / "d").mkdir()
    (here / "d" / "store.json").touch()
    assert default_store.datastore_root() == str(here / "d")
    (here / "d" / ".flow_sdk").mkdir()
    (here / "d" / ".flow_sdk" / "store.json").touch()
    assert default_store.datastore_root() == str(here / "d" / ".flow_sdk")
    monkeypatch.setenv("FLOW_SDK_DATASTORE_SYSROOT_LOCAL", str(here / "e"))
    assert default_store.datastore_root() == str(here / "e")


def test_metaflows_profile_is_one_of_ours_or_one_of_its_own(here, monkeypatch):
    monkeypatch.setenv("METAFLOW_PROFILE", "team")
    monkeypatch.setenv("METAFLOW_HOME", str(here / "theirs"))
    monkeypatch.delenv("FLOW_SDK_USER", raising=False)
    for reads in (config.check_profile, default_store.datastore_kind, lambda: config.read_setting("USER")):
        with pytest.raises(ConfigError, match="no profile 'team', which METAFLOW_PROFILE names") as caught:
            reads()
        assert str(here / "theirs" / "config_team.json") in caught.value.seen
    (here / "theirs").mkdir()
    theirs = {
        "METAFLOW_DEFAULT_DATASTORE": "s3",
        "METAFLOW_DATASTORE_SYSROOT_S3": "s3://flows/team",
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(here / "d"),
        "METAFLOW_ECS_S3_ACCESS_IAM_ROLE": "arn:aws:iam::1:role/job",
        "METAFLOW_SERVICE_URL": "https://metadata",
    }
    (here / "theirs" / "config_team.json").write_text(json.dumps(theirs))
    assert default_store.datastore_root() == "s3://flows/team"
    assert default_store.datastore_root("local") == str(here / "d" / ".flow_sdk")
    assert config.read_setting("BATCH_JOB_ROLE").value == "arn:aws:iam::1:role/job"
    assert config.read_setting("BATCH_JOB_QUEUE").value is None
    assert config.read_setting("DEFAULT_DATASTORE").source == str(here / "theirs" / "config_team.json")
    # Ours of the same name comes first; FLOW_SDK_PROFILE does before both.
    (here / "home").mkdir()
    (here / "home" / "config_team.json").write_text('{"BATCH_JOB_QUEUE": "ours"}')
    assert config.read_setting("BATCH_JOB_QUEUE").value == "ours" and default_store.datastore_kind() == "local"
    (here / "home" / "config_other.json").write_text('{"BATCH_JOB_QUEUE": "other"}')
    monkeypatch.setenv("FLOW_SDK_PROFILE", "other")
    assert config.read_setting("BATCH_JOB_QUEUE").value == "other"


@pytest.mark.parametrize("name", ["../other", "a b", "."])
def test_metaflows_profile_has_a_name_that_can_be_a_files(monkeypatch, name):
    monkeypatch.setenv("METAFLOW_PROFILE", name)
    with pytest.raises(ConfigError, match="METAFLOW_PROFILE isn't the name of a profile"):
        config.check_profile()


@pytest.fixture
def homeless(monkeypatch):
    """Somebody without HOME, and without an entry among the machine's users."""
    import pwd

    def nobody(*_):
        raise KeyError("no such user")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setattr(pwd, "getpwnam", nobody)
    for name in ("HOME", "FLOW_SDK_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("homeless")
def test_without_a_home_there_are_no_settings_and_no_folder_called_tilde(here, monkeypatch):
    (here / "~" / ".flow_sdk").mkdir(parents=True)
    (here / "~" / ".flow_sdk" / "config.json").write_text('{"AIRFLOW_URL": "http://elsewhere"}')
    assert config.read_setting("AIRFLOW_URL").value is None
    for text in ("~", "~/store", "~nobody/store"):
        with pytest.raises(ConfigError, match="home folder isn't known") as caught:
            config.expand_home(text)
        assert caught.value.seen == text
    assert config.expand_home("./~/store") == "./~/store"
    with pytest.raises(ConfigError) as caught:
        config.write_settings({"USER": "anne"})
    assert "FLOW_SDK_HOME" in caught.value.help
    monkeypatch.setenv("FLOW_SDK_DATASTORE_SYSROOT_LOCAL", "~/store")
    with pytest.raises(ConfigError):
        default_store.datastore_root()


@pytest.mark.parametrize("home", ["/dev/null", "/proc/nowhere"])
def test_a_home_that_is_no_folder_has_no_settings(monkeypatch, home):
    monkeypatch.delenv("FLOW_SDK_HOME")
    monkeypatch.setenv("HOME", home)
    assert config.read_setting("AIRFLOW_URL").value is None


def test_s3_needs_an_address(monkeypatch):
    with pytest.raises(ConfigError, match="isn't known where in S3"):
        default_store.datastore_root("s3")
    monkeypatch.setenv("FLOW_SDK_DEFAULT_DATASTORE", "s3")
    monkeypatch.setenv("FLOW_SDK_DATASTORE_SYSROOT_S3", "flows")
    with pytest.raises(ConfigError) as caught:
        default_store.datastore_root()
    assert caught.value.seen == "'flows'"
    monkeypatch.setenv("FLOW_SDK_DATASTORE_SYSROOT_S3", "s3://flows/team")
    assert default_store.datastore_root() == "s3://flows/team"
    monkeypatch.setenv("FLOW_SDK_DEFAULT_DATASTORE", "tape")
    with pytest.raises(ConfigError, match="can't be used"):
        default_store.datastore_root()


def test_a_store_above_of_another_user_is_not_used(here, monkeypatch, capsys):
    above = here / ".flow_sdk"
    above.mkdir()
    (above / "store.json").write_text("{}")
    (here / "work").mkdir()
    monkeypatch.chdir(here / "work")
    assert default_store.datastore_root() == str(above)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(config.os, "geteuid", lambda: 54321)
    assert default_store.datastore_root() == str(here / "work" / ".flow_sdk")
    message = capsys.readouterr().err
    assert str(above) in message and "another user" in message and "--datastore-root" in message
    assert default_store.datastore_root() == str(here / "work" / ".flow_sdk")
    assert capsys.readouterr().err == "", "it is said once"


@pytest.mark.parametrize(
    ("owner", "user", "sudo", "own"),
    [(7, 7, None, True), (7, 8, None, False), (7, 0, None, False), (7, 0, "7", True), (7, 8, "7", False)],
)
def test_whose_a_store_may_be(owner, user, sudo, own):
    assert default_store._may_use(owner, user, sudo) is own
