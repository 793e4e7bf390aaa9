"""Read the records of a store, and the blobs that they refer to: for the store's check and garbage collection."""

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flow_sdk.errors import IntegrityError, ObjectMissing
from flow_sdk.store.blobs.frame_format import damage_error, digest_of
from flow_sdk.store.port import ObjectInfo, ObjectStore
from flow_sdk.store.prefetch import prefetch_map
from flow_sdk.store.records import layout
from flow_sdk.store.records.checksummed_json import decode_checksummed
from flow_sdk.store.records.codec import END_FIELDS, FAILURE_FIELDS, REDIRECT_FIELDS, RELEASE_FIELDS, decode_record
from flow_sdk.store.records.commits import is_redirect
from flow_sdk.store.records.layout import ParsedKey, parse_key
from flow_sdk.store.records.model import ArtifactRef, Manifest, RunRecord
from flow_sdk.strict_json import parse_json, parse_object

__all__ = [
    "BlobTable",
    "Damage",
    "Record",
    "Reference",
    "digests_in",
    "list_objects",
    "map_in_threads",
    "read_record",
    "read_records",
]

_In = TypeVar("_In")
_Out = TypeVar("_Out")

_BATCH = 64
_DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_FIELDS = {"commit": REDIRECT_FIELDS, "end": END_FIELDS, "failure": FAILURE_FIELDS, "release": RELEASE_FIELDS}
_PLAIN_JSON = {"run_heartbeat", "start", "input"}
_NOT_DURABLE = {"start", "run_heartbeat"}
"""Written without a sync, and never read for a run's results: a power cut may leave a part of them, or zeros."""


def map_in_threads(work: Callable[[_In], _Out], items: Iterable[_In], threads: int) -> Iterator[_Out]:
    """Map in order, in several threads slightly ahead of the reader; with one thread, in the caller's own."""
    return map(work, items) if threads <= 1 else prefetch_map(work, items, threads)


class BlobTable:
    """The blobs of a store at one time: 49 bytes of memory for each.

    Parameters
    ----------
    infos : iterable of ObjectInfo
        The blobs, sorted by key as a listing gives them.
    """

    def __init__(self, infos: Iterable[ObjectInfo]) -> None:
        self._digests = bytearray()
        self.sizes = array("Q")
        self.modified = array("d")
        for info in infos:
            self._digests += bytes.fromhex(info.key[-64:])
            self.sizes.append(info.size)
            self.modified.append(info.modified)
        self.reached = bytearray(len(self.sizes))

    def __len__(self) -> int:
        return len(self.sizes)

    def digest(self, index: int) -> bytes:
        """Return the hash of the blob at an index."""
        return bytes(self._digests[32 * index : 32 * index + 32])

    def find_index(self, digest: bytes) -> int:
        """Return the index of a blob in the table; -1 when it isn't there."""
        index = bisect_left(range(len(self)), digest, key=self.digest)
        return index if index < len(self) and self.digest(index) == digest else -1

    def mark_reached(self, digest: bytes) -> int:
        """Mark a blob as referred to; return its index, -1 when it isn't there."""
        index = self.find_index(digest)
        if index >= 0:
            self.reached[index] = 1
        return index


@dataclass(frozen=True, slots=True)
class Reference:
    """A record's reference to a blob.

    Parameters
    ----------
    digest : bytes
        The blob's hash (32 bytes).
    what : str
        What it is there: ``artifact 'x'``, ``the plan``, ``the items of the foreach``.
    """

    digest: bytes
    what: str


@dataclass(frozen=True, slots=True)
class Damage:
    """An object that isn't as it was stored.

    Parameters
    ----------
    key : str
        The object.
    seen : str
        What is wrong with it.
    owner : str
        What it belongs to, such as ``Flow/5/train/0, attempt 1, artifact 'model'``; ``""`` if nothing refers to it.
    """

    key: str
    seen: str
    owner: str = ""


@dataclass(slots=True)
class Record:
    """One record, read.

    Parameters
    ----------
    info : ObjectInfo
        The object.
    parsed : ParsedKey
        What it is.
    references : list of Reference
        The blobs it needs.
    damage : list of Damage
        What is wrong with it.
    value : RunRecord, Manifest, dict or None
        Its content; None when it can't be read or has none.
    incomplete : bool
        Whether a power cut left it empty, which does no harm.
    gone : bool
        Whether it was deleted since it was listed.
    """

    info: ObjectInfo
    parsed: ParsedKey
    references: list[Reference] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    value: RunRecord | Manifest | dict[str, Any] | None = None
    incomplete: bool = False
    gone: bool = False

    @property
    def owner(self) -> str:
        """What the record belongs to, for operators."""
        parts = self.parsed.fields
        if "name" in parts:
            return f"deployment {parts['name']}"
        path = "/".join(parts[name] for name in ("flow", "run", "step", "task") if parts.get(name))
        number = parts.get("attempt")
        if isinstance(self.value, Manifest):
            number = str(self.value.attempt)
        return path if number is None else f"{path}, attempt {number}"


def digests_in(text: bytes) -> Iterator[bytes]:
    """Find everything in a record that looks like a hash, in whatever field."""
    return (bytes.fromhex(found.decode("ascii")) for found in _DIGEST.findall(text))


def read_records(
    store: ObjectStore, objects: Iterable[tuple[ObjectInfo, ParsedKey]], threads: int
) -> Iterator[tuple[Record, bytes]]:
    """Read many records.

    Parameters
    ----------
    store : ObjectStore
        The store.
    objects : iterable of (ObjectInfo, ParsedKey)
        The objects to read.
    threads : int
        Number of batches that are read at a time (>= 1).

    Yields
    ------
    (Record, bytes)
        Each record and its bytes.
    """

    def read(batch: Sequence[tuple[ObjectInfo, ParsedKey]]) -> list[tuple[Record, bytes]]:
        try:
            texts = list(store.get_many([info.key for info, _ in batch]))
        except IntegrityError:
            return [_read_alone(store, info, parsed) for info, parsed in batch]
        return [
            (read_record(info, parsed, text), text or b"") for (info, parsed), text in zip(batch, texts, strict=True)
        ]

    for batch in map_in_threads(read, _split_batches(objects), threads):
        yield from batch


def _read_alone(store: ObjectStore, info: ObjectInfo, parsed: ParsedKey) -> tuple[Record, bytes]:
    """Read a record after the store found one of a batch to be damaged; also that one."""
    seen = ""
    try:
        text: bytes | None = store.get(info.key)
    except ObjectMissing:
        text = None
    except IntegrityError as error:
        text, seen = store.get_range(info.key, 0, info.size), _describe_error(error)
    record = read_record(info, parsed, text)
    if seen and not record.damage:
        record.damage.append(Damage(info.key, seen, record.owner))
    return record, text or b""


def _split_batches(objects: Iterable[_In]) -> Iterator[list[_In]]:
    batch: list[_In] = []
    for item in objects:
        batch.append(item)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def read_record(info: ObjectInfo, parsed: ParsedKey, text: bytes | None) -> Record:
    """Read one record and verify its content.

    Parameters
    ----------
    info : ObjectInfo
        The object.
    parsed : ParsedKey
        What it is.
    text : bytes or None
        Its bytes; None when it is gone.
    """
    record = Record(info, parsed)
    if text is None:
        record.gone = True
        return record
    if parsed.kind in _NOT_DURABLE and (not text.endswith(b"}") or b"\0" in text):
        record.incomplete = True
        return record
    try:
        if parsed.kind == "run":
            run = decode_record(RunRecord, text, info.key)
            record.value = run
            _add_run_references(record, run)
        elif parsed.kind == "manifest" or (parsed.kind == "commit" and not is_redirect(text)):
            manifest = decode_record(Manifest, text, info.key)
            record.value = manifest
            _add_manifest_references(record, manifest)
        elif parsed.kind in ("token", "release"):
            record.value = decode_checksummed(text, info.key, fields=_FIELDS.get(parsed.kind))
            blobs = record.value.get("blobs", {})
            record.references = [Reference(bytes.fromhex(blobs[what]), f"the {what}") for what in sorted(blobs)]
        elif parsed.kind == "request":
            if digest_of((text,)).hex() != parsed.fields["digest"]:
                raise damage_error("its bytes don't have the hash it is stored under", info.key)
            request = record.value = parse_object(text)
            record.references = [
                Reference(bytes.fromhex(request[name]), f"the {what}")
                for name, what in (("plan", "plan"), ("package", "code package"))
                if request.get(name)
            ]
        elif parsed.kind in ("commit", "end", "failure"):
            record.value = decode_checksummed(text, info.key, fields=_FIELDS[parsed.kind])
        elif parsed.kind in _PLAIN_JSON:
            record.value = parse_object(text)
        elif parsed.kind == "orchestrator_output":
            if not isinstance(parse_json(text), dict | list):  # of a switch, or of a foreach
                raise TypeError("it isn't an object or a list of JSON")
        elif parsed.kind == "tag":
            text.decode("utf-8")
    except IntegrityError as error:
        record.damage.append(Damage(info.key, _describe_error(error), record.owner))
    except (ValueError, TypeError, AttributeError) as error:
        record.damage.append(Damage(info.key, f"it can't be read: {type(error).__name__}: {error}", record.owner))
    return record


def _describe_error(error: IntegrityError) -> str:
    text = " ".join(part for part in (error.headline, error.seen) if part)
    return f"{text} ({error.help})" if error.help and "newer" in error.headline else text


def _add_run_references(record: Record, run: RunRecord) -> None:
    record.references.append(Reference(bytes.fromhex(run.plan), "the plan"))
    if run.package is not None:
        record.references.append(Reference(bytes.fromhex(run.package), "the code package"))
    _add_artifact_references(record, run.artifacts)


def _add_manifest_references(record: Record, manifest: Manifest) -> None:
    if manifest.items is not None:
        record.references.append(Reference(bytes.fromhex(manifest.items.hash), "the items of the foreach"))
    _add_artifact_references(record, manifest.artifacts)


def _add_artifact_references(record: Record, artifacts: dict[str, ArtifactRef]) -> None:
    for name, ref in artifacts.items():
        digest = bytes.fromhex(ref.hash)
        if ref.inline is None:
            record.references.append(Reference(digest, f"artifact {name!r}"))
        elif digest_of((ref.inline,)) != digest or len(ref.inline) != ref.size:
            seen = "the bytes of a small artifact in the record don't have the hash in the record"
            record.damage.append(Damage(record.info.key, seen, f"{record.owner}, artifact {name!r}"))


def list_objects(store: ObjectStore, prefix: str = "") -> Iterator[tuple[ObjectInfo, ParsedKey]]:
    """List a store's objects by key, each with its parsed key."""
    return ((info, parse_key(info.key)) for info in store.list(prefix))


def list_blobs(store: ObjectStore) -> Iterator[ObjectInfo]:
    """List a store's blobs, by hash."""
    return (info for info, parsed in list_objects(store, layout.blobs_prefix()) if parsed.kind == "blob")
