"""``@secrets`` as data: where the secrets are, never what they are."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.declaration_errors import refused
from flow_sdk.authoring.decorator import Decorator
from flow_sdk.errors import UsageError
from flow_sdk.text import suggest_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

__all__ = ["AWS", "INLINE", "Secrets"]

AWS = "aws-secrets-manager"
INLINE = "inline"

_OPTIONS: dict[str, dict[str, type]] = {
    AWS: {"json": bool, "env_var_name": str, "region": str},
    INLINE: {"env_vars": dict},
}
"""The kinds of sources with their options."""
_KEYS = ("type", "id", "options", "role")
_KINDS = {bool: "True or False", str: "text", dict: "a dict of text to text"}


class Secrets(Decorator):
    """``@secrets``: see :func:`flow_sdk.authoring.decorators.secrets`.

    In the plan each source is a dict, with what the settings of the machine add to it: the machines on which the tasks
    run need not have these settings.
    """

    __slots__ = ()
    name = "secrets"
    defaults: Mapping[str, Any] = {"sources": (), "role": None, "allow_override": False}

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        sources, role, override = values["sources"], values["role"], values["allow_override"]
        if not isinstance(sources, list | tuple):
            seen = type(sources).__name__
            raise refused(
                UsageError, "@secrets can't use these sources.", seen=seen, wanted="a list", help="sources=[...]"
            )
        if not isinstance(override, bool):
            self.bad("allow_override", override, "True or False")
        self._text("role", role)
        return {"sources": [self._source(one, role) for one in sources], "role": role, "allow_override": override}

    def attributes(self) -> dict[str, Any]:
        """What was given, as JSON values, in a fixed order."""
        return {**self._values, "sources": [_copy(source) for source in self._values["sources"]]}

    def _source(self, given: Any, role: str | None) -> dict[str, Any]:
        """One source as a dict of all that is needed to fetch it."""
        if isinstance(given, str):
            kind, dot, rest = given.partition(".")
            given = {"type": kind, "id": rest} if dot and not given.startswith("arn:") else {"id": given}
        if not isinstance(given, dict):
            self._no_source(type(given).__name__, 'text such as "aws-secrets-manager.prod/db", or a dict')
        for key in given:
            if key not in _KEYS:
                self._no_source(f"the key {key!r}", ", ".join(_KEYS), suggest_name(str(key), _KEYS))
        options = given.get("options")
        kind = self._kind(given)
        secret = given.get("id", "" if kind == INLINE else None)
        if not isinstance(secret, str) or (not secret and kind != INLINE) or "\0" in secret:
            self._no_source(f"the id {secret!r}", "a secret's name or ARN as text")
        self._text("role", given.get("role"))
        source: dict[str, Any] = {"type": kind, "id": secret, "options": self._options(kind, options)}
        role = given.get("role") or role
        if kind == AWS:
            role = role or _setting("DEFAULT_SECRETS_ROLE") or _setting("AWS_SECRETS_MANAGER_DEFAULT_ROLE")
            region = _setting("AWS_SECRETS_MANAGER_DEFAULT_REGION")
            if region and not secret.startswith("arn:"):
                source["options"].setdefault("region", region)
        if role:
            source["role"] = role
        return source

    def _kind(self, given: dict[str, Any]) -> str:
        kind, secret = given.get("type"), given.get("id")
        if "type" not in given:
            manager = isinstance(secret, str) and secret.startswith("arn:") and ":secretsmanager:" in secret
            kind = AWS if manager else _setting("DEFAULT_SECRETS_BACKEND_TYPE")
            if kind is None:
                self._no_source(
                    f"{secret!r} without a type", f'"{AWS}.{secret}"', "Or set FLOW_SDK_DEFAULT_SECRETS_BACKEND_TYPE."
                )
        if not isinstance(kind, str) or kind not in _OPTIONS:
            self._no_source(
                f"the type {kind!r}", f"{AWS} or {INLINE}",
                f'Write {{"type": "{AWS}", "id": ...}} for a secret whose name has a dot in it.',
            )  # fmt: skip
        return kind

    def _options(self, kind: str, given: Any) -> dict[str, Any]:
        known = _OPTIONS[kind]
        if given is None:
            given = {}
        if not isinstance(given, dict):
            self._no_source(f"options that are {type(given).__name__}", "a dict")
        for key, value in given.items():
            if key not in known:
                self._no_source(f"the option {key!r}", ", ".join(known), suggest_name(str(key), known))
            # Only the type is shown: the value may be a secret.
            fits = isinstance(value, known[key]) and value != ""
            if isinstance(value, dict):
                fits = all(isinstance(text, str) for item in value.items() for text in item)
            if not fits:
                self._no_source(f"the option {key!r} with a value of type {type(value).__name__}", _KINDS[known[key]])
        return _copy(given)

    def _text(self, key: str, value: Any) -> None:
        if value is not None and (not isinstance(value, str) or not value):
            self.bad(key, value, "the ARN of a role, or None")

    def _no_source(self, seen: str, wanted: str, help: str | None = None) -> NoReturn:
        raise refused(UsageError, "@secrets can't use this source.", seen=seen, wanted=wanted, help=help)


def _copy(data: dict[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, dict) else value for key, value in data.items()}


def _setting(name: str) -> str | None:
    from flow_sdk.config import read_setting

    return read_setting(name).value
