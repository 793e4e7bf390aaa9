"""The claim in SSM: made once, renewed by one of several, never lost."""

import dataclasses
import threading
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from flow_sdk.authoring.project import claim_name
from flow_sdk.deploy.claims import Claim, KnownTokens, StoreClaims
from flow_sdk.deploy.step_functions.account import AwsServices
from flow_sdk.deploy.step_functions.names import parameter_name
from flow_sdk.deploy.step_functions.parameter_store import ParameterStore
from flow_sdk.deploy.tokens import DeployAuthorizer, Grant
from flow_sdk.errors import AwsError, DeployError
from flow_sdk.store.open_store import open_store
from tests.support.batch_server import BatchServer

pytestmark = pytest.mark.slow  # starts processes or servers

RACERS = 8


@pytest.fixture
def name() -> str:
    return f"models_{uuid.uuid4().hex[:8]}.prod.F"


def claim_of(name: str, owner: str, generation: int = 0) -> Claim:
    return Claim(name, generation, owner, "2026-01-31", "salt", f"digest of {owner}")


def race(act: Callable[[int], Any]) -> list[Any]:
    """Call for each number at once; what each returned or raised."""
    found: list[Any] = [None] * RACERS
    ready = threading.Barrier(RACERS)

    def one(number: int) -> None:
        ready.wait()
        try:
            found[number] = act(number)
        except (DeployError, AwsError) as error:
            found[number] = error

    threads = [threading.Thread(target=one, args=(number,)) for number in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_a_claim_is_kept_and_read(services, name):
    keeper = ParameterStore(services)
    assert keeper.read_claim(name) is None
    claim = claim_of(name, "anne")
    keeper.write_claim(claim)
    assert ParameterStore(AwsServices()).read_claim(name) == claim
    found = services.ssm.get_parameter(Name=parameter_name(name))["Parameter"]
    assert found["Type"] == "SecureString"
    renewed = dataclasses.replace(claim, generation=1, digest="other")
    keeper.write_claim(renewed)
    assert keeper.read_claim(name) == renewed
    assert keeper.remove_claim(name) and not keeper.remove_claim(name)
    assert keeper.read_claim(name) is None


def test_of_racing_first_claims_one_is_made_and_the_others_are_told(services, name):
    keepers = [ParameterStore(AwsServices()) for _ in range(RACERS)]
    for keeper in keepers:
        assert keeper.read_claim(name) is None
        assert keeper.services.account.number
    found = race(lambda number: keepers[number].write_claim(claim_of(name, f"user{number}")))
    winners = [number for number, error in enumerate(found) if error is None]
    assert len(winners) == 1
    assert keepers[0].read_claim(name) == claim_of(name, f"user{winners[0]}")
    assert services.ssm.get_parameter(Name=parameter_name(name))["Parameter"]["Version"] == 1
    for number, error in enumerate(found):
        if number != winners[0]:
            assert isinstance(error, DeployError)
            assert error.headline.startswith(f"user{winners[0]} has claimed {name} at the same moment")


def test_of_racing_renewals_the_first_stays(services, name):
    ParameterStore(services).write_claim(claim_of(name, "anne"))
    keepers = [ParameterStore(AwsServices()) for _ in range(RACERS)]
    for keeper in keepers:
        assert keeper.read_claim(name) == claim_of(name, "anne")
        assert keeper.services.account.number
    found = race(lambda number: keepers[number].write_claim(claim_of(name, f"user{number}", 1)))
    winners = [number for number, error in enumerate(found) if error is None]
    assert len(winners) == 1
    assert keepers[0].read_claim(name) == claim_of(name, f"user{winners[0]}", 1)


def test_the_same_claim_may_be_written_twice(services, name):
    first, second = ParameterStore(services), ParameterStore(AwsServices())
    assert first.read_claim(name) is second.read_claim(name) is None
    first.write_claim(claim_of(name, "anne"))
    second.write_claim(claim_of(name, "anne"))
    assert first.read_claim(name) == claim_of(name, "anne")


def test_two_stores_of_one_account(services, name, tmp_path: Path):
    """Who deploys from another store needs the token that the account knows."""

    def gate(owner: str, authorize: str | None = None) -> DeployAuthorizer:
        known = KnownTokens(str(tmp_path / owner), name)
        return DeployAuthorizer(name, owner, known, registry=ParameterStore(AwsServices()), authorize=authorize)

    stores = [open_store(str(tmp_path / each)) for each in ("one", "two")]
    first = gate("anne")
    first.check_token(stores[0])
    token = first.claim_name(stores[0]).token
    with pytest.raises(DeployError, match="under a production token of anne"):
        gate("bob").check_token(stores[1])
    other = gate("bob", token)
    other.check_token(stores[1])
    assert other.claim_name(stores[1]).token == token
    text = services.ssm.get_parameter(Name=parameter_name(claim_name(name)), WithDecryption=True)["Parameter"]["Value"]
    assert token not in text


def test_of_two_stores_that_race_one_token_is_left(services, name, tmp_path: Path):
    def gate(owner: str, authorize: str | None = None) -> DeployAuthorizer:
        known = KnownTokens(str(tmp_path / owner), name)
        return DeployAuthorizer(name, owner, known, registry=ParameterStore(AwsServices()), authorize=authorize)

    stores = [open_store(str(tmp_path / f"store{number}")) for number in range(RACERS)]
    gates = [gate(f"user{number}") for number in range(RACERS)]
    for first, store in zip(gates, stores, strict=True):
        first.check_token(store)
    found = race(lambda number: gates[number].claim_name(stores[number]))
    (winner,) = [number for number, granted in enumerate(found) if isinstance(granted, Grant)]
    token = found[winner].token
    assert [list(one.known) for one in gates] == [[token] if n == winner else [] for n in range(RACERS)]
    assert [len(StoreClaims(store, claim_name(name)).read_valid()) for store in stores] == [
        int(n == winner) for n in range(RACERS)
    ]
    for number, store in enumerate(stores):
        joined = gate(f"user{number}", token)
        joined.check_token(store)
        joined.claim_name(store)
        joined.confirm_claim(store, deployed=True)
        assert list(joined.known) == [token]


def test_a_parameter_that_is_no_claim(services, name):
    services.ssm.put_parameter(Name=parameter_name(name), Value="hello", Type="String")
    with pytest.raises(DeployError, match="can't be read") as refused:
        ParameterStore(services).read_claim(name)
    assert parameter_name(name) in str(refused.value)


@pytest.fixture
def nobody(server: BatchServer, services: AwsServices, monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsServices]:
    """The services for a user who may do nothing."""
    assert services.account.number == "123456789012"
    iam = server.client("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    _calls_without_permission(server, "0")
    yield AwsServices()
    _calls_without_permission(server, "inf")


def _calls_without_permission(server: BatchServer, most: str) -> None:
    request = urllib.request.Request(
        f"{server.url}/moto-api/reset-auth", most.encode(), {"Content-Type": "text/plain"}, method="POST"
    )
    urllib.request.urlopen(request, timeout=10).close()


def test_a_missing_permission_is_named(nobody, name):
    with pytest.raises(AwsError, match=r"AWS doesn't let us read the claim on the name") as refused:
        ParameterStore(nobody).read_claim(name)
    assert "the permission ssm:GetParameter" in str(refused.value)
    assert parameter_name(name) in str(refused.value)
