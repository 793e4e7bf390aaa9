"""Settings: where artifacts are kept, who works. From the environment, then a file; each knows where it came from."""

from __future__ import annotations

import os

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.errors import ConfigError
from flow_sdk.text import suggest_name

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DATASTORES",
    "SECRETS",
    "SETTINGS",
    "Setting",
    "check_profile",
    "config_file",
    "expand_home",
    "file_settings",
    "profile_file",
    "read_setting",
    "settings_file",
    "settings_folder",
    "user_name",
    "write_settings",
]

PREFIXES = ("FLOW_SDK_", "METAFLOW_")
"""What the environment variables of settings begin with; the first one that is set counts."""

DATASTORES = {"local": "file", "s3": "s3", "gs": "gs", "azure": "az"}
"""The URL scheme of each kind of store, by the name that ``--datastore`` and the settings have for the kind."""

SETTINGS = {
    "DEFAULT_DATASTORE": "where artifacts are kept: local, s3, gs or azure",
    "DATASTORE_SYSROOT_LOCAL": "folder of the local store",
    "DATASTORE_SYSROOT_S3": "s3:// address of the S3 store",
    "DATASTORE_SYSROOT_GS": "gs:// address of the store in Google Cloud Storage",
    "DATASTORE_SYSROOT_AZURE": "az:// address of the store in Azure Blob Storage",
    "DEFAULT_PACKAGE_SUFFIXES": "endings of further files for the code package, such as .sql,.yaml",
    "S3_SERVER_SIDE_ENCRYPTION": "how S3 encrypts what we write: AES256, aws:kms or aws:kms:dsse",
    "S3_SSE_KMS_KEY_ID": "id or ARN of the key of KMS that S3 encrypts with",
    "USER": "name that runs are started under",
    "PACKAGE_ROOT": "folder that the code package is made of; found from the flow file when not set",
    "WORKER_MODULES": "modules of yours that workers have and the code package lacks, with commas between them",
    "ISOLATION": "how the tasks of a local run are kept apart: fork or spawn",
    "AIRFLOW_DAGS_FOLDER": "where airflow create writes to: a folder or s3:// address",
    "AIRFLOW_URL": "address of Airflow's web server, or mwaa://NAME",
    "AIRFLOW_USER": "name of the Airflow user",
    "AIRFLOW_TOKEN": "bearer token for Airflow, in place of name and password",
    "AIRFLOW_TOKEN_COMMAND": "command that prints a bearer token for Airflow",
    "BATCH_JOB_QUEUE": "job queue of AWS Batch",
    "BATCH_IMAGE": "container image for AWS Batch, with Flow SDK in it",
    "BATCH_JOB_ROLE": "ARN of the role that a step has on AWS Batch",
    "BATCH_EXECUTION_ROLE": "ARN of the role with which Fargate gets the image and writes the log",
    "BATCH_PLATFORM": "what the job queues run on: EC2 or FARGATE; asked of AWS when not set",
    "BATCH_ARCHITECTURE": "processor on Fargate: X86_64 or ARM64",
    "BATCH_DEFAULT_TAGS": "tags of every job, as a JSON object",
    "SFN_IAM_ROLE": "ARN of the role that state machines of AWS Step Functions work with",
    "SFN_STATE_MACHINE_PREFIX": "what the names of state machines and schedules in AWS begin with; _ follows it",
    "EVENTS_SFN_ACCESS_IAM_ROLE": "ARN of the role with which schedules start state machines",
    "SFN_EXECUTION_LOG_GROUP_ARN": "ARN of the log group for the history of runs on Step Functions",
    "DEFAULT_SECRETS_BACKEND_TYPE": "where @secrets looks for a bare name: aws-secrets-manager",
    "DEFAULT_SECRETS_ROLE": "ARN of the role that @secrets fetches with",
    "AWS_SECRETS_MANAGER_DEFAULT_REGION": "region of AWS Secrets Manager; that of boto3 when not set",
    "AWS_SECRETS_MANAGER_DEFAULT_ROLE": "ARN of the role for AWS Secrets Manager where no other is set",
}
"""Every setting and what it is for."""

SECRETS = ("AIRFLOW_TOKEN",)
"""Settings whose values are never shown."""

OTHER_NAMES = {
    "BATCH_JOB_ROLE": "METAFLOW_ECS_S3_ACCESS_IAM_ROLE",
    "BATCH_EXECUTION_ROLE": "METAFLOW_ECS_FARGATE_EXECUTION_ROLE",
    "S3_SERVER_SIDE_ENCRYPTION": "AWS_SERVER_SIDE_ENCRYPTION",
    "S3_SSE_KMS_KEY_ID": "AWS_SSE_KMS_KEY_ID",
}
"""Environment variables of other tools that are called otherwise than our settings."""

LOCAL_FOLDER = ".flow_sdk"
METAFLOW_FOLDER = ".metaflowconfig"
"""The settings folder of Metaflow in the home folder."""

PREFIX_IN_FILES = ("", "METAFLOW_")
"""What the names of settings begin with in our settings files, and in those of Metaflow."""


class Setting:
    """A setting's value, and where it came from (None and ``not set`` when it isn't set)."""

    __slots__ = ("source", "value")

    def __init__(self, value: str | None, source: str) -> None:
        self.value = value
        self.source = source


def expand_home(path: str) -> str:
    """Replace a leading ``~`` or ``~user`` of a path by the home folder.

    Raises
    ------
    ConfigError
        If the home folder isn't known. Without this check a folder that is called ``~`` would be made.
    """
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        raise ConfigError(
            "The home folder isn't known.",
            seen=path,
            help="Set HOME, or write the path in full; a folder whose name begins with ~ is ./~...",
        )
    return expanded


def config_file() -> str:
    """Return the path of the settings file: ``config.json`` of the folder ``FLOW_SDK_HOME`` (``~/.flow_sdk``).

    With ``FLOW_SDK_PROFILE=name`` it is ``config_name.json`` there.

    Raises
    ------
    ConfigError
        If a profile's name can't be one, or neither ``FLOW_SDK_HOME`` nor the home folder is known.
    """
    return os.path.join(settings_folder(), _file_name("FLOW_SDK_PROFILE", os.environ.get("FLOW_SDK_PROFILE")))


def settings_folder() -> str:
    """Return the path of the user's settings folder: ``FLOW_SDK_HOME``, else ``~/.flow_sdk``.

    Raises
    ------
    ConfigError
        If neither ``FLOW_SDK_HOME`` nor the home folder is known.
    """
    try:
        return os.environ.get("FLOW_SDK_HOME") or os.path.join(expand_home("~"), LOCAL_FOLDER)
    except ConfigError as error:
        error.help = "Set FLOW_SDK_HOME to a folder for settings and tokens, or HOME."
        raise


def _file_name(variable: str, profile: str | None) -> str:
    if profile and not profile.replace("-", "_").isidentifier():
        raise ConfigError(
            f"{variable} isn't the name of a profile.", seen=repr(profile), wanted="letters, digits, - and _"
        )
    return f"config_{profile}.json" if profile else "config.json"


def settings_file() -> str | None:
    """Return the path of the settings file that is read; None if there is none.

    Raises
    ------
    ConfigError
        If the environment names a profile that isn't there.
    """
    found = _settings_file()
    return None if found is None else found[0]


def _settings_file() -> tuple[str, str] | None:
    """Return the path of the settings file to read, and what its names begin with; None where there is none.

    ``METAFLOW_PROFILE`` names one of our profiles or, where there is none of that name, one of Metaflow's own.
    """
    theirs = os.environ.get("METAFLOW_PROFILE")
    if os.environ.get("FLOW_SDK_PROFILE") or not theirs:
        profile = os.environ.get("FLOW_SDK_PROFILE")
        try:
            path = config_file()
        except ConfigError:
            if profile:
                raise
            return None  # no home folder, so no settings
        # A user who may not read the folder, such as /root in a container, doesn't see the file either.
        if os.path.exists(path):
            return path, ""
        if profile:
            raise ConfigError("There's no such profile.", where=path, help="Make it with flow-sdk configure.")
        return None
    return profile_file(theirs, os.environ)


def profile_file(profile: str, environ: Mapping[str, str], source: str = "METAFLOW_PROFILE") -> tuple[str, str]:
    """Return the settings file of a profile, one of ours or of Metaflow's.

    Parameters
    ----------
    profile : str
        The profile's name.
    environ : mapping
        The environment variables that say where settings files are.
    source : str
        What names the profile, for errors.

    Returns
    -------
    (str, str)
        The path, and what its names begin with.

    Raises
    ------
    ConfigError
        If there is no such profile.
    """
    name = _file_name(source, profile)
    folders = [environ.get("FLOW_SDK_HOME") or os.path.join("~", LOCAL_FOLDER)]
    folders.append(environ.get("METAFLOW_HOME") or os.path.join("~", METAFLOW_FOLDER))
    home = environ.get("HOME")
    paths = [os.path.join(folder, name) for folder in folders]
    paths = [home + path[1:] if home and path.startswith("~/") else os.path.expanduser(path) for path in paths]
    for path, prefix in zip(paths, PREFIX_IN_FILES, strict=True):
        if not path.startswith("~") and os.path.exists(path):
            return path, prefix
    leave_out = f"unset {source}" if source.isupper() else f"leave out {source}"
    raise ConfigError(
        f"There's no profile {profile!r}, which {source} names.",
        seen=f"neither {paths[0]} nor {paths[1]}",
        help=f"Make it with: FLOW_SDK_PROFILE={profile} flow-sdk configure NAME=VALUE. Or {leave_out}.",
    )


def check_profile() -> None:
    """Check that a profile which the environment names can be used.

    Raises
    ------
    ConfigError
        If there is no such profile, or its settings file can't be used.
    """
    if os.environ.get("FLOW_SDK_PROFILE") or os.environ.get("METAFLOW_PROFILE"):
        _read_file()


def _read_file() -> dict[str, str]:
    found = _settings_file()
    return {} if found is None else _parse_file(*found)


def _parse_file(path: str, prefix: str) -> dict[str, str]:
    """Read a settings file. In one of Metaflow's (``prefix``) what is no setting of ours is left out."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, ValueError) as error:
        raise ConfigError("The settings file can't be read.", seen=str(error), where=path) from None
    import json

    try:
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError("it isn't a JSON object")
    except ValueError as error:
        raise ConfigError("The settings file isn't JSON.", seen=str(error), where=path) from None
    if prefix:
        return _from_metaflow(found, prefix)
    for name, value in found.items():
        if name not in SETTINGS or not isinstance(value, str):
            raise ConfigError(
                f"The settings file holds {name!r}, which is no setting or no text.",
                where=path,
                help=suggest_name(name, SETTINGS),
            )
    return found


def _from_metaflow(found: dict[str, object], prefix: str) -> dict[str, str]:
    """Return our settings by what a profile of Metaflow's says."""
    settings: dict[str, str] = {}
    for name in SETTINGS:
        for known in (prefix + name, OTHER_NAMES.get(name, "")):
            value = found.get(known)
            if isinstance(value, str) and value:
                settings.setdefault(name, value)
    if "DATASTORE_SYSROOT_LOCAL" in settings:
        settings["DATASTORE_SYSROOT_LOCAL"] = _local_of_metaflow(settings["DATASTORE_SYSROOT_LOCAL"])
    return settings


def _local_of_metaflow(folder: str) -> str:
    """Return the folder of the local store for what Metaflow's setting says, which names the folder above it.

    A store that an earlier release has made in that folder itself is used on.
    """
    folder = expand_home(folder)
    below = os.path.join(folder, LOCAL_FOLDER)
    made_before = os.path.exists(os.path.join(folder, "store.json"))
    return folder if made_before and not os.path.exists(os.path.join(below, "store.json")) else below


def file_settings() -> dict[str, str]:
    """Return the content of our own settings file; empty if there is none yet.

    Raises
    ------
    ConfigError
        If it can't be used.
    """
    path = config_file()
    return _parse_file(path, "") if os.path.exists(path) else {}


def read_setting(name: str) -> Setting:
    """Return a setting's value and source.

    Parameters
    ----------
    name : str
        One of :data:`SETTINGS`.

    Raises
    ------
    ConfigError
        If the settings file can't be used.
    """
    for variable in (*(prefix + name for prefix in PREFIXES), OTHER_NAMES.get(name, "")):
        value = os.environ.get(variable)
        if value:
            if variable == "METAFLOW_DATASTORE_SYSROOT_LOCAL":
                value = _local_of_metaflow(value)
            return Setting(value, f"environment variable {variable}")
    found = _settings_file()
    value = None if found is None else _parse_file(*found).get(name)
    return Setting(value, found[0]) if value and found is not None else Setting(None, "not set")


def write_settings(changes: dict[str, str | None]) -> str:
    """Change the settings file; None removes a setting. Returns the file's path.

    Raises
    ------
    ConfigError
        If a name is no setting, or the file can't be written.
    """
    import contextlib
    import json

    for name in changes:
        if name not in SETTINGS:
            near = name.upper() if name.upper() in SETTINGS else name
            raise ConfigError(f"There's no setting {name!r}.", help=suggest_name(near, SETTINGS))
    path = config_file()
    settings = {**file_settings(), **changes}
    text = json.dumps({name: value for name, value in sorted(settings.items()) if value}, indent=2) + "\n"
    temporary = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)  # of a process of the same number that was killed
        # An address may hold a password: only the owner may read the file, even if an older one had other permissions.
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # or a machine that dies now may leave an empty file under the name
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise ConfigError("The settings file can't be written.", seen=error.strerror, where=path) from error
    return path


def user_name() -> str:
    """Return the name of the user: the setting ``USER``, else the login name."""
    # A sudo'd command is the work of the person who typed it.
    found = read_setting("USER").value or next(
        (os.environ[name] for name in ("SUDO_USER", "USERNAME", "USER", "LOGNAME") if os.environ.get(name)), None
    )
    if found:
        return found
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError) as error:
        raise ConfigError("No user name can be determined.", help="Set FLOW_SDK_USER to your name.") from error
