"""Sixteen people deploy flows of one branch for the first time at the same moment, on a folder and in S3: one wins."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.moto import MotoServer

pytestmark = pytest.mark.slow  # starts processes or servers

RACERS = 16

RACER = """
import sys
from flow_sdk.deploy.claims import KnownTokens
from flow_sdk.deploy.tokens import DeployAuthorizer
from flow_sdk.errors import DeployError
from flow_sdk.store.open_store import open_store
url, home, name, owner, renew = sys.argv[1:]
store = open_store(url)
gate = DeployAuthorizer(name, owner, KnownTokens(home, name), renew=renew == "renew")
try:
    gate.check_token(store)
    print("ready", flush=True)
    sys.stdin.readline()
    print("won", gate.claim_name(store).token)
except DeployError as error:
    print("lost", error.headline)
"""


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer("flows") as server:
        yield server


@pytest.fixture(params=["local", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "local":
        return str(tmp_path / "store")
    for name, value in request.getfixturevalue("moto").env().items():
        monkeypatch.setenv(name, value)
    return f"s3://flows/{tmp_path.name}"


def race(url: str, homes: list[Path], renew: str = "") -> list[str]:
    """All look first, then claim at once; what each says."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, url, str(home), f"p.prod.F{number % 2}", f"user{number}", renew],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )
        for number, home in enumerate(homes)
    ]
    try:
        for racer in racers:
            assert racer.stdout is not None and racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        return [racer.communicate(timeout=60)[0].strip() for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
            racer.wait()


def test_of_racing_deployers_one_wins_and_the_others_are_told(url: str, tmp_path: Path) -> None:
    said = race(url, [tmp_path / f"home{number}" for number in range(RACERS)])
    assert Counter(line.split()[0] for line in said) == {"won": 1, "lost": RACERS - 1}
    winner = next(number for number, line in enumerate(said) if line.startswith("won"))
    told = f"lost user{winner} has made a production token of p.prod at the same moment. Nothing was changed."
    assert all(line == told for number, line in enumerate(said) if number != winner)
    # The tokens of the others are gone from their machines; the winner's may be renewed, by one of several again.
    kept = [home for home in tmp_path.glob("home*") if any(path.is_file() for path in home.rglob("*"))]
    assert kept == [tmp_path / f"home{winner}"]
    said = race(url, kept * 4, "renew")
    assert Counter(line.split()[0] for line in said) == {"won": 1, "lost": 3}


def test_flows_of_one_branch_that_are_deployed_from_one_machine_at_once_join(url: str, tmp_path: Path) -> None:
    said = race(url, [tmp_path / "home"] * 6)
    assert len(set(said)) == 1 and said[0].startswith("won p-prod-0-"), said
