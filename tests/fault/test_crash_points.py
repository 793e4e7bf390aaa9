"""SIGKILL at every write boundary there is: a reader sees all or nothing, and the same done again ends right."""

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from itertools import count as numbers
from pathlib import Path
from typing import Any

import boto3
import pytest

from flow_sdk.client import Flow, metadata
from flow_sdk.errors import NotFound
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records.layout import run_key
from flow_sdk.upkeep.store_check import check_store
from tests.fault.cut_flow import Cut
from tests.support.disk_faults import layer
from tests.support.fault_counts import count, recovering
from tests.support.fault_proxy import FaultProxy
from tests.support.in_process_runs import InProcessRun
from tests.support.moto import MotoServer
from tests.support.process_killer import Killer
from tests.support.store_verification import verify_store
from tests.support.store_writers import WRITERS, Place, Writer

Share = Callable[[list[tuple[int, bool]]], list[tuple[int, bool]]]
READS = ("GET", "HEAD")


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    with Killer() as running:
        yield running


class KillProxy(FaultProxy):
    """A proxy that kills the process whose request to write it is, before the server gets it or right after."""

    pid = 0
    at = -1
    applied = False
    own = threading.local()

    def arm(self, at: int, applied: bool) -> None:
        """Choose the request, by its number among those that write."""
        self.at, self.applied, self.written = at, applied, numbers()

    def decide(self, method: str, path: str, query: str, access_key: str) -> str:
        self.own.kills = False
        if method not in READS and next(self.written) == self.at:
            if not self.applied:
                os.kill(self.pid, signal.SIGKILL)
                return "reset"
            self.own.kills = True
        return super().decide(method, path, query, access_key)

    def keep(self, path: str, headers: list[tuple[str, str]], body: bytes, fault: str) -> tuple[Any, bytes]:
        if self.own.kills:
            os.kill(self.pid, signal.SIGKILL)
        return super().keep(path, headers, body, fault)


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer("flows") as server:
        yield server


@pytest.fixture(scope="module")
def proxy(moto: MotoServer) -> Iterator[KillProxy]:
    with KillProxy(moto.url) as running:
        yield running


@pytest.fixture(scope="module")
def s3_killer(moto: MotoServer, proxy: KillProxy) -> Iterator[Killer]:
    """Its processes reach S3 through the proxy."""
    with Killer({**moto.env(), "AWS_ENDPOINT_URL": proxy.url}) as running:
        yield running


def check_whole(place: Place) -> None:
    """Nothing in the store is damaged, and what is readable is whole."""
    report = check_store(place.store(), threads=1)
    assert not report.damage, report.damage
    assert not report.foreigners, report.foreign
    verify_store(place.url)


def calls_of(writer: Writer, place: Place) -> list[str]:
    """The calls by which the act changes the folder."""
    calls: list[str] = []
    with layer(place.folder, lambda call: calls.append(call.name)):
        writer.act(place)
    return calls


@pytest.mark.parametrize("name", WRITERS)
def test_killed_at_every_call_on_a_disk(killer: Killer, tmp_path: Path, share: Share, name: str) -> None:
    writer = WRITERS[name]

    def copy(folder: str) -> Place:
        shutil.copytree(tmp_path / "before", tmp_path / folder)
        return Place(str(tmp_path / folder / "store"), str(tmp_path / folder))

    (tmp_path / "before").mkdir()
    writer.prepare(Place(str(tmp_path / "before" / "store"), str(tmp_path / "before")))
    before = writer.look(copy("untouched"))
    undisturbed = copy("undisturbed")
    calls = calls_of(writer, undisturbed)
    after = writer.look(undisturbed)
    moments = [(at, half) for at, call in enumerate(calls) for half in (False, True) if call == "write" or not half]
    for at, half in share(moments):
        place = copy("killed")
        assert killer.act(name, place, at=at, half=half) == -signal.SIGKILL
        seen = writer.look(place)
        assert seen in (before, after) or writer.between(seen), f"killed at {at}, {calls[at]}: {seen}"
        check_whole(place)
        with recovering():
            writer.act(place)
        assert writer.again(writer.look(place)) == writer.again(after), f"killed at {at}, {calls[at]}"
        check_whole(place)
        shutil.rmtree(place.folder)
        count(faults=1)
    assert len(moments) >= 3


@pytest.mark.one_of(4)
@pytest.mark.parametrize("name", [name for name in WRITERS if name != "a token handed over"])  # to a machine
def test_killed_at_every_request_to_s3(
    s3_killer: Killer,
    moto: MotoServer,
    proxy: KillProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    share: Share,
    name: str,
) -> None:
    writer = WRITERS[name]
    for variable, value in moto.env().items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it would know the credentials of other tests

    def prepared(folder: str) -> Place:
        (tmp_path / folder).mkdir()
        place = Place(f"s3://flows/{tmp_path.name}/{folder}/store", str(tmp_path / folder))
        writer.prepare(place)
        return place

    def acted(place: Place, at: int, applied: bool) -> int:
        proxy.arm(at, applied)
        return s3_killer.act(name, place, begins=lambda pid: setattr(proxy, "pid", pid))

    undisturbed = prepared("undisturbed")
    before = writer.look(undisturbed)
    assert acted(undisturbed, -1, False) == 0
    requests = next(proxy.written)
    after = writer.look(undisturbed)
    # Where requests go out one after the other, one that was answered leaves what the next one finds.
    moments = [(at, applied) for applied in (False, True) for at in range(requests)]
    for at, applied in share(moments if name == "a large blob" else [*moments[:requests], moments[-1]]):
        place = prepared(f"{at}-{applied}")
        assert acted(place, at, applied) == -signal.SIGKILL
        seen = writer.look(place)
        assert seen in (before, after) or writer.between(seen), f"killed at {at}: {seen}"
        check_whole(place)
        with recovering():
            writer.act(place)
        assert writer.again(writer.look(place)) == writer.again(after), f"killed at {at}"
        count(faults=1)


def test_a_first_run_whose_beginning_was_cut_off_is_told_so(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    InProcessRun(Cut, store=store)
    store.put(run_key("Cut", "1"), b"{}")
    metadata(str(tmp_path))
    with pytest.raises(NotFound, match="There is no run of flow 'Cut'") as caught:
        Flow("Cut")
    assert "Start another" in str(caught.value)
