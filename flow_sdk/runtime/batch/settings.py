"""Reading the settings for Batch."""

import json
from typing import Any

from flow_sdk.authoring.decorators.batch import check_resource_tags
from flow_sdk.aws.settings import find_encryption, find_region
from flow_sdk.config import read_setting
from flow_sdk.errors import AwsError, ConfigError, UsageError

__all__ = ["read_settings"]

_TEXTS = {
    "queue": "BATCH_JOB_QUEUE",
    "image": "BATCH_IMAGE",
    "job_role": "BATCH_JOB_ROLE",
    "execution_role": "BATCH_EXECUTION_ROLE",
}
_CHOICES = {
    "platform": ("BATCH_PLATFORM", ("EC2", "FARGATE")),
    "architecture": ("BATCH_ARCHITECTURE", ("X86_64", "ARM64")),
}


def read_settings() -> dict[str, Any]:
    """Read what :class:`~flow_sdk.runtime.batch.definition.BatchSettings` is made of.

    Raises
    ------
    ConfigError
        If a setting can't be used.
    """
    found: dict[str, Any] = {key: read_setting(name).value for key, name in _TEXTS.items()}
    for key, (name, choices) in _CHOICES.items():
        setting = read_setting(name)
        if setting.value not in (None, *choices):
            raise ConfigError(
                f"The setting {name} can't be used.",
                seen=repr(setting.value),
                wanted=" or ".join(choices),
                where=setting.source,
            )
        found[key] = setting.value
    asked = find_encryption()
    variables = asked.environment if asked is not None else {}
    return {**found, "region": _read_region(), "tags": _read_tags(), "variables": variables}


def _read_tags() -> dict[str, str]:
    setting = read_setting("BATCH_DEFAULT_TAGS")
    if setting.value is None:
        return {}
    try:
        tags = json.loads(setting.value)
        return check_resource_tags(tags)
    except (ValueError, UsageError) as error:
        raise ConfigError(
            "The setting BATCH_DEFAULT_TAGS can't be used.",
            seen=str(error).splitlines()[0],
            wanted='a JSON object of text to text, such as {"team": "search"}',
            where=setting.source,
        ) from None


def _read_region() -> str | None:
    try:
        return find_region()
    except AwsError:  # no such profile: a call of AWS reports it, and others don't need it
        return None
