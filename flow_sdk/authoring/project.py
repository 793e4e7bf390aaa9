"""What ``@project`` makes of a flow's name: project, branch, and the name it is deployed under. Pure."""

from __future__ import annotations

from types import MappingProxyType

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

__all__ = [
    "LONGEST_NAME",
    "ProjectBranch",
    "choose_branch",
    "claim_name",
    "claim_text",
    "encode_user",
    "full_branch",
    "is_name",
    "project_of_deployed",
    "project_of_run",
]

LONGEST_NAME = 128
"""Most characters of a project's or branch's name."""

PROJECT_TAG, BRANCH_TAG, BOTH_TAG = "project:", "project_branch:", "project_and_branch:"

ALL_FLOWS = ".*"
"""Ends the name of the claim that all flows of a project's branch share. No flow is called ``*``."""

_READABLE = 40
_DIGITS = 24
"""Hexadecimal digits of the hash in an encoded user name: 96 bits, so that no two names with the same are found."""


def is_name(text: object) -> bool:
    """Return whether ``text`` can be a project's or branch's name: 1 to 128 characters ``[a-z0-9_]``."""
    return isinstance(text, str) and 0 < len(text) <= LONGEST_NAME and not text.strip(_ALPHABET)


_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789_"


class ProjectBranch:
    """The project and branch of a flow; immutable.

    Parameters
    ----------
    name : str
        The project.
    branch : str
        The whole branch: ``user.<name>``, ``test.<branch>``, ``prod`` or ``prod.<branch>``.
    """

    __slots__ = ("branch", "name")

    def __init__(self, name: str, branch: str) -> None:
        self.name = name
        self.branch = branch

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProjectBranch) and (self.name, self.branch) == (other.name, other.branch)

    def __hash__(self) -> int:
        return hash((self.name, self.branch))

    def __repr__(self) -> str:
        return f"Project({self.name!r}, {self.branch!r})"

    @property
    def is_user(self) -> bool:
        """Whether this is the branch of one user."""
        return self.branch.startswith("user.")

    @property
    def is_production(self) -> bool:
        """Whether this is the production branch or one of its variants."""
        return self.branch.partition(".")[0] == "prod"

    @property
    def full_name(self) -> str:
        """Project and branch: ``<project>.<branch>``."""
        return f"{self.name}.{self.branch}"

    @property
    def system_tags(self) -> tuple[str, str, str]:
        """The system tags of its runs; the last one is of this project's branch alone."""
        return PROJECT_TAG + self.name, BRANCH_TAG + self.branch, BOTH_TAG + self.full_name

    def deployed_name(self, flow: str) -> str:
        """The name that a flow is deployed under."""
        return f"{self.name}.{self.branch}.{flow}"

    def current_fields(self, flow: str) -> dict[str, Any]:
        """What ``current`` says of it."""
        return {
            "project_name": self.name,
            "branch_name": self.branch,
            "is_user_branch": self.is_user,
            "is_production": self.is_production,
            "project_flow_name": self.deployed_name(flow),
        }


def project_of_deployed(name: str) -> ProjectBranch | None:
    """Read from a deployed name ``<project>.<branch>.<Flow>`` which project and branch it belongs to.

    Parameters
    ----------
    name : str
        The deployed name.

    Returns
    -------
    Project or None
        None for any other name.
    """
    project, _, rest = name.partition(".")
    branch, _, flow = rest.rpartition(".")
    kind, dot, short = branch.partition(".")
    if not (is_name(project) and flow.isidentifier()):
        return None
    known = is_name(short) if dot else kind == "prod"
    return ProjectBranch(project, branch) if known and kind in ("prod", "test", "user") else None


def claim_name(name: str) -> str:
    """The name that a deployed name's token is kept under: its own, or that of all flows of its project's branch."""
    project = project_of_deployed(name)
    return name if project is None else project.full_name + ALL_FLOWS


def claim_text(claim: str) -> str:
    """What :func:`claim_name` gives, for people: ``sales.prod``, or the deployed name."""
    return claim.removesuffix(ALL_FLOWS)


def choose_branch(
    declared: Mapping[str, Any] | None,
    branch: str | None,
    production: bool | None,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> tuple[str | None, bool]:
    """Put together what the decorator and the command line say.

    Parameters
    ----------
    declared : mapping or None
        The attributes of ``@project``; None for a flow without it.
    branch, production : str or None, bool or None
        What the command line or the environment says; None for nothing.
    variables : mapping of str to str
        By option, the environment variable that gave it; for errors.

    Returns
    -------
    (str or None, bool)
        The branch's short name, if any, and whether it is production's.

    Raises
    ------
    UsageError
        If the two contradict each other, the flow has no ``@project``, or the name can't be one.
    """
    given = {"branch": branch, "production": production}
    if declared is None:
        for option, value in given.items():
            if value not in (None, False):
                raise UsageError(
                    f"--{option} is for flows with @project; this isn't one.",
                    help='Write @project(name="...") above it.',
                )
        return None, False
    for option, value in given.items():
        fixed = declared[option]
        if value is not None and fixed is not None and value != fixed:
            source = variables.get(option)
            raise UsageError(
                f"{source or '--' + option} says something else than @project.",
                seen=f"{value!r} {'in the environment' if source else 'on the command line'}, {fixed!r} in @project",
                help="Take one of the two away.",
            )
    branch = declared["branch"] if branch is None else branch
    if branch is not None and not is_name(branch):
        raise UsageError(
            f"{variables.get('branch', '--branch')} can't be {branch[:60]!r}.",
            wanted=f"1 to {LONGEST_NAME} of the characters a-z 0-9 _",
        )
    production = declared["production"] if production is None else production
    return branch, bool(production)


def full_branch(branch: str | None, production: bool, user: str) -> str:
    """The whole branch for a short name: ``user.<name>``, ``test.<branch>``, ``prod`` or ``prod.<branch>``."""
    if production:
        return f"prod.{branch}" if branch else "prod"
    return f"test.{branch}" if branch else f"user.{encode_user(user)}"


def encode_user(user: str) -> str:
    """Turn a user's name into ``[a-z0-9_]``, 1 to 128 characters; different names get different ones.

    Parameters
    ----------
    user : str
        Any text.

    Returns
    -------
    str
        The name itself where it can stand as it is, else what is readable of it, ``__`` and a part of its SHA-256.
    """
    _, found, tail = user.rpartition("__")
    looks_encoded = bool(found) and len(tail) == _DIGITS and not tail.strip("0123456789abcdef")
    if is_name(user) and not looks_encoded:
        return user
    import hashlib

    readable = "".join(c if c in _ALPHABET else "_" for c in user[:_READABLE].lower()).strip("_")
    digest = hashlib.sha256(user.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{readable}__{digest}"


def project_of_run(system_tags: Iterable[str]) -> ProjectBranch | None:
    """Read from a run's system tags which project and branch it belongs to; None without ``@project``."""
    found: dict[str, str] = {}
    for tag in system_tags:
        for kind in (PROJECT_TAG, BRANCH_TAG):
            if tag.startswith(kind):
                found.setdefault(kind, tag[len(kind) :])
    return ProjectBranch(found[PROJECT_TAG], found[BRANCH_TAG]) if len(found) == 2 else None
