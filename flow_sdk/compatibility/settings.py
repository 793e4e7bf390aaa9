"""The settings of Metaflow by the names that its ``metaflow_config`` has for them."""

from __future__ import annotations

import json
import os
from typing import Any

from flow_sdk import config, default_store

__all__ = ["find_setting", "from_conf"]

OURS = {
    "BATCH_CONTAINER_IMAGE": "BATCH_IMAGE",
    "ECS_S3_ACCESS_IAM_ROLE": "BATCH_JOB_ROLE",
    "ECS_FARGATE_EXECUTION_ROLE": "BATCH_EXECUTION_ROLE",
}
"""Settings that are called otherwise here."""

DEFAULTS = {"DATASTORE_LOCAL_DIR": config.LOCAL_FOLDER, "TEMPDIR": ".", "DATATOOLS_SUFFIX": "data"}

_JSON = ("BATCH_DEFAULT_TAGS",)


def find_setting(name: str) -> Any:
    """Return a setting's value.

    Parameters
    ----------
    name : str
        Its name in Metaflow, such as ``DATASTORE_SYSROOT_S3``.

    Returns
    -------
    Any
        The value from the environment or the settings file, as text; None where it isn't set.
    """
    if name in ("DEFAULT_DATASTORE", "DEFAULT_METADATA"):
        return default_store.datastore_kind()
    if name == "USER":
        return config.user_name()
    if name == "DATATOOLS_S3ROOT":
        root = from_conf(name) or find_setting("DATASTORE_SYSROOT_S3")
        return root if from_conf(name) or root is None else root.rstrip("/") + "/data"
    found = from_conf(name, DEFAULTS.get(name))
    return json.loads(found) if name in _JSON and found else found


def from_conf(name: str, default: Any = None, validate_fn: Any = None) -> Any:
    """Return a setting by its name without ``METAFLOW_``, or the default where it isn't set.

    Parameters
    ----------
    name : str
        The name.
    default : Any
        What is returned where it isn't set.
    validate_fn : callable, optional
        Not used.
    """
    name = name.removeprefix("METAFLOW_")
    ours = OURS.get(name, name)
    if ours in config.SETTINGS:
        found = config.read_setting(ours).value
    else:
        found = next((os.environ[each + name] for each in config.PREFIXES if os.environ.get(each + name)), None)
    return default if found is None else found
