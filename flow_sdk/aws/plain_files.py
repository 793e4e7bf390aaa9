"""AWS's config file without the credentials in it, for a process that gets them elsewhere."""

import configparser
import os

__all__ = ["write_without_credentials"]

_CREDENTIALS = (
    "aws_",
    "role_",
    "sso_",
    "login_",
    "source_profile",
    "credential_",
    "web_identity_token_file",
    "external_id",
    "mfa_serial",
    "duration_seconds",
)
"""What the names of settings with credentials begin with."""


def write_without_credentials(files: list[str], folder: str) -> dict[str, str]:
    """Write what AWS's files say besides credentials into a folder.

    A profile's keys, role or sign-on count more than the address of a credential server. Its endpoint, region and
    certificates are still wanted.

    Parameters
    ----------
    files : list of str
        AWS's config file and its credentials file; they needn't exist.
    folder : str
        Where to write.

    Returns
    -------
    dict of str to str
        Environment variables that name the new files; none where there is nothing to leave out.
    """
    if not any(map(os.path.exists, files)):
        return {}
    parser = configparser.RawConfigParser()
    try:
        parser.read(files[:1], encoding="utf-8")
    except (configparser.Error, OSError, ValueError):
        parser = configparser.RawConfigParser()  # AWS's tools can't read it either
    for section in parser.sections():
        for name in parser.options(section):
            if name.startswith(_CREDENTIALS):
                parser.remove_option(section, name)
    config, keys = os.path.join(folder, "config"), os.path.join(folder, "credentials")
    with open(config, "w", encoding="utf-8") as file:
        parser.write(file)
    with open(keys, "w", encoding="utf-8") as file:
        file.write("")
    return {"AWS_CONFIG_FILE": config, "AWS_SHARED_CREDENTIALS_FILE": keys}
