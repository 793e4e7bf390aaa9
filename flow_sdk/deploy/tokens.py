"""Production tokens: who may deploy under a name, and which namespace the deployed runs are in.

A token is a guard against accidents and no access control: every deployed run carries ``production:<token>`` as a tag.
"""

import re
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, replace

from flow_sdk.authoring.project import claim_name, claim_text
from flow_sdk.deploy.claims import Claim, KnownTokens, StoreClaims, TokenRegistry, select_valid, token_digest
from flow_sdk.deploy.earlier_claims import EarlierClaims, counting_claim, still_apart
from flow_sdk.errors import DeployError, FlowSDKError, StoreUnavailable
from flow_sdk.store.port import ObjectStore

__all__ = ["DeployAuthorizer", "Grant", "existing_store", "new_token"]

NAMESPACE = "production:"
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_RANDOM = 16
"""Characters of a token's random end: 80 bits."""
_READABLE = 40


@dataclass(frozen=True, slots=True)
class Grant:
    """The permission to deploy, with the token and its claim.

    Parameters
    ----------
    token : str
        The token it goes under.
    claim : Claim
        The token's claim.
    first : bool
        Whether the name was never deployed before; of a project's branch, whether none of its flows was.
    renewed : bool
        Whether the token replaces an older one.
    in_store, in_registry : bool
        Whether the claim is in the store, and with the registry, already.
    instead_of : Claim or None
        The store's own claim, where the token of another store's deployment replaces it.
    adopted : str or None
        The deployed name whose own token becomes that of its project's branch.
    left : str or None
        The token that the deployed name had of its own, where it moves to that of the branch.
    waiting : tuple of str
        Other flows of the branch that keep a token of their own until they are deployed again.
    """

    token: str
    claim: Claim
    first: bool = False
    renewed: bool = False
    in_store: bool = True
    in_registry: bool = True
    instead_of: Claim | None = None
    adopted: str | None = None
    left: str | None = None
    waiting: tuple[str, ...] = ()

    @property
    def namespace(self) -> str:
        """The namespace of the runs."""
        return NAMESPACE + self.token

    def runs_in(self, namespace: str | None, tags: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        """The namespace and tags of the runs: where the user chose another namespace, they are found in both."""
        if namespace in (None, self.namespace):
            return self.namespace, tags
        return namespace, tuple(dict.fromkeys((*tags, self.namespace)))


def existing_store(url: str) -> ObjectStore | None:
    """The store, if there is one yet: a refused deployment makes none."""
    from flow_sdk.store.open_store import open_store

    try:
        return open_store(url, create=False)
    except StoreUnavailable:
        return None


def new_token(name: str, generation: int) -> str:
    """Make a token: the deployed name for people, the generation, and what can't be guessed."""
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_READABLE].rstrip("-")
    return f"{readable}-{generation}-{''.join(secrets.choice(_LETTERS) for _ in range(_RANDOM))}"


class DeployAuthorizer:
    """Authorize a deployment, or refuse it: first :meth:`check_token`, which changes nothing, then :meth:`claim_name`.

    All flows of a project's branch are claimed together, any other deployed name by itself.

    Parameters
    ----------
    name : str
        The deployed name.
    owner : str
        The user who deploys.
    known : KnownTokens
        The tokens of this machine for whatever name.
    registry : TokenRegistry, optional
        A second copy of the claim, in the orchestrator.
    authorize : str, optional
        The token that the user gave, or several with spaces or commas between them; these alone count then.
    keep : bool
        Whether the machine is to keep a token that the user gave, when it is the right one.
    renew : bool
        Whether to replace the present token by a new one.
    """

    def __init__(
        self,
        name: str,
        owner: str,
        known: KnownTokens,
        *,
        registry: TokenRegistry | None = None,
        authorize: str | None = None,
        keep: bool = True,
        renew: bool = False,
    ) -> None:
        self.name, self.owner, self.registry, self.renew = name, owner, registry, renew
        self.claimed = claim_name(name)
        self.text = claim_text(self.claimed)
        self.known = known.for_name(self.claimed)
        # Who is handed the namespace's name has the token as well.
        self.given = None if authorize is None else [one.removeprefix(NAMESPACE) for one in _split_tokens(authorize)]
        self.keep = keep
        self.grant: Grant | None = None
        self.earlier = EarlierClaims(name)
        self.memory_error: DeployError | None = None
        """Why a token that the user gave isn't kept on this machine, where it couldn't be."""

    @property
    def _registry_location(self) -> str | None:
        """Return where the registry is; None without one."""
        return None if self.registry is None else self.registry.location

    def check_token(self, store: ObjectStore | None) -> Grant:
        """Check whether the user may deploy, without changing anything.

        Parameters
        ----------
        store : ObjectStore or None
            The store; None when there is none yet.

        Raises
        ------
        DeployError
            If it may not; says who holds the name and what to do.
        """
        claims, kept, following = self._read_claims(store)
        if not claims and kept is None:
            self.grant = self._check_unclaimed(store, following)
            return self.grant
        self.earlier = EarlierClaims.find_claims(store, self.name, self.registry, siblings=False)
        counts = counting_claim(claims, kept)
        token = self._token_for(counts, claims, self.text)
        left = self._token_left([*claims, counts])
        if self.renew:
            grant = self._new_grant(max(following, counts.generation + 1))
        elif claims and counts is claims[-1]:
            grant = Grant(token, counts, in_registry=self.registry is None or counts.is_same(kept))
        else:
            joined = replace(counts, generation=max(following, counts.generation))
            grant = Grant(token, joined, in_store=False, instead_of=claims[-1] if claims else None)
        self.grant = replace(grant, left=left)
        return self.grant

    def _check_unclaimed(self, store: ObjectStore | None, following: int) -> Grant:
        """Check whether an unclaimed name or branch may be claimed.

        Flows of the branch may be deployed all the same: until they shared a token, each had one of its own.
        """
        self.earlier = earlier = EarlierClaims.find_claims(store, self.name, self.registry, siblings=True)
        own = earlier.own_claim
        if own is None and not earlier.others:
            if self.given is not None:
                raise self._never_deployed(store, "Leave --authorize (FLOW_SDK_AUTHORIZE) out; or check")
            return self._new_grant(following, first=True)
        left = None if own is None else self._token_for(own, earlier.own, self.name)
        given = self.given if self.given is not None else self._candidate_tokens() if own is None else []
        adopted, token = earlier.choose_token(given, any_of_them=self.renew)
        if own is not None and (token is None or any(own.matches_token(one) for one in given)):
            adopted, token = self.name, left
        claim = own if own is not None and adopted == self.name else earlier.others[adopted]
        if token is None:
            token = self._token_for(claim, [claim], adopted)
        waiting = tuple(
            sorted(name for name, other in earlier.others.items() if self.renew or not other.matches_token(token))
        )
        grant = (
            self._new_grant(max(following, claim.generation + 1))
            if self.renew
            else Grant(
                token,
                replace(claim, name=self.claimed, generation=following),
                in_store=False,
                in_registry=self.registry is None,
                adopted=adopted,
            )
        )
        return replace(grant, left=None if left == token and not self.renew else left, waiting=waiting)

    def check_holder(self, store: ObjectStore | None) -> str:
        """See that the user holds the token of what is deployed: to stop, move back or delete it. Changes nothing else.

        Parameters
        ----------
        store : ObjectStore or None
            The store; None when there is none.

        Returns
        -------
        str
            The token.

        Raises
        ------
        DeployError
            If the name was never deployed, or the token isn't right.
        """
        self.earlier = EarlierClaims.find_claims(store, self.name, self.registry, siblings=False)
        claims, kept, _ = self._read_claims(store)
        own = self.earlier.own_claim
        if own is not None:  # What is deployed is still under a token of its own
            token = self._token_for(own, self.earlier.own, self.name)
        elif claims or kept is not None:
            token = self._token_for(counting_claim(claims, kept), claims, self.text)
        else:
            raise self._never_deployed(store, "Check")
        self._remember_given(token)
        return token

    def _never_deployed(self, store: ObjectStore | None, help: str) -> DeployError:
        what = ", so there is no token to authorize" if help != "Check" else ""
        return DeployError(
            f"{self.name} has never been deployed{what}.",
            where=None if store is None else store.url,
            help=f"{help} --datastore-root, --name and --branch.",
        )

    def _remember_given(self, token: str) -> None:
        """Keep a token that the user gave, if it can be; who gave it has it, so a machine may do without."""
        if self.given is None or not self.keep:
            return
        try:
            self.known.add_token(token)
        except DeployError as error:
            self.memory_error = error

    def _read_claims(self, store: ObjectStore | None) -> tuple[list[Claim], Claim | None, int]:
        """The claims in the store, the one with the registry, and the store's next generation."""
        records = [] if store is None else StoreClaims(store, self.claimed).read_records()
        kept = None if self.registry is None else self.registry.read_claim(self.claimed)
        return select_valid(records), kept, records[-1].generation + 1 if records else 0

    def _candidate_tokens(self) -> list[str]:
        """The tokens that the user may have for what is claimed.

        Where flows of the branch have tokens of their own still, one token that is given may not do.
        """
        mine = [*self.known]
        for name in (self.name, *self.earlier.others) if self.claimed != self.name else ():
            mine += self.known.for_name(name)
        if self.given is None:
            return mine
        return [*self.given, *mine] if self.earlier.own_claim is not None or self.earlier.others else self.given

    def _token_left(self, claims: list[Claim]) -> str | None:
        """The token that the deployed name has of its own, which the user holds as well; None where it has none.

        Raises
        ------
        DeployError
            If the user doesn't hold it.
        """
        own = self.earlier.own_claim
        if own is None or any(own.is_same(claim) for claim in claims):
            return None
        for token in self._candidate_tokens():
            if own.matches_token(token):
                return token
        raise still_apart(self.name, self.text, own)

    def _new_grant(self, generation: int, *, first: bool = False) -> Grant:
        token, salt = new_token(self.text, generation), secrets.token_hex(16)
        today = time.strftime("%Y-%m-%d", time.gmtime())
        claim = Claim(self.claimed, generation, self.owner, today, salt, token_digest(salt, token))
        return Grant(token, claim, first, not first, in_store=False, in_registry=self.registry is None)

    def _token_for(self, newest: Claim, claims: list[Claim], text: str) -> str:
        """The token of the claim that counts, known to be the user's; ``text`` names what is claimed."""
        candidates = self._candidate_tokens()
        for token in candidates:
            if newest.matches_token(token):
                return token
        if claims and newest not in claims:
            raise self._foreign_claim_error(newest, text)
        own = self.earlier.own_claim
        if any(claim.matches_token(token) for claim in claims for token in candidates):
            seen = f"a token that {newest.owner_text} has replaced by a new one on {newest.created}"
        elif own is not None and any(own.matches_token(token) for token in candidates):
            seen = f"the token that {self.name} had of its own, until the flows of {text} shared one"
        elif self.given is None:
            seen = f"user {self.owner}, whose machine holds no token of it"
        else:
            seen = "another token with --authorize"
        mine = newest.owner == self.owner
        whence = "You made it on another machine." if mine else f"Ask {newest.owner_text} for it."
        raise DeployError(
            f"{text} is deployed under a production token of {newest.owner_text}. Nothing was changed.",
            seen=seen,
            wanted=f"the token that {newest.owner_text} has had since {newest.created}",
            help=f"{whence} It follows 'production:' in what create prints and in the tags of its runs. Hand it over "
            "once with --authorize TOKEN. To deploy beside it, take another branch of a @project, or another name.",
        )

    def _foreign_claim_error(self, kept: Claim, text: str) -> DeployError:
        return DeployError(
            f"{text} is deployed by {kept.owner_text} from another store. Nothing was changed.",
            seen=f"a token of {kept.created} that this store doesn't know",
            where=self._registry_location,
            help="To continue that deployment from here, give its token once with --authorize TOKEN: it follows "
            "'production:' in what create prints and in the tags of its runs. Or deploy under another name or branch.",
        )

    def claim_name(self, store: ObjectStore) -> Grant:
        """Record what :meth:`check_token` found: in the store, then with the registry.

        Raises
        ------
        DeployError
            If another deployment was first, or the registry refuses it.
        """
        grant = self.grant or self.check_token(store)
        if grant.first or grant.renewed:
            # Before the claim: a claim whose token no user holds would lock out every user.
            self.known.add_token(grant.token)
        elif grant.token in (self.given or ()):
            self._remember_given(grant.token)
        elif not grant.in_store:
            with suppress(DeployError):  # it is on this machine already, perhaps under another name
                self.known.add_token(grant.token)
        if not grant.in_store and not StoreClaims(store, self.claimed).add_claim(grant.claim):
            joined = self._join_winner(store, grant)
            if joined is not None:
                return joined
        for token in list(self.known):
            if grant.instead_of is not None and grant.instead_of.matches_token(token):
                self.known.remove_token(token)
        if self.registry is not None and not grant.in_registry:
            try:
                self.registry.write_claim(grant.claim)
            except DeployError:
                self._roll_back_claim(store, grant)
                raise
        return grant

    def _join_winner(self, store: ObjectStore, grant: Grant) -> Grant | None:
        """Join who was quicker, where the user holds that token too: another flow of the branch, deployed from here."""
        claims = StoreClaims(store, self.claimed).read_valid()
        if claims and claims[-1].matches_token(grant.token):
            return None  # both joined with the same token, of the registry or of a flow of the branch
        self.known.remove_token(grant.token)
        if claims and not self.renew and any(claims[-1].matches_token(token) for token in self._candidate_tokens()):
            self.check_token(store)
            return self.claim_name(store)
        raise DeployError(
            f"{claims[-1].owner_text if claims else 'Another user'} has made a production token of {self.text} "
            "at the same moment. Nothing was changed.",
            where=store.url,
            help="Deploy again; if the other deployment is another user's, with --authorize and its token.",
        )

    def _roll_back_claim(self, store: ObjectStore, grant: Grant) -> Claim | None:
        """Take back what this deployment has claimed, if the registry has another claim; returns that one.

        Where the registry has none, or doesn't answer, the claim stays: its owner can continue.
        """
        try:
            kept = None if self.registry is None else self.registry.read_claim(self.claimed)
        except FlowSDKError:
            return None
        if kept is None or kept.is_same(grant.claim):
            return None
        if not grant.in_store:
            StoreClaims(store, self.claimed).withdraw_claim(grant.claim)
            self.known.remove_token(grant.token)
        return kept

    def confirm_claim(self, store: ObjectStore, *, deployed: bool = False) -> None:
        """See that the token still counts, right before the deployment is written and right after.

        Parameters
        ----------
        store : ObjectStore
            The store.
        deployed : bool
            Whether the deployment is written.

        Raises
        ------
        DeployError
            If a new one has been generated meanwhile.
        """
        grant = self.grant
        if grant is None:
            return
        claims = StoreClaims(store, self.claimed).read_valid()
        if not claims or not claims[-1].is_same(grant.claim):
            who = claims[-1].owner_text if claims else "Another user"
            raise DeployError(
                f"{who} has generated a new production token of {self.text} meanwhile. "
                + ("What is deployed now may still be under the old one." if deployed else "Nothing was deployed."),
                where=store.url,
                help="Deploy again; if it is another user's, with --authorize and the new token.",
            )
        # Not every orchestrator takes a claim only in place of the one that was read: the last one written stays there.
        winner = None if deployed or grant.in_registry else self._roll_back_claim(store, grant)
        if winner is not None:
            raise DeployError(
                f"{winner.owner_text} has claimed {self.text} at the same moment, from another store. "
                "Nothing was deployed.",
                where=self._registry_location,
                help="Deploy again with --authorize and their token; or under another name or branch.",
            )
        if deployed:
            self.earlier.retire_claims(store, self.registry)


def _split_tokens(text: str) -> list[str]:
    """Return the tokens in a text; of a text without any, one that no claim matches."""
    return text.replace(",", " ").split() or [""]
