"""Everything that a store keeps, with its blobs decoded: for tests that look for what mustn't be there."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.port import ObjectStore

__all__ = ["everything", "holding"]


def everything(store: ObjectStore) -> Iterator[tuple[str, bytes]]:
    """Yield each object of a store under its key: as it is, its blob's content, and values that its JSON holds."""
    artifacts = Artifacts(store)
    for info in store.list(""):
        raw = store.get(info.key)
        yield info.key, info.key.encode() + b"\n" + raw
        if info.key.startswith("blobs/"):
            yield info.key, bytes(artifacts.get_bytes(info.key.rpartition("/")[2], where=info.key))
        elif raw[:1] == b"{":
            with contextlib.suppress(ValueError):  # the store's probe has random bytes
                for text in _texts(json.loads(raw)):
                    yield info.key, _decoded(text)


def holding(store: ObjectStore, words: dict[str, str]) -> dict[str, set[str]]:
    """Find which of the words are where: the keys that hold a word, by the word's name."""
    found: dict[str, set[str]] = {}
    for key, content in everything(store):
        for name, word in words.items():
            if word.encode() in content:
                found.setdefault(name, set()).add(key)
    return found


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    for one in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from _texts(one)


def _decoded(text: str) -> bytes:
    """What a text of a record stands for, if it stands for bytes: a small artifact lies in it in base64 or base85."""
    import base64
    import binascii

    out = text.encode()
    for decode in (base64.b64decode, base64.b85decode, base64.a85decode):
        try:
            out += b"\n" + decode(text)
        except (ValueError, binascii.Error):
            pass
    return out
