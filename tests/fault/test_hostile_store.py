"""The S3 store behind a proxy that fails: errors, lost answers, wrong bytes, silence; nothing wrong is ever read."""

import functools
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.errors import IntegrityError, ObjectExists, StoreError, StoreUnavailable
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.backends import cloud
from flow_sdk.store.backends.object_storage import ObjectStorage
from flow_sdk.store.open_store import open_store
from flow_sdk.upkeep.store_check import check_store
from tests.support.fault_counts import count
from tests.support.fault_proxy import FaultProxy, Rule
from tests.support.moto import MotoServer
from tests.support.stores import s3_store

BUSY = ("InternalError", "ServiceUnavailable", "SlowDown")
WRONG = ("cut", "short", "long", "flip", "empty", "other", "swapped")


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer("flows") as server:
        yield server


@pytest.fixture
def proxy(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """A proxy before moto that this process uses as S3."""
    for name, value in moto.env().items():
        monkeypatch.setenv(name, value)
    with FaultProxy(moto.url) as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
        yield found
    count(faults=found.faults)


@pytest.fixture
def store(request: pytest.FixtureRequest, proxy: FaultProxy) -> ObjectStorage:
    return s3_store("flows", "".join(c for c in request.node.name if c.isalnum()))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> float:
    """Silence is given up four times as soon, pauses are short; returns the seconds that a small read may take."""
    monkeypatch.setattr("flow_sdk.store.backends.retry._FIRST_PAUSE", 0.01)
    monkeypatch.setattr("flow_sdk.store.backends.retry._LONGEST_PAUSE", 0.3)
    monkeypatch.setitem(cloud._TIMEOUTS, "small", (1.5, 60))
    monkeypatch.setattr("flow_sdk.store.backends.retry._SILENT", 2.0)
    return 15 / 4


# Errors that pass


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3])
def test_errors_of_a_busy_store_are_waited_out(
    proxy: FaultProxy, share: float, seeds: Callable[[int], range], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flow_sdk.store.backends.retry._FIRST_PAUSE", 0.01)
    monkeypatch.setattr("flow_sdk.store.backends.retry._LONGEST_PAUSE", 0.3)
    for seed in seeds(2):
        proxy.seed = seed
        proxy.set(*(Rule(fault, share=share / 3) for fault in BUSY))
        store = open_store(f"s3://flows/busy-{share}-{seed}")
        rng = random.Random(seed)
        written: dict[str, bytes] = {}
        for number in range(12):
            key = f"d{number % 3}/k{number}"
            written[key] = rng.randbytes(rng.choice([0, 1, 1000, 300_000]))
            (store.put if number % 2 else store.put_if_absent)(key, written[key])
        assert {info.key: info.size for info in store.list("")}.items() >= {
            k: len(v) for k, v in written.items()
        }.items()
        assert dict(zip(written, store.get_many(list(written)), strict=True)) == written
        for key, data in written.items():
            assert store.get_range(key, 3, 50) == data[3:53]
            with pytest.raises(ObjectExists):
                store.put_if_absent(key, b"late")
        assert store.folders("") == ["d0", "d1", "d2"]
        store.delete(["d0/k0", "d0/k3"])
        assert store.head("d0/k0") is None and store.head("d0/k6") is not None
        count(seeds=1)
    assert proxy.faults > 0 or share < 0.1


def test_a_store_that_stays_busy_is_given_up_and_said(
    proxy: FaultProxy, store: ObjectStorage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("flow_sdk.store.backends.retry._BUSY", 3.6)
    monkeypatch.setattr("flow_sdk.store.backends.retry._REPORT_AFTER", 1.0)
    proxy.set(Rule("SlowDown"))
    start = time.monotonic()
    with pytest.raises(StoreError, match="can't read") as caught:
        store.get("a")
    assert "SlowDown" in str(caught.value)
    assert 1 < time.monotonic() - start < 20
    assert 4 <= proxy.count() <= 12
    told = capsys.readouterr().err.strip().split("\n")
    assert len(told) == 1 and "SlowDown" in told[0] and f"read {store.url}/a" in told[0]


def test_the_tries_are_bounded(proxy: FaultProxy, store: ObjectStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flow_sdk.store.backends.retry._LONGEST_PAUSE", 0.01)
    proxy.set(Rule("InternalError"))
    for use in (
        lambda: store.get("a"),
        lambda: store.put("a", b"x"),
        lambda: store.head("a"),
        lambda: list(store.list("")),
        lambda: store.folders(""),
        lambda: store.delete(["a"]),
        lambda: store.put_if_absent("a", b"x"),
    ):
        before = len(proxy.asked)
        with pytest.raises(StoreError):
            use()
        assert 10 < len(proxy.asked) - before <= 25


# Lost answers


@pytest.mark.parametrize("fault", ["lost", "reset", "late", "silent", "InternalError", "RequestTimeout"])
@pytest.mark.parametrize("create", [False, True], ids=["put", "create"])
@pytest.mark.usefixtures("quick")
def test_a_put_whose_answer_is_lost_is_settled(
    proxy: FaultProxy, store: ObjectStorage, fault: str, create: bool
) -> None:
    proxy.set(Rule(fault, method="PUT", most=1))
    (store.put_if_absent if create else store.put)("a", b"mine")
    proxy.set()
    assert store.get("a") == b"mine"
    with pytest.raises(ObjectExists):
        store.put_if_absent("a", b"other")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("fault", ["lost", "InternalError", "reset"])
def test_one_of_eight_racing_creators_wins(proxy: FaultProxy, fault: str, seeds: Callable[[int], range]) -> None:
    for seed in seeds(2):
        proxy.seed = seed
        proxy.set(Rule(fault, method="PUT", share=0.5), Rule("lost", method="GET", share=0.2))
        store = s3_store("flows", f"race-{fault}-{seed}")
        gate = threading.Barrier(8)

        def create(number: int, store: ObjectStorage = store, gate: threading.Barrier = gate) -> bool:
            gate.wait()
            try:
                store.put_if_absent("a", b"%d" % number)
                return True
            except ObjectExists:
                return False

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(create, range(8)))
        assert sum(won) == 1
        assert store.get("a") == b"%d" % won.index(True)
        count(seeds=1)


def test_an_upload_completed_without_an_answer_is_settled(proxy: FaultProxy, store: ObjectStorage) -> None:
    """A server that answers the second completion with NoSuchUpload, as many do."""
    data = os.urandom(9 << 20)
    proxy.set(Rule("lost", "POST", query="^uploadId=", most=1), Rule("NoSuchUpload", "POST", query="^uploadId="))
    store.put("big", data)
    assert proxy.count(fault="NoSuchUpload") == 1
    proxy.set()
    assert store.get_range("big", 0, len(data)) == data


def test_an_upload_that_another_completed_is_no_success(proxy: FaultProxy, store: ObjectStorage) -> None:
    store.put("big", bytes(9 << 20))
    proxy.set(Rule("NoSuchUpload", "POST", query="^uploadId="))
    with pytest.raises(StoreError, match="can't write"):
        store.put("big", bytes(9 << 20))


# Wrong bytes


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_answer_is_asked_for_again(proxy: FaultProxy, store: ObjectStorage, fault: str) -> None:
    store.put("a", b"0123456789" * 40)
    store.put_if_absent("b", b"another" * 60)
    assert store.get("b") == b"another" * 60
    proxy.set(Rule(fault, "GET", most=2))
    assert store.get("a") == b"0123456789" * 40
    assert proxy.count(fault=fault) == 2


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("fault", WRONG)
@pytest.mark.parametrize("what", ["item", "item of a large pack", "raw blob", "compressed blob", "large blob"])
def test_ranges_that_arrive_wrong_are_read_again(
    proxy: FaultProxy, fault: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flow_sdk.store.blobs.verified_read._FIRST_PAUSE", 0.01)
    store = open_store(f"s3://flows/again-{fault}-{what.replace(' ', '-')}")
    rng, artifacts = random.Random(11), Artifacts(store)
    if "item" in what:
        values: list[Any] = [rng.randbytes(15_000 if what == "item" else 90_000) for _ in range(3)]
        items = artifacts.save_items(values, where="x")
        load = [functools.partial(artifacts.load_item, items, index, where="x") for index in range(3)]
    else:
        values = [
            {
                "raw blob": lambda: rng.randbytes(1_500_000),
                "compressed blob": lambda: "some text " * 300_000,
                "large blob": lambda: rng.randbytes(20 << 20),
            }[what]()
        ]
        load = [functools.partial(Artifacts(store).load, artifacts.save(values[0], where="x"), where="x")]
    store.put("other", b"other" * 9)
    for once, value in zip(load, values, strict=True):
        store.get("other")
        proxy.set(Rule(fault, "GET", "blobs/", most=2))
        assert once() == value
        assert proxy.count(fault=fault) >= 1
        proxy.set()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("fault", WRONG)
def test_an_answer_that_stays_wrong_is_an_error(proxy: FaultProxy, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flow_sdk.store.backends.retry._BUSY", 0.5)
    store = open_store(f"s3://flows/wrong-{fault}")
    artifacts = Artifacts(store)
    rng = random.Random(7)
    values = [rng.randbytes(size) for size in (10, 40_000, 1_500_000)] + ["text " * 300_000]
    refs = [artifacts.save(value, where="x") for value in values]
    items = artifacts.save_items([rng.randbytes(50_000) for _ in range(5)], where="x")
    store.put("other", b"other" * 9)
    for number, (value, ref) in enumerate(zip(values, refs, strict=True)):
        for share in (1.0, 0.4):
            proxy.set()
            store.get("other")
            proxy.seed = number
            proxy.set(Rule(fault, "GET", share=share))
            try:
                assert Artifacts(store).load(ref, where="x") == value
                assert share < 1 or ref.inline is not None
            except StoreError as error:
                assert isinstance(error, IntegrityError) or fault == "cut", error
                assert "blobs/" in str(error)
    proxy.set(Rule(fault, "GET"))
    with pytest.raises(StoreError) as caught:
        artifacts.load_item(items, 4, where="x")
    # Nobody is advised to delete what may be sound in the store.
    assert "elete" not in str(caught.value)
    assert fault == "cut" or "flow-sdk store check" in str(caught.value)
    with pytest.raises(StoreError):
        store.get("other")
    proxy.set()
    assert [artifacts.load(ref, where="x") for ref in refs] == values


def test_a_changed_object_is_named_by_get_and_by_the_check(proxy: FaultProxy, moto: MotoServer) -> None:
    import boto3

    store = open_store("s3://flows/changed")
    store.put("flows/F/runs/1/end.json", b'{"state":"failed","time":1.0}')
    client = boto3.client("s3", endpoint_url=moto.url)
    where = {"Bucket": "flows", "Key": "changed/flows/F/runs/1/end.json"}
    found = client.get_object(**where)
    client.put_object(**where, Body=b'{"state":"failed","time":9.0}', Metadata=found["Metadata"])
    with pytest.raises(IntegrityError, match="damaged") as caught:
        store.get("flows/F/runs/1/end.json")
    assert "s3://flows/changed/flows/F/runs/1/end.json" in str(caught.value)
    report = check_store(store)
    assert [damage.key for damage in report.damage] == ["flows/F/runs/1/end.json"]


# Connections


def test_resets_inside_a_large_upload_and_download(proxy: FaultProxy, moto: MotoServer) -> None:
    data = os.urandom(34 << 20)
    store = open_store("s3://flows/large")
    artifacts = Artifacts(store)
    proxy.set(
        Rule("reset", "PUT", query="partNumber=2", most=1),
        Rule("lost", "PUT", query="partNumber=1", most=1),
        Rule("cut", "GET", key="blobs/", nth=(1, 2, 4, 7)),
    )
    ref = artifacts.save(data, where="x")
    assert artifacts.load(ref, where="x") == data
    assert proxy.count(fault="reset") and proxy.count(fault="lost") and proxy.count(fault="cut")
    proxy.set(Rule("AccessDenied", "PUT", query="partNumber=2"))
    with pytest.raises(StoreUnavailable, match="don't let us write"):
        store.put("big", os.urandom(34 << 20))
    assert store.head("big") is None
    assert proxy.count("DELETE", "large/big", "uploadId=") == 1, "the upload wasn't taken back"


def test_an_upload_that_stands_still_says_so_and_goes_on(
    proxy: FaultProxy, store: ObjectStorage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(cloud._TIMEOUTS, "parts", (3, 60))
    monkeypatch.setattr("flow_sdk.store.backends.retry._STALLED_AFTER", 1.0)
    data = os.urandom(20 << 20)
    proxy.set(Rule("silent", "PUT", query="partNumber=2", most=1))
    store.put("big", data)
    (line,) = capsys.readouterr().err.splitlines()
    assert f"still trying to write {store.url}/big" in line
    assert store.get_range("big", 0, len(data)) == data
    monkeypatch.setattr("flow_sdk.store.backends.retry._STALLED_AFTER", 30.0)
    store.put("big", data)
    assert capsys.readouterr().err == ""


def test_a_silent_server_is_given_up(proxy: FaultProxy, store: ObjectStorage, quick: float) -> None:
    def seconds(use: object) -> float:
        start = time.monotonic()
        with pytest.raises(StoreUnavailable, match="doesn't answer"):
            use()  # type: ignore[operator]
        return time.monotonic() - start

    proxy.set(Rule("silent"))
    with ThreadPoolExecutor(3) as pool:
        taken = list(
            pool.map(
                seconds,
                (
                    lambda: store.get("a"),
                    lambda: store.put("a", b"x"),
                    lambda: store.put_if_absent("b", b"x"),
                ),
            )
        )
    assert max(taken) < quick * 3, taken


# Who asks, and when


def test_a_wrong_clock_is_said(proxy: FaultProxy) -> None:
    proxy.set(Rule("RequestTimeTooSkewed"))
    with pytest.raises(StoreUnavailable, match="clock"):
        open_store("s3://flows/clock")
    assert proxy.count() == 1


def test_a_store_that_ignores_create_only_is_refused_before_anything_is_written(
    proxy: FaultProxy, moto: MotoServer
) -> None:
    proxy.set(Rule("overwrite", "PUT"))
    with pytest.raises(StoreError, match="ignores create-only puts") as caught:
        open_store("s3://flows/ignoring")
    assert "If-None-Match" in str(caught.value)
    assert [info.key for info in s3_store("flows", "ignoring").list("")] == ["store.probe"]


def write_profile(key: str) -> None:
    folder = Path(os.environ["HOME"], ".aws")
    folder.mkdir(exist_ok=True)
    (folder / "new").write_text(f"[lab]\naws_access_key_id = {key}\naws_secret_access_key = s\n", encoding="ascii")
    (folder / "new").replace(folder / "credentials")


def test_credentials_that_expire_are_read_anew(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_PROFILE", "lab")
    write_profile("100000000000")
    expired: set[str] = set()
    proxy.set(Rule("ExpiredToken", only=lambda method, key, by: by in expired))
    store = open_store("s3://flows/expired")
    store.put("a", b"x")
    expired.add("100000000000")
    with pytest.raises(StoreUnavailable, match="aren't accepted") as caught:
        store.put("b", b"x")
    assert "ExpiredToken" in str(caught.value)
    for number in range(1, 8):
        write_profile(f"10000000000{number}")
        if number > 1:
            expired.add(f"10000000000{number - 1}")
        (
            lambda: store.put("b", b"x"),
            lambda: store.put_if_absent("c", b"x"),
            lambda: store.get("a"),
            lambda: list(store.get_many(["a", "b", "a"])),
            lambda: list(store.list("")),
            lambda: store.head("a"),
            lambda: store.put("big", bytes(300_000)),
        )[number - 1]()
    assert store.get("a") == b"x"
