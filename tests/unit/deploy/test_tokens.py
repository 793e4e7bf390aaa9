"""Production tokens: who passes, who is refused, and that a refusal changes nothing."""

import itertools
import json
import os
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.deploy.claims import Claim, KnownTokens, StoreClaims
from flow_sdk.deploy.tokens import DeployAuthorizer, Grant, new_token
from flow_sdk.errors import DeployError
from flow_sdk.store.open_store import open_store
from flow_sdk.store.port import ObjectStore

NAME = "Train"
_number = itertools.count()


@pytest.fixture(params=["memory", "local"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path / "store") if request.param == "local" else f"memory://tokens-{next(_number)}")


class FakeKeeper:
    """Keeps claims in a dict; ``loses`` is what is there after a write instead of what was written."""

    location = "a fake"

    def __init__(self) -> None:
        self.claims: dict[str, Claim] = {}

    def read_claim(self, name: str) -> Claim | None:
        return self.claims.get(name)

    def write_claim(self, claim: Claim) -> None:
        self.claims[claim.name] = claim


@pytest.fixture
def gate(tmp_path: Path) -> Any:
    def make(owner: str, name: str = NAME, **options: Any) -> DeployAuthorizer:
        return DeployAuthorizer(name, owner, KnownTokens(str(tmp_path / owner), name), **options)

    return make


def deploy(gate: DeployAuthorizer, store: ObjectStore) -> Grant:
    gate.check_token(store)
    grant = gate.claim_name(store)
    gate.confirm_claim(store)
    return grant


def everything(store: ObjectStore, folder: Path) -> dict[str, bytes]:
    """All objects below ``deployments/`` and all files of the users' machines."""
    found = {info.key: store.get(info.key) for info in store.list("deployments/")}
    users = [path for path in folder.rglob("*") if path.is_file() and "store" not in path.relative_to(folder).parts]
    return found | {str(path): path.read_bytes() for path in users}


def test_first_and_again_by_the_same_person(store, gate):
    first = deploy(gate("anne"), store)
    assert first.first and first.namespace == f"production:{first.token}"
    again = deploy(gate("anne"), store)
    assert (again.token, again.first, again.renewed) == (first.token, False, False)


def test_another_person_needs_the_token_once(store, gate, tmp_path):
    token = deploy(gate("anne"), store).token
    before = everything(store, tmp_path)
    with pytest.raises(DeployError, match=r"under a production token of anne\. Nothing was changed") as refused:
        gate("bob").check_token(store)
    assert "bob" in str(refused.value) and "--authorize" in str(refused.value) and token not in str(refused.value)
    for wrong in ("nonsense", "", token.upper(), "x" * 5000, "\ud800", "../../x"):
        with pytest.raises(DeployError, match="another token with --authorize"):
            gate("bob", authorize=wrong).check_token(store)
    assert everything(store, tmp_path) == before
    assert deploy(gate("bob", authorize=token), store).token == token
    assert deploy(gate("bob"), store).token == token


def test_the_namespace_is_taken_for_its_token(store, gate):
    grant = deploy(gate("anne"), store)
    assert deploy(gate("bob", authorize=f" {grant.namespace}\n"), store).token == grant.token


def test_a_token_that_was_replaced_no_longer_counts(store, gate, tmp_path):
    old = deploy(gate("anne"), store)
    deploy(gate("bob", authorize=old.token), store)
    new = deploy(gate("anne", renew=True), store)
    assert new.renewed and new.namespace != old.namespace
    assert deploy(gate("anne"), store).token == new.token
    before = everything(store, tmp_path)
    for stale in (gate("bob"), gate("bob", renew=True), gate("carl", authorize=old.token)):
        with pytest.raises(DeployError, match="a token that anne has replaced by a new one"):
            stale.check_token(store)
    assert everything(store, tmp_path) == before
    assert deploy(gate("bob", authorize=new.token), store).token == new.token


def test_only_who_holds_the_token_makes_a_new_one(store, gate):
    token = deploy(gate("anne"), store).token
    with pytest.raises(DeployError, match="Nothing was changed"):
        gate("bob", renew=True).check_token(store)
    assert deploy(gate("bob", authorize=token, renew=True), store).claim.owner == "bob"


def test_a_first_deployment_has_nothing_to_authorize(store, gate, tmp_path):
    for there in (store, None):
        with pytest.raises(DeployError, match="has never been deployed"):
            gate("anne", authorize="x").check_token(there)
    assert everything(store, tmp_path) == {}


def test_names_do_not_meet(store, gate):
    names = ["p.prod.F", "q.prod.F", "p.prod", "p.test.b.F", "p.user.anne.F", "F", "../F", "F/../../x", "x" * 300]
    grants = [deploy(gate("anne", name), store) for name in names]
    assert len({grant.namespace for grant in grants}) == len(names)
    for name, grant in zip(names, grants, strict=True):
        assert deploy(gate("anne", name), store).token == grant.token
    assert len(list(store.list("deployments/"))) == len(names) == len(list(store.list(""))) - 2  # marker, probe


def test_neither_store_nor_keeper_holds_the_token(store, gate):
    keeper = FakeKeeper()
    token = deploy(gate("anne", registry=keeper), store).token
    kept = [store.get(info.key).decode() for info in store.list("deployments/")]
    assert token not in "".join(kept) and token not in keeper.claims[NAME].to_json()
    assert json.loads(kept[0])["owner"] == "anne"


def test_files_on_the_machine_are_for_its_user_only(store, gate, tmp_path):
    deploy(gate("anne"), store)
    (file,) = [path for path in (tmp_path / "anne").rglob("*") if path.is_file()]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_machine_that_cannot_keep_the_token_claims_nothing(store, gate, tmp_path):
    (tmp_path / "anne").write_text("a file where the folder should be")
    with pytest.raises(DeployError, match="can't be kept on this machine"):
        deploy(gate("anne"), store)
    assert list(store.list("deployments/")) == []


def test_a_process_killed_after_its_claim_locks_nobody_out(store, gate):
    killed = gate("anne")
    killed.check_token(store)
    token = killed.claim_name(store).token  # and nothing after it
    assert deploy(gate("anne"), store).token == token


def test_who_comes_second_in_a_race_is_told(store, gate, tmp_path):
    first, second = gate("anne"), gate("bob")
    first.check_token(store), second.check_token(store)
    first.claim_name(store)
    with pytest.raises(DeployError, match=r"anne has made a production token of .* at the same moment"):
        second.claim_name(store)
    assert not list(KnownTokens(str(tmp_path / "bob"), NAME))
    assert len(StoreClaims(store, NAME).read_valid()) == 1


def test_of_two_renewals_one_wins(store, gate):
    token = deploy(gate("anne"), store).token
    one, other = gate("anne", renew=True), gate("bob", authorize=token, renew=True)
    one.check_token(store), other.check_token(store)
    one.claim_name(store)
    with pytest.raises(DeployError, match="at the same moment"):
        other.claim_name(store)
    with pytest.raises(DeployError, match="has replaced"):
        gate("bob", authorize=token).check_token(store)


def test_a_token_renewed_while_another_deploys_stops_that_one(store, gate):
    deploy(gate("anne"), store)
    slow = gate("anne")
    slow.check_token(store), slow.claim_name(store)
    deploy(gate("anne", renew=True), store)
    with pytest.raises(DeployError, match="meanwhile"):
        slow.confirm_claim(store)


def test_the_keeper_is_filled_and_followed(store, gate):
    keeper = FakeKeeper()
    deploy(gate("anne"), store)  # no keeper known yet
    token = deploy(gate("anne", registry=keeper), store).token
    assert keeper.claims[NAME].matches_token(token)
    deploy(gate("anne", renew=True), store)
    new = deploy(gate("anne", registry=keeper), store).token
    assert keeper.claims[NAME].matches_token(new) and not keeper.claims[NAME].matches_token(token)


def test_another_store_with_the_same_orchestrator(store, gate):
    keeper, elsewhere = FakeKeeper(), open_store(f"memory://elsewhere-{next(_number)}")
    token = deploy(gate("anne", registry=keeper), elsewhere).token
    with pytest.raises(DeployError, match="production token of anne"):
        gate("bob", registry=keeper).check_token(store)
    grant = deploy(gate("bob", registry=keeper, authorize=token), store)
    assert grant.token == token and not grant.first
    assert StoreClaims(store, NAME).read_valid() == [keeper.claims[NAME]]


def test_two_stores_with_tokens_of_their_own_do_not_share_a_name(store, gate):
    keeper, elsewhere = FakeKeeper(), open_store(f"memory://elsewhere-{next(_number)}")
    deploy(gate("anne", registry=keeper), elsewhere)
    deploy(gate("bob"), store)
    with pytest.raises(DeployError, match="deployed by anne from another store"):
        gate("bob", registry=keeper).check_token(store)
    assert keeper.claims[NAME].owner == "anne"


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"format": 1}', b"\xff", b'{"format": 1, "name": 3, "x": 1}'])
def test_a_damaged_claim_is_said(store, gate, text):
    deploy(gate("anne"), store)
    (info,) = store.list("deployments/")
    store.put(info.key, text)
    with pytest.raises(DeployError, match="can't be read"):
        gate("anne").check_token(store)


def test_a_claim_of_a_newer_release(store, gate):
    deploy(gate("anne"), store)
    (info,) = store.list("deployments/")
    store.put(info.key, b'{"format": 99}')
    with pytest.raises(DeployError, match="newer release"):
        gate("anne").check_token(store)


def test_an_owner_cannot_write_to_the_terminal(store, gate):
    deploy(
        gate(
            "x\x1b[2J\n",
        ),
        store,
    )
    with pytest.raises(DeployError) as refused:
        gate("bob").check_token(store)
    assert "\x1b" not in str(refused.value)


def test_a_claim_survives_its_json():
    claim = Claim("n", 3, "ü\u202e", "2026-01-31", "s", "d")
    assert Claim.from_json(claim.to_json(), "") == claim != replace(claim, generation=4)


def test_tokens_are_tags_that_nobody_guesses():
    tokens = {new_token("Forecast.user.a_b.T" + "x" * 300, 7) for _ in range(50)}
    assert len(tokens) == 50
    assert all(len(f"production:{token}") <= 100 and token.isascii() and "/" not in token for token in tokens)
    assert new_token("...", 0).strip("-").startswith("0-")
    assert os.path.basename(new_token("a/../b", 0)).startswith("a-b-0-")


def test_the_readable_part_of_a_token_is_cut_at_its_end() -> None:
    token = new_token("warehouse_of_the_north.prod.second_try.ReportOfTheWeek", 3)
    assert re.fullmatch(r"warehouse-of-the-north-prod-second-try-r-3-[a-z0-9]+", token)
    assert new_token("a" * 39 + "-b", 0).startswith("a" * 39 + "-0-")
    assert new_token("__short__", 0).startswith("short-0-")
