"""The secrets of a step, fetched in the task's process right before the user's code. Only ``os.environ`` gets them."""

import base64
import json
import os
import re
from collections.abc import Mapping
from typing import Any

from flow_sdk.authoring.secrets import INLINE
from flow_sdk.aws import aws_errors, client
from flow_sdk.errors import AwsError, SecretError
from flow_sdk.plan.policies import SecretsPolicy

__all__ = ["set_secrets"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ARN = re.compile(r"arn:[^:]+:secretsmanager:([^:]+):")
_RESERVED = ("FLOW_SDK_", "METAFLOW_")
_AS_UNDERSCORE = str.maketrans("-./", "___")


def set_secrets(policy: SecretsPolicy) -> None:
    """Fetch all secrets of a step, check them, and only then set the variables.

    Parameters
    ----------
    policy : SecretsPolicy
        ``@secrets`` of the step.

    Raises
    ------
    SecretError
        If a secret isn't of the form that is asked for, a name can't be a variable, is there already or comes twice.
    AwsError
        If AWS doesn't give a secret out.
    """
    found: dict[str, str] = {}
    origin: dict[str, str] = {}
    for source in policy.sources:
        secret = f"{source['type']}.{source['id']}".rstrip(".")
        for name, value in _fetched(source, secret).items():
            _check(secret, name, value)
            if name in found:
                raise SecretError(
                    f"Two secrets set the variable {name}.",
                    seen=f"{origin[name]} and {secret}",
                    help="Take one away, or give it another name with the option env_var_name.",
                )
            if name in os.environ and not policy.allow_override:
                raise SecretError(
                    f"The variable {name} is set already.",
                    seen=f"the secret {secret} sets it, too",
                    help="Unset it, or write @secrets(..., allow_override=True).",
                )
            found[name], origin[name] = value, secret
    os.environ.update(found)


def _check(secret: str, name: str, value: str) -> None:
    if not _NAME.fullmatch(name):
        raise SecretError(
            f"The secret {secret} has a key that can't name a variable.",
            seen=repr(name),
            wanted="letters, digits and _ (- . / become _), no digit at the start",
        )
    if name.startswith(_RESERVED):
        raise SecretError(
            f"The secret {secret} has a key that begins as our settings do.",
            seen=name,
            wanted=f"a name that doesn't begin with {' or '.join(_RESERVED)}",
        )
    try:
        usable = b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        usable = False
    if not usable:
        raise SecretError(
            f"The value of {name} in the secret {secret} can't be in a variable.",
            wanted="text without NUL and without half characters",
        )


def _fetched(source: Mapping[str, Any], secret: str) -> dict[str, str]:
    """The variables of one source."""
    if source["type"] == INLINE:
        return dict(source["options"].get("env_vars", {}))
    answer = _answer(source)
    options = source["options"]
    single = str(options.get("env_var_name") or answer.get("Name", source["id"]))
    if "SecretString" not in answer:
        entries = {single: base64.b64encode(answer["SecretBinary"]).decode()}
    elif options.get("json", True):
        entries = _entries(answer["SecretString"], secret)
    else:
        entries = {single: answer["SecretString"]}
    variables: dict[str, str] = {}
    for key, value in entries.items():
        name = key.translate(_AS_UNDERSCORE)
        if name in variables:
            raise SecretError(f"Two keys of the secret {secret} are the same variable.", seen=name)
        variables[name] = value
    return variables


def _entries(text: str, secret: str) -> dict[str, str]:
    try:
        content = json.loads(text)
        kind = type(content).__name__
    except (ValueError, RecursionError):
        content, kind = None, "text that isn't JSON"
    if not isinstance(content, dict):
        # Raised after the except clause: the exception of json holds the whole text.
        raise SecretError(
            f"The secret {secret} isn't a JSON object.",
            seen=kind,
            wanted='an object such as {"USER": "...", "PASSWORD": "..."}',
            help='For plain text, write {"type": ..., "id": ..., "options": {"json": False, "env_var_name": "NAME"}}.',
        )
    return {key: str(value) for key, value in content.items()}


def _answer(source: Mapping[str, Any]) -> dict[str, Any]:
    """What AWS Secrets Manager says."""
    secret = source["id"]
    arn = _ARN.match(secret)
    region = arn.group(1) if arn else source["options"].get("region")
    given = _credentials(source["role"], region) if source.get("role") else {}
    manager = client("secretsmanager", region_name=region, **given)
    doing = f"get the secret {secret}"
    try:
        with aws_errors(doing):
            answer: dict[str, Any] = manager.get_secret_value(SecretId=secret)
    except AwsError as error:
        if error.code != "ResourceNotFoundException":
            raise
        raise AwsError(
            f"AWS Secrets Manager has no secret {secret}.",
            seen=error.seen,
            where=manager.meta.region_name,
            help='Check its name and the region; another one: "options": {"region": ...}.',
            code=error.code,
        ) from None
    return answer


def _credentials(role: str, region: str | None) -> dict[str, str]:
    """Credentials of a role for the time of the fetching."""
    with aws_errors(f"take on the role {role}"):
        answer = client("sts", region_name=region).assume_role(RoleArn=role, RoleSessionName="flow-sdk-secrets")[
            "Credentials"
        ]
    return {
        "aws_access_key_id": answer["AccessKeyId"],
        "aws_secret_access_key": answer["SecretAccessKey"],
        "aws_session_token": answer["SessionToken"],
    }
