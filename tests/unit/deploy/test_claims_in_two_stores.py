"""Two stores, one orchestrator: the keeper's token is the one that counts, whoever is killed or comes second."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.deploy.airflow.variables import ApiVariables
from flow_sdk.deploy.claims import Claim, KnownTokens, StoreClaims
from flow_sdk.deploy.tokens import DeployAuthorizer, Grant
from flow_sdk.errors import DeployError
from flow_sdk.store.open_store import open_store
from flow_sdk.store.port import ObjectStore
from tests.support.fake_airflow_api import MaskingApi

NAME = "Train"
_number = itertools.count()


class Killed(BaseException):
    """The process is gone."""


class Keeper:
    """Takes a claim only in place of the one that was read last; may be killed before it writes."""

    location = "the orchestrator"

    def __init__(self, held: dict[str, Claim], *, killed: bool = False) -> None:
        self.held, self.killed = held, killed
        self.seen: Claim | None = None

    def read_claim(self, name: str) -> Claim | None:
        self.seen = self.held.get(name)
        return self.seen

    def write_claim(self, claim: Claim) -> None:
        if self.killed:
            raise Killed
        if self.held.get(claim.name) != self.seen:
            raise DeployError("Somebody else was quicker.")
        self.held[claim.name] = claim


class Place:
    """Two stores before one orchestrator, and people with a machine each."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.held = folder, dict[str, Claim]()
        self.one, self.two = (open_store(f"memory://two-{next(_number)}") for _ in range(2))

    def gate(self, owner: str, *, killed: bool = False, **options: Any) -> DeployAuthorizer:
        return DeployAuthorizer(NAME, owner, self.known(owner), registry=Keeper(self.held, killed=killed), **options)

    def known(self, owner: str) -> KnownTokens:
        return KnownTokens(str(self.folder / owner), NAME)

    def deploy(self, owner: str, store: ObjectStore, **options: Any) -> Grant:
        gate = self.gate(owner, **options)
        gate.check_token(store)
        grant = gate.claim_name(store)
        gate.confirm_claim(store)
        gate.confirm_claim(store, deployed=True)
        return grant

    def tokens(self) -> set[str]:
        """The tokens that any machine holds."""
        return {token for home in self.folder.iterdir() for token in self.known(home.name)}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def lose(place: Place, *, killed: bool) -> str:
    """Let Bob look at the second store, Anne deploy from the first, and Bob go on; returns Anne's token."""
    bob = place.gate("bob", killed=killed)
    bob.check_token(place.two)
    token = place.deploy("anne", place.one).token
    with pytest.raises(Killed if killed else DeployError):
        bob.claim_name(place.two)
    return token


def test_who_loses_against_another_store_leaves_nothing(place):
    token = lose(place, killed=False)
    assert place.tokens() == {token}
    assert StoreClaims(place.two, NAME).read_valid() == []
    with pytest.raises(DeployError, match="under a production token of anne"):
        place.deploy("bob", place.two)
    assert place.deploy("bob", place.two, authorize=token).token == token
    assert place.tokens() == {token}
    assert [place.deploy("bob", place.two).token, place.deploy("anne", place.one).token] == [token, token]


def test_a_name_is_free_again_in_the_store_of_who_lost(place):
    lose(place, killed=False)
    place.held.clear()  # as delete leaves it
    carl = place.deploy("carl", place.two)
    assert carl.first and place.held[NAME].matches_token(carl.token)
    assert StoreClaims(place.two, NAME).read_valid() == [carl.claim]


def test_a_loser_killed_between_its_two_writes(place):
    token = lose(place, killed=True)
    for who in ("bob", "carl"):
        with pytest.raises(DeployError, match="deployed by anne from another store") as refused:
            place.deploy(who, place.two)
        assert "--authorize" in str(refused.value)
    assert place.deploy("bob", place.two, authorize=token).token == token
    assert place.tokens() == {token}
    assert place.deploy("carl", place.two, authorize=token).token == token
    place.held.clear()
    assert place.deploy("bob", place.two).token == token


def test_a_loser_killed_and_nobody_else_there(place):
    bob = place.gate("bob", killed=True)
    bob.check_token(place.two)
    with pytest.raises(Killed):
        bob.claim_name(place.two)
    token = place.deploy("bob", place.two).token
    assert place.tokens() == {token} and place.held[NAME].matches_token(token)


def test_a_keeper_that_cannot_be_written_to_takes_nothing_back(place):
    gate = place.gate("anne")
    gate.check_token(place.one)

    def refuse(claim: Claim) -> None:
        raise DeployError("no permission")

    gate.registry.write_claim = refuse
    with pytest.raises(DeployError, match="no permission"):
        gate.claim_name(place.one)
    assert place.deploy("anne", place.one).token == place.tokens().pop()


def test_a_renewal_that_loses_against_another_store(place):
    old = place.deploy("anne", place.one).token
    place.deploy("bob", place.two, authorize=old)
    bob = place.gate("bob", renew=True)
    bob.check_token(place.two)
    new = place.deploy("anne", place.one, renew=True).token
    with pytest.raises(DeployError):
        bob.claim_name(place.two)
    assert place.tokens() == {old, new}
    with pytest.raises(DeployError, match="deployed by anne from another store"):
        place.deploy("bob", place.two)
    assert place.deploy("bob", place.two, authorize=new).token == new
    again = place.deploy("bob", place.two, renew=True)
    assert place.held[NAME].matches_token(again.token)
    assert place.deploy("anne", place.one, authorize=again.token).token == again.token


def test_two_who_lose_in_one_store_at_once(place):
    gates = [place.gate(who) for who in ("bob", "carl")]
    for gate in gates:
        gate.check_token(place.two)
    token = place.deploy("anne", place.one).token
    for gate in gates:
        with pytest.raises(DeployError):
            gate.claim_name(place.two)
    assert place.tokens() == {token} and StoreClaims(place.two, NAME).read_valid() == []


def test_who_is_overtaken_after_its_claim_deploys_nothing(place):
    # Airflow's Variables know no compare-and-set: the last write stays.
    gate = place.gate("bob")
    gate.check_token(place.two)
    gate.claim_name(place.two)
    del place.held[NAME]
    token = place.deploy("anne", place.one).token
    with pytest.raises(DeployError, match=r"anne has claimed .* from another store"):
        gate.confirm_claim(place.two)
    assert place.tokens() == {token} and StoreClaims(place.two, NAME).read_valid() == []


def test_two_stores_before_one_airflow(place):
    fake = MaskingApi()
    gates: list[Callable[..., DeployAuthorizer]] = [
        lambda who=who, **more: DeployAuthorizer(NAME, who, place.known(who), registry=ApiVariables(fake), **more)
        for who in ("anne", "bob")
    ]
    anne, bob = (make() for make in gates)
    anne.check_token(place.one), bob.check_token(place.two)
    token = anne.claim_name(place.one).token
    with pytest.raises(DeployError, match="anne"):
        bob.claim_name(place.two)
    anne.confirm_claim(place.one)
    assert place.tokens() == {token} and StoreClaims(place.two, NAME).read_valid() == []
    joined = gates[1](authorize=token)
    joined.check_token(place.two)
    assert joined.claim_name(place.two).token == token
    joined.confirm_claim(place.two)
