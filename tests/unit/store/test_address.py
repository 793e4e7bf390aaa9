"""Addresses of stores: their parts, their forms, and kinds that other packages register."""

import importlib
import os
from pathlib import Path

import pytest

from flow_sdk.config import DATASTORES
from flow_sdk.errors import ConfigError, StoreUnavailable
from flow_sdk.store import address as module
from flow_sdk.store.address import ENTRY_POINTS, StoreAddress, StoreKind, known_kinds
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.open_store import open_store


@pytest.mark.parametrize(
    ("text", "kind", "bucket", "path", "url"),
    [
        ("s3://b", "s3", "b", "", "s3://b"),
        ("s3://b/x/y/", "s3", "b", "x/y", "s3://b/x/y"),
        ("gs://b/x", "gs", "b", "x", "gs://b/x"),
        ("az://c//x/", "azure", "c", "x", "az://c/x"),
        ("file:///a/b%25c", "local", "", "/a/b%c", "file:///a/b%25c"),
        ("/a/b", "local", "", "/a/b", "file:///a/b"),
        ("memory://m", "memory", "m", "", "memory://m"),
    ],
)
def test_the_parts(text: str, kind: str, bucket: str, path: str, url: str) -> None:
    address = StoreAddress.parse(text)
    assert (address.kind.name, address.bucket, address.path, address.url) == (kind, bucket, path, url)
    assert StoreAddress.parse(address.url) == address
    assert address.is_remote == (kind in ("s3", "gs", "azure"))


def test_forms() -> None:
    assert StoreAddress.parse("x").location == os.path.abspath("x")
    assert StoreAddress.parse("gs://b/x").location == "gs://b/x"
    forms = [StoreAddress.parse(text).short_form for text in ("/a", "s3://b/x", "gs://b", "az://c/x", "memory://m")]
    assert forms == ["local@/a", "s3@b/x", "gs@b", "azure@c/x", "memory://m"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("gs://", "isn't an address in Google Cloud Storage"),
        ("az://c/a//b", "isn't an address in Azure Blob Storage"),
        ("s3://b/a b", "isn't an address in S3"),
        ("file://relative", "needs an absolute path"),
        ("", "path is empty"),
        ("ftp://b", "no store of kind 'ftp'"),
        ("s3://a b/x", "isn't an address in S3"),
        ("s3://b\n/x", "isn't an address in S3"),
    ],
)
def test_what_is_no_address(text: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        StoreAddress.parse(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://key:SECRET@b/x", "s3://...@b/x"),
        ("s3://SECRET@b/x", "s3://...@b/x"),
        ("az://c?sig=SECRET", "az://c?..."),
        ("gs://b/x?X-Goog-Signature=SECRET", "gs://b/x?..."),
        ("https://anne.blob.example.net/c?sv=1&sig=SECRET", "https://anne.blob.example.net/c?..."),
        ("ftp://SECRET@host/x", "ftp://...@host/x"),
    ],
)
def test_an_address_with_a_secret_is_refused_without_showing_it(text: str, shown: str) -> None:
    with pytest.raises(ConfigError) as no:
        StoreAddress.parse(text)
    assert no.value.seen == shown and "SECRET" not in str(no.value)


def test_settings_and_addresses_know_the_same_kinds() -> None:
    assert {kind.name: kind.scheme for kind in known_kinds() if kind.name != "memory"} == DATASTORES


_stores: dict[str, MemoryStore] = {}


class Elsewhere(MemoryStore):
    def __init__(self, address: StoreAddress) -> None:
        super().__init__(address.bucket)
        self._url = address.url

    @property
    def url(self) -> str:
        return self._url


def open_elsewhere(address: StoreAddress) -> MemoryStore:
    return _stores.setdefault(address.url, Elsewhere(address))


KIND = StoreKind("elsewhere", "elsewhere", "Elsewhere", f"{__name__}:open_elsewhere")
NO_KIND = "text"
BROKEN_KIND = StoreKind("elsewhere", "elsewhere", "Elsewhere", f"{__name__}:fail_to_open")
MISSING_KIND = StoreKind("elsewhere", "elsewhere", "Elsewhere", "no_such_module:open_it")


def fail_to_open(address: StoreAddress) -> MemoryStore:
    raise LookupError("no server")


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Install a distribution with an entry point, as pip would."""
    info = folder / "other_store-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-store\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\nelsewhere = {value}\n")
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    module._installed_kind.cache_clear()


def test_a_package_registers_a_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, f"{__name__}:KIND")
    store = open_store("elsewhere://bucket/x")
    store.put("a", b"1")
    assert open_store("elsewhere://bucket/x").get("a") == b"1"
    assert StoreAddress.parse("elsewhere://bucket/x").is_remote
    module._installed_kind.cache_clear()


def test_a_package_that_registers_something_else_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, f"{__name__}:NO_KIND")
    with pytest.raises(ConfigError, match="other-store registers no usable kind"):
        StoreAddress.parse("elsewhere://bucket/x")
    module._installed_kind.cache_clear()


@pytest.mark.parametrize("value", ["no_such_module:KIND", f"{__name__}:MISSING", "module_that_exits:KIND"])
def test_a_package_that_cant_be_loaded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    (tmp_path / "module_that_exits.py").write_text("import sys\nsys.exit(7)\n")
    install(tmp_path, monkeypatch, value)
    with pytest.raises(ConfigError, match="'elsewhere' can't be loaded") as no:
        StoreAddress.parse("elsewhere://bucket/x")
    assert value in str(no.value) and "other-store" in str(no.value)
    module._installed_kind.cache_clear()


@pytest.mark.parametrize(
    ("kind", "seen"), [("BROKEN_KIND", "LookupError: no server"), ("MISSING_KIND", "No module named 'no_such_module'")]
)
def test_a_package_that_cant_open_its_store_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, seen: str
) -> None:
    install(tmp_path, monkeypatch, f"{__name__}:{kind}")
    with pytest.raises(StoreUnavailable, match="stores in Elsewhere can't open") as no:
        open_store("elsewhere://bucket/x")
    assert seen in str(no.value)
    module._installed_kind.cache_clear()
