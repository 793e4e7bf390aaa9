"""``@secrets``: environment variables from secrets. The plan holds where they are, never their values."""

from __future__ import annotations

import os

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.declaration_errors import declaration_error
from flow_sdk.authoring.decorator import StepDecorator, declare_step_decorator
from flow_sdk.errors import AwsError, SecretError, UsageError
from flow_sdk.text import suggest_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

    from flow_sdk.authoring.step_extension import StepContext

__all__ = ["AWS", "INLINE", "SecretsDecorator", "secrets", "set_secret_variables"]

AWS = "aws-secrets-manager"
INLINE = "inline"

_OPTIONS: dict[str, dict[str, type]] = {
    AWS: {"json": bool, "env_var_name": str, "region": str},
    INLINE: {"env_vars": dict},
}
"""The kinds of sources with their options."""
_RESERVED = ("FLOW_SDK_", "METAFLOW_")
_AS_UNDERSCORE = str.maketrans("-./", "___")
_KEYS = ("type", "id", "options", "role")
_KINDS = {bool: "True or False", str: "text", dict: "a dict of text to text"}


class SecretsDecorator(StepDecorator):
    """``@secrets``: see :func:`secrets`.

    In the plan each source is a dict, with what the settings of the machine add to it: the machines on which the tasks
    run need not have these settings.
    """

    __slots__ = ()
    name = "secrets"
    order = 200

    def check_attributes(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return each source as a dict of all that is needed to fetch it."""
        sources, role, override = values["sources"], values["role"], values["allow_override"]
        if not isinstance(sources, list | tuple):
            seen = type(sources).__name__
            raise declaration_error(
                UsageError, "@secrets can't use these sources.", seen=seen, wanted="a list", help="sources=[...]"
            )
        if not isinstance(override, bool):
            self.refuse_value("allow_override", override, "True or False")
        self._check_role("role", role)
        return {"sources": [self._read_source(one, role) for one in sources], "role": role, "allow_override": override}

    def attributes(self) -> dict[str, Any]:
        """Return what was given, as JSON values, in a fixed order."""
        return {**self._values, "sources": [_copy_nested(source) for source in self._values["sources"]]}

    def _read_source(self, given: Any, role: str | None) -> dict[str, Any]:
        """Return a source as a dict of all that is needed to fetch it."""
        if isinstance(given, str):
            kind, dot, rest = given.partition(".")
            given = {"type": kind, "id": rest} if dot and not given.startswith("arn:") else {"id": given}
        if not isinstance(given, dict):
            self._refuse_source(type(given).__name__, 'text such as "aws-secrets-manager.prod/db", or a dict')
        for key in given:
            if key not in _KEYS:
                self._refuse_source(f"the key {key!r}", ", ".join(_KEYS), suggest_name(str(key), _KEYS))
        options = given.get("options")
        kind = self._read_type(given)
        secret = given.get("id", "" if kind == INLINE else None)
        if not isinstance(secret, str) or (not secret and kind != INLINE) or "\0" in secret:
            self._refuse_source(f"the id {secret!r}", "a secret's name or ARN as text")
        self._check_role("role", given.get("role"))
        source: dict[str, Any] = {"type": kind, "id": secret, "options": self._read_options(kind, options)}
        role = given.get("role") or role
        if kind == AWS:
            role = role or _read_default("DEFAULT_SECRETS_ROLE") or _read_default("AWS_SECRETS_MANAGER_DEFAULT_ROLE")
            region = _read_default("AWS_SECRETS_MANAGER_DEFAULT_REGION")
            if region and not secret.startswith("arn:"):
                source["options"].setdefault("region", region)
        if role:
            source["role"] = role
        return source

    def _read_type(self, given: dict[str, Any]) -> str:
        kind, secret = given.get("type"), given.get("id")
        if "type" not in given:
            manager = isinstance(secret, str) and secret.startswith("arn:") and ":secretsmanager:" in secret
            kind = AWS if manager else _read_default("DEFAULT_SECRETS_BACKEND_TYPE")
            if kind is None:
                self._refuse_source(
                    f"{secret!r} without a type", f'"{AWS}.{secret}"', "Or set FLOW_SDK_DEFAULT_SECRETS_BACKEND_TYPE."
                )
        if not isinstance(kind, str) or kind not in _OPTIONS:
            self._refuse_source(
                f"the type {kind!r}", f"{AWS} or {INLINE}",
                f'Write {{"type": "{AWS}", "id": ...}} for a secret whose name has a dot in it.',
            )  # fmt: skip
        return kind

    def _read_options(self, kind: str, given: Any) -> dict[str, Any]:
        known = _OPTIONS[kind]
        if given is None:
            given = {}
        if not isinstance(given, dict):
            self._refuse_source(f"options that are {type(given).__name__}", "a dict")
        for key, value in given.items():
            if key not in known:
                self._refuse_source(f"the option {key!r}", ", ".join(known), suggest_name(str(key), known))
            # Only the type is shown: the value may be a secret.
            fits = isinstance(value, known[key]) and value != ""
            if isinstance(value, dict):
                fits = all(isinstance(text, str) for item in value.items() for text in item)
            if not fits:
                self._refuse_source(
                    f"the option {key!r} with a value of type {type(value).__name__}", _KINDS[known[key]]
                )
        return _copy_nested(given)

    def _check_role(self, key: str, value: Any) -> None:
        if value is not None and (not isinstance(value, str) or not value):
            self.refuse_value(key, value, "the ARN of a role, or None")

    def _refuse_source(self, seen: str, wanted: str, help: str | None = None) -> NoReturn:
        raise declaration_error(UsageError, "@secrets can't use this source.", seen=seen, wanted=wanted, help=help)

    def before_step(self, context: StepContext) -> None:
        """Fetch the secrets, and set the variables in the task's process."""
        set_secret_variables(self._values)


@declare_step_decorator(SecretsDecorator)
def secrets(
    *, sources: list[Any] | tuple[Any, ...] = (), role: str | None = None, allow_override: bool = False
) -> None:
    """Fetch secrets right before the step's code runs; the code finds them in ``os.environ``.

    Parameters
    ----------
    sources : list
        The secrets. Text such as ``"aws-secrets-manager.prod/db"`` (the name or ARN after the first dot), or
        ``{"type": "aws-secrets-manager", "id": "prod/db", "options": {...}, "role": "arn:..."}``. Options: ``json``
        (False for a secret that isn't a JSON object), ``env_var_name``, ``region``.
    role : str, optional
        ARN of the role to fetch them with.
    allow_override : bool
        Whether a secret may replace a variable that is already set.
    """


def _copy_nested(data: dict[str, Any]) -> dict[str, Any]:
    return {key: _copy_nested(value) if isinstance(value, dict) else value for key, value in data.items()}


def _read_default(name: str) -> str | None:
    from flow_sdk.config import read_setting

    return read_setting(name).value


def set_secret_variables(attributes: Mapping[str, Any]) -> None:
    """Fetch all secrets of a step, check them, and only then set the variables.

    Parameters
    ----------
    attributes : mapping
        Those of ``@secrets`` in the plan.

    Raises
    ------
    SecretError
        If a secret isn't of the form that is asked for, a name can't be a variable, is there already or comes twice.
    AwsError
        If AWS doesn't give a secret out.
    """
    found: dict[str, str] = {}
    origin: dict[str, str] = {}
    for source in attributes["sources"]:
        secret = f"{source['type']}.{source['id']}".rstrip(".")
        for name, value in _fetch_variables(source, secret).items():
            _check_variable(secret, name, value)
            if name in found:
                raise SecretError(
                    f"Two secrets set the variable {name}.",
                    seen=f"{origin[name]} and {secret}",
                    help="Take one away, or give it another name with the option env_var_name.",
                )
            if name in os.environ and not attributes.get("allow_override"):
                raise SecretError(
                    f"The variable {name} is set already.",
                    seen=f"the secret {secret} sets it, too",
                    help="Unset it, or write @secrets(..., allow_override=True).",
                )
            found[name], origin[name] = value, secret
    os.environ.update(found)


def _check_variable(secret: str, name: str, value: str) -> None:
    if not (name.isascii() and name.isidentifier()):
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


def _fetch_variables(source: Mapping[str, Any], secret: str) -> dict[str, str]:
    """Return the variables of one source."""
    if source["type"] == INLINE:
        return dict(source["options"].get("env_vars", {}))
    answer = _get_secret(source)
    options = source["options"]
    single = str(options.get("env_var_name") or answer.get("Name", source["id"]))
    if "SecretString" not in answer:
        import base64

        entries = {single: base64.b64encode(answer["SecretBinary"]).decode()}
    elif options.get("json", True):
        entries = _read_entries(answer["SecretString"], secret)
    else:
        entries = {single: answer["SecretString"]}
    variables: dict[str, str] = {}
    for key, value in entries.items():
        name = key.translate(_AS_UNDERSCORE)
        if name in variables:
            raise SecretError(f"Two keys of the secret {secret} are the same variable.", seen=name)
        variables[name] = value
    return variables


def _read_entries(text: str, secret: str) -> dict[str, str]:
    import json

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


def _region_of_arn(secret: str) -> str | None:
    """Return the region in the ARN of a secret; None for a name."""
    parts = secret.split(":")
    return parts[3] if len(parts) > 4 and parts[0] == "arn" and parts[2] == "secretsmanager" else None


def _get_secret(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the response of AWS Secrets Manager."""
    from flow_sdk.aws.clients import make_client
    from flow_sdk.aws.errors import aws_errors

    secret, options = source["id"], source["options"]
    region = _region_of_arn(secret) or options.get("region")
    credentials = _assume_role(source["role"], region) if source.get("role") else {}
    manager = make_client("secretsmanager", region_name=region, **credentials)
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


def _assume_role(role: str, region: str | None) -> dict[str, str]:
    """Return temporary credentials of a role."""
    from flow_sdk.aws.clients import make_client
    from flow_sdk.aws.errors import aws_errors

    with aws_errors(f"take on the role {role}"):
        answer = make_client("sts", region_name=region).assume_role(RoleArn=role, RoleSessionName="flow-sdk-secrets")[
            "Credentials"
        ]
    return {
        "aws_access_key_id": answer["AccessKeyId"],
        "aws_secret_access_key": answer["SecretAccessKey"],
        "aws_session_token": answer["SessionToken"],
    }
