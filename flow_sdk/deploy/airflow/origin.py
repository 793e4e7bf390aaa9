"""Which deployment a DAG file is of: another one's file is neither replaced nor deleted."""

import ast
import os
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flow_sdk.deploy.airflow.dag_location import DagLocation, dag_of
from flow_sdk.deploy.claims import StoreClaims
from flow_sdk.deploy.tokens import NAMESPACE, DeployAuthorizer
from flow_sdk.errors import DeployError

if TYPE_CHECKING:
    from flow_sdk.store.port import ObjectStore

__all__ = ["DagFileOrigin", "check_origin", "is_same_store", "read_origin"]

_FIELD = re.compile(r'^    "(namespace|owner|store|tags)": (.*),\r?$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class DagFileOrigin:
    """What a DAG file says about its deployment.

    Parameters
    ----------
    dag : str or None
        The DAG's id; None in a file that doesn't say it.
    store : str or None
        URL of the store; None in a file that doesn't say it.
    namespace, owner : str
        The namespace of the runs, and who made the production token; empty where there is none.
    tags : tuple of str
        Tags of the runs.
    """

    dag: str | None
    store: str | None = None
    namespace: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()

    @property
    def tokens(self) -> set[str]:
        """The production token; without tokens the namespace of a DAG's runs was ``production:<DAG id>``."""
        names = (self.namespace, *self.tags)
        return {name.removeprefix(NAMESPACE) for name in names if name.startswith(NAMESPACE)} - {self.dag or ""}


def read_origin(text: str) -> DagFileOrigin:
    """Read what a DAG file says about its deployment, without executing it; the file may be damaged."""
    found: dict[str, object] = {}
    for name, literal in _FIELD.findall(text):
        try:
            found.setdefault(name, ast.literal_eval(literal))
        except (ValueError, SyntaxError, RecursionError):
            continue
    store, namespace, owner, tags = (found.get(name) for name in ("store", "namespace", "owner", "tags"))
    return DagFileOrigin(
        dag_of(text),
        store if isinstance(store, str) else None,
        namespace if isinstance(namespace, str) else "",
        owner if isinstance(owner, str) else "",
        tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
    )


def is_same_store(one: str, other: str) -> bool:
    """Return whether two addresses are of the same store, as far as the addresses show it."""
    return _plain_address(one) == _plain_address(other)


def _plain_address(url: str) -> str:
    kind, separator, rest = url.partition("://")
    if separator and kind != "file":
        return f"{kind}://" + "/".join(filter(None, rest.split("/")))
    if separator:
        from urllib.parse import unquote

        return os.path.realpath(unquote(rest))
    return os.path.realpath(os.path.expanduser(url))


def check_origin(
    location: DagLocation,
    dag: str,
    store_url: str,
    store: "ObjectStore | None" = None,
    gate: DeployAuthorizer | None = None,
    token: str | None = None,
) -> None:
    """See that a DAG file, where there is one, is of the deployment that replaces or deletes it.

    A production token guards its name within a store. So a file of another store, whose token this store doesn't know,
    is another deployment's.

    Parameters
    ----------
    location : DagLocation
        The file.
    dag : str
        The DAG's id.
    store_url : str
        URL of the store that the deployment is in.
    store : ObjectStore or None
        The store; None when there is none yet.
    gate : DeployAuthorizer, optional
        What let the deployment pass; without it, the store's address alone decides.
    token : str, optional
        The production token of the deployment.

    Raises
    ------
    DeployError
        If the file holds another DAG, or is of another deployment of the same name.
    """
    origin = read_origin(location.earlier_text)
    if origin.dag is not None and origin.dag != dag:
        raise DeployError(
            f"This file isn't that of {dag}. Nothing was changed.",
            seen=f"the file of DAG {origin.dag}",
            where=location.name,
            help="Check FILE, --name and --branch, or name another file or a folder.",
        )
    if origin.store is None or token in origin.tokens:
        return
    if not is_same_store(origin.store, store_url if store is None else store.url):
        if not _knows_token(store, gate, origin):
            raise _another_deployment(location, dag, origin, f"the file of a deployment from the store {store_url}")
    elif _is_unclaimed(gate) and gate is not None and origin.tokens and origin.tokens.isdisjoint(gate.known):
        raise _another_deployment(location, dag, origin, "a production token that this store or this machine knows")


def _is_unclaimed(gate: DeployAuthorizer | None) -> bool:
    """Return whether the store has no claim: if a file has a token, the store was emptied or replaced."""
    return gate is not None and gate.grant is not None and gate.grant.first


def _knows_token(store: "ObjectStore | None", gate: DeployAuthorizer | None, origin: DagFileOrigin) -> bool:
    """Return whether the store has a claim of the file's token, valid or not: it is the same store, or a copy."""
    if store is None or gate is None or not origin.tokens:
        return False
    records = (record for name in {gate.claimed, gate.name} for record in StoreClaims(store, name).read_records())
    return any(record.matches_token(token) for record in records for token in origin.tokens)


def _another_deployment(location: DagLocation, dag: str, origin: DagFileOrigin, wanted: str) -> DeployError:
    owner = f" of {origin.owner if origin.owner.isprintable() else ascii(origin.owner)}" if origin.owner else ""
    option = shlex.quote(f"--datastore-root={origin.store}")
    return DeployError(
        f"This is the DAG file of another deployment{owner}. Nothing was changed.",
        seen=f"{dag} in the namespace {origin.namespace or 'of everything'}, from the store {origin.store}",
        wanted=wanted,
        where=location.name,
        help=f"To continue that deployment, use its store, with its production token: {option}"
        " (with it, airflow delete removes the file, too). Or deploy to another folder, or under another name or "
        "branch. If that store is gone, remove the file by hand.",
    )
