"""Two people deploy one name, in every order of their steps; and one is killed at each step, and others go on."""

import itertools
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flow_sdk import FlowSpec, step
from flow_sdk.deploy.airflow import create
from flow_sdk.deploy.airflow.create import AirflowDraft, AirflowOptions
from flow_sdk.deploy.airflow.dag_location import open_location
from flow_sdk.deploy.claims import Claim, KnownTokens, StoreClaims
from flow_sdk.deploy.pipeline import create_deployment
from flow_sdk.deploy.port import CreatedDeployment, DeploymentSource
from flow_sdk.deploy.tokens import DeployAuthorizer
from flow_sdk.errors import DeployError
from flow_sdk.plan.compile import compile_plan
from flow_sdk.store import open_store
from flow_sdk.store.backends.memory import MemoryStore
from tests.simulation.orders import every_order
from tests.support.fault_counts import count
from tests.support.stepped_processes import Actor, SteppedStore, World

NAME = "Deployed"
_places = itertools.count()


class Small(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


def stop(what: str) -> None:
    """Stop before a step that isn't the store's."""
    actor = threading.current_thread()
    if isinstance(actor, Actor):
        actor.pause(what)


class Kept:
    """A keeper in memory: what an orchestrator holds of each name."""

    location = "the keeper"

    def __init__(self) -> None:
        self.claims: dict[str, Claim] = {}

    def read_claim(self, name: str) -> Claim | None:
        stop(f"get keeper/{name}")
        return self.claims.get(name)

    def write_claim(self, claim: Claim) -> None:
        stop(f"put keeper/{claim.name}")
        self.claims[claim.name] = claim

    def remove_claim(self, name: str) -> bool:
        stop(f"delete keeper/{name}")
        return self.claims.pop(name, None) is not None


class Place:
    """A store, a keeper, and the machines of some people; made anew for each order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / str(next(_places))
        self.folder.mkdir()
        self.base = MemoryStore("deployers")
        open_store.initialise_store(self.base)
        self.keeper = Kept()
        self.world = World()
        self.went: dict[str, Any] = {}
        self.written: list[str] = []

    def gate(self, who: str, **more: Any) -> DeployAuthorizer:
        return DeployAuthorizer(NAME, who, KnownTokens(str(self.folder / who), NAME), registry=self.keeper, **more)

    def through(self, who: str, **more: Any) -> Callable[[SteppedStore], None]:
        """Go through the gate, and deploy at its end."""

        def work(store: SteppedStore) -> None:
            gate = self.gate(who, **more)
            gate.check_token(store)
            gate.claim_name(store)
            gate.confirm_claim(store)
            stop("put definition")
            assert gate.grant is not None
            self.written.append(gate.grant.token)
            gate.confirm_claim(store, deployed=True)
            self.went[who] = gate.grant.token

        return work

    def start(self, *work: Callable[[SteppedStore], Any]) -> list[Actor]:
        return [self.world.start(str(number), do, self.base) for number, do in enumerate(work)]

    @property
    def claims(self) -> list[Claim]:
        return StoreClaims(self.base, NAME).read_valid()

    def right(self) -> None:
        """The store's newest claim and the keeper's are one, and somebody has its token."""
        newest = self.claims[-1]
        assert self.keeper.claims.get(NAME) == newest
        assert any(
            newest.matches_token(token) for home in self.folder.iterdir() for token in KnownTokens(str(home), NAME)
        )

    def again(self, who: str, **more: Any) -> None:
        """Deploy by oneself, with nobody else there."""
        self.through(who, **more)(SteppedStore(self.base))


def refused(actor: Actor) -> str:
    assert actor.error is None or isinstance(actor.error, DeployError), actor.error
    return "" if actor.error is None else actor.error.headline


def test_two_first_deployers_in_every_order(tmp_path: Path) -> None:
    place = Place(tmp_path)

    def begin() -> list[Actor]:
        nonlocal place
        place = Place(tmp_path)
        return place.start(place.through("anne"), place.through("ben"))

    played = 0
    for order in every_order(begin):
        told = [refused(actor) for actor in place.world.actors]
        assert sorted(map(bool, told)) == [False, True], order
        assert "at the same moment" in "".join(told) or "under a production token" in "".join(told)
        assert len(place.claims) == 1 and len(place.written) == 1
        assert place.claims[0].matches_token(place.written[0])
        place.right()
        loser = "anne" if told[0] else "ben"
        assert list(KnownTokens(str(place.folder / loser), NAME)) == []
        played += 1
    assert played >= 4
    count(seeds=played)


@pytest.mark.parametrize("both", [False, True])
def test_a_new_token_beside_another_deployment_in_every_order(tmp_path: Path, both: bool) -> None:
    # Anne and Ben both have the token. Ben makes a new one; Anne deploys again, or makes one as well.
    place = Place(tmp_path)

    def begin() -> list[Actor]:
        nonlocal place
        place = Place(tmp_path)
        place.again("anne")
        KnownTokens(str(place.folder / "ben"), NAME).add_token(place.written.pop())
        place.went.clear()
        return place.start(place.through("anne", renew=both), place.through("ben", renew=True))

    played, late, overtaken = 0, 0, 0
    for order in every_order(begin):
        told = [refused(actor) for actor in place.world.actors]
        assert not all(told), order
        newest = place.claims[-1]
        place.right()
        assert newest.matches_token(place.written[-1]) or any(
            "may still be under the old one" in text for text in told
        ), order
        late += not newest.matches_token(place.written[-1])
        overtaken += "Nothing was deployed" in "".join(told)
        for who, text in zip(("anne", "ben"), told, strict=True):
            assert bool(text) != (who in place.went), order
        played += 1
    assert both or (late > 0 and overtaken > 0)
    count(seeds=played)


def one_by_one(actor: Actor, steps: int) -> bool:
    """Let a process take some steps and kill it; tells whether it was over before."""
    for _ in range(steps):
        actor.step()
    over = actor.is_over
    actor.kill()
    return over


@pytest.mark.parametrize("renew", [False, True])
def test_after_a_deployer_killed_at_each_step_others_go_on(tmp_path: Path, renew: bool) -> None:
    for steps in itertools.count():
        place = Place(tmp_path)
        if renew:
            place.again("anne")
        (first,) = place.start(place.through("anne", renew=renew))
        over = one_by_one(first, steps)
        claims = len(place.claims)
        if claims > renew:  # her claim is there: nobody else goes on
            with pytest.raises(DeployError, match="under a production token of anne"):
                place.again("ben")
            place.again("anne")
        elif renew:
            place.again("anne")
        else:
            place.again("ben")
            with pytest.raises(DeployError, match="under a production token of ben"):
                place.again("anne")
        assert place.claims[-1].matches_token(place.written[-1])
        assert len(place.claims) == max(claims, 1)
        place.right()
        count(faults=1)
        if over:
            break
    assert steps > 6


class Stopping:
    """A place for the DAG file that stops before it is looked at and written to."""

    def __init__(self, target: str, dag: str) -> None:
        stop("get definition")
        self.inner = open_location(target, dag)
        self.name, self.earlier_text = self.inner.name, self.inner.earlier_text

    def write_file(self, text: str) -> bool:
        stop("put definition")
        return self.inner.write_file(text)


@pytest.fixture
def stepped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def opened(url: str, *, create: bool = True) -> SteppedStore:
        actor = threading.current_thread()
        assert isinstance(actor, Actor)
        return actor.store

    monkeypatch.setattr(open_store, "open_store", opened)
    monkeypatch.setattr(create, "open_location", Stopping)
    yield


def airflow(place: Place, who: str, **more: Any) -> Callable[[SteppedStore], None]:
    """``airflow create``, with its real file."""
    plan = compile_plan(Small, file="flow.py", parameters=())
    dags = place.folder.parent / f"{place.folder.name}-dags"
    dags.mkdir(exist_ok=True)

    def work(store: SteppedStore) -> None:
        gate = place.gate(who, **more)
        source = DeploymentSource(plan, b"code of " + who.encode(), "s3://bucket/flows")
        place.went[who] = create_deployment(AirflowDraft(plan, str(dags), AirflowOptions(name=NAME)), source, gate)

    return work


def deployed(place: Place) -> str:
    """What stands in the DAG file; "" where there is none. Nothing else is in the folder."""
    dags = place.folder.parent / f"{place.folder.name}-dags"
    assert [path.name for path in dags.iterdir()] in ([], [f"{NAME}.py"])
    return "".join(path.read_text() for path in dags.iterdir())


def finish(place: Place, who: str, **more: Any) -> Actor:
    actor = place.world.start(who, airflow(place, who, **more), place.base)
    while not actor.is_over:
        actor.step()
    return actor


@pytest.mark.usefixtures("stepped")
@pytest.mark.seeds(200, at_once=100, of=4)
def test_two_airflow_deployers_in_many_orders(tmp_path: Path, part: Iterable[int]) -> None:
    for seed in part:
        rng = random.Random(seed)
        place = Place(tmp_path)
        actors = waiting = place.start(airflow(place, "anne"), airflow(place, "ben"))
        while waiting := [actor for actor in waiting if not actor.is_over]:
            actor = rng.choice(waiting)
            for _ in range(rng.choice((1, 2, 9))):
                actor.step()
        told = [refused(actor) for actor in actors]
        assert sorted(map(bool, told)) == [False, True], seed
        winner: CreatedDeployment = place.went["ben" if told[0] else "anne"]
        assert winner.namespace.removeprefix("production:") in deployed(place)
        assert len(place.claims) == 1 and place.claims[0].matches_token(winner.namespace.removeprefix("production:"))
        place.right()
        count(seeds=1)


@pytest.mark.usefixtures("stepped")
def test_after_an_airflow_deployer_killed_at_each_step_others_go_on(tmp_path: Path) -> None:
    for steps in itertools.count():
        place = Place(tmp_path)
        (first,) = place.start(airflow(place, "anne"))
        over = one_by_one(first, steps)
        before = deployed(place)
        claimed = bool(place.claims)
        other, same = finish(place, "ben"), finish(place, "anne")
        assert bool(refused(other)) == claimed and bool(refused(same)) != claimed
        winner: CreatedDeployment = place.went["anne" if claimed else "ben"]
        assert deployed(place).count(winner.namespace) and (not before or before == deployed(place))
        assert len(place.claims) == 1
        place.right()
        count(faults=1)
        if over:
            break
    assert steps > 15
