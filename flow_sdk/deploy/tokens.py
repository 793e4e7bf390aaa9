"""Production tokens: who may deploy under a name, and which namespace the deployed runs are in.

A token is a guard against accidents and no access control: every deployed run carries ``production:<token>`` as a tag.
"""

import re
import secrets
import time
from dataclasses import dataclass, replace

from flow_sdk.deploy.claims import Claim, Keeper, KnownTokens, StoreClaims, digest_of, standing
from flow_sdk.errors import DeployError, FlowSDKError, StoreUnavailable
from flow_sdk.store.port import ObjectStore

__all__ = ["Grant", "TokenGate", "existing_store", "new_token"]

NAMESPACE = "production:"
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_RANDOM = 16
"""Characters of a token's random end: 80 bits."""
_READABLE = 40


@dataclass(frozen=True, slots=True)
class Grant:
    """That a deployment may go on.

    Parameters
    ----------
    token : str
        The token it goes under.
    claim : Claim
        The token's claim.
    first : bool
        Whether the name was never deployed before.
    renewed : bool
        Whether the token takes the place of an older one.
    in_store, in_keeper : bool
        Whether the claim is in the store, and with the keeper, already.
    instead_of : Claim or None
        The store's own claim, where the token of another store's deployment takes its place.
    """

    token: str
    claim: Claim
    first: bool = False
    renewed: bool = False
    in_store: bool = True
    in_keeper: bool = True
    instead_of: Claim | None = None

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
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower())[-_READABLE:].strip("-")
    return f"{readable}-{generation}-{''.join(secrets.choice(_LETTERS) for _ in range(_RANDOM))}"


class TokenGate:
    """Lets a deployment pass, or refuses it. First :meth:`check`, which changes nothing, then :meth:`claim`.

    Parameters
    ----------
    name : str
        The deployed name.
    owner : str
        Who deploys.
    known : KnownTokens
        The tokens of this machine.
    keeper : Keeper, optional
        A second place for the claim, in the orchestrator.
    authorize : str, optional
        The token that the user gave, or several with spaces or commas between them; these alone count then.
    keep : bool
        Whether the machine is to keep a token that the user gave, when it is the right one.
    renew : bool
        Whether a new token is to take the place of the present one.
    """

    def __init__(
        self,
        name: str,
        owner: str,
        known: KnownTokens,
        *,
        keeper: Keeper | None = None,
        authorize: str | None = None,
        keep: bool = True,
        renew: bool = False,
    ) -> None:
        self.name, self.owner, self.known, self.keeper, self.renew = name, owner, known, keeper, renew
        # Who is handed the namespace's name has the token as well.
        self.given = None if authorize is None else [one.removeprefix(NAMESPACE) for one in _several(authorize)]
        self.keep = keep
        self.grant: Grant | None = None
        self.not_kept: DeployError | None = None
        """Why a token that the user gave isn't kept on this machine, where it couldn't be."""

    def check(self, store: ObjectStore | None) -> Grant:
        """Find out whether the deployment may go on, without changing anything.

        Parameters
        ----------
        store : ObjectStore or None
            The store; None when there is none yet.

        Raises
        ------
        DeployError
            If it may not; says who holds the name and what to do.
        """
        claims, kept, following = self._look(store)
        if not claims and kept is None:
            if self.given is not None:
                raise DeployError(
                    f"{self.name} has never been deployed, so there is no token to authorize.",
                    where=None if store is None else store.url,
                    help="Leave --authorize (FLOW_SDK_AUTHORIZE) out; or check --datastore-root, --name and --branch.",
                )
            self.grant = self._new(following, first=True)
            return self.grant
        counts = _counting(claims, kept)
        token = self._token_for(counts, claims)
        if self.renew:
            self.grant = self._new(max(following, counts.generation + 1))
        elif claims and counts is claims[-1]:
            self.grant = Grant(token, counts, in_keeper=self.keeper is None or counts.is_same(kept))
        else:
            joined = replace(counts, generation=max(following, counts.generation))
            self.grant = Grant(token, joined, in_store=False, instead_of=claims[-1] if claims else None)
        return self.grant

    def check_holder(self, store: ObjectStore | None) -> None:
        """See that the user holds the token of what is deployed: to stop, move back or delete it. Changes nothing else.

        Parameters
        ----------
        store : ObjectStore or None
            The store; None when there is none.

        Raises
        ------
        DeployError
            If the name was never deployed, or the token isn't right.
        """
        claims, kept, _ = self._look(store)
        if not claims and kept is None:
            raise DeployError(
                f"{self.name} has never been deployed.",
                where=None if store is None else store.url,
                help="Check --datastore-root, --name and --branch.",
            )
        token = self._token_for(_counting(claims, kept), claims)
        self._keep_given(token)

    def _keep_given(self, token: str) -> None:
        """Keep a token that the user gave, if it can be; who gave it has it, so a machine may do without."""
        if self.given is None or not self.keep:
            return
        try:
            self.known.add(token)
        except DeployError as error:
            self.not_kept = error

    def _look(self, store: ObjectStore | None) -> tuple[list[Claim], Claim | None, int]:
        """The claims in the store, the one with the keeper, and the store's next generation."""
        records = [] if store is None else StoreClaims(store, self.name).records()
        kept = None if self.keeper is None else self.keeper.read(self.name)
        return standing(records), kept, records[-1].generation + 1 if records else 0

    def _new(self, generation: int, *, first: bool = False) -> Grant:
        token, salt = new_token(self.name, generation), secrets.token_hex(16)
        today = time.strftime("%Y-%m-%d", time.gmtime())
        claim = Claim(self.name, generation, self.owner, today, salt, digest_of(salt, token))
        return Grant(token, claim, first, not first, in_store=False, in_keeper=self.keeper is None)

    def _token_for(self, newest: Claim, claims: list[Claim]) -> str:
        """The token of the claim that counts, known to be the user's."""
        candidates = list(self.known) if self.given is None else self.given
        for token in candidates:
            if newest.fits(token):
                return token
        if claims and newest not in claims:
            raise self._foreign(newest)
        stale = any(claim.fits(token) for claim in claims for token in candidates)
        if stale:
            seen = f"a token that {newest.who} has replaced by a new one on {newest.created}"
        elif self.given is None:
            seen = f"user {self.owner}, whose machine holds no token of it"
        else:
            seen = "another token with --authorize"
        mine = newest.owner == self.owner
        whence = "You made it on another machine." if mine else f"Ask {newest.who} for it."
        raise DeployError(
            f"{self.name} is deployed under a production token of {newest.who}. Nothing was changed.",
            seen=seen,
            wanted=f"the token that {newest.who} has had since {newest.created}",
            help=f"{whence} It follows 'production:' in what create prints and in the tags of its runs. Hand it over "
            "once with --authorize TOKEN. To deploy beside it, take another branch of a @project, or another name.",
        )

    def _foreign(self, kept: Claim) -> DeployError:
        assert self.keeper is not None
        return DeployError(
            f"{self.name} is deployed by {kept.who} from another store. Nothing was changed.",
            seen=f"a token of {kept.created} that this store doesn't know",
            where=self.keeper.place,
            help="To go on with that deployment from here, hand over its token once with --authorize TOKEN: it follows "
            "'production:' in what create prints and in the tags of its runs. Or deploy under another name or branch.",
        )

    def claim(self, store: ObjectStore) -> Grant:
        """Write down what :meth:`check` found: in the store, then with the keeper.

        Raises
        ------
        DeployError
            If somebody else was quicker, or the keeper didn't take it.
        """
        grant = self.grant or self.check(store)
        if self.given is not None and grant.token in self.given:
            self._keep_given(grant.token)
        elif not grant.in_store:
            # Before the claim: a claim whose token nobody holds would shut everybody out.
            self.known.add(grant.token)
        if not grant.in_store and not StoreClaims(store, self.name).add(grant.claim):
            self._lost(store, grant)
        for token in list(self.known):
            if grant.instead_of is not None and grant.instead_of.fits(token):
                self.known.remove(token)
        if self.keeper is not None and not grant.in_keeper:
            try:
                self.keeper.write(grant.claim)
            except DeployError:
                self._give_way(store, grant)
                raise
        return grant

    def _lost(self, store: ObjectStore, grant: Grant) -> None:
        claims = StoreClaims(store, self.name).read()
        if claims and claims[-1].fits(grant.token):
            return  # the same token was taken over from the keeper twice
        self.known.remove(grant.token)
        raise DeployError(
            f"{claims[-1].who if claims else 'Somebody else'} has made a production token of {self.name} at the same "
            "moment. Nothing was changed.",
            where=store.url,
            help="Deploy again; if the other deployment is somebody else's, with --authorize and its token.",
        )

    def _give_way(self, store: ObjectStore, grant: Grant) -> Claim | None:
        """Take back what this deployment has claimed, if the keeper has another claim; returns that one.

        Where the keeper has none, or doesn't answer, the claim stays: its owner can go on.
        """
        try:
            kept = None if self.keeper is None else self.keeper.read(self.name)
        except FlowSDKError:
            return None
        if kept is None or kept.is_same(grant.claim):
            return None
        if not grant.in_store:
            StoreClaims(store, self.name).withdraw(grant.claim)
            self.known.remove(grant.token)
        return kept

    def confirm(self, store: ObjectStore, *, deployed: bool = False) -> None:
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
        claims = StoreClaims(store, self.name).read()
        if not claims or not claims[-1].is_same(grant.claim):
            who = claims[-1].who if claims else "Somebody else"
            raise DeployError(
                f"{who} has generated a new production token of {self.name} meanwhile. "
                + ("What is deployed now may still be under the old one." if deployed else "Nothing was deployed."),
                where=store.url,
                help="Deploy again; if it is somebody else's, with --authorize and the new token.",
            )
        # Not every orchestrator takes a claim only in place of the one that was read: the last one written stays there.
        winner = None if deployed or grant.in_keeper else self._give_way(store, grant)
        if winner is not None:
            assert self.keeper is not None
            raise DeployError(
                f"{winner.who} has claimed {self.name} at the same moment, from another store. Nothing was deployed.",
                where=self.keeper.place,
                help="Deploy again with --authorize and their token; or under another name or branch.",
            )


def _several(text: str) -> list[str]:
    """The tokens in a text. A text without any is a token that is nobody's."""
    return text.replace(",", " ").split() or [""]


def _counting(claims: list[Claim], kept: Claim | None) -> Claim:
    """The claim that counts, of those in the store and the keeper's: the store's newest, if it knows the keeper's."""
    if kept is None or any(claim.is_same(kept) for claim in claims):
        return claims[-1]
    return kept
