"""Commands of Metaflow that this release doesn't have."""

from __future__ import annotations

from flow_sdk.errors import UsageError

__all__ = ["absent_command"]

_ABSENT = frozenset(
    {
        "argo-workflows",
        "card",
        "code",
        "conda",
        "develop",
        "environment",
        "init",
        "kubernetes",
        "output-raw",
        "spin",
        "spot-metadata",
        "step",
        "tutorials",
    }
)


def absent_command(name: str) -> UsageError | None:
    """Make the error for a command that Metaflow has and this release doesn't; None for any other name.

    Parameters
    ----------
    name : str
        The first word of the command.
    """
    if name not in _ABSENT:
        return None
    return UsageError(
        f"Metaflow's command {name!r} isn't in this release of Flow SDK.",
        help="See --help for all commands; docs/coming-from-metaflow.md lists what there is.",
    )
