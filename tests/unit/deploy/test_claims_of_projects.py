"""One production token for all flows of a project's branch, and how flows that had one each come to share it."""

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.authoring.project import ProjectBranch, claim_name, project_of_deployed
from flow_sdk.deploy.airflow.variables import ApiVariables, variable_key
from flow_sdk.deploy.claims import Claim, KnownTokens, StoreClaims
from flow_sdk.deploy.step_functions.changes import _token_change
from flow_sdk.deploy.step_functions.names import parameter_name
from flow_sdk.deploy.tokens import DeployAuthorizer, Grant
from flow_sdk.errors import DeployError
from flow_sdk.store.open_store import open_store
from flow_sdk.store.port import ObjectStore
from tests.support.fake_airflow_api import MaskingApi

BEFORE = json.loads(Path(__file__).with_name("deployed_before.json").read_text())
TRAIN, PREDICT, REPORT = "prices.prod.Train", "prices.prod.Predict", "prices.prod.Report"
_number = itertools.count()


class FakeKeeper:
    location = "a fake"

    def __init__(self) -> None:
        self.claims: dict[str, Claim] = {}

    def read_claim(self, name: str) -> Claim | None:
        return self.claims.get(name)

    def write_claim(self, claim: Claim) -> None:
        self.claims[claim.name] = claim

    def remove_claim(self, name: str) -> bool:
        return self.claims.pop(name, None) is not None


class Team:
    """A store and the machines of some people."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, open_store(f"memory://project-{next(_number)}")
        self.keeper: Any = None

    def gate(self, who: str, name: str, **more: Any) -> DeployAuthorizer:
        return DeployAuthorizer(name, who, KnownTokens(str(self.folder / who), name), registry=self.keeper, **more)

    def deploy(self, who: str, name: str, store: ObjectStore | None = None, **more: Any) -> Grant:
        gate, store = self.gate(who, name, **more), store or self.store
        gate.check_token(store)
        grant = gate.claim_name(store)
        gate.confirm_claim(store)
        gate.confirm_claim(store, deployed=True)
        return grant

    def refused(self, who: str, name: str, **more: Any) -> DeployError:
        before = {info.key: self.store.get(info.key) for info in self.store.list("deployments/")}
        with pytest.raises(DeployError) as refused:
            self.deploy(who, name, **more)
        assert {info.key: self.store.get(info.key) for info in self.store.list("deployments/")} == before
        return refused.value

    def add_deployed_before(self, **owners: str) -> dict[str, str]:
        """Put what an earlier release has kept into the store and onto machines; returns the tokens by flow."""
        tokens = {}
        for key, text in BEFORE["objects"].items():
            self.store.put(key, text.encode())
        for file, token in BEFORE["tokens"].items():
            flow = token.split("-")[2].capitalize()
            tokens[flow] = token
            path = self.folder / owners.get(flow, "anne") / "tokens" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(token)
        return tokens


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


@pytest.mark.parametrize(
    ("name", "project"),
    [
        ("p.prod.F", ProjectBranch("p", "prod")),
        ("p.prod.b_1.F", ProjectBranch("p", "prod.b_1")),
        ("p.test.b.F", ProjectBranch("p", "test.b")),
        ("p.user.anne.F", ProjectBranch("p", "user.anne")),
        ("prod.prod.F", ProjectBranch("prod", "prod")),
        ("user.user.user.F", ProjectBranch("user", "user.user")),
        ("F", None),
        ("p.prod", None),
        ("prod.F", None),
        ("p.test.F", None),
        ("p.user.F", None),
        ("p.main.F", None),
        ("p.prod.b.c.F", None),
        ("P.prod.F", None),
        ("p.prod.B.F", None),
        ("p.prod.*", None),
        ("p.prod.F G", None),
        (".prod.F", None),
        ("", None),
    ],
)
def test_which_deployed_names_belong_to_a_project(name, project):
    assert project_of_deployed(name) == project
    if project is None:
        assert claim_name(name) == name
    else:
        assert project.deployed_name(name.rpartition(".")[2]) == name
        assert claim_name(name) == claim_name(project.deployed_name("Other")) == f"{project.full_name}.*"


def test_no_two_claims_are_kept_in_one_place():
    names = ["p", "p.prod", "p.prod.F", "p.prod.b.F", "p.prod.b.c.d", "p.test.b.F", "project-token", "x" * 300]
    names.append(f"{'p' * 128}.prod.{'b' * 128}.F")
    for place in (variable_key, parameter_name):
        assert len({place(claim_name(name)) for name in names}) == len(names)
    assert parameter_name(claim_name(TRAIN)) == "/flow-sdk/prices.prod/project-token"
    assert variable_key(claim_name(TRAIN)) == "flow_sdk.token.prices.prod.*"


def test_all_flows_of_a_branch_share_a_token(team):
    first = team.deploy("anne", TRAIN)
    assert first.first and first.token.startswith("prices-prod-0-")
    second = team.deploy("anne", PREDICT)
    assert (second.token, second.first, second.adopted, second.left) == (first.token, False, None, None)
    others = ("prices.prod.b.Train", "prices.test.b.Train", "prices.user.anne.Train", "stock.prod.Train", "Train")
    tokens = {team.deploy("anne", name).token for name in others}
    assert len(tokens | {first.token}) == len(others) + 1


def test_another_person_needs_the_branchs_token_for_any_of_its_flows(team):
    token = team.deploy("anne", TRAIN).token
    for name in (TRAIN, PREDICT):
        assert "prices.prod is deployed under a production token of anne." in team.refused("bob", name).headline
    assert team.deploy("bob", PREDICT, authorize=token).token == token
    assert team.deploy("bob", TRAIN).token == token
    new = team.deploy("bob", PREDICT, renew=True)
    assert new.renewed and "has replaced by a new one" in str(team.refused("anne", TRAIN))
    assert team.deploy("bob", TRAIN).token == new.token


def test_a_name_that_looks_like_the_projects_is_guarded_by_its_token(team):
    team.deploy("anne", TRAIN)
    team.refused("bob", "prices.prod.Other")  # as with --name, for a flow without @project


def test_two_people_who_deploy_two_flows_at_once(team):
    anne, bob = team.gate("anne", TRAIN), team.gate("bob", PREDICT)
    anne.check_token(team.store), bob.check_token(team.store)
    token = anne.claim_name(team.store).token
    with pytest.raises(DeployError, match=r"anne has made a production token of prices\.prod at the same moment"):
        bob.claim_name(team.store)
    assert team.deploy("bob", PREDICT, authorize=token).token == token


def test_one_person_who_deploys_two_flows_at_once(team):
    train, predict = team.gate("anne", TRAIN), team.gate("anne", PREDICT)
    train.check_token(team.store), predict.check_token(team.store)
    token = train.claim_name(team.store).token
    assert predict.claim_name(team.store).token == token
    predict.confirm_claim(team.store)
    assert list(KnownTokens(str(team.folder / "anne"), claim_name(TRAIN))) == [token]


# Flows that were deployed before


def test_the_first_flow_that_is_deployed_again_gives_its_token_to_the_branch(team):
    old = team.add_deployed_before()
    grant = team.deploy("anne", TRAIN)
    assert (grant.token, grant.adopted, grant.left, grant.waiting) == (old["Train"], TRAIN, None, (PREDICT,))
    assert not grant.first and not grant.renewed
    again = team.deploy("anne", TRAIN)
    assert (again.token, again.adopted, again.left, again.waiting) == (old["Train"], None, None, ())
    moved = team.deploy("anne", PREDICT)
    assert (moved.token, moved.left) == (old["Train"], old["Predict"])
    assert team.deploy("anne", PREDICT).left is None
    assert StoreClaims(team.store, TRAIN).read_valid() == StoreClaims(team.store, PREDICT).read_valid() == []
    assert team.deploy("anne", REPORT).token == old["Train"]
    assert team.deploy("bob", PREDICT, authorize=old["Train"]).token == old["Train"]


def test_who_does_not_hold_a_flows_own_token_is_refused_as_before(team):
    team.add_deployed_before()
    assert f"{TRAIN} is deployed under a production token of anne." in team.refused("bob", TRAIN).headline
    assert "is deployed under a production token of anne" in team.refused("bob", REPORT).headline


def test_two_tokens_and_a_flow_that_had_none(team):
    old = team.add_deployed_before()
    error = team.refused("anne", REPORT)
    assert "share one production token from now on, and have 2" in error.headline
    assert TRAIN in error.seen and PREDICT in error.seen
    assert "--authorize TOKEN" in error.help and "--generate-new-token" in error.help
    grant = team.deploy("anne", REPORT, authorize=old["Predict"])
    assert (grant.token, grant.adopted, grant.waiting) == (old["Predict"], PREDICT, (TRAIN,))
    assert team.deploy("anne", TRAIN).left == old["Train"]


def test_two_tokens_and_a_new_one_for_all(team):
    old = team.add_deployed_before()
    new = team.deploy("anne", TRAIN, renew=True)
    assert new.renewed and new.left == old["Train"] and new.waiting == (PREDICT,)
    assert new.token not in old.values()
    moved = team.deploy("anne", PREDICT)
    assert (moved.token, moved.left) == (new.token, old["Predict"])
    other = Team(team.folder / "other")
    old = other.add_deployed_before()
    assert other.deploy("anne", REPORT, renew=True).waiting == (PREDICT, TRAIN)


def test_the_other_flows_token_may_be_chosen(team):
    old = team.add_deployed_before()
    grant = team.deploy("anne", TRAIN, authorize=old["Predict"])
    assert (grant.token, grant.adopted, grant.left) == (old["Predict"], PREDICT, old["Train"])
    assert team.deploy("anne", PREDICT).token == old["Predict"]


def test_two_owners(team):
    old = team.add_deployed_before(Predict="bob")
    team.deploy("anne", TRAIN)
    error = team.refused("bob", PREDICT)
    assert "prices.prod is deployed under a production token of anne" in error.headline
    assert f"the token that {PREDICT} had of its own" in error.seen and "--authorize TOKEN" in error.help
    error = team.refused("anne", PREDICT)
    assert f"{PREDICT} is still deployed under a production token of its own" in error.headline
    moved = team.deploy("bob", PREDICT, authorize=old["Train"])
    assert (moved.token, moved.left) == (old["Train"], old["Predict"])
    assert team.deploy("anne", PREDICT).token == old["Train"]


def test_who_holds_the_branchs_token_brings_the_flows_own_as_well(team):
    old = team.add_deployed_before(Predict="bob")
    team.deploy("anne", TRAIN)
    assert team.deploy("anne", PREDICT, authorize=old["Predict"]).left == old["Predict"]
    other = Team(team.folder / "other")
    old = other.add_deployed_before(Predict="bob")
    other.deploy("anne", TRAIN)
    given = f"{old['Train']} {old['Predict']}"
    assert other.deploy("carl", PREDICT, authorize=given).token == old["Train"]
    assert other.deploy("carl", TRAIN).token == old["Train"]


def test_what_is_deployed_is_stopped_and_deleted_by_who_holds_its_token(team):
    old = team.add_deployed_before(Predict="bob")
    team.deploy("anne", TRAIN)
    assert team.gate("bob", PREDICT).check_holder(team.store) == old["Predict"]
    assert team.gate("anne", TRAIN).check_holder(team.store) == old["Train"]
    for who, name in (("anne", PREDICT), ("bob", TRAIN)):
        with pytest.raises(DeployError, match="Nothing was changed"):
            team.gate(who, name).check_holder(team.store)
    team.deploy("bob", PREDICT, authorize=old["Train"])
    assert team.gate("anne", PREDICT).check_holder(team.store) == old["Train"]


@pytest.mark.parametrize("killed_after", range(4))
def test_a_move_that_is_killed_goes_on(team, monkeypatch, killed_after):
    team.keeper = FakeKeeper()
    old = team.add_deployed_before()
    team.keeper.write_claim(StoreClaims(team.store, TRAIN).read_valid()[-1])
    writes = itertools.count()

    def counted(method):
        def call(*arguments, **more):
            if next(writes) == killed_after:
                raise KeyboardInterrupt
            return method(*arguments, **more)

        return call

    gate = team.gate("anne", TRAIN)
    gate.check_token(team.store)
    with monkeypatch.context() as patched:
        patched.setattr(KnownTokens, "add_token", counted(KnownTokens.add_token))
        patched.setattr(StoreClaims, "add_claim", counted(StoreClaims.add_claim))
        patched.setattr(FakeKeeper, "write_claim", counted(FakeKeeper.write_claim))
        with pytest.raises(KeyboardInterrupt):
            gate.claim_name(team.store)
            gate.confirm_claim(team.store, deployed=True)
    assert team.deploy("anne", TRAIN).token == old["Train"]
    assert list(team.keeper.claims) == [claim_name(TRAIN)]
    assert StoreClaims(team.store, TRAIN).read_valid() == []
    assert team.deploy("anne", PREDICT).token == old["Train"]


def test_a_claim_that_only_the_keeper_knows_moves_as_well(team):
    api = MaskingApi()
    team.keeper = ApiVariables(api)
    elsewhere = open_store(f"memory://project-{next(_number)}")
    old = team.add_deployed_before()
    team.keeper.write_claim(StoreClaims(team.store, TRAIN).read_valid()[-1])
    grant = team.deploy("anne", TRAIN, store=elsewhere)
    assert (grant.token, grant.adopted) == (old["Train"], TRAIN)
    assert [key for key in api.variables if key.startswith("flow_sdk.")] == ["flow_sdk.token.prices.prod.*"]
    assert team.deploy("anne", TRAIN).token == old["Train"]
    assert (
        StoreClaims(elsewhere, claim_name(TRAIN))
        .read_valid()[-1]
        .is_same(StoreClaims(team.store, claim_name(TRAIN)).read_valid()[-1])
    )


def test_two_people_move_two_flows_at_once(team):
    old = team.add_deployed_before(Predict="bob")
    anne, bob = team.gate("anne", TRAIN), team.gate("bob", PREDICT)
    anne.check_token(team.store), bob.check_token(team.store)
    anne.claim_name(team.store)
    with pytest.raises(DeployError, match="at the same moment"):
        bob.claim_name(team.store)
    assert team.deploy("bob", PREDICT, authorize=old["Train"]).token == old["Train"]


def test_a_release_from_before_finds_no_claim_that_was_retired(team):
    team.add_deployed_before()
    team.deploy("anne", TRAIN)
    records = StoreClaims(team.store, TRAIN).read_records()
    assert [record.digest == "" for record in records] == [False, True]
    # What it makes then counts as a token of the flow's own again.
    later = Claim(TRAIN, 2, "old", "2026-11-28", "salt", "digest")
    assert StoreClaims(team.store, TRAIN).add_claim(later)
    assert "token of its own, of old" in team.refused("anne", TRAIN).headline


def test_a_machine_that_only_lends_its_tokens(team, monkeypatch):
    old = team.add_deployed_before()

    def refuse(*_):
        raise DeployError("read-only")

    monkeypatch.setattr(KnownTokens, "add_token", refuse)
    assert team.deploy("anne", TRAIN).token == team.deploy("anne", PREDICT, authorize=old["Train"]).token
    with pytest.raises(DeployError, match="read-only"):
        team.deploy("anne", TRAIN, renew=True)


def test_a_dry_run_says_what_becomes_of_the_token(team):
    team.add_deployed_before()
    gate = team.gate("anne", TRAIN)
    assert "of prices.prod.Train; becomes that of its project's branch" in _token_change(gate.check_token(team.store))
    team.deploy("anne", TRAIN)
    assert "in place of its own" in _token_change(team.gate("anne", PREDICT).check_token(team.store))
    assert _token_change(team.gate("anne", TRAIN).check_token(team.store)).endswith("stays")


def test_what_was_deployed_before_is_the_frozen_one():
    assert len(BEFORE["objects"]) == len(BEFORE["tokens"]) == 2
    assert all(os.path.basename(os.path.dirname(key)) == "tokens" for key in BEFORE["objects"])
