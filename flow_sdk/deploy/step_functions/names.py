"""What a deployed name is called in AWS, where names are short and have few letters. Pure."""

import hashlib
import re

from flow_sdk.authoring.project import claim_text
from flow_sdk.errors import ConfigError

__all__ = ["NAME_TAG", "check_prefix", "machine_name", "parameter_name", "rule_name", "schedule_name", "tag_value"]

NAME_TAG = "flow-sdk:name"
"""The tag of a state machine that holds the deployed name in full."""

LONGEST_MACHINE, LONGEST_SCHEDULE, LONGEST_RULE, LONGEST_TAG = 80, 64, 64, 256
"""Characters (API references of AWS Step Functions, EventBridge Scheduler, EventBridge and of tags)."""

_IN_TAGS = " _.:/=+-@"
_DIGITS = 20
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}", re.ASCII)
PREFIX_FORM = "at most 40 letters, digits, _ . and -; the first one a letter or digit"
_OTHER = re.compile(r"[^A-Za-z0-9_.-]")
_CUT = re.compile(rf".*--[0-9a-f]{{{_DIGITS}}}", re.DOTALL)


def _shorten_name(name: str, longest: int) -> str:
    """A name that AWS takes as it is; any other with a hash at its end, so that two names never get the same.

    A name that looks as if it had been cut already is given a hash, too: no user can choose another's.
    """
    plain = _OTHER.sub("_", name)
    if plain == name and 0 < len(name) <= longest and not _CUT.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{plain[: longest - _DIGITS - 2]}--{digest}"


def machine_name(name: str, prefix: str = "") -> str:
    """The name of the state machine: at most 80 characters ``[A-Za-z0-9_.-]``."""
    return _shorten_name(_prefixed_name(name, prefix), LONGEST_MACHINE)


def schedule_name(name: str, prefix: str = "") -> str:
    """The name of the schedule: at most 64 characters ``[A-Za-z0-9_.-]``."""
    return _shorten_name(_prefixed_name(name, prefix), LONGEST_SCHEDULE)


def rule_name(name: str, prefix: str = "") -> str:
    """The name of the rule for alerts: at most 64 characters ``[A-Za-z0-9_.-]``."""
    return _shorten_name(_prefixed_name(name, prefix), LONGEST_RULE)


def _prefixed_name(name: str, prefix: str) -> str:
    """A name with the account's prefix, joined as Metaflow joins them."""
    return f"{prefix}_{name}" if prefix else name


def check_prefix(prefix: str | None) -> str:
    """Check the setting SFN_STATE_MACHINE_PREFIX; returns "" where it isn't set.

    Raises
    ------
    ConfigError
        If names of AWS can't begin with it.
    """
    if prefix and not _PREFIX.fullmatch(prefix):
        raise ConfigError(
            "SFN_STATE_MACHINE_PREFIX can't be what names in AWS begin with.",
            seen=repr(prefix)[:200],
            wanted=PREFIX_FORM,
        )
    return prefix or ""


def parameter_name(name: str) -> str:
    """The name of the SSM parameter that keeps a claim: on a deployed name, or on a branch of a project."""
    text = claim_text(name)
    return f"/flow-sdk/{machine_name(text)}/{'token' if text == name else 'project-token'}"


def tag_value(name: str) -> str:
    """The name as the value of :data:`NAME_TAG`: in full wherever a tag can hold it."""
    fits = len(name) <= LONGEST_TAG and all(letter.isalnum() or letter in _IN_TAGS for letter in name)
    return name if fits else _shorten_name(name, LONGEST_TAG)
