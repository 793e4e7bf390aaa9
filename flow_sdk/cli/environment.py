"""Options that the environment gives: ``FLOW_SDK_<OPTION>``, else ``METAFLOW_<OPTION>``, below the command line."""

from __future__ import annotations

import os

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.cli.parser import Option
from flow_sdk.config import DATASTORES, PREFIXES
from flow_sdk.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from flow_sdk.cli.parser import Parsed

__all__ = ["BRANCHING", "NAMES", "OF_RUNS", "find_unused_metadata", "take_environment"]

BRANCHING = ("branch", "production")
"""The options that choose a branch of a project: given to flows without ``@project`` they mean nothing."""

NAMES = ("datastore", "datastore-root", "environment", "package-suffixes", "quiet")
"""The other options of every command that the environment can give.

Not ``metadata``: runs are found through the store itself, which a variable for Metaflow's service mustn't change.
"""

_WITH_DEFAULT = ("environment",)
"""Options for which ``DEFAULT_<OPTION>`` counts where no variable of their own is set."""

OF_RUNS = ("max-num-splits", "max-workers", "namespace", "run-id-file", "tag", "with")
"""The options of ``run`` and ``resume`` that the environment can give, as ``FLOW_SDK_RUN_TAG``."""

_TRUE, _FALSE = ("1", "true", "t", "yes", "y", "on"), ("0", "false", "f", "no", "n", "off")


def take_environment(
    parsed: Parsed, options: Iterable[Option], names: Iterable[str] = NAMES, command: str = ""
) -> dict[str, str]:
    """Add to a command line the options that the environment gives and the command line doesn't.

    Parameters
    ----------
    parsed : Parsed
        The command line; changed in place.
    options : iterable of Option
        The options of every command.
    names : iterable of str
        Names of the options to look for.
    command : str
        The command whose options they are, where their variables begin with its name.

    Returns
    -------
    dict
        By option, the variable that gave it.

    Raises
    ------
    UsageError
        If a variable holds no value of its option.
    """
    sources = {}
    beginning = f"{command}-" if command else ""
    wanted = {
        name: variable for name in names if name not in parsed.given and (variable := _find_variable(beginning + name))
    }
    for option in options if wanted else ():
        variable = wanted.get(option.name)
        if variable is None:
            continue
        for value in _read_values(option, variable):
            parsed.set_option(option, value)
            sources[option.name] = variable
    return sources


def _find_variable(name: str) -> str | None:
    """Return the environment variable that gives an option; an empty one gives none."""
    ending = name.replace("-", "_").upper()
    endings = (ending, f"DEFAULT_{ending}") if name in _WITH_DEFAULT else (ending,)
    names = [prefix + ending for ending in endings for prefix in PREFIXES]
    return next((name for name in names if os.environ.get(name)), None)


def find_unused_metadata() -> str | None:
    """Return the variable with its value, such as ``METAFLOW_METADATA=service``, that names a metadata service."""
    names = [prefix + ending for ending in ("METADATA", "DEFAULT_METADATA") for prefix in PREFIXES]
    name = next((name for name in names if os.environ.get(name)), None)
    return None if name is None or os.environ[name] in DATASTORES else f"{name}={os.environ[name]}"


def _read_values(option: Option, variable: str) -> list[Any]:
    """Read an option's values from an environment variable; a flag that is off has none.

    Raises
    ------
    UsageError
        If it isn't a value of the option.
    """
    text = os.environ[variable]
    if option.flag:
        plain = text.strip().lower()
        if plain not in _TRUE + _FALSE:
            raise UsageError(f"{variable} can't be {text!r}.", wanted="true or false")
        return [True] if plain in _TRUE else []
    try:
        return [option.read(part) for part in (text.split() if option.repeat else [text])]
    except UsageError as error:
        error.where = f"environment variable {variable}"
        raise
