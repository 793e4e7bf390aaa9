"""Which files are part of a code package, and which never are."""

import re
from fnmatch import fnmatchcase

from flow_sdk.errors import UsageError

__all__ = ["IGNORE_FILE", "IgnoreFile", "IgnoreFiles", "is_ignored", "is_secret"]

IGNORE_FILE = ".flowignore"

_FOLDERS = ("__pycache__", "node_modules", "*.egg-info", "site-packages", "conda-meta")
_SECRETS = (
    *("*.pem", "*.key", "*.ppk", "*.p8", "*.p12", "*.pfx", "*.pkcs12", "*.jks", "*.jceks", "*.keystore"),
    *("*.kdbx", "*.keytab", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*"),
    *("*.env", "*.env.*", ".netrc", "_netrc", ".pgpass", ".htpasswd", ".git-credentials", ".npmrc", ".pypirc"),
    # Of these names a module may be; what an account's keys are saved as may not.
    *("credentials", "*credentials.json", "*credentials.csv", "*accesskeys.csv", "rootkey.csv", "client_secret*.json"),
    *("service[-_]account*.json", "secrets.json", "secrets.toml", "secrets.y*ml", "kubeconfig*", "*.tfstate*"),
)


def is_secret(name: str) -> bool:
    """Return whether a file's name is one that files with keys and passwords have."""
    return any(fnmatchcase(name.lower(), pattern) for pattern in _SECRETS)


class IgnoreFile:
    """The patterns of an ignore file, with the meaning that they have in ``.gitignore``.

    Parameters
    ----------
    text : str
        The file's text.
    where : str
        Its path, for errors.
    """

    def __init__(self, text: str = "", where: str = IGNORE_FILE) -> None:
        self._rules: list[tuple[re.Pattern[str], bool, bool]] = []
        for number, line in enumerate(text.splitlines(), 1):
            pattern = line.rstrip() if not line.endswith("\\ ") else line
            if not pattern or pattern.startswith("#"):
                continue
            is_kept = pattern.startswith("!")
            pattern = pattern[is_kept:].removeprefix("\\")
            folder_only = pattern.endswith("/")
            try:
                rule = re.compile(_translate_pattern(pattern.rstrip("/")))
            except re.error as error:
                raise UsageError(
                    "A pattern of the ignore file can't be read.", seen=f"{line!r}: {error}", where=f"{where}:{number}"
                ) from error
            self._rules.append((rule, is_kept, folder_only))

    def match_path(self, path: str, *, folder: bool) -> bool | None:
        """Return what the last matching pattern decides: True leaves a path out, False includes it."""
        ignored = None
        for rule, is_kept, folder_only in self._rules:
            if (folder or not folder_only) and rule.fullmatch(path):
                ignored = not is_kept
        return ignored


IgnoreFiles = tuple[tuple[str, IgnoreFile], ...]
"""Ignore files, outermost first, each with the path of its folder in the package (``""``, or it ends with ``/``)."""


def is_ignored(ignores: IgnoreFiles, path: str, *, folder: bool) -> bool:
    """Return whether a path of a package is left out: hidden, a cache, or named by an ignore file of a folder above it.

    Of several ignore files the innermost one with a matching pattern counts.

    Parameters
    ----------
    ignores : tuple of (str, Ignore)
        The ignore files that apply.
    path : str
        The path in the package, ``/`` between its parts.
    folder : bool
        Whether it is a folder.
    """
    name = path.rsplit("/", 1)[-1]
    if name.startswith(".") or (folder and any(fnmatchcase(name, pattern) for pattern in _FOLDERS)):
        return True
    for prefix, ignore in reversed(ignores):
        ignored = ignore.match_path(path[len(prefix) :], folder=folder)
        if ignored is not None:
            return ignored
    return False


def _translate_pattern(pattern: str) -> str:
    # Without a slash before its end a pattern matches at any depth.
    anchored = "/" in pattern
    rest = pattern.removeprefix("/")
    out = "" if anchored else "(?:.*/)?"
    while rest:
        if rest.startswith("**/"):
            out, rest = out + "(?:.*/)?", rest[3:]
        elif rest == "**":
            out, rest = out + ".*", ""
        elif rest[0] == "*":
            out, rest = out + "[^/]*", rest.lstrip("*")
        elif rest[0] == "?":
            out, rest = out + "[^/]", rest[1:]
        elif rest[0] == "[" and "]" in rest[2:]:
            end = rest.index("]", 2)
            inside = rest[1:end].replace("\\", "\\\\")
            out, rest = out + "[" + ("^" + inside[1:] if inside[0] == "!" else inside) + "]", rest[end + 1 :]
        elif rest[0] == "\\" and len(rest) > 1:
            out, rest = out + re.escape(rest[1]), rest[2:]
        else:
            out, rest = out + re.escape(rest[0]), rest[1:]
    return out
