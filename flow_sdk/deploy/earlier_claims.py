"""Claims from before the flows of a project's branch shared one production token, and how they move.

Until then each deployed name had a token of its own. The first deployment of such a flow makes its token that of the
branch; each other flow of the branch moves to it with its next deployment. What is deployed runs on as it is meanwhile.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from flow_sdk.authoring.project import claim_name, claim_text
from flow_sdk.deploy.claims import Claim, StoreClaims, TokenRegistry
from flow_sdk.errors import DeployError
from flow_sdk.metadata.tags import decode_tag
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.layout import deployments_prefix

__all__ = ["EarlierClaims", "counting_claim", "several_tokens", "still_apart"]


@dataclass(slots=True)
class EarlierClaims:
    """The claims on the deployed names of one branch that aren't those of the branch.

    Parameters
    ----------
    name : str
        The deployed name that is worked on.
    own : list of Claim
        The claims on this very name in the store, the newest last.
    kept : Claim or None
        The claim on this very name with the registry.
    others : dict of str to Claim
        By deployed name, the newest claim in the store on each other flow of the branch.
    """

    name: str
    own: list[Claim] = field(default_factory=list)
    kept: Claim | None = None
    others: dict[str, Claim] = field(default_factory=dict)

    @property
    def own_claim(self) -> Claim | None:
        """The claim on this very name that counts, if there is one."""
        return counting_claim(self.own, self.kept) if self.own or self.kept else None

    @classmethod
    def find_claims(
        cls, store: ObjectStore | None, name: str, registry: TokenRegistry | None, *, siblings: bool
    ) -> "EarlierClaims":
        """Look for the claims of a deployed name, and with ``siblings`` for those of the branch's other flows."""
        found = cls(name)
        if claim_name(name) == name:
            return found
        if registry is not None:
            found.kept = registry.read_claim(name)
        if store is None:
            return found
        found.own = StoreClaims(store, name).read_valid()
        for folder in store.folders(deployments_prefix()) if siblings else ():
            other = decode_tag(folder) or name
            if other in (name, claim_name(name)) or claim_name(other) != claim_name(name):
                continue
            claims = StoreClaims(store, other).read_valid()
            if claims:
                found.others[other] = claims[-1]
        return found

    def choose_token(self, tokens: Iterable[str], *, any_of_them: bool) -> tuple[str, str | None]:
        """Choose the flow whose token becomes the branch's, for a flow that was never deployed itself.

        Parameters
        ----------
        tokens : iterable of str
            The tokens of the user.
        any_of_them : bool
            Whether any token will do, as a new one replaces it.

        Returns
        -------
        (str, str or None)
            The flow's deployed name, and its token; None where the user holds none of all these tokens. An empty name
            where no other flow is deployed.

        Raises
        ------
        DeployError
            If the user holds several, and so has to choose.
        """
        known = list(tokens)
        held = {name: token for name, claim in self.others.items() for token in known if claim.matches_token(token)}
        if len(set(held.values())) > 1 and not any_of_them:
            raise several_tokens(claim_text(claim_name(self.name)), {name: self.others[name] for name in held})
        return next(iter(held.items()), (next(iter(self.others), ""), None))

    def retire_claims(self, store: ObjectStore, registry: TokenRegistry | None) -> None:
        """Take back the claims on this very name, which shares the branch's token from now on."""
        if self.own:
            StoreClaims(store, self.name).retire_all()
        if self.kept is not None and registry is not None:
            registry.remove_claim(self.name)


def counting_claim(claims: list[Claim], kept: Claim | None) -> Claim:
    """Return the valid claim: the newest of the store if it knows that of the registry, else the registry's."""
    if kept is None or any(claim.is_same(kept) for claim in claims):
        return claims[-1]
    return kept


def several_tokens(branch: str, claims: dict[str, Claim]) -> DeployError:
    """The error for a branch whose flows were deployed under different tokens, of which the user holds several."""
    listed = ", ".join(
        f"{name} (of {claim.owner_text}, since {claim.created})" for name, claim in sorted(claims.items())
    )
    return DeployError(
        f"The flows of {branch} share one production token from now on, and have {len(claims)}. Nothing was changed.",
        seen=listed,
        wanted="the choice of one of them",
        help="To keep the namespace of one flow for all, deploy that flow first, or give its token with --authorize "
        "TOKEN. To begin an empty namespace for all, give --generate-new-token. The other flows move with their next "
        "create.",
    )


def still_apart(name: str, branch: str, own: Claim) -> DeployError:
    """The error for a flow that is still deployed under a token of its own, which the user doesn't hold."""
    return DeployError(
        f"{name} is still deployed under a production token of its own, of {own.owner_text}. Nothing was changed.",
        seen=f"the token of {branch}, which its flows share, without that of {name}",
        wanted=f"also the token that {own.owner_text} has had since {own.created}",
        help=f"Ask {own.owner_text} for it, and give it once with --authorize TOKEN: {name} then moves to the "
        f"namespace of {branch}.",
    )
